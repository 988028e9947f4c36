//! Records: what a log says, decoded. Page: docs/formats/wal.md. Source: upstream `tsdb/record`.
//!
//! A record is its kind byte, then entries until its end. Fixed numbers are big endian. Start timestamps are read where a kind has
//! them; 0 means none.

use gauntlet_encoding::{Cursor, DecodeError};
use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::{
    FloatHistogram, Histogram, Labels, LabelsBuilder, Metadata, MetricType, Timestamp,
};

pub const SERIES: u8 = 1;
pub(crate) const SAMPLES: u8 = 2;
pub(crate) const TOMBSTONES: u8 = 3;
pub const EXEMPLARS: u8 = 4;
pub(crate) const MMAP_MARKERS: u8 = 5;
pub const METADATA: u8 = 6;
pub(crate) const HISTOGRAMS: u8 = 7;
pub(crate) const FLOAT_HISTOGRAMS: u8 = 8;
pub(crate) const CUSTOM_HISTOGRAMS: u8 = 9;
pub(crate) const CUSTOM_FLOAT_HISTOGRAMS: u8 = 10;
pub(crate) const SAMPLES_V2: u8 = 11;
pub(crate) const HISTOGRAMS_V2: u8 = 12;
pub(crate) const FLOAT_HISTOGRAMS_V2: u8 = 13;

/// A series of the log: its number there.
pub type WalRef = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEntry {
    pub series: WalRef,
    pub labels: Labels,
}

/// A float sample. `start` is its start timestamp, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleEntry {
    pub series: WalRef,
    pub start: Timestamp,
    pub t: Timestamp,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistogramEntry<H> {
    pub series: WalRef,
    pub start: Timestamp,
    pub t: Timestamp,
    pub histogram: H,
}

/// A deletion; both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TombstoneEntry {
    pub series: WalRef,
    pub min_t: Timestamp,
    pub max_t: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarEntry {
    pub series: WalRef,
    pub t: Timestamp,
    pub value: f64,
    pub labels: Labels,
}

/// All late samples of the series so far are in the head chunk file at `chunk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmapMarkerEntry {
    pub series: WalRef,
    pub chunk: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataEntry {
    pub series: WalRef,
    pub metadata: Metadata,
}

/// Entries of records. Decoding appends; the caller clears.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub series: Vec<SeriesEntry>,
    pub samples: Vec<SampleEntry>,
    pub tombstones: Vec<TombstoneEntry>,
    pub exemplars: Vec<ExemplarEntry>,
    pub mmap_markers: Vec<MmapMarkerEntry>,
    pub metadata: Vec<MetadataEntry>,
    pub histograms: Vec<HistogramEntry<Histogram>>,
    pub float_histograms: Vec<HistogramEntry<FloatHistogram>>,
    /// Records of a kind that is not known here; readers pass them over, as upstream does.
    pub unknown: u64,
}

/// Hands the samples of a record of kind [`SAMPLES`] to `each`; on error, those before the fault.
pub(crate) fn each_plain_sample(
    record: &[u8],
    mut each: impl FnMut(WalRef, Timestamp, f64),
) -> Result<(), RecordError> {
    let mut cursor = Cursor::new(record);
    cursor.skip(1)?;
    if cursor.is_empty() {
        return Ok(());
    }
    let (first_series, first_t) = (cursor.u64()?, cursor.u64()? as i64);
    while !cursor.is_empty() {
        let series = first_series.wrapping_add(cursor.varint()? as u64);
        let t = first_t.wrapping_add(cursor.varint()?);
        each(series, t, cursor.f64()?);
    }
    Ok(())
}

/// Why a record was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("empty record")]
    Empty,
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("{count} entries claimed where {left} bytes are left")]
    Count { count: usize, left: usize },
}

impl Records {
    pub fn clear(&mut self) {
        self.series.clear();
        self.samples.clear();
        self.tombstones.clear();
        self.exemplars.clear();
        self.mmap_markers.clear();
        self.metadata.clear();
        self.histograms.clear();
        self.float_histograms.clear();
        self.unknown = 0;
    }

    /// Decodes one record behind what is here. On error, entries before the fault stay: each of them is whole.
    pub fn decode(&mut self, record: &[u8]) -> Result<(), RecordError> {
        let (kind, _) = record.split_first().ok_or(RecordError::Empty)?;
        let mut cursor = Cursor::new(record);
        cursor.skip(1)?;
        let cursor = &mut cursor;
        match *kind {
            SERIES => self.decode_series(cursor),
            SAMPLES => self.decode_samples(record),
            SAMPLES_V2 => self.decode_samples_v2(cursor),
            TOMBSTONES => self.decode_tombstones(cursor),
            EXEMPLARS => self.decode_exemplars(cursor),
            MMAP_MARKERS => self.decode_mmap_markers(cursor),
            METADATA => self.decode_metadata(cursor),
            HISTOGRAMS | CUSTOM_HISTOGRAMS => {
                decode_histograms(cursor, &mut self.histograms, read_histogram)
            }
            FLOAT_HISTOGRAMS | CUSTOM_FLOAT_HISTOGRAMS => {
                decode_histograms(cursor, &mut self.float_histograms, read_float_histogram)
            }
            HISTOGRAMS_V2 => decode_histograms_v2(cursor, &mut self.histograms, read_histogram),
            FLOAT_HISTOGRAMS_V2 => {
                decode_histograms_v2(cursor, &mut self.float_histograms, read_float_histogram)
            }
            _ => {
                self.unknown += 1;
                Ok(())
            }
        }
    }

    fn decode_series(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        while !cursor.is_empty() {
            let series = cursor.u64()?;
            let labels = read_labels(cursor)?;
            self.series.push(SeriesEntry { series, labels });
        }
        Ok(())
    }

    fn decode_samples(&mut self, record: &[u8]) -> Result<(), RecordError> {
        // An entry takes ten bytes at least.
        self.samples.reserve(record.len() / 10);
        each_plain_sample(record, |series, t, value| {
            self.samples.push(SampleEntry { series, start: 0, t, value });
        })
    }

    fn decode_samples_v2(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        let mut deltas = DeltasV2::default();
        while !cursor.is_empty() {
            let (series, start, t) = deltas.next(cursor)?;
            let value = cursor.f64()?;
            self.samples.push(SampleEntry { series, start, t, value });
        }
        Ok(())
    }

    fn decode_tombstones(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        while !cursor.is_empty() {
            let series = cursor.u64()?;
            let (min_t, max_t) = (cursor.varint()?, cursor.varint()?);
            self.tombstones.push(TombstoneEntry { series, min_t, max_t });
        }
        Ok(())
    }

    fn decode_exemplars(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        if cursor.is_empty() {
            return Ok(());
        }
        let (first_series, first_t) = (cursor.u64()?, cursor.u64()? as i64);
        while !cursor.is_empty() {
            let series = first_series.wrapping_add(cursor.varint()? as u64);
            let t = first_t.wrapping_add(cursor.varint()?);
            let value = cursor.f64()?;
            let labels = read_labels(cursor)?;
            self.exemplars.push(ExemplarEntry { series, t, value, labels });
        }
        Ok(())
    }

    fn decode_mmap_markers(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        while !cursor.is_empty() {
            self.mmap_markers.push(MmapMarkerEntry { series: cursor.u64()?, chunk: cursor.u64()? });
        }
        Ok(())
    }

    fn decode_metadata(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordError> {
        while !cursor.is_empty() {
            let series = cursor.uvarint()?;
            let metric_type = metric_type_of(cursor.u8()?);
            let fields = cursor.uvarint()?;
            let mut metadata = Metadata { metric_type, ..Metadata::default() };
            for _ in 0..fields {
                let (name, value) = (cursor.len_str()?, cursor.len_str()?);
                match name {
                    "UNIT" => value.clone_into(&mut metadata.unit),
                    "HELP" => value.clone_into(&mut metadata.help),
                    _ => {}
                }
            }
            self.metadata.push(MetadataEntry { series, metadata });
        }
        Ok(())
    }
}

pub(crate) fn metric_type_of(number: u8) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

pub(super) fn read_labels(cursor: &mut Cursor<'_>) -> Result<Labels, RecordError> {
    let count = cursor.uvarint_len()?;
    // A pair takes two bytes at least.
    let pairs = checked_count(cursor, count, 2)?;
    let mut sorted = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let (name, value) = (cursor.len_str()?, cursor.len_str()?);
        sorted.push((name, value));
    }
    if sorted.windows(2).all(|w| w[0].0 < w[1].0) && sorted.iter().all(|(_, v)| !v.is_empty()) {
        return Ok(Labels::from_sorted(sorted));
    }
    let mut builder = LabelsBuilder::default();
    for (name, value) in sorted {
        builder.set(name, value);
    }
    Ok(builder.build())
}

/// Refuses counts that the rest of the record cannot hold, before memory is taken for them.
fn checked_count(cursor: &Cursor<'_>, count: usize, least: usize) -> Result<usize, RecordError> {
    let left = cursor.remaining();
    if count > left / least {
        return Err(RecordError::Count { count, left });
    }
    Ok(count)
}

/// The shared front of version 2 entries: reference to the previous, time to the first, start timestamp by a marker.
#[derive(Default)]
struct DeltasV2 {
    first: Option<(i64, i64)>,
    series: i64,
    start: i64,
}

impl DeltasV2 {
    fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
    ) -> Result<(WalRef, Timestamp, Timestamp), DecodeError> {
        let t = match self.first {
            None => {
                self.series = cursor.varint()?;
                let t = cursor.varint()?;
                self.start = cursor.varint()?;
                self.first = Some((t, self.start));
                t
            }
            Some((first_t, first_start)) => {
                self.series = self.series.wrapping_add(cursor.varint()?);
                let t = first_t.wrapping_add(cursor.varint()?);
                match cursor.u8()? {
                    0 => self.start = 0,
                    1 => {}
                    _ => self.start = first_start.wrapping_add(cursor.varint()?),
                }
                t
            }
        };
        Ok((self.series as u64, self.start, t))
    }
}

fn decode_histograms<H>(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<HistogramEntry<H>>,
    read: fn(&mut Cursor<'_>) -> Result<H, RecordError>,
) -> Result<(), RecordError> {
    if cursor.is_empty() {
        return Ok(());
    }
    let (first_series, first_t) = (cursor.u64()?, cursor.u64()? as i64);
    while !cursor.is_empty() {
        let series = first_series.wrapping_add(cursor.varint()? as u64);
        let t = first_t.wrapping_add(cursor.varint()?);
        out.push(HistogramEntry { series, start: 0, t, histogram: read(cursor)? });
    }
    Ok(())
}

fn decode_histograms_v2<H>(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<HistogramEntry<H>>,
    read: fn(&mut Cursor<'_>) -> Result<H, RecordError>,
) -> Result<(), RecordError> {
    let mut deltas = DeltasV2::default();
    while !cursor.is_empty() {
        let (series, start, t) = deltas.next(cursor)?;
        out.push(HistogramEntry { series, start, t, histogram: read(cursor)? });
    }
    Ok(())
}

fn read_hint(cursor: &mut Cursor<'_>) -> Result<CounterResetHint, DecodeError> {
    Ok(match cursor.u8()? {
        1 => CounterResetHint::CounterReset,
        2 => CounterResetHint::NotCounterReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    })
}

fn read_list<T>(
    cursor: &mut Cursor<'_>,
    least: usize,
    mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, RecordError> {
    let count = cursor.uvarint_len()?;
    let count = checked_count(cursor, count, least)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(read(cursor)?);
    }
    Ok(list)
}

fn read_span(cursor: &mut Cursor<'_>) -> Result<Span, DecodeError> {
    Ok(Span { offset: cursor.varint()? as i32, length: cursor.uvarint()? as u32 })
}

fn read_custom_values(cursor: &mut Cursor<'_>, schema: i32) -> Result<Vec<f64>, RecordError> {
    if schema != gauntlet_model::histogram::CUSTOM_BUCKETS_SCHEMA {
        return Ok(Vec::new());
    }
    read_list(cursor, 8, |c| c.f64())
}

fn read_histogram(cursor: &mut Cursor<'_>) -> Result<Histogram, RecordError> {
    let mut h = Histogram {
        counter_reset_hint: read_hint(cursor)?,
        schema: cursor.varint()? as i32,
        zero_threshold: cursor.f64()?,
        zero_count: cursor.uvarint()?,
        count: cursor.uvarint()?,
        sum: cursor.f64()?,
        positive_spans: read_list(cursor, 2, read_span)?,
        negative_spans: read_list(cursor, 2, read_span)?,
        positive_buckets: read_list(cursor, 1, |c| c.varint())?,
        negative_buckets: read_list(cursor, 1, |c| c.varint())?,
        custom_values: Vec::new(),
    };
    h.custom_values = read_custom_values(cursor, h.schema)?;
    Ok(h)
}

fn read_float_histogram(cursor: &mut Cursor<'_>) -> Result<FloatHistogram, RecordError> {
    let mut h = FloatHistogram {
        counter_reset_hint: read_hint(cursor)?,
        schema: cursor.varint()? as i32,
        zero_threshold: cursor.f64()?,
        zero_count: cursor.f64()?,
        count: cursor.f64()?,
        sum: cursor.f64()?,
        positive_spans: read_list(cursor, 2, read_span)?,
        negative_spans: read_list(cursor, 2, read_span)?,
        positive_buckets: read_list(cursor, 8, |c| c.f64())?,
        negative_buckets: read_list(cursor, 8, |c| c.f64())?,
        custom_values: Vec::new(),
    };
    h.custom_values = read_custom_values(cursor, h.schema)?;
    Ok(h)
}
