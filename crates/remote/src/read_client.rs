//! Reading from a peer's remote read: a `Queryable` over HTTP. Chunks are taken as they come, samples are made chunks.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_chunk::{ChunkEncoder, Encoding, Sample, SampleValue};
use gauntlet_net::client::HttpClient;
use gauntlet_storage::{
    Chunk, ChunkData, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
    SeriesSetBuilder,
};
use gauntlet_wire::convert::{
    AnyHistogram, histogram_from_proto, labels_from_proto, matcher_to_proto,
};
use gauntlet_wire::{prompb, snappy};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message as _;

use crate::read::{CONTENT_TYPE_SAMPLES, FrameReader, MAX_FRAME_BYTES, ReadError};

/// Largest answer of samples, packed and unpacked; streams are bounded by the query's budget.
const MAX_SAMPLES_BYTES: usize = 1 << 30;
/// Bytes of an error's body that are shown.
const MAX_ERROR_BYTES: usize = 512;

/// A peer's remote read endpoint.
#[derive(Clone, Debug)]
pub struct RemoteReadClient {
    name: String,
    url: http::Uri,
    client: HttpClient,
    timeout: Duration,
    headers: Vec<(HeaderName, HeaderValue)>,
    frame_limit_bytes: usize,
}

impl RemoteReadClient {
    /// `url` is the endpoint itself, ending in `/api/v1/read` for a Prometheus.
    pub fn new(
        name: impl Into<String>,
        url: http::Uri,
        client: HttpClient,
        timeout: Duration,
    ) -> Self {
        Self {
            name: name.into(),
            url,
            client,
            timeout,
            headers: Vec::new(),
            frame_limit_bytes: MAX_FRAME_BYTES,
        }
    }

    /// Headers that every request carries.
    pub fn with_headers(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers = headers;
        self
    }

    /// Largest frame taken.
    pub fn with_frame_limit(mut self, limit_bytes: usize) -> Self {
        self.frame_limit_bytes = limit_bytes;
        self
    }

    async fn read(&self, request: &SelectRequest) -> Result<SeriesSet, ReadError> {
        request.cancel.check().map_err(QueryError::from)?;
        let body = snappy::pack(&message_of(request).encode_to_vec())?;
        let mut http = Request::post(self.url.clone())
            .header("Content-Type", CONTENT_TYPE_SAMPLES)
            .header("Content-Encoding", "snappy")
            .header("Accept-Encoding", "snappy")
            .header("X-Prometheus-Remote-Read-Version", "0.1.0")
            .body(Bytes::from(body))
            .map_err(|err| ReadError::Failed(err.to_string()))?;
        http.headers_mut().extend(self.headers.iter().cloned());
        let response = self.client.send(http, self.timeout).await;
        let response = response.map_err(|err| self.failed(&err))?;
        let kind = content_type(&response);
        if !response.status().is_success() {
            let status = response.status();
            let body =
                response.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            let shown =
                String::from_utf8_lossy(&body[..body.len().min(MAX_ERROR_BYTES)]).into_owned();
            let text = format!(
                "remote server {} returned http status {status}: {}",
                self.url,
                shown.trim()
            );
            return Err(ReadError::Failed(text));
        }
        match kind.split(';').next().map(str::trim) {
            Some("application/x-streamed-protobuf") => self.read_chunks(response, request).await,
            Some("application/x-protobuf") => self.read_samples(response, request).await,
            _ => Err(ReadError::Failed(format!("not supported remote read content type: {kind}"))),
        }
    }

    fn failed(&self, err: &dyn std::fmt::Display) -> ReadError {
        ReadError::Failed(format!("remote read from {}: {err}", self.name))
    }

    async fn read_chunks(
        &self,
        response: Response<Incoming>,
        request: &SelectRequest,
    ) -> Result<SeriesSet, ReadError> {
        let mut body = response.into_body();
        let mut stream = ChunkStream::with_frame_limit(self.frame_limit_bytes);
        let mut charge = request.budget.charge(0).map_err(QueryError::from)?;
        while let Some(frame) = body.frame().await {
            request.cancel.check().map_err(QueryError::from)?;
            let frame = frame.map_err(|err| self.failed(&err))?;
            let Ok(data) = frame.into_data() else { continue };
            charge.grow(data.len() as u64).map_err(QueryError::from)?;
            stream.push(&data)?;
        }
        let mut set = stream.finish()?;
        set.charges.push(charge);
        Ok(set)
    }

    async fn read_samples(
        &self,
        response: Response<Incoming>,
        request: &SelectRequest,
    ) -> Result<SeriesSet, ReadError> {
        let body = http_body_util::Limited::new(response.into_body(), MAX_SAMPLES_BYTES);
        let body = body.collect().await.map_err(|err| self.failed(&err))?.to_bytes();
        let bytes = snappy::unpack(&body, MAX_SAMPLES_BYTES)
            .map_err(|err| ReadError::Damaged(err.to_string()))?;
        let charge = request.budget.charge(bytes.len() as u64).map_err(QueryError::from)?;
        let mut set = samples_of(&bytes, &self.name)?;
        set.charges.push(charge);
        Ok(set)
    }
}

/// The series of a sampled answer, unpacked; of all its queries.
pub fn samples_of(bytes: &[u8], name: &str) -> Result<SeriesSet, ReadError> {
    let response = prompb::ReadResponse::decode(bytes);
    let response = response.map_err(|err| ReadError::Damaged(err.to_string()))?;
    let mut builder = SeriesSetBuilder::new();
    for series in response.results.into_iter().flat_map(|result| result.timeseries) {
        let labels = labels_from_proto(&series.labels)?;
        let chunks = encode(series)?;
        if chunks.is_empty() {
            builder.warn(format!("series {labels} without samples from {name}"));
            continue;
        }
        builder.push_series(labels);
        chunks.into_iter().for_each(|chunk| builder.push_chunk(chunk));
    }
    Ok(builder.build_sorted())
}

/// The series of a streamed answer, gathered as it comes.
#[derive(Debug, Default)]
pub struct ChunkStream {
    reader: FrameReader,
    builder: SeriesSetBuilder,
}

impl ChunkStream {
    fn with_frame_limit(limit_bytes: usize) -> Self {
        Self { reader: FrameReader::with_limit(limit_bytes), builder: SeriesSetBuilder::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.reader.push(bytes);
        while let Some(message) = self.reader.next_frame()? {
            for series in message.chunked_series {
                self.builder.push_series(labels_from_proto(&series.labels)?);
                for chunk in series.chunks {
                    self.builder.push_chunk(chunk_of(chunk)?);
                }
            }
        }
        Ok(())
    }

    /// Errs where the stream ended inside a frame.
    pub fn finish(self) -> Result<SeriesSet, ReadError> {
        self.reader.finish()?;
        Ok(self.builder.build_sorted())
    }
}

fn message_of(request: &SelectRequest) -> prompb::ReadRequest {
    let hints = &request.hints;
    let query = prompb::Query {
        start_timestamp_ms: request.range.min,
        end_timestamp_ms: request.range.max,
        matchers: request.matchers.iter().map(matcher_to_proto).collect(),
        hints: Some(prompb::ReadHints {
            step_ms: hints.step_ms,
            func: hints.func.clone(),
            start_ms: request.range.min,
            end_ms: request.range.max,
            grouping: hints.grouping.clone(),
            by: hints.by,
            range_ms: hints.range_ms,
        }),
    };
    let types = [prompb::ResponseType::StreamedXorChunks, prompb::ResponseType::Samples];
    prompb::ReadRequest {
        queries: vec![query],
        accepted_response_types: types.map(|t| t as i32).to_vec(),
    }
}

fn content_type(response: &Response<Incoming>) -> String {
    let value = response.headers().get(http::header::CONTENT_TYPE);
    value.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

fn chunk_of(chunk: prompb::Chunk) -> Result<Chunk, ReadError> {
    let encoding = u8::try_from(chunk.r#type).ok().and_then(Encoding::from_u8);
    let encoding = encoding
        .ok_or_else(|| ReadError::Damaged(format!("unknown chunk encoding {}", chunk.r#type)))?;
    Ok(Chunk {
        min_time: chunk.min_time_ms,
        max_time: chunk.max_time_ms,
        replica: 0,
        data: ChunkData::Encoded { encoding, bytes: chunk.data },
    })
}

/// Samples as chunks of at most 120.
fn encode(series: prompb::TimeSeries) -> Result<Vec<Chunk>, ReadError> {
    let float =
        |s: prompb::Sample| Sample { t: s.timestamp, start: 0, value: SampleValue::Float(s.value) };
    let mut samples: Vec<Sample> = series.samples.into_iter().map(float).collect();
    for message in series.histograms {
        let t = message.timestamp;
        let value = match histogram_from_proto(message)? {
            AnyHistogram::Integer(h) => SampleValue::Histogram(Box::new(h)),
            AnyHistogram::Float(h) => SampleValue::FloatHistogram(Box::new(h)),
        };
        samples.push(Sample { t, start: 0, value });
    }
    if !samples.is_sorted_by_key(|sample| sample.t) {
        samples.sort_by_key(|sample| sample.t);
    }
    let mut encoder = ChunkEncoder::new(false);
    for sample in &samples {
        encoder.append(sample).map_err(|err| ReadError::Damaged(err.to_string()))?;
    }
    let chunk = |part: gauntlet_chunk::EncodedChunk| Chunk {
        min_time: part.min_time,
        max_time: part.max_time,
        replica: 0,
        data: ChunkData::Encoded { encoding: part.encoding, bytes: part.bytes.into() },
    };
    Ok(encoder.finish().into_iter().map(chunk).collect())
}

impl From<ReadError> for QueryError {
    fn from(err: ReadError) -> Self {
        match err {
            ReadError::Query(err) => err,
            ReadError::BadRequest(text) => Self::BadRequest(text),
            ReadError::Damaged(_) => Self::Corrupt(err.to_string()),
            ReadError::Failed(text) => Self::Unavailable(text),
        }
    }
}

impl Queryable for RemoteReadClient {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move { Ok(self.read(request).await?) }.boxed()
    }

    /// The protocol has no such question: upstream answers with a warning, and so do we.
    fn label_names<'a>(
        &'a self,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        futures::future::ready(Ok(not_implemented())).boxed()
    }

    fn label_values<'a>(
        &'a self,
        _: &'a str,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        futures::future::ready(Ok(not_implemented())).boxed()
    }
}

fn not_implemented() -> LabelAnswer {
    LabelAnswer { values: Vec::new(), warnings: vec!["not implemented".to_owned()] }
}

#[cfg(test)]
mod tests;
