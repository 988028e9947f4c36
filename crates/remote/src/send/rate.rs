//! How many shards a destination should have: upstream's calculation, from smoothed rates of what comes in and goes out.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How often rates are updated and shards are counted anew, seconds.
pub(super) const TICK_SECONDS: f64 = 10.0;
/// Weight of the newest tick.
const WEIGHT: f64 = 0.2;
/// Numbers of shards within this share of the present one change nothing.
const TOLERANCE: f64 = 0.3;
/// Share of the backlog that is to be caught up each second.
const CATCH_UP: f64 = 0.05;
/// Further behind than this no shard is taken away, seconds.
const BEHIND_SECONDS: f64 = 10.0;

/// Events a second, smoothed.
#[derive(Debug, Default)]
pub(super) struct Rate {
    events: AtomicU64,
    last: Mutex<Option<f64>>,
}

impl Rate {
    pub(super) fn add(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// To be called every [`TICK_SECONDS`].
    pub(super) fn tick(&self) -> f64 {
        let events = self.events.swap(0, Ordering::Relaxed);
        let now = events as f64 / TICK_SECONDS;
        let mut last = self.last.lock();
        match *last {
            Some(before) => *last = Some(before + WEIGHT * (now - before)),
            None if events > 0 => *last = Some(now),
            None => {}
        }
        last.unwrap_or(0.0)
    }
}

/// What the calculation needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Samples a second read from the log, left out there, and sent.
    pub(super) read: f64,
    pub(super) dropped: f64,
    pub(super) sent: f64,
    /// Seconds spent sending a second, all shards together.
    pub(super) sending: f64,
    /// How much older the newest sample sent is than the newest in the log, seconds.
    pub(super) behind: f64,
}

/// Shards wanted, before rounding and bounds; `None` where nothing was sent.
pub(super) fn wanted(load: &Load) -> Option<f64> {
    if load.sent <= 0.0 {
        return None;
    }
    let kept = load.sent / (load.dropped + load.sent);
    let backlog = load.behind * load.read * kept;
    Some(load.sending / load.sent * (load.read * kept + CATCH_UP * backlog))
}

/// The number of shards to go to.
pub(super) fn shards(wanted: f64, behind: f64, present: usize, min: usize, max: usize) -> usize {
    let wanted = wanted.ceil();
    let range = present as f64 * (1.0 - TOLERANCE)..=present as f64 * (1.0 + TOLERANCE);
    if range.contains(&wanted) {
        return present;
    }
    let next = if wanted.is_finite() && wanted > 0.0 { wanted as usize } else { 0 };
    if next < present && behind > BEHIND_SECONDS {
        return present;
    }
    next.clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_smoothed() {
        let rate = Rate::default();
        assert_eq!(rate.tick(), 0.0);
        rate.add(100);
        assert_eq!(rate.tick(), 10.0);
        assert_eq!(rate.tick(), 8.0);
    }

    #[test]
    fn shards_follow_the_load_with_upstreams_tolerance() {
        let load = Load { read: 1000.0, sent: 1000.0, sending: 5.0, ..Load::default() };
        assert_eq!(wanted(&load), Some(5.0));
        assert_eq!(wanted(&Load::default()), None);
        // Half dropped: half the work; ten seconds behind: half more.
        let half = Load { dropped: 1000.0, ..load };
        assert_eq!(wanted(&half), Some(2.5));
        assert_eq!(wanted(&Load { behind: 10.0, ..load }), Some(7.5));
        assert_eq!(shards(5.0, 0.0, 4, 1, 50), 4);
        assert_eq!(shards(6.0, 0.0, 4, 1, 50), 6);
        assert_eq!(shards(5.1, 0.0, 5, 1, 50), 5);
        assert_eq!(shards(2.0, 11.0, 5, 1, 50), 5);
        assert_eq!(shards(2.0, 9.0, 5, 1, 50), 2);
        assert_eq!(shards(200.0, 0.0, 5, 1, 50), 50);
        assert_eq!(shards(0.0, 0.0, 5, 2, 50), 2);
    }
}
