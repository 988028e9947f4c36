//! From a series' encoded chunks to columns: decode, merge what overlaps, deduplicate replicas.

use gauntlet_chunk::{Columns, decode};
use gauntlet_model::histogram::CounterResetHint;

use crate::dedup::{PenaltyScratch, decode_chain, decode_penalty};
use crate::query::{QueryError, TimeRange};
use crate::series_set::{Chunk, Dedup, SeriesSet};

/// Buffers that a worker keeps between series.
#[derive(Debug, Default)]
pub struct DecodeScratch {
    bytes: Vec<u8>,
    tail: Columns,
    order: Vec<u32>,
    penalty: PenaltyScratch,
    decoded_bytes: u64,
}

impl DecodeScratch {
    /// Bytes of chunks that were decoded with these buffers since they were last asked for.
    pub fn take_decoded_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.decoded_bytes) + self.penalty.take_decoded_bytes()
    }
}

impl SeriesSet {
    /// Replaces `out` by the samples of series `index` in `range`, ascending, each time once. Cost: a few nanoseconds per
    /// sample where chunks follow each other; those that overlap are merged, the earlier chunk wins equal times.
    pub fn decode(
        &self,
        index: usize,
        range: TimeRange,
        scratch: &mut DecodeScratch,
        out: &mut Columns,
    ) -> Result<(), QueryError> {
        match self.dedup {
            Dedup::Merge => {}
            Dedup::Penalty { counter } => {
                return decode_penalty(self, index, range, counter, &mut scratch.penalty, out);
            }
            Dedup::Chain { counter } => {
                return decode_chain(self, index, range, counter, &mut scratch.penalty, out);
            }
        }
        out.clear();
        let chunks = self.chunks(index);
        let in_order = chunks.windows(2).all(|pair| pair[0].min_time <= pair[1].min_time);
        if in_order {
            for chunk in chunks {
                self.append_chunk(chunk, range, scratch, out)?;
            }
            return Ok(());
        }
        let mut order = std::mem::take(&mut scratch.order);
        order.clear();
        order.extend(0..chunks.len() as u32);
        order.sort_by_key(|i| (chunks[*i as usize].min_time, *i));
        let done = order
            .iter()
            .try_for_each(|i| self.append_chunk(&chunks[*i as usize], range, scratch, out));
        scratch.order = order;
        done
    }

    fn append_chunk(
        &self,
        chunk: &Chunk,
        range: TimeRange,
        scratch: &mut DecodeScratch,
        out: &mut Columns,
    ) -> Result<(), QueryError> {
        if !range.overlaps(chunk.min_time, chunk.max_time) {
            return Ok(());
        }
        let before = out.len();
        let (encoding, bytes) = self.chunk_bytes(chunk, &mut scratch.bytes)?;
        scratch.decoded_bytes += bytes.len() as u64;
        decode(encoding, bytes, range.min, range.max, out).map_err(|err| {
            QueryError::Corrupt(format!(
                "chunk of times {} to {}: {err}",
                chunk.min_time, chunk.max_time
            ))
        })?;
        if before > 0 && before < out.len() && out.timestamps[before] <= out.timestamps[before - 1]
        {
            merge_tail(out, before, &mut scratch.tail);
        }
        Ok(())
    }
}

/// Makes `out` ascend, whose samples ascend up to `middle` and again from there. Of equal times the first part's stays.
fn merge_tail(out: &mut Columns, middle: usize, tail: &mut Columns) {
    let start = out.timestamps[middle];
    let from = out.timestamps[..middle].partition_point(|t| *t < start);
    tail.clear();
    for i in from..out.len() {
        push_sample(tail, out, i, false);
    }
    let len = tail.len();
    let split = middle - from;
    truncate(out, from);
    let (mut a, mut b) = (0, split);
    // Which part the last sample came from: after a switch a histogram's hint says nothing about its new neighbour.
    let mut last_from_first = true;
    while a < split || b < len {
        let first = b >= len || (a < split && tail.timestamps[a] <= tail.timestamps[b]);
        let at = if first { a } else { b };
        if first && b < len && tail.timestamps[a] == tail.timestamps[b] {
            b += 1;
        }
        push_sample(out, tail, at, first != last_from_first);
        last_from_first = first;
        if first {
            a += 1;
        } else {
            b += 1;
        }
    }
}

fn push_sample(out: &mut Columns, from: &Columns, at: usize, switched: bool) {
    match from.histogram(at) {
        Some(histogram) => {
            let mut histogram = histogram.clone();
            if switched && histogram.counter_reset_hint != CounterResetHint::Gauge {
                std::sync::Arc::make_mut(&mut histogram).counter_reset_hint =
                    CounterResetHint::Unknown;
            }
            out.push_histogram(from.timestamps[at], histogram);
        }
        None => out.push_float(from.timestamps[at], from.values[at]),
    }
    if let Some(start) = from.start_timestamps.get(at) {
        out.set_last_start(*start);
    }
}

fn truncate(columns: &mut Columns, len: usize) {
    columns.timestamps.truncate(len);
    columns.values.truncate(len);
    columns.start_timestamps.truncate(len);
    let kept = columns.histograms.partition_point(|(i, _)| (*i as usize) < len);
    columns.histograms.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series_set::{ChunkData, SeriesSetBuilder};
    use gauntlet_chunk::{Encoding, XorAppender};
    use gauntlet_model::Labels;

    fn chunk(samples: &[(i64, f64)]) -> Chunk {
        let mut appender = XorAppender::new();
        for (t, v) in samples {
            assert!(appender.append(*t, *v));
        }
        Chunk {
            min_time: samples[0].0,
            max_time: samples[samples.len() - 1].0,
            replica: 0,
            data: ChunkData::Encoded {
                encoding: Encoding::Xor,
                bytes: appender.into_bytes().into(),
            },
        }
    }

    fn check(chunks: &[&[(i64, f64)]], range: TimeRange, expect: &[(i64, f64)]) {
        let mut builder = SeriesSetBuilder::new();
        builder.push_series(Labels::from_pairs([("a", "b")]));
        for samples in chunks {
            builder.push_chunk(chunk(samples));
        }
        let mut out = Columns::default();
        builder.build().decode(0, range, &mut DecodeScratch::default(), &mut out).unwrap();
        let got: Vec<_> = out.timestamps.iter().copied().zip(out.values).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn chunks_are_joined_merged_and_cut_to_the_range() {
        let all = TimeRange::all();
        check(&[&[(1, 1.0), (2, 2.0)], &[(3, 3.0)]], all, &[(1, 1.0), (2, 2.0), (3, 3.0)]);
        check(
            &[&[(1, 1.0), (3, 3.0), (5, 5.0)], &[(2, 20.0), (3, 30.0), (6, 60.0)]],
            all,
            &[(1, 1.0), (2, 20.0), (3, 3.0), (5, 5.0), (6, 60.0)],
        );
        check(&[&[(4, 4.0), (5, 5.0)], &[(1, 1.0), (4, 40.0)]], TimeRange::new(2, 4), &[(4, 40.0)]);
    }
}
