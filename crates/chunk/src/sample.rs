//! Samples of any kind one by one, and the encoder that makes chunks of them: for merging, rewriting and dumping, where every
//! histogram must keep its kind. Queries use [`crate::decode`] instead.

use gauntlet_model::{FloatHistogram, Histogram, Timestamp};

use crate::histogram::{Appended, FloatHistogramSamples, HistogramAppendError, HistogramSamples};
use crate::{
    ChunkError, Columns, Encoding, FloatHistogramAppender, HistogramAppender, Xor2Appender,
    XorAppender, decode,
};

/// What a sample holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    Float(f64),
    Histogram(Box<Histogram>),
    FloatHistogram(Box<FloatHistogram>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub t: Timestamp,
    /// Start timestamp, 0 if unknown.
    pub start: Timestamp,
    pub value: SampleValue,
}

/// All samples of a chunk.
pub fn read_samples(encoding: Encoding, chunk: &[u8]) -> Result<Vec<Sample>, ChunkError> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Xor | Encoding::Xor2 => {
            let mut columns = Columns::default();
            decode(encoding, chunk, Timestamp::MIN, Timestamp::MAX, &mut columns)?;
            for (i, (t, value)) in columns.timestamps.iter().zip(&columns.values).enumerate() {
                let start = columns.start_timestamps.get(i).copied().unwrap_or(0);
                out.push(Sample { t: *t, start, value: SampleValue::Float(*value) });
            }
        }
        Encoding::Histogram | Encoding::HistogramSt => {
            let mut samples = HistogramSamples::new(encoding, chunk)?;
            while samples.advance()? {
                let value = SampleValue::Histogram(Box::new(samples.histogram()));
                out.push(Sample {
                    t: samples.timestamp(),
                    start: samples.start_timestamp(),
                    value,
                });
            }
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            let mut samples = FloatHistogramSamples::new(encoding, chunk)?;
            while samples.advance()? {
                let value = SampleValue::FloatHistogram(Box::new(samples.histogram()));
                out.push(Sample {
                    t: samples.timestamp(),
                    start: samples.start_timestamp(),
                    value,
                });
            }
        }
    }
    Ok(out)
}

/// A finished chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    pub encoding: Encoding,
    /// First and last sample's time, both in.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    pub bytes: Vec<u8>,
}

/// Samples after which [`ChunkEncoder`] begins a new chunk.
pub const SAMPLES_PER_CHUNK: usize = 120;

#[derive(Debug)]
enum Open {
    Xor(XorAppender),
    Xor2(Xor2Appender),
    Histogram(Box<HistogramAppender>),
    FloatHistogram(Box<FloatHistogramAppender>),
}

impl Open {
    fn encoding(&self) -> Encoding {
        match self {
            Self::Xor(_) => Encoding::Xor,
            Self::Xor2(_) => Encoding::Xor2,
            Self::Histogram(appender) => appender.encoding(),
            Self::FloatHistogram(appender) => appender.encoding(),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Xor(appender) => appender.into_bytes(),
            Self::Xor2(appender) => appender.into_bytes(),
            Self::Histogram(appender) => appender.into_bytes(),
            Self::FloatHistogram(appender) => appender.into_bytes(),
        }
    }
}

/// Makes chunks of a series' samples, cutting as upstream does when it merges blocks: at 120 samples, at a change of kind, where a start
/// time appears that the open chunk cannot store, and where a histogram does not fit.
#[derive(Debug)]
pub struct ChunkEncoder {
    chunks: Vec<EncodedChunk>,
    open: Option<Open>,
    samples: usize,
    min_time: Timestamp,
    max_time: Timestamp,
    /// Whether floats without start times go to XOR2 chunks as well.
    prefer_xor2: bool,
}

impl ChunkEncoder {
    pub fn new(prefer_xor2: bool) -> Self {
        Self { chunks: Vec::new(), open: None, samples: 0, min_time: 0, max_time: 0, prefer_xor2 }
    }

    pub fn append(&mut self, sample: &Sample) -> Result<(), HistogramAppendError> {
        let with_start = sample.start != 0;
        let fits = self.samples < SAMPLES_PER_CHUNK
            && match (&self.open, &sample.value) {
                (Some(Open::Xor(_)), SampleValue::Float(_)) => !with_start,
                (Some(Open::Xor2(_)), SampleValue::Float(_)) => true,
                (Some(Open::Histogram(a)), SampleValue::Histogram(_)) => {
                    (a.encoding() == Encoding::HistogramSt) == with_start
                }
                (Some(Open::FloatHistogram(a)), SampleValue::FloatHistogram(_)) => {
                    (a.encoding() == Encoding::FloatHistogramSt) == with_start
                }
                _ => false,
            };
        if !fits {
            self.end_chunk();
            self.open = Some(match sample.value {
                SampleValue::Float(_) if with_start || self.prefer_xor2 => {
                    Open::Xor2(Xor2Appender::new())
                }
                SampleValue::Float(_) => Open::Xor(XorAppender::new()),
                SampleValue::Histogram(_) => {
                    Open::Histogram(Box::new(HistogramAppender::new(with_start)))
                }
                SampleValue::FloatHistogram(_) => {
                    Open::FloatHistogram(Box::new(FloatHistogramAppender::new(with_start)))
                }
            });
        }
        let (t, start) = (sample.t, sample.start);
        let next = match (&mut self.open, &sample.value) {
            (Some(Open::Xor(appender)), SampleValue::Float(value)) => {
                appender.append(t, *value);
                None
            }
            (Some(Open::Xor2(appender)), SampleValue::Float(value)) => {
                appender.append(start, t, *value);
                None
            }
            (Some(Open::Histogram(appender)), SampleValue::Histogram(value)) => {
                match appender.append(None, start, t, value, false)? {
                    Appended::NewChunk(new) => Some(Open::Histogram(new)),
                    Appended::Same | Appended::Recoded => None,
                }
            }
            (Some(Open::FloatHistogram(appender)), SampleValue::FloatHistogram(value)) => {
                match appender.append(None, start, t, value, false)? {
                    Appended::NewChunk(new) => Some(Open::FloatHistogram(new)),
                    Appended::Same | Appended::Recoded => None,
                }
            }
            _ => unreachable!("BUG: the open chunk was chosen for this kind"),
        };
        if let Some(next) = next {
            self.end_chunk();
            self.open = Some(next);
        }
        if self.samples == 0 {
            self.min_time = t;
        }
        self.max_time = t;
        self.samples += 1;
        Ok(())
    }

    /// The chunks, in order.
    pub fn finish(mut self) -> Vec<EncodedChunk> {
        self.end_chunk();
        self.chunks
    }

    fn end_chunk(&mut self) {
        if let Some(open) = self.open.take() {
            self.chunks.push(EncodedChunk {
                encoding: open.encoding(),
                min_time: self.min_time,
                max_time: self.max_time,
                bytes: open.into_bytes(),
            });
        }
        self.samples = 0;
    }
}

/// Why a chunk could not be rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    #[error(transparent)]
    Decode(#[from] ChunkError),
    #[error("iterate chunk while re-encoding: {0}")]
    Append(#[from] HistogramAppendError),
}

/// The chunk without the samples that `keep` refuses, in the same encoding; `None` if none is left.
pub fn filter_chunk(
    encoding: Encoding,
    chunk: &[u8],
    keep: impl Fn(Timestamp) -> bool,
) -> Result<Option<EncodedChunk>, RewriteError> {
    let mut samples = read_samples(encoding, chunk)?;
    samples.retain(|sample| keep(sample.t));
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Ok(None) };
    let (min_time, max_time) = (first.t, last.t);
    let bytes = match encoding {
        Encoding::Xor => {
            let mut appender = XorAppender::new();
            for sample in &samples {
                if let SampleValue::Float(value) = sample.value {
                    appender.append(sample.t, value);
                }
            }
            appender.into_bytes()
        }
        Encoding::Xor2 => {
            let mut appender = Xor2Appender::new();
            for sample in &samples {
                if let SampleValue::Float(value) = sample.value {
                    appender.append(sample.start, sample.t, value);
                }
            }
            appender.into_bytes()
        }
        Encoding::Histogram | Encoding::HistogramSt => {
            let mut appender = HistogramAppender::new(encoding == Encoding::HistogramSt);
            for sample in &samples {
                if let SampleValue::Histogram(value) = &sample.value {
                    appender.append(None, sample.start, sample.t, value, true)?;
                }
            }
            appender.into_bytes()
        }
        Encoding::FloatHistogram | Encoding::FloatHistogramSt => {
            let mut appender = FloatHistogramAppender::new(encoding == Encoding::FloatHistogramSt);
            for sample in &samples {
                if let SampleValue::FloatHistogram(value) = &sample.value {
                    appender.append(None, sample.start, sample.t, value, true)?;
                }
            }
            appender.into_bytes()
        }
    };
    Ok(Some(EncodedChunk { encoding, min_time, max_time, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(t: Timestamp, start: Timestamp) -> Sample {
        Sample { t, start, value: SampleValue::Float(t as f64) }
    }

    #[test]
    fn chunks_end_at_120_samples_and_at_start_times() {
        let mut encoder = ChunkEncoder::new(false);
        let samples: Vec<_> =
            (0..130).map(|t| float(t, 0)).chain((130..140).map(|t| float(t, 7))).collect();
        samples.iter().for_each(|s| encoder.append(s).unwrap());
        let chunks = encoder.finish();
        let ranges: Vec<_> = chunks.iter().map(|c| (c.encoding, c.min_time, c.max_time)).collect();
        assert_eq!(
            ranges,
            [(Encoding::Xor, 0, 119), (Encoding::Xor, 120, 129), (Encoding::Xor2, 130, 139)]
        );
        let back: Vec<_> =
            chunks.iter().flat_map(|c| read_samples(c.encoding, &c.bytes).unwrap()).collect();
        assert_eq!(back, samples);
    }

    #[test]
    fn a_filtered_chunk_keeps_its_encoding_and_states_its_range() {
        let mut encoder = ChunkEncoder::new(true);
        (0..20).for_each(|t| encoder.append(&float(t, 0)).unwrap());
        let chunk = &encoder.finish()[0];
        let kept = filter_chunk(chunk.encoding, &chunk.bytes, |t| t % 5 == 3).unwrap().unwrap();
        assert_eq!((kept.encoding, kept.min_time, kept.max_time), (Encoding::Xor2, 3, 18));
        assert_eq!(read_samples(kept.encoding, &kept.bytes).unwrap().len(), 4);
        assert_eq!(filter_chunk(chunk.encoding, &chunk.bytes, |_| false).unwrap(), None);
    }
}
