//! Replica dedup, sample-exact with Thanos: overlap split into lanes, counter resets applied, and the penalty and chain algorithms.
//! Source: upstream Thanos `pkg/dedup/iter.go` and `pkg/compact/downsample` (the counter iterator).
//!
//! A *lane* is a run of chunks of one series that do not overlap; [`assign_lanes`] deals chunks out to lanes, as the ordinal
//! `Chunk::replica`. Reading decodes each lane to columns, cuts it to the range, and folds lanes pairwise from the left. The
//! fold keeps the source it is on until that falls behind: the other source must be ahead by twice the last step ("penalty"), so
//! that switching never raises the sampling rate. In counter mode resets are rewritten away within each lane, and a switch to a
//! lane that lags lifts it, so that a rate sees no false reset. Histograms are never lifted, as upstream has it.

use std::sync::Arc;

use gauntlet_chunk::Columns;
use gauntlet_model::{FloatHistogram, Timestamp};

use crate::query::{QueryError, TimeRange};
use crate::series_set::{Chunk, SeriesSet};

/// Penalty in ms while no step is known yet; source: upstream.
const INITIAL_PENALTY_MS: i64 = 5000;

/// Buffers that a worker keeps between series.
#[derive(Debug, Default)]
pub struct PenaltyScratch {
    bytes: Vec<u8>,
    chunk: Columns,
    lanes: Vec<Columns>,
    decoded_bytes: u64,
}

impl PenaltyScratch {
    pub(crate) fn take_decoded_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.decoded_bytes)
    }
}

/// Gives each chunk of one series, ascending by time, the first lane whose last chunk ends before it begins. Afterwards the chunks
/// ascend by (lane, time).
pub fn assign_lanes(chunks: &mut [Chunk]) {
    let mut ends: Vec<Timestamp> = Vec::with_capacity(2);
    for chunk in chunks.iter_mut() {
        let lane = ends.iter().position(|end| *end < chunk.min_time).unwrap_or(ends.len());
        match ends.get_mut(lane) {
            Some(end) => *end = chunk.max_time,
            None => ends.push(chunk.max_time),
        }
        chunk.replica = lane as u32;
    }
    if ends.len() > 1 {
        chunks.sort_by_key(|c| c.replica);
    }
}

/// Replaces `out` by the samples of series `index` in `range`, replicas merged by the penalty algorithm.
pub fn decode_penalty(
    set: &SeriesSet,
    index: usize,
    range: TimeRange,
    counter: bool,
    scratch: &mut PenaltyScratch,
    out: &mut Columns,
) -> Result<(), QueryError> {
    out.clear();
    let lanes = decode_lanes(set, index, range, counter, scratch)?;
    match &mut scratch.lanes[..lanes] {
        [] => {}
        [only] => std::mem::swap(only, out),
        lanes => fold(lanes, counter, out),
    }
    Ok(())
}

/// The same by the chain algorithm: all times of all replicas, each once; of equal times the lowest replica's sample.
pub fn decode_chain(
    set: &SeriesSet,
    index: usize,
    range: TimeRange,
    counter: bool,
    scratch: &mut PenaltyScratch,
    out: &mut Columns,
) -> Result<(), QueryError> {
    out.clear();
    let lanes = decode_lanes(set, index, range, counter, scratch)?;
    match &mut scratch.lanes[..lanes] {
        [] => {}
        [only] => std::mem::swap(only, out),
        lanes => chain(lanes, out),
    }
    Ok(())
}

/// Decodes every lane into the scratch, cut to the range; returns how many have samples.
fn decode_lanes(
    set: &SeriesSet,
    index: usize,
    range: TimeRange,
    counter: bool,
    scratch: &mut PenaltyScratch,
) -> Result<usize, QueryError> {
    let mut used = 0;
    for lane in set.chunks(index).chunk_by(|a, b| a.replica == b.replica) {
        if scratch.lanes.len() == used {
            scratch.lanes.push(Columns::default());
        }
        let columns = &mut scratch.lanes[used];
        columns.clear();
        let mut state = CounterState::default();
        for chunk in lane {
            if counter {
                // A counter's offset depends on all that came before: chunks are read whole and none is skipped.
                scratch.chunk.clear();
                decode(
                    set,
                    index,
                    chunk,
                    TimeRange::all(),
                    (&mut scratch.bytes, &mut scratch.decoded_bytes),
                    &mut scratch.chunk,
                )?;
                append_counter(columns, &scratch.chunk, &mut state);
            } else {
                // Of chunks that overlap within a lane, the first has its say.
                let after =
                    columns.timestamps.last().map_or(range.min, |last| last.saturating_add(1));
                let part = TimeRange::new(range.min.max(after), range.max);
                if part.overlaps(chunk.min_time, chunk.max_time) {
                    let buffer = (&mut scratch.bytes, &mut scratch.decoded_bytes);
                    decode(set, index, chunk, part, buffer, columns)?;
                }
            }
        }
        if counter {
            bound(columns, range);
        }
        used += usize::from(!columns.is_empty());
    }
    Ok(used)
}

/// Appends a chunk's samples in `range`.
fn decode(
    set: &SeriesSet,
    index: usize,
    chunk: &Chunk,
    range: TimeRange,
    (buffer, decoded_bytes): (&mut Vec<u8>, &mut u64),
    out: &mut Columns,
) -> Result<(), QueryError> {
    let (encoding, bytes) = set.chunk_bytes(chunk, buffer)?;
    *decoded_bytes += bytes.len() as u64;
    gauntlet_chunk::decode(encoding, bytes, range.min, range.max, out)
        .map_err(|err| QueryError::Corrupt(format!("series {}: {err}", set.labels(index))))
}

/// What rewriting a counter remembers between chunks.
#[derive(Debug, Default)]
struct CounterState {
    started: bool,
    last_t: Timestamp,
    last_value: f64,
    total: f64,
}

/// Appends a counter chunk, raw or aggregate, as a never falling total. An aggregate repeats its last time with the true last
/// raw value, which only tells whether the next chunk begins after a reset. Not-a-numbers, stale markers among them, are left out.
fn append_counter(lane: &mut Columns, chunk: &Columns, state: &mut CounterState) {
    let mut histograms = chunk.histograms.iter().peekable();
    for (index, (t, value)) in chunk.timestamps.iter().zip(&chunk.values).enumerate() {
        if let Some((_, histogram)) = histograms.next_if(|(i, _)| *i as usize == index) {
            if lane.timestamps.last().is_none_or(|last| t > last) {
                lane.push_histogram(*t, Arc::clone(histogram));
                state.last_t = *t;
            }
            continue;
        }
        if value.is_nan() {
            continue;
        }
        if !state.started {
            *state = CounterState { started: true, last_t: *t, last_value: *value, total: *value };
            lane.push_float(*t, *value);
        } else if *t > state.last_t {
            state.total +=
                if *value >= state.last_value { value - state.last_value } else { *value };
            state.last_t = *t;
            state.last_value = *value;
            lane.push_float(*t, state.total);
        } else if *t == state.last_t {
            state.last_value = *value;
        }
    }
}

/// Cuts columns to the range.
fn bound(columns: &mut Columns, range: TimeRange) {
    let end = columns.timestamps.partition_point(|t| *t <= range.max);
    columns.timestamps.truncate(end);
    columns.values.truncate(end);
    columns.start_timestamps.truncate(end);
    columns.histograms.retain(|(i, _)| (*i as usize) < end);
    let start = columns.timestamps.partition_point(|t| *t < range.min);
    if start > 0 {
        columns.timestamps.drain(..start);
        columns.values.drain(..start);
        columns.start_timestamps.drain(..start.min(columns.start_timestamps.len()));
        columns.histograms.retain_mut(|(i, _)| {
            let kept = *i as usize >= start;
            *i = i.saturating_sub(start as u32);
            kept
        });
    }
}

/// Merges lanes by time.
fn chain(lanes: &[Columns], out: &mut Columns) {
    let mut at = vec![0usize; lanes.len()];
    loop {
        let next = (0..lanes.len())
            .filter_map(|lane| Some((*lanes[lane].timestamps.get(at[lane])?, lane)))
            .min();
        let Some((t, lane)) = next else { return };
        match lanes[lane].histogram(at[lane]) {
            Some(histogram) => out.push_histogram(t, Arc::clone(histogram)),
            None => out.push_float(t, lanes[lane].values[at[lane]]),
        }
        for (lane, at) in lanes.iter().zip(&mut at) {
            while lane.timestamps.get(*at).is_some_and(|time| *time <= t) {
                *at += 1;
            }
        }
    }
}

/// Merges lanes, none of them empty, from the left.
fn fold(lanes: &[Columns], counter: bool, out: &mut Columns) {
    let mut sides = lanes.iter().map(|lane| Side::Lane(Lane::new(lane, counter)));
    let Some(first) = sides.next() else { return };
    let mut all = sides.fold(first, |a, b| Side::Pair(Box::new(Pair::new(a, b))));
    loop {
        match all.next() {
            Kind::None => return,
            Kind::Float => out.push_float(all.time(), all.value()),
            Kind::Histogram => {
                if let Some(histogram) = all.histogram() {
                    out.push_histogram(all.time(), Arc::clone(histogram));
                }
            }
        }
    }
}

/// What an iterator stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Float,
    Histogram,
}

/// A source of samples: one lane, or two merged.
enum Side<'a> {
    Lane(Lane<'a>),
    Pair(Box<Pair<'a>>),
}

impl<'a> Side<'a> {
    fn next(&mut self) -> Kind {
        match self {
            Self::Lane(lane) => lane.next(),
            Self::Pair(pair) => pair.next(),
        }
    }

    /// Moves on until the time is `t` or later.
    fn seek(&mut self, t: Timestamp) -> Kind {
        match self {
            Self::Lane(lane) => lane.seek(t),
            Self::Pair(pair) => pair.seek(t),
        }
    }

    fn time(&self) -> Timestamp {
        match self {
            Self::Lane(lane) => lane.time(),
            Self::Pair(pair) => pair.time(),
        }
    }

    fn value(&self) -> f64 {
        match self {
            Self::Lane(lane) => lane.value(),
            Self::Pair(pair) => pair.last().value(),
        }
    }

    fn histogram(&self) -> Option<&'a Arc<FloatHistogram>> {
        match self {
            Self::Lane(lane) => lane.columns.histogram(lane.at),
            Self::Pair(pair) => pair.last().histogram(),
        }
    }

    /// Lifts a counter that stands below `last`, the last value taken.
    fn lift(&mut self, last: f64) {
        match self {
            Self::Lane(lane) => lane.lift(last),
            Self::Pair(pair) => pair.lift(last),
        }
    }
}

struct Lane<'a> {
    columns: &'a Columns,
    /// Index of the current sample; `usize::MAX` before the first.
    at: usize,
    counter: bool,
    lifted_by: f64,
}

impl<'a> Lane<'a> {
    fn new(columns: &'a Columns, counter: bool) -> Self {
        Self { columns, at: usize::MAX, counter, lifted_by: 0.0 }
    }

    fn next(&mut self) -> Kind {
        self.at = self.at.wrapping_add(1);
        self.kind()
    }

    fn seek(&mut self, t: Timestamp) -> Kind {
        while self.columns.timestamps.get(self.at).is_some_and(|at| *at < t) {
            self.at += 1;
        }
        self.kind()
    }

    fn kind(&self) -> Kind {
        if self.at >= self.columns.len() {
            Kind::None
        } else if self.columns.histogram(self.at).is_some() {
            Kind::Histogram
        } else {
            Kind::Float
        }
    }

    fn time(&self) -> Timestamp {
        self.columns.timestamps.get(self.at).copied().unwrap_or(Timestamp::MAX)
    }

    /// Untouched where there is nothing to add: a sum would change the bits of a stale marker.
    fn value(&self) -> f64 {
        let value = self.columns.values.get(self.at).copied().unwrap_or(0.0);
        if self.lifted_by == 0.0 { value } else { value + self.lifted_by }
    }

    fn lift(&mut self, last: f64) {
        let value = self.value();
        if self.counter && last > value {
            self.lifted_by += last - value;
        }
    }
}

/// Two sources merged by the penalty algorithm.
struct Pair<'a> {
    a: Side<'a>,
    b: Side<'a>,
    a_kind: Kind,
    b_kind: Kind,
    last_t: Option<Timestamp>,
    last_is_a: bool,
    use_a: bool,
    penalty_a: i64,
    penalty_b: i64,
}

impl<'a> Pair<'a> {
    fn new(mut a: Side<'a>, mut b: Side<'a>) -> Self {
        let (a_kind, b_kind) = (a.next(), b.next());
        Self {
            a,
            b,
            a_kind,
            b_kind,
            last_t: None,
            last_is_a: true,
            use_a: true,
            penalty_a: 0,
            penalty_b: 0,
        }
    }

    fn last(&self) -> &Side<'a> {
        if self.last_is_a { &self.a } else { &self.b }
    }

    fn time(&self) -> Timestamp {
        if self.use_a { self.a.time() } else { self.b.time() }
    }

    fn next(&mut self) -> Kind {
        let used_a = self.use_a;
        let used_kind = if used_a { self.a_kind } else { self.b_kind };
        let last_value = (used_kind == Kind::Float).then(|| self.last().value());
        let kind = self.choose();
        if self.use_a != used_a
            && let Some(last) = last_value
        {
            self.lift(last);
        }
        kind
    }

    fn choose(&mut self) -> Kind {
        if let Some(last) = self.last_t {
            let after = last.saturating_add(1);
            if self.a_kind != Kind::None {
                self.a_kind = self.a.seek(after.saturating_add(self.penalty_a));
            }
            if self.b_kind != Kind::None {
                self.b_kind = self.b.seek(after.saturating_add(self.penalty_b));
            }
        }
        if self.a_kind == Kind::None {
            self.use_a = false;
            if self.b_kind != Kind::None {
                self.take(false);
            }
            return self.b_kind;
        }
        if self.b_kind == Kind::None {
            self.use_a = true;
            self.take(true);
            return self.a_kind;
        }
        self.use_a = self.a.time() <= self.b.time();
        let t = self.time();
        let penalty =
            self.last_t.map_or(INITIAL_PENALTY_MS, |last| t.saturating_sub(last).saturating_mul(2));
        if self.use_a {
            self.penalty_b = penalty
        } else {
            self.penalty_a = penalty
        }
        self.take(self.use_a);
        if self.use_a { self.a_kind } else { self.b_kind }
    }

    /// Stands on a side's sample; that side's penalty ends.
    fn take(&mut self, a: bool) {
        if a {
            self.penalty_a = 0
        } else {
            self.penalty_b = 0
        }
        self.last_is_a = a;
        self.last_t = Some(if a { self.a.time() } else { self.b.time() });
    }

    fn seek(&mut self, t: Timestamp) -> Kind {
        loop {
            let at = self.time();
            if at >= t {
                return if self.use_a { self.a.seek(at) } else { self.b.seek(at) };
            }
            if self.next() == Kind::None {
                return Kind::None;
            }
        }
    }

    fn lift(&mut self, last: f64) {
        if self.a_kind == Kind::Float {
            self.a.lift(last);
        }
        if self.b_kind == Kind::Float {
            self.b.lift(last);
        }
    }
}

#[cfg(test)]
mod tests;
