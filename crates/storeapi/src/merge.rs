//! Many stores' series as one: a k-way merge by label set. Chunks of equal label sets come together in upstream's order, each
//! content once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gauntlet_model::Labels;
use gauntlet_wire::frame::{AggrChunk, Parts, StoreSet};

/// Merges sets, each ascending. Warnings and hints are carried over; equal label sets become one series.
pub fn merge(mut sets: Vec<StoreSet>) -> StoreSet {
    let mut out = StoreSet::new();
    for set in &mut sets {
        out.warnings.append(&mut set.warnings);
        out.hints.append(&mut set.hints);
    }
    let mut gathered = Gathered::default();
    if let [only] = &sets[..] {
        let mut i = 0;
        while i < only.len() {
            out.push_series(only.labels(i).clone());
            let begin = i;
            while i < only.len() && only.labels(i) == only.labels(begin) {
                gathered.add(only.chunks(i));
                i += 1;
            }
            gathered.flush(&mut out);
        }
        return out;
    }
    let mut heap: BinaryHeap<Reverse<(&Labels, usize, usize)>> = sets
        .iter()
        .enumerate()
        .filter(|(_, set)| !set.is_empty())
        .map(|(s, set)| Reverse((set.labels(0), s, 0)))
        .collect();
    let mut current: Option<&Labels> = None;
    while let Some(Reverse((labels, s, i))) = heap.pop() {
        if current != Some(labels) {
            gathered.flush(&mut out);
            out.push_series(labels.clone());
            current = Some(labels);
        }
        gathered.add(sets[s].chunks(i));
        if i + 1 < sets[s].len() {
            heap.push(Reverse((sets[s].labels(i + 1), s, i + 1)));
        }
    }
    gathered.flush(&mut out);
    out
}

/// Chunks of the label set that is being merged.
#[derive(Default)]
struct Gathered {
    chunks: Vec<AggrChunk>,
    /// How many of them came with the first series.
    first: Option<usize>,
}

impl Gathered {
    fn add(&mut self, chunks: &[AggrChunk]) {
        self.chunks.extend_from_slice(chunks);
        self.first.get_or_insert(chunks.len());
    }

    /// Gives the chunks to the series begun last. Those of different begin cannot be equal: then there is nothing to do. Where
    /// none has data, the first series' stand for all, as upstream has it.
    fn flush(&mut self, out: &mut StoreSet) {
        let chunks = &mut self.chunks;
        let empty = chunks.iter().filter(|chunk| is_empty(chunk)).count();
        if empty == chunks.len() {
            chunks.truncate(self.first.unwrap_or(0));
        } else if empty > 0 || !chunks.is_sorted_by(|a, b| a.min_time < b.min_time) {
            chunks.retain(|chunk| !is_empty(chunk));
            chunks.sort_by(AggrChunk::order);
            chunks.dedup_by(|b, a| same_content(a, b));
        }
        chunks.drain(..).for_each(|chunk| out.push_chunk(chunk));
        self.first = None;
    }
}

/// A chunk of which no aggregate was asked: it says a time range only.
fn is_empty(chunk: &AggrChunk) -> bool {
    matches!(&chunk.parts, Parts::Aggregates(parts) if parts.iter().all(Option::is_none))
}

fn same_content(a: &AggrChunk, b: &AggrChunk) -> bool {
    (a.min_time, a.max_time) == (b.min_time, b.max_time)
        && match (&a.parts, &b.parts) {
            (Parts::Raw(a), Parts::Raw(b)) => a.encoding == b.encoding && a.data == b.data,
            (Parts::Aggregates(a), Parts::Aggregates(b)) => {
                a.iter().zip(b.iter()).all(|pair| match pair {
                    (Some(a), Some(b)) => a.encoding == b.encoding && a.data == b.data,
                    (a, b) => a.is_none() && b.is_none(),
                })
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gauntlet_wire::frame::ChunkBytes;

    use super::*;

    type Spans = [(i64, i64, &'static str)];

    fn set(series: &[(&str, &Spans)]) -> StoreSet {
        let mut set = StoreSet::new();
        for (value, chunks) in series {
            set.push_series(Labels::from_pairs([("a", *value)]));
            for (min, max, data) in *chunks {
                let data = Bytes::from_static(data.as_bytes());
                set.push_chunk(AggrChunk::raw(
                    *min,
                    *max,
                    ChunkBytes { encoding: 1, data, hash: 0 },
                ));
            }
        }
        set
    }

    fn show(set: &StoreSet) -> Vec<String> {
        let chunk = |c: &AggrChunk| match &c.parts {
            Parts::Raw(raw) => {
                format!("{}-{}{}", c.min_time, c.max_time, String::from_utf8_lossy(&raw.data))
            }
            Parts::Aggregates(_) => "?".to_owned(),
        };
        let series = |(l, c): (&Labels, &[AggrChunk])| {
            format!("{}: {}", l.value("a"), c.iter().map(chunk).collect::<Vec<_>>().join(" "))
        };
        set.iter().map(series).collect()
    }

    #[test]
    fn equal_series_meet_and_equal_chunks_stay_once() {
        let one = set(&[
            ("1", &[(5, 7, "x"), (0, 3, "y")]),
            ("1", &[(5, 7, "z")]),
            ("2", &[(2, 4, "q")]),
        ]);
        let two = set(&[("1", &[(2, 2, "w"), (5, 7, "z")]), ("3", &[])]);
        let merged = merge(vec![one, two, StoreSet::new()]);
        assert_eq!(show(&merged), ["1: 0-3y 2-2w 5-7z 5-7x", "2: 2-4q", "3: "]);
    }

    #[test]
    fn one_store_is_merged_within_itself() {
        let one = set(&[("1", &[(1, 2, "x")]), ("1", &[(1, 2, "x"), (3, 4, "y")])]);
        assert_eq!(show(&merge(vec![one])), ["1: 1-2x 3-4y"]);
    }
}
