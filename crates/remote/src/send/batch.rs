//! A request under construction: series are encoded as they are read, so that a batch is bytes from its first sample on.
//!
//! Each series stands alone in the body: a retry may leave out what has become too old, and a refused batch may be cut into parts,
//! by copying the rest. Field numbers: docs/formats/remote-write.md.

use foldhash::fast::FixedState;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Timestamp};
use gauntlet_wire::convert::{float_histogram_to_proto, histogram_to_proto, metric_type_to_proto};
use gauntlet_wire::prost::Message as _;
use hashbrown::HashMap;

use super::series::{Sent, StringId, Strings};
use crate::config::ProtobufMessage;

/// A batch that has grown to this is sent, however few samples it has: receivers take 32 MiB at most.
const MAX_BODY_BYTES: usize = 16 << 20;

/// What a series of a batch carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sample,
    Histogram,
    Exemplar,
}

/// A value on its way out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Float(f64),
    Histogram(&'a Histogram),
    FloatHistogram(&'a FloatHistogram),
}

/// Entries of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
    pub(super) metadata: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
        self.metadata += other.metadata;
    }

    /// Entries that were queued: metadata comes along.
    pub(super) fn queued(&self) -> u64 {
        self.samples + self.histograms + self.exemplars
    }
}

/// One series of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Where it ends in the body.
    end: u32,
    pub(super) kind: Kind,
    pub(super) t: Timestamp,
    exemplars: u16,
    has_metadata: bool,
}

/// A batch for one shard.
#[derive(Debug)]
pub(super) struct Batch {
    message: ProtobufMessage,
    /// Of 2.0: the symbols as fields.
    symbols: Vec<u8>,
    numbers: HashMap<StringId, u32, FixedState>,
    /// Texts that are no strings of the table: help and units, and labels of exemplars.
    texts: HashMap<String, u32, FixedState>,
    symbol_count: u32,
    body: Vec<u8>,
    items: Vec<Item>,
    /// Entries of each epoch of the log.
    pub(super) epochs: Vec<(u64, u32)>,
    /// Whether some of it may have been sent before a restart.
    pub(super) uncertain: bool,
    pub(super) highest: Timestamp,
    /// When its first sample was added, on the monotonic clock.
    pub(super) opened: std::time::Duration,
    scratch: Vec<u8>,
}

impl Batch {
    pub(super) fn new(
        message: ProtobufMessage,
        uncertain: bool,
        opened: std::time::Duration,
    ) -> Self {
        let mut batch = Self {
            message,
            symbols: Vec::new(),
            numbers: HashMap::default(),
            texts: HashMap::default(),
            symbol_count: 0,
            body: Vec::new(),
            items: Vec::new(),
            epochs: Vec::new(),
            uncertain,
            highest: Timestamp::MIN,
            opened,
            scratch: Vec::new(),
        };
        if message == ProtobufMessage::V2 {
            // The first symbol is the empty string.
            put_bytes(&mut batch.symbols, 4, b"");
            batch.symbol_count = 1;
        }
        batch
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_full(&self, max_items: usize) -> bool {
        self.items.len() >= max_items || self.body.len() + self.symbols.len() >= MAX_BODY_BYTES
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Adds a sample with the exemplars that belong to it.
    pub(super) fn push(
        &mut self,
        strings: &Strings,
        sent: &Sent,
        start: Timestamp,
        t: Timestamp,
        value: Value<'_>,
        exemplars: &[Exemplar],
    ) {
        let mut inner = std::mem::take(&mut self.scratch);
        inner.clear();
        let kind = match value {
            Value::Float(value) => {
                put_sample(&mut inner, self.message, start, t, value);
                Kind::Sample
            }
            Value::Histogram(h) => {
                put_histogram(&mut inner, self.message, start, histogram_to_proto(t, h));
                Kind::Histogram
            }
            Value::FloatHistogram(h) => {
                put_histogram(&mut inner, self.message, start, float_histogram_to_proto(t, h));
                Kind::Histogram
            }
        };
        for exemplar in exemplars {
            self.put_exemplar(&mut inner, exemplar, t);
        }
        self.series(strings, sent, &inner);
        self.scratch = inner;
        self.item(kind, t, exemplars.len(), sent);
    }

    /// Adds an exemplar whose sample is not in this batch.
    pub(super) fn push_exemplar(
        &mut self,
        strings: &Strings,
        sent: &Sent,
        exemplar: &Exemplar,
        t: Timestamp,
    ) {
        let mut inner = std::mem::take(&mut self.scratch);
        inner.clear();
        self.put_exemplar(&mut inner, exemplar, t);
        self.series(strings, sent, &inner);
        self.scratch = inner;
        self.item(Kind::Exemplar, t, 0, sent);
    }

    fn item(&mut self, kind: Kind, t: Timestamp, exemplars: usize, sent: &Sent) {
        let has_metadata = self.message == ProtobufMessage::V2 && sent.metadata.is_some();
        let exemplars = u16::try_from(exemplars).unwrap_or(u16::MAX);
        let end = self.body.len() as u32;
        self.items.push(Item { end, kind, t, exemplars, has_metadata });
        if kind != Kind::Exemplar {
            self.highest = self.highest.max(t);
        }
    }

    /// Writes a series: its labels, then `inner`, what it carries.
    fn series(&mut self, strings: &Strings, sent: &Sent, inner: &[u8]) {
        match self.message {
            ProtobufMessage::V1 => {
                put_tag(&mut self.body, 1, 2);
                put_uvarint(&mut self.body, sent.encoded_len as u64 + inner.len() as u64);
                for pair in sent.pairs.chunks_exact(2) {
                    put_label(&mut self.body, strings.get(pair[0]), strings.get(pair[1]));
                }
                self.body.extend_from_slice(inner);
            }
            ProtobufMessage::V2 => {
                let mut refs = Vec::with_capacity(sent.pairs.len() * 3);
                for id in &sent.pairs {
                    let number = self.symbol_of(strings, *id);
                    put_uvarint(&mut refs, number.into());
                }
                let mut metadata = Vec::new();
                if let Some(known) = &sent.metadata {
                    let (help, unit) = (self.symbol(&known.help), self.symbol(&known.unit));
                    put_number(&mut metadata, 1, metric_type_to_proto(known.metric_type) as u64);
                    put_number(&mut metadata, 3, help.into());
                    put_number(&mut metadata, 4, unit.into());
                }
                let refs_len = 1 + uvarint_len(refs.len() as u64) + refs.len();
                let metadata_len = 1 + uvarint_len(metadata.len() as u64) + metadata.len();
                put_tag(&mut self.body, 5, 2);
                put_uvarint(&mut self.body, (refs_len + inner.len() + metadata_len) as u64);
                put_bytes(&mut self.body, 1, &refs);
                self.body.extend_from_slice(inner);
                put_bytes(&mut self.body, 5, &metadata);
            }
        }
    }

    fn put_exemplar(&mut self, out: &mut Vec<u8>, exemplar: &Exemplar, t: Timestamp) {
        let mut inner = Vec::with_capacity(64);
        match self.message {
            ProtobufMessage::V1 => {
                for (name, value) in &exemplar.labels {
                    put_label(&mut inner, name, value);
                }
            }
            ProtobufMessage::V2 => {
                let mut refs = Vec::new();
                for (name, value) in &exemplar.labels {
                    put_uvarint(&mut refs, self.symbol(name).into());
                    put_uvarint(&mut refs, self.symbol(value).into());
                }
                if !refs.is_empty() {
                    put_bytes(&mut inner, 1, &refs);
                }
            }
        }
        put_double(&mut inner, 2, exemplar.value);
        put_number(&mut inner, 3, exemplar.timestamp.unwrap_or(t) as u64);
        let field = if self.message == ProtobufMessage::V1 { 3 } else { 4 };
        put_bytes(out, field, &inner);
    }

    fn symbol_of(&mut self, strings: &Strings, id: StringId) -> u32 {
        let Self { numbers, symbols, symbol_count, .. } = self;
        *numbers.entry(id).or_insert_with(|| {
            put_bytes(symbols, 4, strings.get(id).as_bytes());
            *symbol_count += 1;
            *symbol_count - 1
        })
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        put_bytes(&mut self.symbols, 4, text.as_bytes());
        self.symbol_count += 1;
        self.texts.insert(text.to_owned(), self.symbol_count - 1);
        self.symbol_count - 1
    }

    /// The request of the series in a range that are not older than `oldest`, and what is in it.
    pub(super) fn request(
        &self,
        range: std::ops::Range<usize>,
        oldest: Timestamp,
    ) -> (Vec<u8>, Counts) {
        let mut counts = Counts::default();
        let mut out = Vec::with_capacity(self.symbols.len() + self.body.len());
        out.extend_from_slice(&self.symbols);
        for index in range {
            let item = &self.items[index];
            if item.t >= oldest {
                let start = if index == 0 { 0 } else { self.items[index - 1].end as usize };
                out.extend_from_slice(&self.body[start..item.end as usize]);
                counts.add(item.counts());
            }
        }
        (out, counts)
    }

    /// What the range holds.
    pub(super) fn counts(&self, range: std::ops::Range<usize>) -> Counts {
        let mut counts = Counts::default();
        self.items[range].iter().for_each(|item| counts.add(item.counts()));
        counts
    }
}

impl Item {
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts {
            exemplars: u64::from(self.exemplars),
            metadata: u64::from(self.has_metadata),
            ..Counts::default()
        };
        match self.kind {
            Kind::Sample => counts.samples = 1,
            Kind::Histogram => counts.histograms = 1,
            Kind::Exemplar => counts.exemplars = 1,
        }
        counts
    }
}

fn put_sample(
    out: &mut Vec<u8>,
    message: ProtobufMessage,
    start: Timestamp,
    t: Timestamp,
    value: f64,
) {
    let start = if message == ProtobufMessage::V2 { start as u64 } else { 0 };
    let mut inner = [0u8; 32];
    let mut len = 0;
    // Zero is what a missing field means; minus zero is not.
    if value.to_bits() != 0 {
        inner[0] = 1 << 3 | 1;
        inner[1..9].copy_from_slice(&value.to_le_bytes());
        len = 9;
    }
    for (field, number) in [(2, t as u64), (3, start)] {
        if number != 0 {
            inner[len] = field << 3;
            len += 1;
            let mut rest = number;
            while rest >= 0x80 {
                inner[len] = rest as u8 | 0x80;
                len += 1;
                rest >>= 7;
            }
            inner[len] = rest as u8;
            len += 1;
        }
    }
    put_bytes(out, 2, &inner[..len]);
}

fn put_histogram(
    out: &mut Vec<u8>,
    message: ProtobufMessage,
    start: Timestamp,
    mut histogram: gauntlet_wire::prompb::Histogram,
) {
    let field = if message == ProtobufMessage::V1 {
        4
    } else {
        histogram.start_timestamp = start;
        3
    };
    put_bytes(out, field, &histogram.encode_to_vec());
}

/// Length of a label as a field of a 1.0 series.
pub(super) fn label_field_len(name: &str, value: &str) -> usize {
    let inner = label_len(name, value);
    1 + uvarint_len(inner as u64) + inner
}

fn label_len(name: &str, value: &str) -> usize {
    let one = |text: &str| 1 + uvarint_len(text.len() as u64) + text.len();
    one(name) + one(value)
}

fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    put_tag(out, 1, 2);
    put_uvarint(out, label_len(name, value) as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

#[inline]
fn put_tag(out: &mut Vec<u8>, field: u8, wire: u8) {
    out.push(field << 3 | wire);
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_tag(out, field, 2);
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        put_tag(out, field, 0);
        put_uvarint(out, number);
    }
}

fn put_double(out: &mut Vec<u8>, field: u8, value: f64) {
    if value.to_bits() != 0 {
        put_tag(out, field, 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[inline]
fn put_uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn uvarint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gauntlet_model::{Labels, Metadata, MetricType};
    use gauntlet_wire::{prompb, write_v2};

    use super::*;
    use crate::send::series::{Lookup, SeriesTable};

    fn table() -> SeriesTable {
        let mut table = SeriesTable::new(Labels::empty(), Vec::new());
        let long = "v".repeat(300);
        table.add(1, &Labels::from_pairs([("__name__", "up"), ("long", &long)]), 0);
        let metadata = Metadata {
            metric_type: MetricType::Counter,
            unit: "s".to_owned(),
            help: "Up.".to_owned(),
        };
        table.set_metadata(1, &metadata);
        table
    }

    fn batch(message: ProtobufMessage) -> Batch {
        let table = table();
        let Lookup::Sent(sent) = table.get(1) else { panic!("known") };
        let exemplar =
            Exemplar { labels: Labels::from_pairs([("id", "x")]), value: 0.5, timestamp: Some(-3) };
        let mut batch = Batch::new(message, false, Duration::ZERO);
        let strings = table.strings();
        batch.push(strings, sent, 5, 10, Value::Float(-0.0), &[]);
        batch.push(strings, sent, 0, 0, Value::Float(0.0), std::slice::from_ref(&exemplar));
        let histogram = Histogram { count: 0, sum: 2.0, ..Histogram::default() };
        batch.push(strings, sent, 7, 30, Value::Histogram(&histogram), &[]);
        batch.push_exemplar(strings, sent, &exemplar, 30);
        batch
    }

    #[test]
    fn first_version_is_what_a_decoder_reads() {
        let (body, counts) = batch(ProtobufMessage::V1).request(0..4, Timestamp::MIN);
        assert_eq!(counts, Counts { samples: 2, histograms: 1, exemplars: 2, metadata: 0 });
        let request = prompb::WriteRequest::decode(&body[..]).unwrap();
        assert_eq!(request.timeseries.len(), 4);
        let first = &request.timeseries[0];
        assert_eq!(first.labels[1].value.len(), 300);
        assert_eq!(first.samples[0].value.to_bits(), (-0.0f64).to_bits());
        assert_eq!(first.samples[0].timestamp, 10);
        let second = &request.timeseries[1];
        assert_eq!(second.samples, [prompb::Sample { value: 0.0, timestamp: 0 }]);
        assert_eq!(second.exemplars[0].timestamp, -3);
        assert_eq!(second.exemplars[0].labels[0].name, "id");
        assert_eq!(request.timeseries[2].histograms[0].timestamp, 30);
        assert!(request.timeseries[3].samples.is_empty());
    }

    #[test]
    fn second_version_is_what_a_decoder_reads() {
        let batch = batch(ProtobufMessage::V2);
        let (body, counts) = batch.request(0..4, Timestamp::MIN);
        assert_eq!(counts.metadata, 4);
        let request = write_v2::Request::decode(&body[..]).unwrap();
        assert_eq!(request.symbols[0], "");
        let first = &request.timeseries[0];
        let names: Vec<&str> =
            first.labels_refs.iter().map(|r| request.symbols[*r as usize].as_str()).collect();
        assert_eq!((names[0], names[1], names[2]), ("__name__", "up", "long"));
        assert_eq!((first.samples[0].timestamp, first.samples[0].start_timestamp), (10, 5));
        let metadata = first.metadata.unwrap();
        assert_eq!(metadata.r#type, prompb::MetricType::Counter as i32);
        assert_eq!(request.symbols[metadata.help_ref as usize], "Up.");
        assert_eq!(request.symbols[metadata.unit_ref as usize], "s");
        assert_eq!(request.timeseries[1].exemplars[0].value, 0.5);
        assert_eq!(request.timeseries[2].histograms[0].start_timestamp, 7);
    }

    #[test]
    fn a_part_leaves_out_what_is_too_old_and_what_is_elsewhere() {
        let batch = batch(ProtobufMessage::V1);
        let (body, counts) = batch.request(0..3, 10);
        assert_eq!(counts, Counts { samples: 1, histograms: 1, ..Counts::default() });
        let request = prompb::WriteRequest::decode(&body[..]).unwrap();
        assert_eq!(request.timeseries.len(), 2);
        assert_eq!(batch.counts(1..2).exemplars, 1);
    }
}
