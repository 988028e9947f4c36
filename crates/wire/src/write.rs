//! Bodies of remote write, borrowed: series by series, nothing allocated for what is known already. Page: docs/formats/remote-write.md.
//!
//! A series of 1.0 gives the raw bytes of its label fields: the same series has the same bytes in each request of a sender, so that
//! a receiver finds it by their hash. A series of 2.0 gives references into the request's symbols.

use std::ops::Range;

use crate::fields::{Fields, ProtoError, Value, packed_varints};

/// Calls `each` for every series of a 1.0 body (`prometheus.WriteRequest`). Metadata is passed over.
pub fn series_v1<'a, E: From<ProtoError>>(
    body: &'a [u8],
    mut each: impl FnMut(SeriesV1<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => each(SeriesV1::new(value.bytes("Timeseries")?)?)?,
            3 => {
                value.bytes("Metadata")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A label's name and value, as they stand in the body.
pub type RawLabel<'a> = (&'a [u8], &'a [u8]);

/// First bytes of a label and of a sample in a 1.0 series.
const LABEL: u8 = 1 << 3 | 2;
const SAMPLE: u8 = 2 << 3 | 2;

/// `prometheus.TimeSeries`.
#[derive(Clone, Debug)]
pub struct SeriesV1<'a> {
    body: &'a [u8],
    /// Where the label fields are, if they stand together.
    labels: Option<Range<usize>>,
}

impl<'a> SeriesV1<'a> {
    #[inline]
    fn new(body: &'a [u8]) -> Result<Self, ProtoError> {
        // Labels mostly come first, each shorter than 128 bytes: a look at the lengths leads over them.
        let mut end = 0;
        while let Some([LABEL, len @ 0..0x80]) = body.get(end..end + 2)
            && let next = end + 2 + usize::from(*len)
            && next <= body.len()
        {
            end = next;
        }
        let mut fields = Fields::from(body, end);
        let (mut range, mut together) = (0..end, true);
        loop {
            let start = fields.position();
            let Some((number, value)) = fields.next_field()? else { break };
            if number == 1 {
                value.bytes("Labels")?;
                if range.end == 0 {
                    range.start = start;
                } else if range.end != start {
                    together = false;
                }
                range.end = fields.position();
            }
        }
        Ok(Self { body, labels: together.then_some(range) })
    }

    /// The label fields as they stand; `None` where other fields are between them.
    pub fn raw_labels(&self) -> Option<&'a [u8]> {
        self.labels.clone().map(|range| &self.body[range])
    }

    /// Names and values in the order of the message.
    pub fn labels(&self) -> Result<Vec<RawLabel<'a>>, ProtoError> {
        let mut out = Vec::with_capacity(16);
        let mut fields = Fields::new(self.raw_labels().unwrap_or(self.body));
        while let Some((number, value)) = fields.next_field()? {
            if number == 1 {
                out.push(label(value.bytes("Labels")?)?);
            }
        }
        Ok(out)
    }

    /// The sample of a series that has one and nothing else, in the form that senders write.
    #[inline]
    pub fn only_sample(&self) -> Option<Sample> {
        let range = self.labels.as_ref().filter(|range| range.start == 0)?;
        let [SAMPLE, len, 0x09, rest @ ..] = &self.body[range.end..] else { return None };
        let (value, rest) = rest.split_first_chunk::<8>()?;
        let [0x10, time @ ..] = rest else { return None };
        if usize::from(*len) != 10 + time.len() || !(1..=9).contains(&time.len()) {
            return None;
        }
        let mut timestamp = 0u64;
        for (at, byte) in time.iter().enumerate() {
            if (*byte < 0x80) != (at + 1 == time.len()) {
                return None;
            }
            timestamp |= u64::from(byte & 0x7f) << (7 * at);
        }
        let value = f64::from_le_bytes(*value);
        Some(Sample { value, timestamp: timestamp as i64, start: 0 })
    }

    /// Calls `each` for every sample, exemplar and histogram, in the order of the message.
    pub fn each<E: From<ProtoError>>(
        &self,
        mut each: impl FnMut(Entry<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Labels mostly come first: what is behind them is all that is left to read.
        let skip = match &self.labels {
            Some(range) if range.start == 0 => range.end,
            _ => 0,
        };
        let mut fields = Fields::new(&self.body[skip..]);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                2 => each(Entry::Sample(sample(value.bytes("Samples")?)?))?,
                3 => each(Entry::Exemplar(value.bytes("Exemplars")?))?,
                4 => each(Entry::Histogram(value.bytes("Histograms")?))?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a series holds. Messages that are rare are left encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    Sample(Sample),
    Exemplar(&'a [u8]),
    Histogram(&'a [u8]),
}

/// A float sample; `start` is its start timestamp, 0 for none, and always 0 in 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    pub value: f64,
    pub timestamp: i64,
    pub start: i64,
}

#[inline]
fn sample(body: &[u8]) -> Result<Sample, ProtoError> {
    let mut out = Sample::default();
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => out.value = value.double("Value")?,
            2 => out.timestamp = value.varint("Timestamp")? as i64,
            3 => out.start = value.varint("StartTimestamp")? as i64,
            _ => {}
        }
    }
    Ok(out)
}

fn label(body: &[u8]) -> Result<(&[u8], &[u8]), ProtoError> {
    let (mut name, mut text): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => name = value.bytes("Name")?,
            2 => text = value.bytes("Value")?,
            _ => {}
        }
    }
    Ok((name, text))
}

/// A 2.0 body (`io.prometheus.write.v2.Request`): its symbols and its series, still encoded.
#[derive(Clone, Debug, Default)]
pub struct RequestV2<'a> {
    pub symbols: Vec<&'a [u8]>,
    pub series: Vec<&'a [u8]>,
}

impl<'a> RequestV2<'a> {
    pub fn new(body: &'a [u8]) -> Result<Self, ProtoError> {
        let mut out = Self::default();
        let mut fields = Fields::new(body);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                4 => out.symbols.push(value.bytes("Symbols")?),
                5 => out.series.push(value.bytes("Timeseries")?),
                _ => {}
            }
        }
        Ok(out)
    }
}

/// `io.prometheus.write.v2.TimeSeries`. One is used for all series of a request, so that its lists are allocated once.
#[derive(Clone, Debug, Default)]
pub struct SeriesV2<'a> {
    pub labels_refs: Vec<u32>,
    pub samples: Vec<Sample>,
    /// Still encoded.
    pub histograms: Vec<&'a [u8]>,
    pub exemplars: Vec<&'a [u8]>,
    pub metadata: MetadataV2,
}

/// A series' metadata: its type's number and references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetadataV2 {
    pub r#type: i32,
    pub help_ref: u32,
    pub unit_ref: u32,
}

impl<'a> SeriesV2<'a> {
    /// Replaces what is here by a series.
    pub fn read(&mut self, body: &'a [u8]) -> Result<(), ProtoError> {
        self.labels_refs.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata = MetadataV2::default();
        let mut fields = Fields::new(body);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => refs(value, &mut self.labels_refs)?,
                2 => self.samples.push(sample(value.bytes("Samples")?)?),
                3 => self.histograms.push(value.bytes("Histograms")?),
                4 => self.exemplars.push(value.bytes("Exemplars")?),
                5 => self.metadata = metadata(value.bytes("Metadata")?)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn refs(value: Value<'_>, out: &mut Vec<u32>) -> Result<(), ProtoError> {
    packed_varints(value, "LabelsRefs", |number| out.push(number as u32))
}

fn metadata(body: &[u8]) -> Result<MetadataV2, ProtoError> {
    let mut out = MetadataV2::default();
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => out.r#type = value.varint("Type")? as i32,
            3 => out.help_ref = value.varint("HelpRef")? as u32,
            4 => out.unit_ref = value.varint("UnitRef")? as u32,
            _ => {}
        }
    }
    Ok(out)
}

/// Labels, value and time of a 2.0 exemplar, its label references in turn.
pub fn exemplar_v2(body: &[u8]) -> Result<(Vec<u32>, f64, i64), ProtoError> {
    let (mut labels, mut number_value, mut timestamp) = (Vec::new(), 0.0, 0);
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => refs(value, &mut labels)?,
            2 => number_value = value.double("Value")?,
            3 => timestamp = value.varint("Timestamp")? as i64,
            _ => {}
        }
    }
    Ok((labels, number_value, timestamp))
}

/// Labels, value and time of a 1.0 exemplar.
#[expect(clippy::type_complexity, reason = "three parts of one message")]
pub fn exemplar_v1(body: &[u8]) -> Result<(Vec<(&[u8], &[u8])>, f64, i64), ProtoError> {
    let (mut labels, mut number_value, mut timestamp) = (Vec::new(), 0.0, 0);
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next_field()? {
        match number {
            1 => labels.push(label(value.bytes("Labels")?)?),
            2 => number_value = value.double("Value")?,
            3 => timestamp = value.varint("Timestamp")? as i64,
            _ => {}
        }
    }
    Ok((labels, number_value, timestamp))
}

/// Reads a body of either version to its end, for fuzzing.
pub fn check_bytes(body: &[u8]) {
    let _ = series_v1::<ProtoError>(body, |series| {
        let _ = series.labels();
        series.each(|_| Ok::<(), ProtoError>(()))
    });
    let Ok(request) = RequestV2::new(body) else { return };
    let mut series = SeriesV2::default();
    for body in &request.series {
        let _ = series.read(body);
        for exemplar in &series.exemplars {
            let _ = exemplar_v2(exemplar);
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{prompb, write_v2};

    #[test]
    fn borrowed_series_are_those_of_the_message() {
        let label =
            |name: &str, value: &str| prompb::Label { name: name.into(), value: value.into() };
        let message = prompb::WriteRequest {
            timeseries: vec![prompb::TimeSeries {
                labels: vec![label("__name__", "up"), label("job", "x")],
                samples: vec![
                    prompb::Sample { value: 1.5, timestamp: -7 },
                    prompb::Sample { value: 0.0, timestamp: 0 },
                ],
                exemplars: vec![prompb::Exemplar {
                    labels: vec![label("id", "1")],
                    value: 3.0,
                    timestamp: 9,
                }],
                histograms: vec![prompb::Histogram { timestamp: 5, ..Default::default() }],
            }],
            metadata: vec![prompb::MetricMetadata::default()],
        };
        let bytes = message.encode_to_vec();
        let mut seen = Vec::new();
        series_v1::<ProtoError>(&bytes, |series| {
            assert_eq!(series.labels()?, [(&b"__name__"[..], &b"up"[..]), (b"job", b"x")]);
            assert_eq!(series.raw_labels().unwrap().len(), 16 + 10);
            assert_eq!(series.only_sample(), None);
            series.each(|entry| {
                match entry {
                    Entry::Sample(sample) => seen.push((sample.value, sample.timestamp)),
                    Entry::Exemplar(body) => {
                        assert_eq!(exemplar_v1(body)?, (vec![(&b"id"[..], &b"1"[..])], 3.0, 9));
                    }
                    Entry::Histogram(body) => {
                        assert_eq!(prompb::Histogram::decode(body).unwrap().timestamp, 5);
                    }
                }
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(seen, [(1.5, -7), (0.0, 0)]);
    }

    #[test]
    fn a_lone_sample_is_the_one_that_reading_all_gives() {
        let mut bodies = Vec::new();
        for timestamp in [0, 1, 127, 128, -7, 1_700_000_000_000, i64::MAX, i64::MIN] {
            for value in [0.0, 1.5] {
                for len in [0, 1, 126, 127, 200] {
                    let label = prompb::Label { name: "n".into(), value: "v".repeat(len) };
                    let sample = prompb::Sample { value, timestamp };
                    let series = prompb::TimeSeries {
                        labels: vec![label.clone(), label],
                        samples: vec![sample],
                        ..Default::default()
                    };
                    bodies.push(series.encode_to_vec());
                }
            }
        }
        let mut found = 0;
        for body in bodies {
            for cut in 0..=body.len() {
                let Ok(series) = SeriesV1::new(&body[..cut]) else { continue };
                let mut all = Vec::new();
                let read = series.each(|entry| {
                    all.push(entry);
                    Ok::<(), ProtoError>(())
                });
                if let Some(sample) = series.only_sample() {
                    found += 1;
                    assert_eq!((read, all), (Ok(()), vec![Entry::Sample(sample)]));
                }
                let labels = series.labels().unwrap();
                assert!(labels.len() <= 2);
                assert_eq!(cut == body.len(), labels.len() == 2 && all_of(&series) == 1);
            }
        }
        assert!(found > 20, "{found}");
    }

    fn all_of(series: &SeriesV1<'_>) -> usize {
        let mut count = 0;
        let _ = series.each(|_| {
            count += 1;
            Ok::<(), ProtoError>(())
        });
        count
    }

    #[test]
    fn labels_between_other_fields_are_found() {
        // sample, label a=b, sample, label c=d
        let bytes = [
            0x12, 2, 0x10, 1, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b', 0x12, 2, 0x10, 2, 0x0a, 6,
            0x0a, 1, b'c', 0x12, 1, b'd',
        ];
        let series = SeriesV1::new(&bytes).unwrap();
        assert_eq!(series.raw_labels(), None);
        assert_eq!(series.labels().unwrap().len(), 2);
        let mut times = Vec::new();
        let each = |entry: Entry<'_>| {
            if let Entry::Sample(sample) = entry {
                times.push(sample.timestamp);
            }
            Ok::<(), ProtoError>(())
        };
        series.each(each).unwrap();
        assert_eq!(times, [1, 2]);
    }

    #[test]
    fn second_version_is_that_of_the_message() {
        let message = write_v2::Request {
            symbols: ["", "__name__", "up", "help"].map(str::to_owned).to_vec(),
            timeseries: vec![write_v2::TimeSeries {
                labels_refs: vec![1, 2],
                samples: vec![write_v2::Sample { value: 2.0, timestamp: 8, start_timestamp: 3 }],
                histograms: vec![prompb::Histogram::default()],
                exemplars: vec![write_v2::Exemplar {
                    labels_refs: vec![1, 2],
                    value: 1.0,
                    timestamp: 2,
                }],
                metadata: Some(write_v2::Metadata { r#type: 1, help_ref: 3, unit_ref: 0 }),
            }],
        };
        let bytes = message.encode_to_vec();
        let request = RequestV2::new(&bytes).unwrap();
        assert_eq!(request.symbols[2], b"up");
        let mut series = SeriesV2::default();
        series.read(request.series[0]).unwrap();
        assert_eq!(series.labels_refs, [1, 2]);
        assert_eq!(series.samples, [Sample { value: 2.0, timestamp: 8, start: 3 }]);
        assert_eq!(series.metadata, MetadataV2 { r#type: 1, help_ref: 3, unit_ref: 0 });
        assert_eq!(exemplar_v2(series.exemplars[0]).unwrap(), (vec![1, 2], 1.0, 2));
    }

    #[test]
    fn cut_and_flipped_bodies_never_panic() {
        let mut bytes = vec![0x0a, 12, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b', 0x12, 2, 0x10, 1];
        bytes.extend([0x22, 1, b'x', 0x2a, 4, 0x0a, 2, 0, 1]);
        for cut in 0..=bytes.len() {
            check_bytes(&bytes[..cut]);
            for at in 0..cut {
                for bit in 0..8 {
                    let mut flipped = bytes[..cut].to_vec();
                    flipped[at] ^= 1 << bit;
                    check_bytes(&flipped);
                }
            }
        }
    }
}
