//! Counter, gauge, histogram: handles that are cheap to clone and to update from any thread.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::family::MetricValue;

/// What a registry holds: a handle whose value can be read.
pub trait Instrument: Clone + Debug + Send + Sync + 'static {
    /// The present value.
    fn value(&self) -> MetricValue;
}

/// Only ever rises.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    whole: Arc<AtomicU64>,
    /// Bits of an `f64`: what was added that is not whole.
    part: Arc<AtomicU64>,
}

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, by: u64) {
        self.whole.fetch_add(by, Ordering::Relaxed);
    }

    /// Adds a number that need not be whole (seconds, say); negative ones are ignored.
    pub fn add_f64(&self, by: f64) {
        if by > 0.0 {
            add_bits(&self.part, by);
        }
    }

    pub fn get(&self) -> f64 {
        self.whole.load(Ordering::Relaxed) as f64
            + f64::from_bits(self.part.load(Ordering::Relaxed))
    }
}

impl Instrument for Counter {
    fn value(&self) -> MetricValue {
        MetricValue::Counter(self.get())
    }
}

/// Goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    bits: Arc<AtomicU64>,
}

impl Gauge {
    pub fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::Relaxed);
    }

    pub fn add(&self, by: f64) {
        add_bits(&self.bits, by);
    }

    pub fn inc(&self) {
        self.add(1.0);
    }

    pub fn dec(&self) {
        self.add(-1.0);
    }

    pub fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl Instrument for Gauge {
    fn value(&self) -> MetricValue {
        MetricValue::Gauge(self.get())
    }
}

/// Counts observations in buckets with fixed upper bounds.
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: Arc<HistogramInner>,
}

#[derive(Debug)]
struct HistogramInner {
    bounds: Vec<f64>,
    /// One per bound and one for what is above the last; not cumulative.
    counts: Vec<AtomicU64>,
    sum_bits: AtomicU64,
}

impl Histogram {
    /// Buckets with the given upper bounds, ascending, without +Inf.
    pub fn new(bounds: &[f64]) -> Self {
        debug_assert!(bounds.windows(2).all(|w| w[0] < w[1]), "BUG: bounds out of order");
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        let inner = HistogramInner { bounds: bounds.to_vec(), counts, sum_bits: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    pub fn observe(&self, value: f64) {
        let bucket = self.inner.bounds.partition_point(|bound| *bound < value);
        self.inner.counts[bucket].fetch_add(1, Ordering::Relaxed);
        add_bits(&self.inner.sum_bits, value);
    }
}

impl Instrument for Histogram {
    fn value(&self) -> MetricValue {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.inner.bounds.len());
        for (bound, own) in self.inner.bounds.iter().zip(&self.inner.counts) {
            count += own.load(Ordering::Relaxed);
            buckets.push((*bound, count));
        }
        count += self.inner.counts[self.inner.bounds.len()].load(Ordering::Relaxed);
        let sum = f64::from_bits(self.inner.sum_bits.load(Ordering::Relaxed));
        MetricValue::Histogram { buckets, sum, count }
    }
}

fn add_bits(cell: &AtomicU64, by: f64) {
    let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
        Some((f64::from_bits(bits) + by).to_bits())
    });
}
