//! Settling: this node is ready once the number of members has stood still, or when it has waited long enough.

use std::time::Duration;

/// Polls in a row that must see the same number.
const POLLS_ALIKE: u32 = 3;

#[derive(Debug)]
pub(super) struct Settle {
    interval: Duration,
    started: Duration,
    next: Duration,
    gives_up: Duration,
    last: usize,
    alike: u32,
    polls: u32,
}

impl Settle {
    pub(super) fn new(now: Duration, interval: Duration, timeout: Duration) -> Self {
        tracing::info!(?interval, "waiting for gossip to settle");
        Self {
            interval,
            started: now,
            next: now + interval,
            gives_up: now + timeout,
            last: 0,
            alike: 0,
            polls: 0,
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.next.min(self.gives_up)
    }

    /// Looks again if it is time; says whether all is settled.
    pub(super) fn poll(&mut self, now: Duration, members: usize) -> bool {
        while self.next <= now.min(self.gives_up) {
            self.next += self.interval.max(Duration::from_millis(1));
            let elapsed = now.saturating_sub(self.started);
            if self.alike >= POLLS_ALIKE {
                tracing::info!(?elapsed, "gossip settled; proceeding");
                return true;
            }
            if members == self.last {
                self.alike += 1;
            } else {
                self.alike = 0;
                let (polls, before) = (self.polls, self.last);
                tracing::info!(polls, before, now = members, ?elapsed, "gossip not settled");
            }
            self.last = members;
            self.polls += 1;
        }
        if self.gives_up <= now {
            tracing::info!(polls = self.polls, "gossip not settled but continuing anyway");
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_polls_alike_and_one_more() {
        let second = Duration::from_secs(1);
        let mut settle = Settle::new(second, 2 * second, 60 * second);
        let polls: Vec<bool> = (1..=5).map(|n| settle.poll(second * (1 + 2 * n), 3)).collect();
        assert_eq!(polls, [false, false, false, false, true]);
    }

    #[test]
    fn a_change_begins_anew_and_the_timeout_ends_it() {
        let second = Duration::from_secs(1);
        let mut settle = Settle::new(second, 2 * second, 20 * second);
        for n in 1..10 {
            assert!(!settle.poll(second * (1 + 2 * n), n as usize), "poll {n}");
        }
        assert!(settle.poll(second * 21, 10));
    }
}
