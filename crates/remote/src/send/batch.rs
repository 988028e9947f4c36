//! A request under construction: series are written as snappy elements as they are read, so that a batch is packed when its last
//! sample is there.
//!
//! Labels are copies of those of the record before (`delta` for 1.0; by comparing the bytes of both records for 2.0), times that
//! are the same too: no search for what repeats, about 30 ns a sample. Each series stands alone in the unpacked body: a retry may
//! leave out what has become too old, and a refused batch may be cut into parts, by unpacking and copying the rest.
//! Field numbers: docs/formats/remote-write.md.

use bytes::Bytes;
use foldhash::fast::FixedState;
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Timestamp};
use gauntlet_wire::convert::{float_histogram_to_proto, histogram_to_proto, metric_type_to_proto};
use gauntlet_wire::{WireError, snappy};
use hashbrown::HashMap;

use super::delta::head_len;
use super::elements::Elements;
use super::fields::{
    number_len, put_bytes, put_double, put_histogram, put_label, put_number, put_sample, put_tag,
    put_uvarint, uvarint_len,
};
use super::series::{SeriesTable, Slot, StringId};
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

/// What precedes the value in a sample that is its series' only entry, and the bytes of such a sample: times of six bytes,
/// until the year 2109.
const TRAILER: [u8; 3] = [2 << 3 | 2, 16, 1 << 3 | 1];
const PLAIN_LEN: usize = 18;
const PLAIN_TIMES: std::ops::Range<Timestamp> = 1 << 35..1 << 42;
/// Field and bytes of such a time.
const TIME_LEN: usize = 7;
/// What is longer is searched for repetitions: a histogram.
const LITERAL_LEN: usize = 64;

/// The record before.
#[derive(Clone, Copy, Debug)]
struct Last {
    slot: Slot,
    /// Where it begins in the unpacked body, and how long what it carries is.
    start: usize,
    inner: usize,
    /// It is one sample of six bytes of time: time and value.
    plain: Option<(Timestamp, [u8; 8])>,
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
    /// Elements of the series, and the length of what they unpack to.
    elements: Elements,
    length: usize,
    last: Option<Last>,
    /// Of 2.0: the symbols of the labels of the record before, and that record up to its value and from its time on.
    last_refs: Vec<u32>,
    records: [Record; 2],
    items: Vec<Item>,
    counts: Counts,
    lowest: Timestamp,
    /// Entries of each epoch of the log.
    pub(super) epochs: Vec<(u64, u32)>,
    /// Whether some of it may have been sent before a restart.
    pub(super) uncertain: bool,
    pub(super) highest: Timestamp,
    /// When its first sample was added, on the monotonic clock.
    pub(super) opened: std::time::Duration,
    scratch: Vec<u8>,
}

/// A record of 2.0 but for its value.
#[derive(Debug, Default)]
struct Record {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Batch {
    /// `items` is how many it will hold, about.
    pub(super) fn new(
        message: ProtobufMessage,
        uncertain: bool,
        opened: std::time::Duration,
        items: usize,
    ) -> Self {
        let items = items.min(1 << 12);
        let elements = Elements::with_capacity(items * 24);
        let mut batch = Self {
            message,
            symbols: Vec::new(),
            numbers: HashMap::default(),
            texts: HashMap::default(),
            symbol_count: 0,
            elements,
            length: 0,
            last: None,
            last_refs: Vec::new(),
            records: Default::default(),
            items: Vec::with_capacity(items),
            counts: Counts::default(),
            lowest: Timestamp::MAX,
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
        self.items.len() >= max_items || self.length + self.symbols.len() >= MAX_BODY_BYTES
    }

    /// The oldest time in a range.
    pub(super) fn lowest(&self, range: std::ops::Range<usize>) -> Timestamp {
        if range == (0..self.items.len()) {
            return self.lowest;
        }
        self.items[range].iter().map(|item| item.t).min().unwrap_or(Timestamp::MAX)
    }

    /// Adds a sample with the exemplars that belong to it.
    #[inline]
    pub(super) fn push(
        &mut self,
        table: &mut SeriesTable,
        slot: Slot,
        start: Timestamp,
        t: Timestamp,
        value: Value<'_>,
        exemplars: &[Exemplar],
    ) {
        if let Value::Float(value) = value
            && exemplars.is_empty()
            && PLAIN_TIMES.contains(&t)
        {
            match self.message {
                ProtobufMessage::V1 => self.plain_v1(table, slot, t, value),
                ProtobufMessage::V2 => self.plain_v2(table, slot, start, t, value),
            }
            self.item(Kind::Sample, t, 0, table.sent(slot).metadata.is_some());
            return;
        }
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
        self.series(table, slot, &inner);
        self.scratch = inner;
        self.item(kind, t, exemplars.len(), table.sent(slot).metadata.is_some());
    }

    /// Adds an exemplar whose sample is not in this batch.
    pub(super) fn push_exemplar(
        &mut self,
        table: &mut SeriesTable,
        slot: Slot,
        exemplar: &Exemplar,
        t: Timestamp,
    ) {
        let mut inner = std::mem::take(&mut self.scratch);
        inner.clear();
        self.put_exemplar(&mut inner, exemplar, t);
        self.series(table, slot, &inner);
        self.scratch = inner;
        self.item(Kind::Exemplar, t, 0, table.sent(slot).metadata.is_some());
    }

    #[inline]
    fn item(&mut self, kind: Kind, t: Timestamp, exemplars: usize, has_metadata: bool) {
        let has_metadata = self.message == ProtobufMessage::V2 && has_metadata;
        let exemplars = u16::try_from(exemplars).unwrap_or(u16::MAX);
        let item = Item { end: self.length as u32, kind, t, exemplars, has_metadata };
        self.counts.add(item.counts());
        self.items.push(item);
        self.lowest = self.lowest.min(t);
        if kind != Kind::Exemplar {
            self.highest = self.highest.max(t);
        }
    }

    /// A record with one sample of the usual length.
    #[inline]
    fn plain_v1(&mut self, table: &mut SeriesTable, slot: Slot, t: Timestamp, value: f64) {
        let Self { elements, length, .. } = self;
        let start = *length;
        let record = head_len(table.sent(slot).encoded_len as usize, PLAIN_LEN) + PLAIN_LEN;
        let bytes = value.to_bits().to_le_bytes();
        // Value and time of the record before are as far back as this one is long.
        let near = record <= snappy::MAX_DISTANCE;
        match self.last {
            Some(Last { slot: before, plain: Some((last_t, last_value)), .. }) if near => {
                table.put_head_again(before, slot, PLAIN_LEN, &TRAILER, elements);
                let follows = if last_t == t { TIME_LEN } else { 0 };
                elements.value(bytes, last_value, record, follows);
                if follows == 0 {
                    elements.literal(&time_field(t));
                }
            }
            last => {
                match last {
                    Some(Last { slot: before, start: last_start, inner, plain }) => {
                        let begins: &[u8] = if plain.is_some() { &TRAILER } else { &[] };
                        let before = (before, inner, begins);
                        let distance = start - last_start;
                        table.put_head_after(before, distance, slot, PLAIN_LEN, &TRAILER, elements);
                    }
                    None => table.put_head(slot, PLAIN_LEN, &TRAILER, elements),
                }
                elements.literal(&bytes);
                elements.literal(&time_field(t));
            }
        }
        *length += record;
        self.last = Some(Last { slot, start, inner: PLAIN_LEN, plain: Some((t, bytes)) });
    }

    #[inline]
    fn plain_v2(
        &mut self,
        table: &mut SeriesTable,
        slot: Slot,
        start: Timestamp,
        t: Timestamp,
        value: f64,
    ) {
        self.records.swap(0, 1);
        let [mut record, before] = std::mem::take(&mut self.records);
        record.tail.clear();
        put_tag(&mut record.tail, 2, 0);
        put_uvarint(&mut record.tail, t as u64);
        let sample = 9 + record.tail.len() + number_len(start as u64);
        put_number(&mut record.tail, 3, start as u64);
        self.put_metadata(table, slot, &mut record.tail);
        // Length and field of the sample: it is shorter than 128 bytes.
        let inner = 2 + 9 + record.tail.len();
        self.put_refs(table, slot, inner, &mut record.head);
        record.head.extend_from_slice(&[2 << 3 | 2, sample as u8, 1 << 3 | 1]);
        let elements = &mut self.elements;
        let before_len = before.head.len() + 8 + before.tail.len();
        let (head, tail) = (&record.head, &record.tail);
        let bytes = value.to_bits().to_le_bytes();
        let behind = head.len() + 8 + before.tail.len();
        match self.last {
            Some(Last { plain: Some((_, last_value)), .. }) if behind <= snappy::MAX_DISTANCE => {
                elements.like(head, &before.head, before_len);
                let same = tail == &before.tail;
                elements.value(bytes, last_value, behind, if same { tail.len() } else { 0 });
                if !same {
                    elements.like(tail, &before.tail, behind);
                }
            }
            _ => {
                elements.literal(head);
                elements.literal(&bytes);
                elements.literal(tail);
            }
        }
        let begin = self.length;
        self.length += head.len() + 8 + tail.len();
        self.last = Some(Last { slot, start: begin, inner, plain: Some((t, bytes)) });
        self.records = [record, before];
    }

    /// Tag, length and label references of a 2.0 series that carries `inner` bytes more. Replaces what is in `out`.
    #[inline]
    fn put_refs(&mut self, table: &SeriesTable, slot: Slot, inner: usize, out: &mut Vec<u8>) {
        let sent = table.sent(slot);
        let mut refs = std::mem::take(&mut self.scratch);
        refs.clear();
        let before = self.last.map(|last| &table.sent(last.slot).pairs);
        let before: &[StringId] = before.map_or(&[], |pairs| pairs);
        // Where the record before has the same text, it has its number.
        let mut numbers = std::mem::take(&mut self.last_refs);
        for (at, id) in sent.pairs.iter().enumerate() {
            let known = before.get(at) == Some(id) && at < numbers.len();
            let number = if known { numbers[at] } else { self.symbol_of(table, *id) };
            match numbers.get_mut(at) {
                Some(place) => *place = number,
                None => numbers.push(number),
            }
            put_uvarint(&mut refs, number.into());
        }
        numbers.truncate(sent.pairs.len());
        self.last_refs = numbers;
        let refs_len = 1 + uvarint_len(refs.len() as u64) + refs.len();
        out.clear();
        put_tag(out, 5, 2);
        put_uvarint(out, (refs_len + inner) as u64);
        put_bytes(out, 1, &refs);
        self.scratch = refs;
    }

    fn put_metadata(&mut self, table: &SeriesTable, slot: Slot, out: &mut Vec<u8>) {
        let Some(known) = table.sent(slot).metadata.clone() else {
            put_bytes(out, 5, b"");
            return;
        };
        let (help, unit) = (self.symbol(&known.help), self.symbol(&known.unit));
        let mut metadata = [0u8; 24];
        let mut rest = &mut metadata[..];
        let room = rest.len();
        for (field, number) in [
            (1u8, metric_type_to_proto(known.metric_type) as u64),
            (3, help.into()),
            (4, unit.into()),
        ] {
            let mut number: u64 = number;
            if number == 0 {
                continue;
            }
            let mut put = |byte: u8| {
                let (first, others) = std::mem::take(&mut rest).split_at_mut(1);
                first[0] = byte;
                rest = others;
            };
            put(field << 3);
            while number >= 0x80 {
                put(number as u8 | 0x80);
                number >>= 7;
            }
            put(number as u8);
        }
        let len = room - rest.len();
        put_bytes(out, 5, &metadata[..len]);
    }

    /// Writes a series of any kind: its labels, then `inner`, what it carries.
    fn series(&mut self, table: &mut SeriesTable, slot: Slot, inner: &[u8]) {
        let start = self.length;
        match self.message {
            ProtobufMessage::V1 => {
                let elements = &mut self.elements;
                match self.last {
                    Some(last) => {
                        let before: (_, _, &[u8]) = (last.slot, last.inner, &[]);
                        let distance = start - last.start;
                        table.put_head_after(before, distance, slot, inner.len(), &[], elements);
                    }
                    None => table.put_head(slot, inner.len(), &[], elements),
                }
                self.length += head_len(table.sent(slot).encoded_len as usize, inner.len());
                self.put_inner(inner);
            }
            ProtobufMessage::V2 => {
                let mut tail = Vec::with_capacity(32);
                self.put_metadata(table, slot, &mut tail);
                let mut head = Vec::with_capacity(64);
                self.put_refs(table, slot, inner.len() + tail.len(), &mut head);
                self.elements.literal(&head);
                self.length += head.len();
                self.put_inner(inner);
                self.elements.literal(&tail);
                self.length += tail.len();
            }
        }
        self.last = Some(Last { slot, start, inner: inner.len(), plain: None });
    }

    fn put_inner(&mut self, inner: &[u8]) {
        let searched = inner.len() > LITERAL_LEN && self.elements.searched(inner).is_ok();
        if !searched {
            self.elements.literal(inner);
        }
        self.length += inner.len();
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

    fn symbol_of(&mut self, table: &SeriesTable, id: StringId) -> u32 {
        let Self { numbers, symbols, symbol_count, .. } = self;
        *numbers.entry(id).or_insert_with(|| {
            put_bytes(symbols, 4, table.strings().get(id).as_bytes());
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

    /// Ends the writing: the whole body, packed. What is asked of it later is asked of these bytes.
    pub(super) fn seal(&mut self) -> Result<Bytes, WireError> {
        let elements = std::mem::replace(&mut self.elements, Elements::with_capacity(0));
        let length = self.symbols.len() + self.length;
        Ok(elements.into_block(&self.symbols, length)?.into())
    }

    /// Of the whole body as it was sealed: the packed request of the series in a range that are not older than `oldest`, and what
    /// is in it.
    pub(super) fn part(
        &self,
        whole: &Bytes,
        range: std::ops::Range<usize>,
        oldest: Timestamp,
    ) -> Result<(Bytes, Counts), WireError> {
        if range == (0..self.items.len()) && oldest <= self.lowest {
            return Ok((whole.clone(), self.counts));
        }
        let mut counts = Counts::default();
        let body = snappy::unpack(whole, 2 * MAX_BODY_BYTES)?;
        let (symbols, series) = body.split_at(self.symbols.len());
        let mut out = Vec::with_capacity(body.len());
        out.extend_from_slice(symbols);
        for index in range {
            let item = &self.items[index];
            if item.t >= oldest {
                let start = if index == 0 { 0 } else { self.items[index - 1].end as usize };
                out.extend_from_slice(&series[start..item.end as usize]);
                counts.add(item.counts());
            }
        }
        Ok((snappy::pack(&out)?.into(), counts))
    }

    /// What the range holds.
    pub(super) fn counts(&self, range: std::ops::Range<usize>) -> Counts {
        if range == (0..self.items.len()) {
            return self.counts;
        }
        let mut counts = Counts::default();
        self.items[range].iter().for_each(|item| counts.add(item.counts()));
        counts
    }
}

/// The field of a time of six bytes.
#[inline]
fn time_field(t: Timestamp) -> [u8; TIME_LEN] {
    let mut field = [2 << 3; TIME_LEN];
    for (place, shift) in field[1..].iter_mut().zip((0..).step_by(7)) {
        *place = (t >> shift) as u8 & 0x7f | 0x80;
    }
    field[TIME_LEN - 1] &= 0x7f;
    field
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

#[cfg(test)]
mod tests;
