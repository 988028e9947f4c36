//! Walking over buckets: by index, or with bounds, upwards or downwards.

use super::bounds::upper_bound;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};

/// One bucket with its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    pub lower: f64,
    pub upper: f64,
    pub lower_inclusive: bool,
    pub upper_inclusive: bool,
    pub count: f64,
    /// Index within its side; means nothing for the zero bucket.
    pub index: i32,
}

impl Bucket {
    /// Share of the bucket's width at or below `value`, which lies strictly inside finite bounds.
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        use crate::gomath::log2;
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let log_lower = log2(self.lower.abs());
        let log_upper = log2(self.upper.abs());
        let log_value = log2(value.abs());
        if value > 0.0 {
            (log_value - log_lower) / (log_upper - log_lower)
        } else {
            1.0 - ((log_value - log_upper) / (log_lower - log_upper))
        }
    }
}

/// Bucket indexes with their counts, ascending by index; from the back, descending.
#[derive(Clone, Debug)]
pub struct IndexedCounts<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    /// Counts `start..end` are still to come.
    start: usize,
    end: usize,
    front: Cursor,
    back: Cursor,
}

/// Where the next count is: its span, how many of the span's buckets are behind (front) or ahead (back), its index.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    span: usize,
    within: u32,
    index: i32,
}

impl<'a> IndexedCounts<'a> {
    pub fn new(spans: &'a [Span], counts: &'a [f64]) -> Self {
        let mut total = 0usize;
        let mut index = 0i32;
        let mut back = Cursor::default();
        for (i, span) in spans.iter().enumerate() {
            index = index.wrapping_add(span.offset);
            let take = (span.length as usize).min(counts.len() - total);
            if take > 0 {
                total += take;
                let last = index.wrapping_add(take as i32 - 1);
                back = Cursor { span: i, within: take as u32, index: last };
            }
            index = index.wrapping_add(span.length as i32);
        }
        let front = Cursor { span: 0, within: 0, index: spans.first().map_or(0, |s| s.offset) };
        Self { spans, counts, start: 0, end: total, front, back }
    }
}

impl Iterator for IndexedCounts<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let at = &mut self.front;
        while at.within >= self.spans[at.span].length {
            at.span += 1;
            at.within = 0;
            at.index = at.index.wrapping_add(self.spans[at.span].offset);
        }
        let item = (at.index, self.counts[self.start]);
        at.index = at.index.wrapping_add(1);
        at.within += 1;
        self.start += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.start, Some(self.end - self.start))
    }
}

impl DoubleEndedIterator for IndexedCounts<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let at = &mut self.back;
        while at.within == 0 {
            at.index = at.index.wrapping_sub(self.spans[at.span].offset);
            at.span -= 1;
            at.within = self.spans[at.span].length;
        }
        let item = (at.index, self.counts[self.end - 1]);
        at.index = at.index.wrapping_sub(1);
        at.within -= 1;
        self.end -= 1;
        Some(item)
    }
}

impl FloatHistogram {
    /// Indexes and counts of the positive side.
    pub fn positive_counts(&self) -> IndexedCounts<'_> {
        IndexedCounts::new(&self.positive_spans, &self.positive_buckets)
    }

    /// Indexes and counts of the negative side.
    pub fn negative_counts(&self) -> IndexedCounts<'_> {
        IndexedCounts::new(&self.negative_spans, &self.negative_buckets)
    }

    /// Positive buckets, ascending.
    pub fn positive_bucket_iter(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.positive_counts().map(|(index, count)| self.positive_bucket(index, count))
    }

    /// Negative buckets, from the one next to zero downwards.
    pub fn negative_bucket_iter(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.negative_counts().map(|(index, count)| self.negative_bucket(index, count))
    }

    /// The zero bucket, also if it is empty.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }

    /// All buckets in ascending order, the zero bucket if it is populated. Bounds inside the zero bucket move to its edge.
    pub fn all_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        self.negative_bucket_iter()
            .rev()
            .map(|bucket| self.clear_of_zero(bucket))
            .chain(zero)
            .chain(self.positive_bucket_iter().map(|bucket| self.clear_of_zero(bucket)))
    }

    fn clear_of_zero(&self, mut bucket: Bucket) -> Bucket {
        if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
            bucket.upper = -self.zero_threshold;
        } else if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
            bucket.lower = self.zero_threshold;
        }
        bucket
    }

    fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let upper = upper_bound(index, self.schema, &self.custom_values);
        let lower = upper_bound(index.wrapping_sub(1), self.schema, &self.custom_values);
        self.with_inclusion(Bucket { lower, upper, count, index, ..Bucket::default() })
    }

    fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        let lower = -upper_bound(index, self.schema, &[]);
        let upper = -upper_bound(index.wrapping_sub(1), self.schema, &[]);
        self.with_inclusion(Bucket { lower, upper, count, index, ..Bucket::default() })
    }

    fn with_inclusion(&self, mut bucket: Bucket) -> Bucket {
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            bucket.lower_inclusive = bucket.index == 0;
            bucket.upper_inclusive = true;
        } else {
            bucket.lower_inclusive = bucket.lower < 0.0;
            bucket.upper_inclusive = bucket.upper > 0.0;
        }
        bucket
    }
}
