//! Chunks of one series from several blocks: those that overlap are merged sample by sample, equal ones are dropped, the rest stays.

use std::fmt::Debug;

use bytes::Bytes;
use gauntlet_chunk::{ChunkEncoder, Encoding, Sample, SampleValue, read_samples};
use gauntlet_model::Timestamp;
use gauntlet_model::histogram::CounterResetHint;

use super::Piece;
use super::go_heap::GoHeap;
use crate::BlockError;

/// Makes one list of chunks of several, each ascending, all of one series.
pub trait MergeOverlaps: Debug + Sync {
    /// The result ascends and does not overlap.
    fn merge(&self, lists: Vec<Vec<Piece>>) -> Result<Vec<Piece>, BlockError>;

    /// Whether chunks of which none overlaps another stay as they are, in order: then these are not asked for.
    fn leaves_apart(&self) -> bool;
}

/// Merges by time; of equal times one sample stays. This is what upstream does by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleMerge {
    /// Whether merged floats go to XOR2 chunks even where none has a start time.
    pub prefer_xor2: bool,
}

impl MergeOverlaps for SampleMerge {
    fn leaves_apart(&self) -> bool {
        true
    }

    fn merge(&self, lists: Vec<Vec<Piece>>) -> Result<Vec<Piece>, BlockError> {
        let mut heap: GoHeap<Pieces> = GoHeap::default();
        for list in lists {
            push_next(&mut heap, list.into_iter());
        }
        let mut out = Vec::new();
        while let Some(mut first) = heap.pop(before) {
            let current = first.take();
            push_next(&mut heap, first.rest);
            let mut overlapping: Vec<Piece> = Vec::new();
            let mut end = current.max_time;
            while let Some(mut next) = pop_if_begun(&mut heap, end) {
                let piece = next.take();
                push_next(&mut heap, next.rest);
                let previous = overlapping.last().unwrap_or(&current);
                let same = (piece.min_time, piece.max_time)
                    == (previous.min_time, previous.max_time)
                    && piece.data == previous.data;
                if !same {
                    end = end.max(piece.max_time);
                    overlapping.push(piece);
                }
            }
            if overlapping.is_empty() {
                out.push(current);
                continue;
            }
            overlapping.push(current);
            let mut merged = self.merge_samples(&overlapping)?.into_iter();
            if let Some(first) = merged.next() {
                out.push(first);
            }
            // What was merged may overlap with what comes.
            push_next(&mut heap, merged);
        }
        Ok(out)
    }
}

impl SampleMerge {
    fn merge_samples(&self, pieces: &[Piece]) -> Result<Vec<Piece>, BlockError> {
        let mut runs = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let refuse = |reason: String| {
                let (min, max) = (piece.min_time, piece.max_time);
                BlockError::Refused(format!("overlapping chunk of times {min} to {max}: {reason}"))
            };
            let encoding = Encoding::from_u8(piece.encoding)
                .ok_or_else(|| refuse(format!("encoding {} cannot be merged", piece.encoding)))?;
            let samples =
                read_samples(encoding, &piece.data).map_err(|err| refuse(err.to_string()))?;
            runs.push(samples);
        }
        let mut encoder = ChunkEncoder::new(self.prefer_xor2);
        let mut chain = Chain::new(runs);
        while let Some(sample) = chain.next() {
            encoder
                .append(&sample)
                .map_err(|err| BlockError::Refused(format!("overlapping chunks: {err}")))?;
        }
        let piece = |chunk: gauntlet_chunk::EncodedChunk| Piece {
            min_time: chunk.min_time,
            max_time: chunk.max_time,
            encoding: chunk.encoding as u8,
            data: Bytes::from(chunk.bytes),
            crc: None,
        };
        Ok(encoder.finish().into_iter().map(piece).collect())
    }
}

/// A list that stands on a piece.
struct Pieces {
    piece: Piece,
    rest: std::vec::IntoIter<Piece>,
}

impl Pieces {
    fn take(&mut self) -> Piece {
        std::mem::replace(
            &mut self.piece,
            Piece { min_time: 0, max_time: 0, encoding: 0, data: Bytes::new(), crc: None },
        )
    }
}

fn before(a: &Pieces, b: &Pieces) -> bool {
    (a.piece.min_time, a.piece.max_time) < (b.piece.min_time, b.piece.max_time)
}

fn push_next(heap: &mut GoHeap<Pieces>, mut rest: std::vec::IntoIter<Piece>) {
    if let Some(piece) = rest.next() {
        heap.push(Pieces { piece, rest }, before);
    }
}

/// Pops the first list if it stands on a piece that begins by `end`.
fn pop_if_begun(heap: &mut GoHeap<Pieces>, end: Timestamp) -> Option<Pieces> {
    if heap.peek()?.piece.min_time <= end { heap.pop(before) } else { None }
}

/// Samples of several runs, ascending, each time once. Where the run changes, a counter histogram's hint is forgotten.
struct Chain {
    /// All runs but the current one, each on its next sample.
    heap: GoHeap<Run>,
    current: Option<Run>,
    last_t: Timestamp,
}

struct Run {
    samples: std::vec::IntoIter<Sample>,
    at: Option<Sample>,
}

impl Run {
    fn advance(&mut self) -> bool {
        self.at = self.samples.next();
        self.at.is_some()
    }

    fn t(&self) -> Timestamp {
        self.at.as_ref().map_or(Timestamp::MAX, |s| s.t)
    }
}

fn earlier(a: &Run, b: &Run) -> bool {
    a.t() < b.t()
}

impl Chain {
    fn new(runs: Vec<Vec<Sample>>) -> Self {
        let mut runs =
            runs.into_iter().map(|samples| Run { samples: samples.into_iter(), at: None });
        let current = runs.next();
        let mut heap = GoHeap::default();
        for mut run in runs {
            if run.advance() {
                heap.push(run, earlier);
            }
        }
        Self { heap, current, last_t: Timestamp::MIN }
    }

    fn next(&mut self) -> Option<Sample> {
        // Before the first sample nothing is next to anything.
        let mut changed = self.last_t == Timestamp::MIN;
        let mut run = self.current.take()?;
        loop {
            if run.advance() {
                let t = run.t();
                if t == self.last_t {
                    continue;
                }
                if self.heap.peek().is_none_or(|next| t < next.t()) {
                    break;
                }
                self.heap.push(run, earlier);
            }
            run = self.heap.pop(earlier)?;
            changed = true;
            if run.t() != self.last_t {
                break;
            }
        }
        self.last_t = run.t();
        let mut sample = run.at.take()?;
        self.current = Some(run);
        if changed {
            forget_hint(&mut sample.value);
        }
        Some(sample)
    }
}

fn forget_hint(value: &mut SampleValue) {
    let hint = match value {
        SampleValue::Float(_) => return,
        SampleValue::Histogram(h) => &mut h.counter_reset_hint,
        SampleValue::FloatHistogram(h) => &mut h.counter_reset_hint,
    };
    if *hint != CounterResetHint::Gauge {
        *hint = CounterResetHint::Unknown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_chunk::{Columns, XorAppender, decode};
    use proptest::prelude::*;

    fn piece(samples: &[(i64, f64)]) -> Piece {
        let mut appender = XorAppender::new();
        samples.iter().for_each(|(t, v)| assert!(appender.append(*t, *v)));
        Piece {
            min_time: samples[0].0,
            max_time: samples[samples.len() - 1].0,
            encoding: 1,
            data: Bytes::from(appender.into_bytes()),
            crc: None,
        }
    }

    fn samples(pieces: &[Piece]) -> Vec<(i64, f64)> {
        let mut out = Columns::default();
        for piece in pieces {
            decode(Encoding::Xor, &piece.data, i64::MIN, i64::MAX, &mut out).unwrap();
        }
        out.timestamps.into_iter().zip(out.values).collect()
    }

    #[test]
    fn what_does_not_overlap_stays_and_equal_chunks_become_one() {
        let (a, b) = (piece(&[(1, 1.0), (2, 2.0)]), piece(&[(3, 3.0), (9, 4.0)]));
        let merged = SampleMerge::default()
            .merge(vec![vec![a.clone(), b.clone()], vec![a.clone(), b.clone()]])
            .unwrap();
        assert_eq!(merged, [a.clone(), b.clone()]);
        let merged = SampleMerge::default().merge(vec![vec![b.clone()], vec![a.clone()]]).unwrap();
        assert_eq!(merged, [a, b]);
    }

    proptest! {
        #[test]
        fn merging_keeps_every_time_once(
            lists in prop::collection::vec(
                prop::collection::vec(prop::collection::btree_set(0i64..400, 1..40), 1..4),
                1..4,
            )
        ) {
            // Lists of chunks that ascend: cut the union of a list's sets where a set ends.
            let mut expect = std::collections::BTreeSet::new();
            let mut pieces = Vec::new();
            for list in lists {
                let mut chunks = Vec::new();
                let mut after = -1;
                for set in list {
                    let times: Vec<_> = set.into_iter().filter(|t| *t > after).collect();
                    let Some(last) = times.last() else { continue };
                    after = *last;
                    expect.extend(times.iter().copied());
                    chunks.push(piece(&times.iter().map(|t| (*t, *t as f64)).collect::<Vec<_>>()));
                }
                pieces.push(chunks);
            }
            let merged = SampleMerge::default().merge(pieces).unwrap();
            prop_assert!(merged.windows(2).all(|w| w[0].max_time < w[1].min_time));
            let expect: Vec<_> = expect.into_iter().map(|t| (t, t as f64)).collect();
            prop_assert_eq!(samples(&merged), expect);
        }
    }
}
