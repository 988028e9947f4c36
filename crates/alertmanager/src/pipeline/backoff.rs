//! How long to wait between attempts: from half a second up to a minute, half as long again each time, with jitter of a half.

/// Waiting times of one integration's attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    interval_ns: i64,
}

const FIRST_NS: i64 = 500_000_000;
const MAX_NS: i64 = 60_000_000_000;

impl Backoff {
    pub(super) fn new() -> Self {
        Self { interval_ns: FIRST_NS }
    }

    /// From the start of one attempt to the start of the next. `random` is any number, evenly spread.
    pub(super) fn next_ns(&mut self, random: u64) -> i64 {
        let around = self.interval_ns;
        self.interval_ns = (around + around / 2).min(MAX_NS);
        around / 2 + (random % around.unsigned_abs()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_stay_within_their_jitter() {
        let mut backoff = Backoff::new();
        let mut middle = 500_000_000;
        for n in 0..40u64 {
            let wait = backoff.next_ns(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            assert!((middle / 2..middle + middle / 2).contains(&wait), "{n}: {wait}");
            middle = (middle + middle / 2).min(60_000_000_000);
        }
        assert_eq!(middle, 60_000_000_000);
    }
}
