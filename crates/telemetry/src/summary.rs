//! A summary: quantiles over the observations of the last ten minutes, with the sum and count of all.
//!
//! Upstream keeps a sketch per age bucket; here each of five age buckets keeps up to 512 observations, chosen evenly when
//! there are more, and quantiles are taken over what is kept.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::family::MetricValue;
use crate::metric::Instrument;

const AGE_BUCKETS: u64 = 5;
const BUCKET_AGE: Duration = Duration::from_secs(120);
const KEPT_PER_BUCKET: usize = 512;

/// Observations and their quantiles.
#[derive(Clone, Debug)]
pub struct Summary {
    quantiles: Arc<[f64]>,
    state: Arc<Mutex<State>>,
    started: std::time::Instant,
}

#[derive(Debug, Default)]
struct State {
    sum: f64,
    count: u64,
    buckets: [Bucket; AGE_BUCKETS as usize],
}

#[derive(Debug, Default)]
struct Bucket {
    epoch: u64,
    seen: u64,
    kept: Vec<f64>,
}

impl Summary {
    #[expect(clippy::disallowed_methods, reason = "ages of observations follow the machine's time")]
    pub fn new(quantiles: &[f64]) -> Self {
        Self {
            quantiles: quantiles.into(),
            state: Arc::default(),
            started: std::time::Instant::now(),
        }
    }

    pub fn observe(&self, value: f64) {
        let epoch = self.epoch();
        let mut state = self.state.lock();
        state.sum += value;
        state.count += 1;
        let bucket = &mut state.buckets[(epoch % AGE_BUCKETS) as usize];
        if bucket.epoch != epoch {
            *bucket = Bucket { epoch, ..Bucket::default() };
        }
        bucket.seen += 1;
        if bucket.kept.len() < KEPT_PER_BUCKET {
            bucket.kept.push(value);
        } else {
            // Weyl sequence: replaces an entry chosen evenly, with the chance that reservoir sampling asks for.
            let place = bucket.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bucket.seen;
            if let Some(slot) = bucket.kept.get_mut(place as usize) {
                *slot = value;
            }
        }
    }

    fn epoch(&self) -> u64 {
        self.started.elapsed().as_secs() / BUCKET_AGE.as_secs()
    }
}

impl Instrument for Summary {
    fn value(&self) -> MetricValue {
        let epoch = self.epoch();
        let state = self.state.lock();
        let mut recent: Vec<f64> = state
            .buckets
            .iter()
            .filter(|b| epoch - b.epoch < AGE_BUCKETS)
            .flat_map(|b| b.kept.iter().copied())
            .collect();
        recent.sort_unstable_by(f64::total_cmp);
        let quantiles = self
            .quantiles
            .iter()
            .map(|q| {
                let rank = (q * recent.len() as f64).ceil().max(1.0) as usize - 1;
                (*q, recent.get(rank).copied().unwrap_or(f64::NAN))
            })
            .collect();
        MetricValue::Summary { quantiles, sum: state.sum, count: state.count }
    }
}
