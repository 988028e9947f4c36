//! Decoded samples of one series as columns: the form in which the engine computes.

use std::sync::Arc;

use gauntlet_model::{FloatHistogram, Timestamp};

/// Samples of one series in ascending time. Floats sit in `values`; a histogram sample has its place in `timestamps` and
/// `values` (the value there means nothing) and an entry in `histograms`. A float series never touches `histograms`.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    pub timestamps: Vec<Timestamp>,
    pub values: Vec<f64>,
    /// Index into `timestamps`, ascending, and the histogram there. A stale marker has the stale NaN as its sum.
    pub histograms: Vec<(u32, Arc<FloatHistogram>)>,
    /// Start timestamps, one per sample, 0 where unknown; empty where no sample has one.
    pub start_timestamps: Vec<Timestamp>,
}

impl Columns {
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Empties the columns and keeps their memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_timestamps.clear();
    }

    pub fn push_float(&mut self, t: Timestamp, value: f64) {
        self.timestamps.push(t);
        self.values.push(value);
        if !self.start_timestamps.is_empty() {
            self.start_timestamps.push(0);
        }
    }

    pub fn push_histogram(&mut self, t: Timestamp, histogram: Arc<FloatHistogram>) {
        self.histograms.push((self.timestamps.len() as u32, histogram));
        self.push_float(t, 0.0);
    }

    /// Sets the start timestamp of the sample pushed last.
    pub fn set_last_start(&mut self, start: Timestamp) {
        if start == 0 && self.start_timestamps.is_empty() {
            return;
        }
        self.start_timestamps.resize(self.timestamps.len(), 0);
        if let Some(last) = self.start_timestamps.last_mut() {
            *last = start;
        }
    }

    /// The histogram at sample `index`, if that sample is one.
    pub fn histogram(&self, index: usize) -> Option<&Arc<FloatHistogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        let found = self.histograms.binary_search_by_key(&(index as u32), |(i, _)| *i).ok()?;
        Some(&self.histograms[found].1)
    }

    /// Approximate heap use in bytes.
    pub fn size_bytes(&self) -> usize {
        self.timestamps.capacity() * 8
            + self.values.capacity() * 8
            + self.start_timestamps.capacity() * 8
            + self.histograms.iter().map(|(_, h)| 256 + h.positive_buckets.len() * 8).sum::<usize>()
    }
}
