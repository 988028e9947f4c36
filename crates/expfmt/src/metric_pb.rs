//! One `Metric` message, decoded into storage that the next one reuses.

use gauntlet_model::Timestamp;
use gauntlet_model::histogram::Span;

use crate::pb::{Fields, Value, WireError, repeated_doubles, repeated_varints, zigzag};

/// A metric of any type: the fields of the other types stay at their defaults.
#[derive(Debug, Default)]
pub(crate) struct Metric<'b> {
    pub(crate) labels: Vec<(&'b str, &'b str)>,
    pub(crate) counter: f64,
    pub(crate) gauge: f64,
    pub(crate) untyped: f64,
    pub(crate) exemplar: Option<ProtoExemplar<'b>>,
    /// Observations of a summary or histogram.
    pub(crate) count: u64,
    /// Overrides `count` if not zero.
    pub(crate) count_float: f64,
    pub(crate) sum: f64,
    pub(crate) quantiles: Vec<(f64, f64)>,
    pub(crate) buckets: Vec<Bucket<'b>>,
    pub(crate) histogram: Native<'b>,
    pub(crate) start_timestamp: Option<Timestamp>,
    timestamp_ms: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Bucket<'b> {
    pub(crate) upper_bound: f64,
    cumulative: u64,
    cumulative_float: f64,
    pub(crate) exemplar: Option<ProtoExemplar<'b>>,
}

/// The native part of a histogram.
#[derive(Debug, Default)]
pub(crate) struct Native<'b> {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    pub(crate) zero_count_float: f64,
    pub(crate) positive_spans: Vec<Span>,
    pub(crate) negative_spans: Vec<Span>,
    pub(crate) positive_deltas: Vec<i64>,
    pub(crate) negative_deltas: Vec<i64>,
    pub(crate) positive_counts: Vec<f64>,
    pub(crate) negative_counts: Vec<f64>,
    pub(crate) exemplars: Vec<ProtoExemplar<'b>>,
}

#[derive(Debug, Default)]
pub(crate) struct ProtoExemplar<'b> {
    pub(crate) labels: Vec<(&'b str, &'b str)>,
    pub(crate) value: f64,
    pub(crate) timestamp: Option<Timestamp>,
}

impl<'b> Metric<'b> {
    /// Overwrites everything with the fields of `message`.
    pub(crate) fn decode(&mut self, message: &'b [u8]) -> Result<(), WireError> {
        self.reset();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.labels.push(label_pair(value)?),
                2 => self.gauge = single_double(value)?,
                3 => self.counter(value)?,
                4 => self.summary(value)?,
                5 => self.untyped = single_double(value)?,
                6 => self.timestamp_ms = value.varint()? as i64,
                7 => self.histogram(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// 0 stands for none, as the format cannot tell them apart.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        (self.timestamp_ms != 0).then_some(self.timestamp_ms)
    }

    /// The count, whichever field has it.
    pub(crate) fn observations(&self) -> f64 {
        if self.count_float == 0.0 { self.count as f64 } else { self.count_float }
    }

    fn reset(&mut self) {
        self.labels.clear();
        self.quantiles.clear();
        self.buckets.clear();
        self.histogram.reset();
        (self.counter, self.gauge, self.untyped) = (0.0, 0.0, 0.0);
        (self.count, self.count_float, self.sum) = (0, 0.0, 0.0);
        self.exemplar = None;
        self.start_timestamp = None;
        self.timestamp_ms = 0;
    }

    fn counter(&mut self, value: Value<'b>) -> Result<(), WireError> {
        let mut fields = Fields::new(value.bytes()?);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.counter = value.double()?,
                2 => self.exemplar = Some(exemplar(value)?),
                3 => self.start_timestamp = Some(timestamp(value)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn summary(&mut self, value: Value<'b>) -> Result<(), WireError> {
        let mut fields = Fields::new(value.bytes()?);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.count = value.varint()?,
                2 => self.sum = value.double()?,
                3 => {
                    let mut pair = (0.0, 0.0);
                    let mut fields = Fields::new(value.bytes()?);
                    while let Some((number, value)) = fields.next()? {
                        match number {
                            1 => pair.0 = value.double()?,
                            2 => pair.1 = value.double()?,
                            _ => {}
                        }
                    }
                    self.quantiles.push(pair);
                }
                4 => self.start_timestamp = Some(timestamp(value)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn histogram(&mut self, value: Value<'b>) -> Result<(), WireError> {
        let mut fields = Fields::new(value.bytes()?);
        let native = &mut self.histogram;
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.count = value.varint()?,
                2 => self.sum = value.double()?,
                3 => self.buckets.push(bucket(value)?),
                4 => self.count_float = value.double()?,
                5 => native.schema = zigzag(value.varint()?) as i32,
                6 => native.zero_threshold = value.double()?,
                7 => native.zero_count = value.varint()?,
                8 => native.zero_count_float = value.double()?,
                9 => native.negative_spans.push(span(value)?),
                10 => repeated_varints(value, |v| native.negative_deltas.push(zigzag(v)))?,
                11 => repeated_doubles(value, |v| native.negative_counts.push(v))?,
                12 => native.positive_spans.push(span(value)?),
                13 => repeated_varints(value, |v| native.positive_deltas.push(zigzag(v)))?,
                14 => repeated_doubles(value, |v| native.positive_counts.push(v))?,
                15 => self.start_timestamp = Some(timestamp(value)?),
                16 => native.exemplars.push(exemplar(value)?),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Bucket<'_> {
    /// The cumulative count, whichever field has it.
    pub(crate) fn count(&self) -> f64 {
        if self.cumulative_float == 0.0 { self.cumulative as f64 } else { self.cumulative_float }
    }
}

impl Native<'_> {
    /// Whether the histogram has native parts. One without observations says so by a span of no length.
    pub(crate) fn is_native(&self) -> bool {
        !self.positive_spans.is_empty()
            || !self.negative_spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count > 0
    }

    fn reset(&mut self) {
        (self.schema, self.zero_count) = (0, 0);
        (self.zero_threshold, self.zero_count_float) = (0.0, 0.0);
        self.positive_spans.clear();
        self.negative_spans.clear();
        self.positive_deltas.clear();
        self.negative_deltas.clear();
        self.positive_counts.clear();
        self.negative_counts.clear();
        self.exemplars.clear();
    }
}

fn single_double(value: Value<'_>) -> Result<f64, WireError> {
    let mut out = 0.0;
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            out = value.double()?;
        }
    }
    Ok(out)
}

fn label_pair<'b>(value: Value<'b>) -> Result<(&'b str, &'b str), WireError> {
    let mut pair = ("", "");
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => pair.0 = value.text()?,
            2 => pair.1 = value.text()?,
            _ => {}
        }
    }
    Ok(pair)
}

fn bucket<'b>(value: Value<'b>) -> Result<Bucket<'b>, WireError> {
    let mut out = Bucket::default();
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => out.cumulative = value.varint()?,
            2 => out.upper_bound = value.double()?,
            3 => out.exemplar = Some(exemplar(value)?),
            4 => out.cumulative_float = value.double()?,
            _ => {}
        }
    }
    Ok(out)
}

fn span(value: Value<'_>) -> Result<Span, WireError> {
    let mut out = Span::default();
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => out.offset = zigzag(value.varint()?) as i32,
            2 => out.length = value.varint()? as u32,
            _ => {}
        }
    }
    Ok(out)
}

fn exemplar<'b>(value: Value<'b>) -> Result<ProtoExemplar<'b>, WireError> {
    let mut out = ProtoExemplar::default();
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => out.labels.push(label_pair(value)?),
            2 => out.value = value.double()?,
            3 => out.timestamp = Some(timestamp(value)?),
            _ => {}
        }
    }
    Ok(out)
}

/// A `google.protobuf.Timestamp` in milliseconds.
fn timestamp(value: Value<'_>) -> Result<Timestamp, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut fields = Fields::new(value.bytes()?);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => seconds = value.varint()? as i64,
            2 => nanos = i64::from(value.varint()? as i32),
            _ => {}
        }
    }
    Ok(seconds.wrapping_mul(1000).wrapping_add(nanos / 1_000_000))
}
