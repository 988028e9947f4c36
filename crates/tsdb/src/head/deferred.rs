//! Selections of the head whose series are loaded a few at a time: what is kept of a series in between are eight bytes.
//!
//! A load gives what the selection saw. Of each series that is its samples up to the newest in-order one of that moment; what has
//! been appended since is cut off. Once samples leave the head for a block, or series their numbers, loads fail and the selection
//! is to be made again. Late samples that come in between may be seen, as the peer has it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_model::{Labels, MatchOp, Matcher, Timestamp};
use gauntlet_runtime::Budget;
use gauntlet_storage::{
    Chunk, ChunkData, ChunkReader, DeferredSeries, QueryError, SelectRequest, SeriesSet,
    SeriesSetBuilder, TimeRange,
};

use super::chunk_files::HeadChunkRef;
use super::index::{DEAD, SeriesId};
use super::querier::{CHECK_EVERY, HeadChunks, push_sound, query_error};
use super::shard::Found;
use super::{Head, SHARDS, split_place};
use crate::error::TsdbError;

#[derive(Debug)]
struct Deferred {
    head: Arc<Head>,
    /// As it was when the series were selected.
    departures: u64,
    range: TimeRange,
    latest_only: bool,
    matchers: Arc<[Matcher]>,
    series: Vec<Selected>,
    chunks: Arc<HeadChunks>,
    budget: Arc<Budget>,
}

#[derive(Clone, Copy, Debug)]
struct Selected {
    id: SeriesId,
    /// How long before the end of the range the newest in-order sample was, in ms; at most what fits. 0 where it was later.
    before_end: u32,
}

impl Selected {
    fn new(id: SeriesId, range: TimeRange, newest: Timestamp) -> Self {
        let before_end = u32::try_from(range.max.saturating_sub(newest))
            .unwrap_or(if newest > range.max { 0 } else { u32::MAX });
        Self { id, before_end }
    }

    /// The newest time to be shown.
    fn newest(self, range: TimeRange) -> Timestamp {
        range.max.saturating_sub(i64::from(self.before_end))
    }
}

impl Head {
    /// Series that match and have chunks in the range, in order of birth, to be loaded later. Blocks its thread; a tenth of a
    /// microsecond a series. `None` while the log is replayed.
    pub fn select_deferred(
        self: &Arc<Self>,
        request: &SelectRequest,
    ) -> Result<Option<SeriesSet>, QueryError> {
        let index = self.index.read();
        let ids = index.select(&request.matchers);
        let mut charge = request.budget.charge(ids.len() as u64 * 4)?;
        let mut series = Vec::with_capacity(ids.len());
        charge.grow((ids.len() * size_of::<Selected>()) as u64)?;
        let departures = self.departures();
        let pinned;
        {
            let _gate = self.gate.read();
            let mut guards: [Option<_>; SHARDS] = Default::default();
            for (n, id) in ids.into_iter().enumerate() {
                if n % CHECK_EVERY == CHECK_EVERY - 1 {
                    request.cancel.check()?;
                }
                let (shard, slot) = split_place(index.place(id));
                let data = guards[shard].get_or_insert_with(|| self.shards[shard].data.read());
                if data.replaying.is_some() || !data.young.is_empty() {
                    return Ok(None);
                }
                if data.overlaps(slot, request.range) {
                    let newest = data.series[slot as usize].t;
                    series.push(Selected::new(id, request.range, newest));
                }
            }
            // While the shards are held, no file of their chunks can go.
            pinned = self.files.pin();
        }
        let files = Arc::clone(&self.files);
        let mut set = SeriesSet::of_deferred(Arc::new(Deferred {
            head: Arc::clone(self),
            departures,
            range: request.range,
            latest_only: request.hints.latest_only,
            matchers: Arc::clone(&request.matchers),
            series,
            chunks: Arc::new(HeadChunks { files, pinned }),
            budget: Arc::clone(&request.budget),
        }));
        set.charges.push(charge);
        Ok(Some(set))
    }
}

impl Head {
    /// Whether a deferred selection takes well below a millisecond.
    pub(crate) fn is_quick(&self, matchers: &[Matcher]) -> bool {
        const MOST: usize = 4096;
        let index = self.index.read();
        let mut is_narrow = false;
        for matcher in matchers {
            let Some(name) = index.pairs.find_name(&matcher.name) else { continue };
            match matcher.op {
                MatchOp::Equal if !matcher.value.is_empty() => {
                    let pair = index.pairs.find_with(name, &matcher.value);
                    is_narrow |= pair.is_none_or(|pair| index.count(pair) <= MOST);
                }
                // Every value may be looked at.
                _ if index.pairs.values_of(name).len() > MOST => return false,
                _ => {}
            }
        }
        is_narrow
    }
}

impl Deferred {
    fn check_moved(&self) -> Result<(), QueryError> {
        if self.departures == self.head.departures() { Ok(()) } else { Err(QueryError::Moved) }
    }
}

impl Deferred {
    /// Reads closed chunks, in the order in which they lie in their files; those known to be damaged stay unread.
    fn read_closed(
        &self,
        found: &mut [Found],
        copies: &mut Vec<u8>,
        damaged: &BTreeSet<HeadChunkRef>,
    ) -> Result<(), QueryError> {
        let stored = |(i, found): (usize, &Found)| match found {
            Found::Chunk(Chunk { data: ChunkData::Stored { chunk_ref, .. }, .. }) => {
                (!damaged.contains(chunk_ref)).then_some((*chunk_ref, i))
            }
            _ => None,
        };
        let mut wanted: Vec<(HeadChunkRef, usize)> =
            found.iter().enumerate().filter_map(stored).collect();
        wanted.sort_unstable();
        let places: Vec<HeadChunkRef> = wanted.iter().map(|(place, _)| *place).collect();
        let mut failed = None;
        let files = &self.head.files;
        files.read_many(&places, &self.chunks.pinned, &mut |n, read| match read {
            Ok((encoding, data)) => {
                let start = copies.len();
                copies.extend_from_slice(data);
                let found = &mut found[wanted[n].1];
                let (min_t, max_t) = found.bounds();
                *found = Found::Copied { min_t, max_t, encoding, start, end: copies.len() };
            }
            Err(err) => {
                if matches!(err, TsdbError::Corrupt { .. }) {
                    files.set_aside(places[n]);
                }
                failed.get_or_insert(err);
            }
        });
        failed.map_or(Ok(()), |err| Err(query_error(err)))
    }
}

impl DeferredSeries for Deferred {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn agree_on(&self, names: &[&str]) -> bool {
        let index = self.head.index.read();
        if self.check_moved().is_err() {
            // Whoever loads them is told.
            return false;
        }
        let Some(first) = self.series.first() else { return true };
        let is_given =
            |name: &str| self.matchers.iter().any(|m| m.op == MatchOp::Equal && m.name == name);
        let open = names.iter().filter(|name| !is_given(name));
        open.filter_map(|name| index.pairs.find_name(name)).all(|name| {
            let value = index.pair_with(first.id, name);
            self.series.iter().all(|series| index.pair_with(series.id, name) == value)
        })
    }

    fn load(&self, series: Range<usize>, names: Option<&[&str]>) -> Result<SeriesSet, QueryError> {
        let series = &self.series[series];
        let head = &*self.head;
        let index = head.index.read();
        self.check_moved()?;
        let mut out = SeriesSetBuilder::with_capacity(series.len(), series.len() * 4);
        let source = out.add_source(Arc::clone(&self.chunks) as Arc<dyn ChunkReader>);
        let (mut copies, mut found) = (Vec::new(), Vec::new());
        let mut ends = Vec::with_capacity(series.len());
        let mut guards: [Option<_>; SHARDS] = Default::default();
        for selected in series {
            let place = index.place(selected.id);
            if place == DEAD {
                return Err(QueryError::Moved);
            }
            let (shard, slot) = split_place(place);
            let data = guards[shard].get_or_insert_with(|| head.shards[shard].data.read());
            let newest = selected.newest(self.range);
            let is_cut = newest < self.range.max && data.series[slot as usize].t > newest;
            let before = found.len();
            let what = (self.range, self.latest_only && !is_cut);
            head.find_chunks(data, slot, what, source, &mut copies, &mut found)?;
            if is_cut {
                let since = [(newest + 1, Timestamp::MAX)];
                head.cut_out(&since, self.range, &mut copies, &mut found, before)?;
            }
            ends.push(found.len());
        }
        drop(guards);
        // Before samples go, the count grows: none of these had gone.
        self.check_moved()?;
        let names: Option<Vec<_>> = names
            .map(|names| names.iter().filter_map(|name| index.pairs.find_name(name)).collect());
        let mut pairs = Vec::new();
        let labels = |selected: &Selected| match &names {
            Some(names) => index.labels_of(selected.id, names, &mut pairs),
            None => index.labels(selected.id),
        };
        let labels: Vec<Labels> = series.iter().map(labels).collect();
        // Files are read without it: births must not wait for a disk.
        drop(index);
        let mut charge = self.budget.charge((found.len() * 2 * size_of::<Chunk>()) as u64)?;
        charge.grow(labels.iter().map(|labels| labels.size_bytes() as u64).sum())?;
        let damaged = head.files.damaged();
        self.read_closed(&mut found, &mut copies, &damaged)?;
        charge.grow(copies.len() as u64)?;
        let copies = Bytes::from(copies);
        let (mut found, mut taken) = (found.into_iter(), 0);
        for ((selected, labels), end) in series.iter().zip(labels).zip(ends) {
            out.push_series(labels);
            for chunk in found.by_ref().take(end - taken) {
                let whole = || head.index.read().labels(selected.id);
                push_sound(&mut out, chunk.into_chunk(&copies), &damaged, whole);
            }
            taken = end;
        }
        let mut set = out.build_unsorted();
        set.charges.push(charge);
        Ok(set)
    }
}
