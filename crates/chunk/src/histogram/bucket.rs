//! What whole-count and float-count histogram chunks differ in: how a number is written after its predecessor.

use std::fmt::Debug;

use gauntlet_encoding::{BitReader, BitWriter};
use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::{FloatHistogram, Histogram};

use super::layout::Layout;
use crate::Encoding;
use crate::fault::Fault;
use crate::window::XorWindow;

/// A bucket as stored: `i64`, the difference to the bucket before, or `f64`, the count itself. Implemented for these two only.
#[expect(
    private_bounds,
    reason = "sealed: callers name the trait, only this crate uses its inside"
)]
pub trait Bucket: Sealed {
    /// Count of observations and of the zero bucket.
    type Count: Copy + Default + PartialOrd + Debug + Send + Sync;
    type Histogram: Clone + Default + Debug + PartialEq + Send + Sync;
}

/// The codec's view of a histogram.
pub(crate) struct View<'a, B: Bucket> {
    pub(crate) hint: CounterResetHint,
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: B::Count,
    pub(crate) count: B::Count,
    pub(crate) sum: f64,
    pub(crate) positive_spans: &'a [Span],
    pub(crate) negative_spans: &'a [Span],
    pub(crate) positive: &'a [B],
    pub(crate) negative: &'a [B],
    pub(crate) custom_values: &'a [f64],
}

pub(crate) trait Sealed: Copy + Default + PartialOrd + Debug + Send + Sync + Sized {
    /// What writing the next number needs to know beside the last: its difference or its window.
    type Memory: Copy + Default + Debug + Send + Sync;
    const PLAIN: Encoding;
    const WITH_START: Encoding;
    /// Fewest bits that a bucket takes in the first sample.
    const FIRST_BITS: usize;
    /// Leads the texts of errors.
    const WORD: &'static str;
    /// Whether a schema change leaves open if there was a reset (whole counts) or counts as none found (float counts).
    const SCHEMA_CHANGE_IS_UNKNOWN: bool;

    fn fresh() -> Self::Memory;
    /// The count of a bucket, given the count of the one before and what is stored.
    fn absolute(before: Self, stored: Self) -> Self;
    /// What is stored for count `count` after count `before`.
    fn stored(before: Self, count: Self) -> Self;
    fn put_first(writer: &mut BitWriter<'_>, bucket: Self);
    fn read_first(reader: &mut BitReader<'_>) -> Result<Self, Fault>;
    fn put_next(
        writer: &mut BitWriter<'_>,
        last: &mut Self,
        memory: &mut Self::Memory,
        bucket: Self,
    );
    fn read_next(
        reader: &mut BitReader<'_>,
        last: &mut Self,
        memory: &mut Self::Memory,
    ) -> Result<(), Fault>;
    fn put_first_count(writer: &mut BitWriter<'_>, count: Self::Count)
    where
        Self: Bucket;
    fn read_first_count(reader: &mut BitReader<'_>) -> Result<Self::Count, Fault>
    where
        Self: Bucket;
    fn put_count(
        writer: &mut BitWriter<'_>,
        last: &mut Self::Count,
        memory: &mut Self::Memory,
        count: Self::Count,
        stale: bool,
    ) where
        Self: Bucket;
    fn read_count(
        reader: &mut BitReader<'_>,
        last: &mut Self::Count,
        memory: &mut Self::Memory,
    ) -> Result<(), Fault>
    where
        Self: Bucket;
    fn view(histogram: &Self::Histogram) -> View<'_, Self>
    where
        Self: Bucket;
    fn histogram(layout: Layout, hint: CounterResetHint, numbers: Numbers<Self>) -> Self::Histogram
    where
        Self: Bucket;
    fn to_float(histogram: Self::Histogram) -> FloatHistogram
    where
        Self: Bucket;
    /// Merges buckets until the schema is `schema`, which is coarser.
    fn reduce_resolution(histogram: &mut Self::Histogram, schema: i32)
    where
        Self: Bucket;
    fn set_buckets(histogram: &mut Self::Histogram, positive: Side<Self>, negative: Side<Self>)
    where
        Self: Bucket;
}

/// One side's spans and buckets.
pub(crate) struct Side<B> {
    pub(crate) spans: Vec<Span>,
    pub(crate) buckets: Vec<B>,
}

/// A sample's numbers.
pub(crate) struct Numbers<B: Bucket> {
    pub(crate) count: B::Count,
    pub(crate) zero_count: B::Count,
    pub(crate) sum: f64,
    pub(crate) positive: Vec<B>,
    pub(crate) negative: Vec<B>,
}

impl Bucket for i64 {
    type Count = u64;
    type Histogram = Histogram;
}

impl Sealed for i64 {
    type Memory = i64;
    const PLAIN: Encoding = Encoding::Histogram;
    const WITH_START: Encoding = Encoding::HistogramSt;
    const FIRST_BITS: usize = 1;
    const WORD: &'static str = "histogram";
    const SCHEMA_CHANGE_IS_UNKNOWN: bool = true;

    fn fresh() -> i64 {
        0
    }

    fn absolute(before: i64, stored: i64) -> i64 {
        before.wrapping_add(stored)
    }

    fn stored(before: i64, count: i64) -> i64 {
        count.wrapping_sub(before)
    }

    fn put_first(writer: &mut BitWriter<'_>, bucket: i64) {
        writer.varbit_int(bucket);
    }

    fn read_first(reader: &mut BitReader<'_>) -> Result<i64, Fault> {
        Ok(reader.varbit_int()?)
    }

    fn put_next(writer: &mut BitWriter<'_>, last: &mut i64, memory: &mut i64, bucket: i64) {
        let delta = bucket.wrapping_sub(*last);
        writer.varbit_int(delta.wrapping_sub(*memory));
        (*last, *memory) = (bucket, delta);
    }

    #[inline]
    fn read_next(
        reader: &mut BitReader<'_>,
        last: &mut i64,
        memory: &mut i64,
    ) -> Result<(), Fault> {
        *memory = memory.wrapping_add(reader.varbit_int()?);
        *last = last.wrapping_add(*memory);
        Ok(())
    }

    fn put_first_count(writer: &mut BitWriter<'_>, count: u64) {
        writer.varbit_uint(count);
    }

    fn read_first_count(reader: &mut BitReader<'_>) -> Result<u64, Fault> {
        Ok(reader.varbit_uint()?)
    }

    fn put_count(
        writer: &mut BitWriter<'_>,
        last: &mut u64,
        memory: &mut i64,
        count: u64,
        stale: bool,
    ) {
        let delta = (count as i64).wrapping_sub(*last as i64);
        writer.varbit_int(if stale { 0 } else { delta.wrapping_sub(*memory) });
        (*last, *memory) = (count, delta);
    }

    fn read_count(
        reader: &mut BitReader<'_>,
        last: &mut u64,
        memory: &mut i64,
    ) -> Result<(), Fault> {
        *memory = memory.wrapping_add(reader.varbit_int()?);
        *last = last.wrapping_add(*memory as u64);
        Ok(())
    }

    fn view(h: &Histogram) -> View<'_, i64> {
        View {
            hint: h.counter_reset_hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: h.count,
            sum: h.sum,
            positive_spans: &h.positive_spans,
            negative_spans: &h.negative_spans,
            positive: &h.positive_buckets,
            negative: &h.negative_buckets,
            custom_values: &h.custom_values,
        }
    }

    fn histogram(layout: Layout, hint: CounterResetHint, numbers: Numbers<i64>) -> Histogram {
        Histogram {
            counter_reset_hint: hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: numbers.zero_count,
            count: numbers.count,
            sum: numbers.sum,
            positive_spans: layout.positive_spans,
            negative_spans: layout.negative_spans,
            positive_buckets: numbers.positive,
            negative_buckets: numbers.negative,
            custom_values: layout.custom_values,
        }
    }

    fn to_float(h: Histogram) -> FloatHistogram {
        let absolute = |deltas: &[i64]| {
            let mut count = 0i64;
            let add = |delta: &i64| {
                count = count.wrapping_add(*delta);
                count as f64
            };
            deltas.iter().map(add).collect()
        };
        FloatHistogram {
            counter_reset_hint: h.counter_reset_hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count as f64,
            count: h.count as f64,
            sum: h.sum,
            positive_buckets: absolute(&h.positive_buckets),
            negative_buckets: absolute(&h.negative_buckets),
            positive_spans: h.positive_spans,
            negative_spans: h.negative_spans,
            custom_values: h.custom_values,
        }
    }

    fn reduce_resolution(h: &mut Histogram, schema: i32) {
        let done = h.reduce_resolution(schema);
        debug_assert!(done.is_ok(), "BUG: the caller checked the schemas");
    }

    fn set_buckets(h: &mut Histogram, positive: Side<i64>, negative: Side<i64>) {
        (h.positive_spans, h.positive_buckets) = (positive.spans, positive.buckets);
        (h.negative_spans, h.negative_buckets) = (negative.spans, negative.buckets);
    }
}

impl Bucket for f64 {
    type Count = f64;
    type Histogram = FloatHistogram;
}

impl Sealed for f64 {
    type Memory = XorWindow;
    const PLAIN: Encoding = Encoding::FloatHistogram;
    const WITH_START: Encoding = Encoding::FloatHistogramSt;
    const FIRST_BITS: usize = 64;
    const WORD: &'static str = "float histogram";
    const SCHEMA_CHANGE_IS_UNKNOWN: bool = false;

    fn fresh() -> XorWindow {
        XorWindow::NONE
    }

    fn absolute(_: f64, stored: f64) -> f64 {
        stored
    }

    fn stored(_: f64, count: f64) -> f64 {
        count
    }

    fn put_first(writer: &mut BitWriter<'_>, bucket: f64) {
        writer.bits(bucket.to_bits(), 64);
    }

    fn read_first(reader: &mut BitReader<'_>) -> Result<f64, Fault> {
        Ok(f64::from_bits(reader.bits(64)?))
    }

    fn put_next(writer: &mut BitWriter<'_>, last: &mut f64, memory: &mut XorWindow, bucket: f64) {
        memory.put(writer, last, bucket);
    }

    #[inline]
    fn read_next(
        reader: &mut BitReader<'_>,
        last: &mut f64,
        memory: &mut XorWindow,
    ) -> Result<(), Fault> {
        memory.read(reader, last)
    }

    fn put_first_count(writer: &mut BitWriter<'_>, count: f64) {
        writer.bits(count.to_bits(), 64);
    }

    fn read_first_count(reader: &mut BitReader<'_>) -> Result<f64, Fault> {
        Ok(f64::from_bits(reader.bits(64)?))
    }

    fn put_count(
        writer: &mut BitWriter<'_>,
        last: &mut f64,
        memory: &mut XorWindow,
        count: f64,
        _stale: bool,
    ) {
        memory.put(writer, last, count);
    }

    fn read_count(
        reader: &mut BitReader<'_>,
        last: &mut f64,
        memory: &mut XorWindow,
    ) -> Result<(), Fault> {
        memory.read(reader, last)
    }

    fn view(h: &FloatHistogram) -> View<'_, f64> {
        View {
            hint: h.counter_reset_hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: h.count,
            sum: h.sum,
            positive_spans: &h.positive_spans,
            negative_spans: &h.negative_spans,
            positive: &h.positive_buckets,
            negative: &h.negative_buckets,
            custom_values: &h.custom_values,
        }
    }

    fn histogram(layout: Layout, hint: CounterResetHint, numbers: Numbers<f64>) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: numbers.zero_count,
            count: numbers.count,
            sum: numbers.sum,
            positive_spans: layout.positive_spans,
            negative_spans: layout.negative_spans,
            positive_buckets: numbers.positive,
            negative_buckets: numbers.negative,
            custom_values: layout.custom_values,
        }
    }

    fn to_float(histogram: FloatHistogram) -> FloatHistogram {
        histogram
    }

    fn reduce_resolution(h: &mut FloatHistogram, schema: i32) {
        let done = h.reduce_resolution(schema);
        debug_assert!(done.is_ok(), "BUG: the caller checked the schemas");
    }

    fn set_buckets(h: &mut FloatHistogram, positive: Side<f64>, negative: Side<f64>) {
        (h.positive_spans, h.positive_buckets) = (positive.spans, positive.buckets);
        (h.negative_spans, h.negative_buckets) = (negative.spans, negative.buckets);
    }
}
