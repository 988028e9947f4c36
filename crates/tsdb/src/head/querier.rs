//! Reading the head: a selection copies what its series have at one moment; closed chunks are read from their files later.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_chunk::Encoding;
use gauntlet_model::{Labels, Matcher, Metadata, Timestamp};
use gauntlet_storage::{
    Chunk, ChunkData, ChunkReader, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest,
    SeriesSet, SeriesSetBuilder, TimeRange,
};

use super::chunk_files::{ChunkFiles, HeadChunkRef, Pinned};
use super::exemplars::SeriesExemplars;
use super::index::Index;
use super::samples::{decode_samples, encode_samples};
use super::shard::{Found, ShardData};
use super::{Head, SHARDS, ref_of, split_place, split_ref};
use crate::error::TsdbError;

/// Between two looks at whether the caller is still there.
pub(super) const CHECK_EVERY: usize = 4096;
/// What a series costs in an answer besides its labels and copied chunks.
const SERIES_OVERHEAD_BYTES: u64 = 96;

/// Reads closed chunks; keeps their files open, should the head drop them meanwhile.
#[derive(Debug)]
pub(super) struct HeadChunks {
    pub(super) files: Arc<ChunkFiles>,
    pub(super) pinned: Vec<Pinned>,
}

impl ChunkReader for HeadChunks {
    fn read_chunk(&self, chunk_ref: u64, buffer: &mut Vec<u8>) -> Result<Encoding, QueryError> {
        let read = self.files.read_pinned(chunk_ref, &self.pinned, buffer);
        if matches!(read, Err(TsdbError::Corrupt { .. })) {
            self.files.set_aside(chunk_ref);
        }
        read.map_err(query_error)
    }
}

/// Adds a chunk, or says that it is missing.
pub(super) fn push_sound(
    out: &mut SeriesSetBuilder,
    chunk: Chunk,
    damaged: &BTreeSet<HeadChunkRef>,
    labels: impl FnOnce() -> Labels,
) {
    if let ChunkData::Stored { chunk_ref, .. } = chunk.data
        && damaged.contains(&chunk_ref)
    {
        out.warn(format!(
            "a chunk of {} in the head is damaged: its samples from {} to {} are missing until a restart makes it anew from the log",
            labels(),
            chunk.min_time,
            chunk.max_time
        ));
        return;
    }
    out.push_chunk(chunk);
}

pub(crate) fn query_error(err: TsdbError) -> QueryError {
    match err {
        TsdbError::Corrupt { .. } => QueryError::Corrupt(err.to_string()),
        err => QueryError::Unavailable(err.to_string()),
    }
}

impl Head {
    /// Series that match and have chunks in the range. Blocks its thread; about a microsecond a series.
    pub fn select_now(&self, request: &SelectRequest) -> Result<SeriesSet, QueryError> {
        let index = self.index.read();
        let mut ids = index.select(&request.matchers);
        index.sort_by_labels(&mut ids);
        let mut charge = request.budget.charge(ids.len() as u64 * SERIES_OVERHEAD_BYTES)?;
        let mut out = SeriesSetBuilder::with_capacity(ids.len(), ids.len());
        // The only source of this set.
        let source = 0;
        let pinned;
        let (mut copies, mut found, mut series) = (Vec::new(), Vec::new(), Vec::new());
        {
            let _gate = self.gate.read();
            let mut guards: [Option<_>; SHARDS] = Default::default();
            for (n, id) in ids.into_iter().enumerate() {
                if n % CHECK_EVERY == CHECK_EVERY - 1 {
                    request.cancel.check()?;
                }
                let (shard, slot) = split_place(index.place(id));
                let data = guards[shard].get_or_insert_with(|| self.shards[shard].data.read());
                let before = found.len();
                if request.hints.labels_only {
                    if data.overlaps(slot, request.range) {
                        series.push((id, before));
                    }
                    continue;
                }
                let (range, latest_only) = (request.range, request.hints.latest_only);
                self.find_chunks(
                    data,
                    slot,
                    (range, latest_only),
                    source,
                    &mut copies,
                    &mut found,
                )?;
                if found.len() > before {
                    series.push((id, before));
                }
            }
            // While the shards are held, no file of their chunks can go.
            pinned = self.files.pin();
        }
        out.add_source(Arc::new(HeadChunks { files: Arc::clone(&self.files), pinned }));
        charge.grow(copies.len() as u64)?;
        let copies = Bytes::from(copies);
        let damaged = self.files.damaged();
        let mut found = found.into_iter();
        let mut taken = 0;
        for (n, (id, _)) in series.iter().enumerate() {
            if n % CHECK_EVERY == CHECK_EVERY - 1 {
                request.cancel.check()?;
            }
            let labels = index.labels(*id);
            charge.grow(labels.size_bytes() as u64)?;
            out.push_series(labels);
            let end = series.get(n + 1).map_or(usize::MAX, |(_, first)| *first);
            while taken < end {
                let Some(chunk) = found.next() else { break };
                taken += 1;
                push_sound(&mut out, chunk.into_chunk(&copies), &damaged, || index.labels(*id));
            }
        }
        drop(index);
        let mut set = out.build();
        set.charges.push(charge);
        Ok(set)
    }

    /// Appends the series' chunks with samples in the range, without what is deleted; where the last sample in the range is
    /// all that is wanted, perhaps that alone.
    pub(crate) fn find_chunks(
        &self,
        data: &ShardData,
        slot: u32,
        (range, latest_only): (TimeRange, bool),
        source: u32,
        copies: &mut Vec<u8>,
        found: &mut Vec<Found>,
    ) -> Result<(), QueryError> {
        let before = found.len();
        let spans = data.deleted.get(&slot);
        if latest_only && spans.is_none() && data.latest(slot, range, copies, found) {
            return Ok(());
        }
        data.chunks(slot, range, source, copies, found);
        match spans {
            Some(spans) => self.cut_out(spans, range, copies, found, before),
            None => Ok(()),
        }
    }

    /// Label names of series with chunks in the range that all of `matchers` accept, sorted.
    pub fn label_names_now(&self, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
        if !self.may_have(range) {
            return Vec::new();
        }
        self.index.read().label_names(matchers)
    }

    /// Values of a label on series that all of `matchers` accept, sorted.
    pub fn label_values_now(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Vec<String> {
        if !self.may_have(range) {
            return Vec::new();
        }
        self.index.read().label_values(name, matchers)
    }

    /// Exemplars in a range of the series that any of the selectors accepts; sorted by labels.
    pub fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        min_t: Timestamp,
        max_t: Timestamp,
    ) -> Vec<SeriesExemplars> {
        let found = self.exemplars.lock().select(min_t, max_t);
        let index = self.index.read();
        let mut out: Vec<SeriesExemplars> = Vec::new();
        for (series, exemplars) in found {
            let Some(labels) = self.labels_of(&index, series) else { continue };
            let wanted = selectors.iter().any(|s| s.iter().all(|m| m.matches_labels(&labels)));
            if wanted {
                out.push(SeriesExemplars { labels, exemplars });
            }
        }
        out.sort_by(|a, b| a.labels.cmp(&b.labels));
        out
    }

    /// Metadata of the series that match.
    pub fn metadata(&self, matchers: &[Matcher]) -> Vec<(Labels, Arc<Metadata>)> {
        let index = self.index.read();
        let mut out = Vec::new();
        for id in index.select(matchers) {
            let (shard, slot) = split_place(index.place(id));
            if let Some(metadata) = self.shards[shard].data.read().metadata.get(&slot) {
                out.push((index.labels(id), Arc::clone(metadata)));
            }
        }
        out
    }

    fn labels_of(&self, index: &Index, series: u64) -> Option<Labels> {
        let (shard, number) = split_ref(series)?;
        let data = self.shards[shard].data.read();
        let slot = data.slot_of(number)?;
        Some(index.labels(data.series[slot as usize].id))
    }

    /// Replaces the chunks from `first` on by what deletions leave of them.
    pub(crate) fn cut_out(
        &self,
        spans: &[(Timestamp, Timestamp)],
        range: TimeRange,
        copies: &mut Vec<u8>,
        found: &mut Vec<Found>,
        first: usize,
    ) -> Result<(), QueryError> {
        let chunks: Vec<Found> = found.drain(first..).collect();
        let mut buffer = Vec::new();
        for chunk in chunks {
            let (min_t, max_t) = chunk.bounds();
            if !spans.iter().any(|(from, to)| *from <= max_t && min_t <= *to) {
                found.push(chunk);
                continue;
            }
            let encoding = match &chunk {
                Found::Copied { encoding, start, end, .. } => {
                    buffer.clear();
                    buffer.extend_from_slice(&copies[*start..*end]);
                    *encoding
                }
                Found::Chunk(Chunk { data: ChunkData::Stored { chunk_ref, .. }, .. }) => {
                    self.files.read(*chunk_ref, &mut buffer).map_err(query_error)?
                }
                Found::Chunk(_) => continue,
            };
            let samples = decode_samples(encoding, &buffer, min_t, max_t)
                .map_err(|err| QueryError::Corrupt(err.to_string()))?;
            let kept = samples.iter().filter(|(t, _)| !spans.iter().any(|(a, b)| a <= t && t <= b));
            let kept = kept.map(|(t, v)| (*t, v));
            for left in encode_samples(kept, usize::from(u16::MAX), self.encodings()) {
                if !range.overlaps(left.min_t, left.max_t) {
                    continue;
                }
                let start = copies.len();
                copies.extend_from_slice(&left.data);
                let (min_t, max_t, encoding) = (left.min_t, left.max_t, left.encoding);
                found.push(Found::Copied { min_t, max_t, encoding, start, end: copies.len() });
            }
        }
        Ok(())
    }

    /// Marks samples of matching series as deleted, both ends in, and logs that.
    pub fn delete(
        &self,
        matchers: &[Matcher],
        min_t: Timestamp,
        max_t: Timestamp,
    ) -> crate::Result<usize> {
        use crate::wal::record::TombstoneEntry;
        self.refuse_while_replaying("nothing can be deleted yet")?;
        use crate::wal::{RecordBuffer, encode};
        let index = self.index.read();
        let mut entries = Vec::new();
        let mut places = Vec::new();
        for id in index.select(matchers) {
            let (shard, slot) = split_place(index.place(id));
            let data = self.shards[shard].data.read();
            if data.overlaps(slot, TimeRange::new(min_t, max_t)) {
                // What comes later, behind the newest sample, is not deleted by this.
                let Some((first, last)) = data.bounds_of(slot) else { continue };
                let span = (min_t.max(first), max_t.min(last));
                let series = ref_of(shard, &data, slot);
                entries.push(TombstoneEntry { series, min_t: span.0, max_t: span.1 });
                places.push((shard, slot, span));
            }
        }
        drop(index);
        if let Some(wal) = &self.wal
            && !entries.is_empty()
        {
            let mut batch = RecordBuffer::default();
            batch.record(|out| encode::tombstones(out, &entries));
            let lsn = wal.log(&batch)?;
            wal.sync_to(lsn)?;
        }
        for (shard, slot, span) in &places {
            self.shards[*shard].data.write().delete(*slot, *span);
        }
        Ok(places.len())
    }
}

impl ShardData {
    /// Adds a deleted span, merged with those it touches.
    pub(crate) fn delete(&mut self, slot: u32, span: (Timestamp, Timestamp)) {
        let spans = self.deleted.entry(slot).or_default();
        spans.push(span);
        spans.sort_unstable();
        spans.dedup_by(|next, before| {
            let touch = next.0 <= before.1.saturating_add(1);
            if touch {
                before.1 = before.1.max(next.1);
            }
            touch
        });
    }
}

impl Queryable for Head {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move { self.select_now(request) }.boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let values = self.label_names_now(&request.matchers, request.range);
        async move { Ok(limited(values, request.limit)) }.boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let values = self.label_values_now(name, &request.matchers, request.range);
        async move { Ok(limited(values, request.limit)) }.boxed()
    }
}

pub(crate) fn limited(mut values: Vec<String>, limit: usize) -> LabelAnswer {
    if limit > 0 {
        values.truncate(limit);
    }
    LabelAnswer { values, warnings: Vec::new() }
}
