//! Merging sets: a k-way merge by label set; chunks of equal label sets are put together, byte-equal ones once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gauntlet_model::Labels;

use crate::series_set::{Chunk, ChunkData, SeriesSet, SeriesSetBuilder};

/// Merges sets into one. Sources, warnings and charges are carried over; `dedup` is taken from the first set.
pub fn merge_sets(mut sets: Vec<SeriesSet>) -> SeriesSet {
    if sets.len() == 1 {
        return sets.remove(0);
    }
    debug_assert!(sets.iter().all(|s| s.deferred().is_none()), "BUG: a deferred set is merged");
    let series = sets.iter().map(SeriesSet::len).sum();
    let chunks = sets.iter().map(|s| (0..s.len()).map(|i| s.chunks(i).len()).sum::<usize>()).sum();
    let mut out = SeriesSetBuilder::with_capacity(series, chunks);
    let mut source_base = Vec::with_capacity(sets.len());
    for set in &sets {
        let mut base = 0;
        for (i, reader) in set.sources().iter().enumerate() {
            let id = out.add_source(reader.clone());
            if i == 0 {
                base = id;
            }
        }
        source_base.push(base);
    }
    let mut heap: BinaryHeap<Reverse<(&Labels, usize, usize)>> = sets
        .iter()
        .enumerate()
        .filter(|(_, set)| !set.is_empty())
        .map(|(s, set)| Reverse((set.labels(0), s, 0)))
        .collect();
    let mut current: Option<&Labels> = None;
    let mut gathered: Vec<Chunk> = Vec::new();
    while let Some(Reverse((labels, s, i))) = heap.pop() {
        if current != Some(labels) {
            flush(&mut out, &mut gathered);
            out.push_series(labels.clone());
            current = Some(labels);
        }
        gathered.extend(sets[s].chunks(i).iter().cloned().map(|mut chunk| {
            if let ChunkData::Stored { source, .. } = &mut chunk.data {
                *source += source_base[s];
            }
            chunk
        }));
        if i + 1 < sets[s].len() {
            heap.push(Reverse((sets[s].labels(i + 1), s, i + 1)));
        }
    }
    flush(&mut out, &mut gathered);
    let mut merged = out.build();
    merged.dedup = sets.first().map_or_else(Default::default, |s| s.dedup);
    for set in &mut sets {
        merged.warnings.append(&mut set.warnings);
        merged.charges.append(&mut set.charges);
    }
    merged
}

fn flush(out: &mut SeriesSetBuilder, gathered: &mut Vec<Chunk>) {
    gathered.sort_by_key(|c| (c.replica, c.min_time, c.max_time));
    gathered.dedup_by(|b, a| same_chunk(a, b));
    for chunk in gathered.drain(..) {
        out.push_chunk(chunk);
    }
}

fn same_chunk(a: &Chunk, b: &Chunk) -> bool {
    (a.replica, a.min_time, a.max_time) == (b.replica, b.min_time, b.max_time)
        && match (&a.data, &b.data) {
            (
                ChunkData::Encoded { encoding: e1, bytes: b1 },
                ChunkData::Encoded { encoding: e2, bytes: b2 },
            ) => e1 == e2 && b1 == b2,
            (
                ChunkData::Stored { source: s1, chunk_ref: r1 },
                ChunkData::Stored { source: s2, chunk_ref: r2 },
            ) => s1 == s2 && r1 == r2,
            _ => false,
        }
}
