//! Widening the zero bucket until two histograms agree on it.

use super::FloatHistogram;
use super::sums::kahan_add;

impl FloatHistogram {
    /// Zero count if the threshold were `larger`, the threshold (raised to a bound if it would cut a populated bucket) and
    /// the zero count's compensation.
    pub(super) fn zero_count_for(
        &self,
        mut larger: f64,
        compensation: Option<&Self>,
    ) -> (f64, f64, f64) {
        let mut c = compensation.map_or(0.0, |comp| comp.zero_count);
        if larger == self.zero_threshold {
            return (self.zero_count, larger, c);
        }
        'again: loop {
            let mut count = self.zero_count;
            for (at, bucket) in self.positive_bucket_iter().enumerate() {
                if bucket.lower >= larger {
                    break;
                }
                (count, c) = kahan_add(bucket.count, count, c);
                if let Some(comp) = compensation {
                    let extra = comp.positive_buckets.get(at).copied().unwrap_or(0.0);
                    (count, c) = kahan_add(extra, count, c);
                }
                if bucket.upper > larger {
                    if bucket.count != 0.0 {
                        larger = bucket.upper;
                    }
                    break;
                }
            }
            for (at, bucket) in self.negative_bucket_iter().enumerate() {
                if bucket.upper <= -larger {
                    break;
                }
                (count, c) = kahan_add(bucket.count, count, c);
                if let Some(comp) = compensation {
                    let extra = comp.negative_buckets.get(at).copied().unwrap_or(0.0);
                    (count, c) = kahan_add(extra, count, c);
                }
                if bucket.lower < -larger {
                    if bucket.count != 0.0 {
                        // What was taken from the positive side is too little now.
                        larger = -bucket.lower;
                        continue 'again;
                    }
                    break;
                }
            }
            return (count, larger, c);
        }
    }

    /// Makes the zero bucket wide enough for both; returns what `other`'s zero count is then, and its compensation.
    pub(super) fn reconcile_zero_buckets(
        &mut self,
        other: &Self,
        mut compensation: Option<&mut Self>,
    ) -> (f64, f64) {
        let mut count = other.zero_count;
        let mut threshold = other.zero_threshold;
        let mut c = 0.0;
        if threshold.is_nan() || self.zero_threshold.is_nan() {
            return (count, c);
        }
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (count, threshold, c) = other.zero_count_for(self.zero_threshold, None);
            }
            if threshold > self.zero_threshold {
                let (own_count, own_threshold, own_c) =
                    self.zero_count_for(threshold, compensation.as_deref());
                self.zero_count = own_count;
                self.zero_threshold = own_threshold;
                if let Some(comp) = compensation.as_deref_mut() {
                    comp.zero_count = own_c;
                }
                self.drop_buckets_in_zero_bucket(compensation.as_deref_mut());
            }
        }
        (count, c)
    }

    fn drop_buckets_in_zero_bucket(&mut self, compensation: Option<&mut Self>) {
        let threshold = self.zero_threshold;
        let inside = |lower: f64| lower < threshold;
        let positive = self.positive_bucket_iter().take_while(|b| inside(b.lower)).count();
        let negative = self.negative_bucket_iter().take_while(|b| inside(-b.upper)).count();
        let clear = |counts: &mut [f64], n: usize| {
            let n = n.min(counts.len());
            counts[..n].fill(0.0);
        };
        clear(&mut self.positive_buckets, positive);
        clear(&mut self.negative_buckets, negative);
        match compensation {
            Some(comp) => {
                clear(&mut comp.positive_buckets, positive);
                clear(&mut comp.negative_buckets, negative);
                self.compact_with(comp);
            }
            None => self.compact(0),
        }
    }
}
