//! Answering remote reads from a `Queryable`. The HTTP around it belongs to the API: method, headers, status.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use gauntlet_chunk::{ChunkEncoder, Columns, EncodedChunk, Encoding, SampleValue, read_samples};
use gauntlet_model::{Labels, MatchOp, Matcher};
use gauntlet_runtime::{Budget, Cancel};
use gauntlet_storage::{
    Chunk, DecodeScratch, Queryable, SelectHints, SelectRequest, SeriesSet, TimeRange,
};
use gauntlet_wire::convert::{
    float_histogram_to_proto, histogram_to_proto, labels_to_proto, matchers_from_proto,
};
use gauntlet_wire::{prompb, snappy};
use prost::Message as _;

use crate::read::{ReadError, put_frame};

/// Settings of the server; the defaults are upstream's.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// `--storage.remote.read-sample-limit`: most samples in an answer; 0 is none. Streams have no such limit.
    pub sample_limit: usize,
    /// `--storage.remote.read-max-bytes-in-frame`.
    pub max_frame_bytes: usize,
    /// Largest request after unpacking.
    pub request_limit_bytes: usize,
    pub budget: Arc<Budget>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            sample_limit: 50_000_000,
            max_frame_bytes: 1 << 20,
            request_limit_bytes: 32 << 20,
            budget: Budget::unlimited(),
        }
    }
}

/// An answer's body.
pub enum ReadReply {
    /// A snappy block: `Content-Type` [`crate::read::CONTENT_TYPE_SAMPLES`], `Content-Encoding: snappy`.
    Samples(Bytes),
    /// Frames, made as they are taken: `Content-Type` [`crate::read::CONTENT_TYPE_CHUNKS`]. An error ends the stream short.
    Chunks(BoxStream<'static, Result<Bytes, ReadError>>),
}

impl std::fmt::Debug for ReadReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Samples(bytes) => f.debug_tuple("Samples").field(&bytes.len()).finish(),
            Self::Chunks(_) => f.write_str("Chunks"),
        }
    }
}

/// Answers a request's body. Selections are made before the first byte of the answer, so that they can still fail with a status.
pub async fn answer(
    body: &[u8],
    storage: &dyn Queryable,
    external_labels: &Labels,
    cancel: &Cancel,
    options: &ReadOptions,
) -> Result<ReadReply, ReadError> {
    let request = parse(body, options)?;
    let streamed = streams(&request)?;
    let mut sets = Vec::with_capacity(request.queries.len());
    for query in &request.queries {
        let range = TimeRange::new(query.start_timestamp_ms, query.end_timestamp_ms);
        let matchers = matchers_from_proto(&query.matchers)?;
        let select = SelectRequest {
            matchers: without_external(matchers, external_labels).into(),
            range,
            hints: hints(query.hints.as_ref()),
            budget: Arc::clone(&options.budget),
            cancel: cancel.clone(),
        };
        sets.push((storage.select(&select).await?, range));
    }
    if streamed {
        return Ok(ReadReply::Chunks(chunks(sets, external_labels, options.max_frame_bytes)));
    }
    let mut left = if options.sample_limit > 0 { options.sample_limit } else { usize::MAX };
    let mut response = prompb::ReadResponse::default();
    for (set, range) in sets {
        let timeseries = samples(&set, range, external_labels, &mut left).map_err(|err| {
            err.unwrap_or_else(|| {
                let text = format!("exceeded sample limit ({})", options.sample_limit);
                ReadError::BadRequest(text)
            })
        })?;
        response.results.push(prompb::QueryResult { timeseries });
    }
    let packed = snappy::pack(&response.encode_to_vec())?;
    Ok(ReadReply::Samples(Bytes::from(packed)))
}

fn parse(body: &[u8], options: &ReadOptions) -> Result<prompb::ReadRequest, ReadError> {
    let bytes = match snappy::unpack(body, options.request_limit_bytes) {
        Ok(bytes) => bytes,
        Err(gauntlet_wire::WireError::Snappy(_)) => {
            return Err(ReadError::BadRequest("snappy: corrupt input".to_owned()));
        }
        Err(err) => return Err(err.into()),
    };
    prompb::ReadRequest::decode(&bytes[..]).map_err(|err| ReadError::BadRequest(err.to_string()))
}

/// The first answer type named that there is decides; none named is samples.
fn streams(request: &prompb::ReadRequest) -> Result<bool, ReadError> {
    if request.accepted_response_types.is_empty() {
        return Ok(false);
    }
    for number in &request.accepted_response_types {
        match prompb::ResponseType::try_from(*number) {
            Ok(prompb::ResponseType::Samples) => return Ok(false),
            Ok(prompb::ResponseType::StreamedXorChunks) => return Ok(true),
            Err(_) => {}
        }
    }
    let asked = &request.accepted_response_types;
    let text = format!(
        "server does not support any of the requested response types: {asked:?}; \
         supported: map[SAMPLES:{{}} STREAMED_XOR_CHUNKS:{{}}]"
    );
    Err(ReadError::BadRequest(text))
}

/// An equality that the external labels fulfil asks the storage for series without the label.
fn without_external(matchers: Vec<Matcher>, external: &Labels) -> Vec<Matcher> {
    let replace = |m: Matcher| {
        if m.op == MatchOp::Equal && external.value(&m.name) == m.value {
            Matcher::equal(&m.name, "")
        } else {
            m
        }
    };
    matchers.into_iter().map(replace).collect()
}

fn hints(hints: Option<&prompb::ReadHints>) -> SelectHints {
    let Some(hints) = hints else { return SelectHints::default() };
    SelectHints {
        step_ms: hints.step_ms,
        range_ms: hints.range_ms,
        func: hints.func.clone(),
        grouping: hints.grouping.clone(),
        by: hints.by,
        ..SelectHints::default()
    }
}

/// A series' own labels win over external ones.
fn joined(labels: &Labels, external: &Labels) -> Vec<prompb::Label> {
    labels_to_proto(&Labels::from_pairs(external.iter().chain(labels.iter())))
}

/// All samples of a set. `Err(None)` says that the limit was passed.
fn samples(
    set: &SeriesSet,
    range: TimeRange,
    external: &Labels,
    left: &mut usize,
) -> Result<Vec<prompb::TimeSeries>, Option<ReadError>> {
    let mut out = Vec::with_capacity(set.len());
    let (mut scratch, mut columns, mut buffer) =
        (DecodeScratch::default(), Columns::default(), Vec::new());
    for index in 0..set.len() {
        let mut series = prompb::TimeSeries {
            labels: joined(set.labels(index), external),
            ..Default::default()
        };
        let histograms = has_histograms(set, index, &mut buffer).map_err(Some)?;
        if histograms {
            mixed(set, index, range, &mut buffer, &mut series).map_err(Some)?;
        } else {
            set.decode(index, range, &mut scratch, &mut columns).map_err(|e| Some(e.into()))?;
            let pairs = columns.timestamps.iter().zip(&columns.values);
            let sample = |(t, v): (&i64, &f64)| prompb::Sample { value: *v, timestamp: *t };
            series.samples = pairs.map(sample).collect();
        }
        let count = series.samples.len() + series.histograms.len();
        *left = left.checked_sub(count).ok_or(None)?;
        out.push(series);
    }
    Ok(out)
}

fn has_histograms(set: &SeriesSet, index: usize, buffer: &mut Vec<u8>) -> Result<bool, ReadError> {
    for chunk in set.chunks(index) {
        if set.chunk_bytes(chunk, buffer)?.0.is_histogram() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Samples of a series with histograms, each kept in its kind; of equal times the first stays.
fn mixed(
    set: &SeriesSet,
    index: usize,
    range: TimeRange,
    buffer: &mut Vec<u8>,
    series: &mut prompb::TimeSeries,
) -> Result<(), ReadError> {
    let mut all = Vec::new();
    for chunk in set.chunks(index) {
        let (encoding, bytes) = set.chunk_bytes(chunk, buffer)?;
        let samples = read_samples(encoding, bytes);
        all.extend(samples.map_err(|err| ReadError::Damaged(err.to_string()))?);
    }
    all.retain(|sample| range.min <= sample.t && sample.t <= range.max);
    all.sort_by_key(|sample| sample.t);
    all.dedup_by_key(|sample| sample.t);
    for sample in all {
        match sample.value {
            SampleValue::Float(value) => {
                series.samples.push(prompb::Sample { value, timestamp: sample.t });
            }
            SampleValue::Histogram(h) => series.histograms.push(histogram_to_proto(sample.t, &h)),
            SampleValue::FloatHistogram(h) => {
                series.histograms.push(float_histogram_to_proto(sample.t, &h));
            }
        }
    }
    Ok(())
}

/// The frames of all sets: a series a frame, long ones in several.
fn chunks(
    sets: Vec<(SeriesSet, TimeRange)>,
    external: &Labels,
    max_frame_bytes: usize,
) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let sets = Arc::new(sets);
    let external = external.clone();
    let series = (0..sets.len()).flat_map({
        let sets = Arc::clone(&sets);
        move |query| (0..sets[query].0.len()).map(move |index| (query, index))
    });
    let places: Vec<(usize, usize)> = series.collect();
    stream::iter(places)
        .map(move |(query, index)| {
            series_frames(&sets[query].0, query, index, &external, max_frame_bytes)
        })
        .boxed()
}

fn series_frames(
    set: &SeriesSet,
    query: usize,
    index: usize,
    external: &Labels,
    max_frame_bytes: usize,
) -> Result<Bytes, ReadError> {
    let labels = joined(set.labels(index), external);
    let labels_len: usize = labels.iter().map(prost::Message::encoded_len).sum();
    let limit = max_frame_bytes.saturating_sub(labels_len);
    let mut out = Vec::new();
    let mut frame: Vec<prompb::Chunk> = Vec::new();
    let mut used = 0;
    let mut flush = |frame: &mut Vec<prompb::Chunk>| {
        let series =
            prompb::ChunkedSeries { labels: labels.clone(), chunks: std::mem::take(frame) };
        let message =
            prompb::ChunkedReadResponse { chunked_series: vec![series], query_index: query as i64 };
        put_frame(&mut out, &message);
    };
    let mut buffer = Vec::new();
    for chunk in set.chunks(index) {
        for part in wire_chunks(set, chunk, &mut buffer)? {
            used += part.encoded_len();
            frame.push(part);
            if used >= limit {
                flush(&mut frame);
                used = 0;
            }
        }
    }
    if !frame.is_empty() {
        flush(&mut frame);
    }
    Ok(Bytes::from(out))
}

/// A chunk in the encodings that every reader knows; younger ones are rewritten, start times are not carried.
fn wire_chunks(
    set: &SeriesSet,
    chunk: &Chunk,
    buffer: &mut Vec<u8>,
) -> Result<Vec<prompb::Chunk>, ReadError> {
    let (encoding, bytes) = set.chunk_bytes(chunk, buffer)?;
    if matches!(encoding, Encoding::Xor | Encoding::Histogram | Encoding::FloatHistogram) {
        let data = Bytes::copy_from_slice(bytes);
        let (min_time_ms, max_time_ms) = (chunk.min_time, chunk.max_time);
        return Ok(vec![prompb::Chunk { min_time_ms, max_time_ms, r#type: encoding as i32, data }]);
    }
    let damaged = |text: String| ReadError::Damaged(text);
    let mut encoder = ChunkEncoder::new(false);
    for mut sample in read_samples(encoding, bytes).map_err(|err| damaged(err.to_string()))? {
        sample.start = 0;
        encoder.append(&sample).map_err(|err| damaged(err.to_string()))?;
    }
    let wire = |part: EncodedChunk| prompb::Chunk {
        min_time_ms: part.min_time,
        max_time_ms: part.max_time,
        r#type: part.encoding as i32,
        data: Bytes::from(part.bytes),
    };
    Ok(encoder.finish().into_iter().map(wire).collect())
}
