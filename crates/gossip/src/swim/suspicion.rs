//! How long a suspect node has to refute: shorter the more nodes suspect it, and longer in large clusters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Suspicion lasts this many probe intervals, times the logarithm of the cluster's size.
const MULTIPLIER: u32 = 4;
/// Without confirmations it may last so many times longer.
const MAX_MULTIPLIER: u32 = 6;

#[derive(Debug)]
pub(crate) struct Suspicion {
    started: Duration,
    min: Duration,
    max: Duration,
    /// Confirmations that bring the deadline down to the least.
    wanted: u32,
    confirmed: u32,
    from: BTreeSet<Arc<str>>,
    pub(crate) deadline: Duration,
}

impl Suspicion {
    /// Begins at `now` in a cluster of `nodes` nodes.
    pub(crate) fn new(now: Duration, from: &str, nodes: usize, probe_interval: Duration) -> Self {
        let wanted = MULTIPLIER - 2;
        let wanted = if (nodes as u64).saturating_sub(2) < u64::from(wanted) { 0 } else { wanted };
        let min = least(nodes, probe_interval);
        let max = min * MAX_MULTIPLIER;
        let deadline = now + if wanted == 0 { min } else { max };
        let from = BTreeSet::from([Arc::from(from)]);
        Self { started: now, min, max, wanted, confirmed: 0, from, deadline }
    }

    /// Takes another node's suspicion; says whether it was news.
    pub(crate) fn confirm(&mut self, from: &str) -> bool {
        if self.confirmed >= self.wanted || self.from.contains(from) {
            return false;
        }
        self.from.insert(Arc::from(from));
        self.confirmed += 1;
        let share = f64::from(self.confirmed + 1).ln() / f64::from(self.wanted + 1).ln();
        let (min, max) = (self.min.as_secs_f64(), self.max.as_secs_f64());
        let millis = (1000.0 * (max - share * (max - min))).floor().max(0.0);
        self.deadline = self.started + Duration::from_millis(millis as u64).max(self.min);
        true
    }
}

/// `MULTIPLIER` x max(1, log10 of the nodes, to three decimals) x interval.
fn least(nodes: usize, probe_interval: Duration) -> Duration {
    let scale = (nodes.max(1) as f64).log10().max(1.0);
    probe_interval * MULTIPLIER * (scale * 1000.0) as u32 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_the_peers() {
        let second = Duration::from_secs(1);
        let at = |nodes, confirming: &[&str]| {
            let mut suspicion = Suspicion::new(second, "a", nodes, second);
            for from in confirming {
                suspicion.confirm(from);
            }
            (suspicion.deadline - second).as_millis()
        };
        assert_eq!(at(3, &[]), 4_000);
        assert_eq!(at(3, &["b", "c"]), 4_000);
        assert_eq!(at(4, &[]), 24_000);
        assert_eq!(at(4, &["a"]), 24_000, "the first accuser cannot confirm");
        assert_eq!(at(10, &["b"]), 11_381);
        assert_eq!(at(10, &["b", "c"]), 4_000);
        assert_eq!(at(10, &["b", "c", "d"]), 4_000);
        assert_eq!(at(50, &[]), 6 * 4 * 1_698);
    }
}
