//! Counting the samples that selectors and ranges see, in all and, where asked for, by step: the figures of `stats=all`.
//!
//! "Seen" counts a sample as often as a window covers it, "read" only where the step before did not cover it already.

use gauntlet_model::Timestamp;

use super::grid::Grid;
use super::window::{Samples, Window};

/// Samples seen and read, by step.
#[derive(Clone, Debug, Default)]
pub(super) struct ByStep {
    pub seen: Vec<u64>,
    pub read: Vec<u64>,
}

impl ByStep {
    pub(super) fn new(steps: usize) -> Self {
        Self { seen: vec![0; steps], read: vec![0; steps] }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, n) in self.seen.iter_mut().zip(&other.seen) {
            *sum += n;
        }
        for (sum, n) in self.read.iter_mut().zip(&other.read) {
            *sum += n;
        }
    }

    /// Adds at step 0 or at all steps.
    pub(super) fn add_once(&mut self, seen_each: u64, read: u64) {
        self.seen.iter_mut().for_each(|sum| *sum += seen_each);
        if let Some(first) = self.read.first_mut() {
            *first += read;
        }
    }

    /// Adds what the steps of a subquery read to those steps of the outer grid whose windows cover them first; returns their sum.
    pub(super) fn take_subquery(
        outer: Option<&mut Self>,
        inner: &Self,
        inner_grid: &Grid,
        outer_grid: &Grid,
        (offset_ms, range_ms): (i64, i64),
    ) -> u64 {
        let mut total = 0;
        let mut outer = outer;
        let last = outer_grid.steps.saturating_sub(1);
        for (i, n) in inner.read.iter().enumerate().filter(|(_, n)| **n > 0) {
            let t = inner_grid.time(i).saturating_add(offset_ms);
            let behind = t.saturating_sub(outer_grid.start);
            let step =
                if behind > 0 { (behind as u64).div_ceil(outer_grid.step as u64) } else { 0 };
            let step = (step as usize).min(last);
            if last > 0 && range_ms > 0 && t <= outer_grid.time(step).saturating_sub(range_ms) {
                continue;
            }
            total += n;
            if let Some(sum) = outer.as_mut().and_then(|outer| outer.read.get_mut(step)) {
                *sum += n;
            }
        }
        total
    }
}

impl Window {
    /// Ends of the samples that step `i` covers: the first out, the last in.
    fn covered(&self, i: usize) -> (Timestamp, Timestamp) {
        use super::node::Extension;
        let end = self.end(i);
        let start = end.saturating_sub(self.range_ms);
        match self.extension {
            Extension::None => (start, end),
            Extension::Anchored => (start.saturating_sub(self.lookback_ms), end),
            Extension::Smoothed => {
                (start.saturating_sub(self.lookback_ms), end.saturating_add(self.lookback_ms))
            }
        }
    }

    /// Samples that the windows read; of windows that overlap each once.
    pub(super) fn count_read(&self, samples: &Samples) -> u64 {
        if self.grid.steps == 0 {
            return 0;
        }
        let first = self.covered(0);
        if self.at.is_some() || self.grid.steps == 1 {
            return weight(samples, first.0, first.1);
        }
        if self.grid.step < first.1.saturating_sub(first.0) {
            return weight(samples, first.0, self.covered(self.grid.steps - 1).1);
        }
        let spans = (0..self.grid.steps).map(|i| self.covered(i));
        spans.map(|(start, end)| weight(samples, start, end)).sum()
    }

    /// Adds to each step what its window sees and reads.
    pub(super) fn count_steps(&self, samples: &Samples, from_storage: bool, sums: &mut ByStep) {
        for i in 0..self.grid.steps {
            let (start, end) = self.covered(i);
            sums.seen[i] += weight(samples, start, end);
            let new = if i == 0 { start } else { start.max(end.saturating_sub(self.grid.step)) };
            if from_storage && (i == 0 || self.at.is_none()) {
                sums.read[i] += weight(samples, new, end);
            }
        }
    }
}

/// Samples with `start < t <= end`, histograms by their weight.
fn weight(samples: &Samples, start: Timestamp, end: Timestamp) -> u64 {
    let span = |times: &[Timestamp]| {
        times.partition_point(|t| *t <= start)..times.partition_point(|t| *t <= end)
    };
    let floats = span(&samples.float_times).len();
    let histograms = &samples.histograms[span(&samples.histogram_times)];
    floats as u64 + histograms.iter().map(|h| h.size_in_samples() as u64).sum::<u64>()
}
