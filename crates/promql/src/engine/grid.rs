//! The instants at which an expression is evaluated: evenly spaced, known before anything runs.

use gauntlet_model::Timestamp;

/// `steps` instants from `start`, `step` ms apart. An instant query has one; a subquery may have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub start: Timestamp,
    /// Never 0: an instant query has 1 ms, as in the peer.
    pub step: i64,
    pub steps: usize,
}

impl Grid {
    pub fn instant(t: Timestamp) -> Self {
        Self { start: t, step: 1, steps: 1 }
    }

    /// From `start` to at most `end`.
    pub fn new(start: Timestamp, end: Timestamp, step: i64) -> Self {
        let step = step.max(1);
        let steps = if end < start { 0 } else { (end.saturating_sub(start) / step) as usize + 1 };
        Self { start, step, steps }
    }

    /// The first instant alone.
    pub fn first(self) -> Self {
        Self { steps: self.steps.min(1), ..self }
    }

    /// The instant of step `i`.
    pub fn time(&self, i: usize) -> Timestamp {
        self.start.saturating_add((i as i64).saturating_mul(self.step))
    }

    /// The last instant; the start if there is none.
    pub fn last(&self) -> Timestamp {
        self.time(self.steps.saturating_sub(1))
    }

    pub fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        (0..self.steps).map(|i| self.time(i))
    }
}
