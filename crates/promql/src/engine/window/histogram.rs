//! Sum and mean of the histograms of a window.

use std::sync::Arc;

use gauntlet_model::FloatHistogram;
use gauntlet_model::histogram::{CounterResetHint, IncompatibleSchemas};

use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::ast::PosRange;

/// What was seen on the way, for annotations.
#[derive(Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    reconciled: bool,
}

impl Seen {
    fn note(&mut self, histogram: &FloatHistogram) {
        match histogram.counter_reset_hint {
            CounterResetHint::CounterReset => self.reset = true,
            CounterResetHint::NotCounterReset => self.no_reset = true,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
    }

    fn tell(&self, pos: PosRange, annotations: &mut Annotations) {
        let operation = HistogramOperation::Aggregation;
        if self.reset && self.no_reset {
            annotations.add(Annotation::counter_reset_collision(operation, pos));
        }
        if self.reconciled {
            annotations.add(Annotation::mismatched_custom_buckets(operation, pos));
        }
    }
}

/// Compensated sum of at least one histogram.
pub(super) fn sum(
    histograms: &[Arc<FloatHistogram>],
    pos: PosRange,
    annotations: &mut Annotations,
) -> Result<FloatHistogram, IncompatibleSchemas> {
    let mut seen = Seen::default();
    let mut sum = FloatHistogram::clone(&histograms[0]);
    seen.note(&sum);
    let mut compensation = None;
    for histogram in &histograms[1..] {
        seen.note(histogram);
        seen.reconciled |= sum.kahan_add(histogram, &mut compensation)?.bounds_reconciled;
    }
    if let Some(compensation) = &compensation {
        seen.reconciled |= sum.add(compensation)?.bounds_reconciled;
    }
    seen.tell(pos, annotations);
    Ok(sum)
}

/// Compensated mean: sum over count, or the incremental mean from the histogram on at which the sum would overflow.
pub(super) fn average(
    histograms: &[Arc<FloatHistogram>],
    pos: PosRange,
    annotations: &mut Annotations,
) -> Result<FloatHistogram, IncompatibleSchemas> {
    let mut seen = Seen::default();
    for histogram in histograms {
        seen.note(histogram);
    }
    let mut mean = Mean::new(&histograms[0]);
    for histogram in &histograms[1..] {
        seen.reconciled |= mean.add(histogram)?;
    }
    let result = mean.finish()?;
    seen.tell(pos, annotations);
    Ok(result)
}

/// A running mean of histograms.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Mean {
    /// The sum, or the mean once `incremental`.
    value: FloatHistogram,
    compensation: Option<FloatHistogram>,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(in crate::engine) fn new(first: &FloatHistogram) -> Self {
        Self { value: first.clone(), compensation: None, count: 1.0, incremental: false }
    }

    /// Takes one more; returns whether custom bounds had to be reconciled.
    pub(in crate::engine) fn add(
        &mut self,
        histogram: &FloatHistogram,
    ) -> Result<bool, IncompatibleSchemas> {
        self.count += 1.0;
        let mut reconciled = false;
        if !self.incremental {
            let mut value = self.value.clone();
            let mut compensation = self.compensation.clone();
            reconciled |= value.kahan_add(histogram, &mut compensation)?.bounds_reconciled;
            if !value.has_overflow() {
                self.value = value;
                self.compensation = compensation;
                return Ok(reconciled);
            }
            self.incremental = true;
            self.value.div(self.count - 1.0);
            if let Some(compensation) = &mut self.compensation {
                compensation.div(self.count - 1.0);
            }
        }
        let q = (self.count - 1.0) / self.count;
        if let Some(compensation) = &mut self.compensation {
            compensation.mul(q);
        }
        let mut share = histogram.clone();
        share.div(self.count);
        self.value.mul(q);
        reconciled |= self.value.kahan_add(&share, &mut self.compensation)?.bounds_reconciled;
        Ok(reconciled)
    }

    pub(in crate::engine) fn finish(mut self) -> Result<FloatHistogram, IncompatibleSchemas> {
        if !self.incremental {
            self.value.div(self.count);
            if let Some(compensation) = &mut self.compensation {
                compensation.div(self.count);
            }
        }
        if let Some(compensation) = &self.compensation {
            self.value.add(compensation)?;
        }
        Ok(self.value)
    }
}
