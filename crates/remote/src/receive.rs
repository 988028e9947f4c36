//! Taking remote writes in: bodies of 1.0 and 2.0 become one durable batch of the storage. Page: docs/formats/remote-write.md.
//!
//! Answers are upstream's: 1.0 is all or nothing; 2.0 takes what it can, says how much, and names the rest. A series that was seen
//! before is found by the hash of its labels' bytes (`cache`), so that it costs no label set. Who speaks HTTP calls this from a
//! thread that may block: committing waits for the disk.

mod cache;
mod scratch;
mod v1;
mod v2;

use std::sync::Arc;

use gauntlet_model::{Labels, SeriesRef, Timestamp};
use gauntlet_runtime::Clock;
use gauntlet_storage::{AppendError, AppendOptions, Appendable, Appender};
use gauntlet_telemetry::{Counter, Registry};
use gauntlet_wire::convert::{AnyHistogram, histogram_from_proto};
use gauntlet_wire::fields::ProtoError;
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::{prompb, snappy};
use tracing::warn;

use self::cache::SeriesCache;
use self::scratch::{Lists, Pool, Scratch};
use crate::config::ProtobufMessage;

/// Most bytes of a body, before and after it is unpacked.
pub const MAX_BODY_BYTES: usize = 32 << 20;
/// Samples further ahead of the clock are refused.
pub(crate) const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;
/// Finest schema of exponential histograms; finer ones are reduced to it.
const MAX_SCHEMA: i32 = 8;
/// Finest schema that the format reserves.
const MAX_RESERVED_SCHEMA: i32 = 52;

/// What may be set of a receiver.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// `--web.remote-write-receiver.accepted-protobuf-messages`
    pub accepted: Vec<ProtobufMessage>,
    /// `--enable-feature=type-and-unit-labels`
    pub type_and_unit_labels: bool,
    /// `--enable-feature=metadata-wal-records`
    pub append_metadata: bool,
    /// `--enable-feature=created-timestamp-zero-ingestion`
    pub zero_ingestion: bool,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            accepted: vec![ProtobufMessage::V1, ProtobufMessage::V2],
            type_and_unit_labels: false,
            append_metadata: false,
            zero_ingestion: false,
        }
    }
}

/// What a 2.0 sender is told of what was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub samples: usize,
    pub histograms: usize,
    pub exemplars: usize,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReply {
    pub status: u16,
    /// Why it failed; empty where it did not.
    pub error: String,
    /// Set for 2.0 alone.
    pub written: Option<Written>,
}

impl WriteReply {
    fn refuse(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), written: None }
    }
}

/// Why a body was not taken, or not whole.
#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error(transparent)]
    Proto(#[from] ProtoError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("out of bounds: timestamp is too far in the future")]
    TooFarAhead,
    #[error("{0}")]
    Histogram(String),
}

impl ReceiveError {
    /// 400 where sending it again cannot help, 500 where it may, 503 where it will once there is space again or the log is read.
    fn status(&self) -> u16 {
        match self {
            Self::Append(AppendError::ReadOnly(_)) => 503,
            Self::Append(err) if !err.is_sample_fault() => 500,
            _ => 400,
        }
    }
}

#[derive(Clone, Debug)]
struct Metrics {
    invalid_labels: Counter,
    without_metadata: Counter,
}

/// Receives remote writes for a storage. Shared by all requests.
#[derive(Debug)]
pub struct WriteReceiver {
    storage: Arc<dyn Appendable>,
    clock: Arc<dyn Clock>,
    options: ReceiveOptions,
    cache_v1: SeriesCache,
    cache_v2: SeriesCache,
    pool: Pool,
    metrics: Metrics,
}

impl WriteReceiver {
    pub fn new(
        storage: Arc<dyn Appendable>,
        clock: Arc<dyn Clock>,
        options: ReceiveOptions,
        registry: &Registry,
    ) -> Self {
        let metrics = Metrics {
            invalid_labels: registry.counter(
                "prometheus_api_remote_write_invalid_labels_samples_total",
                "The total number of received remote write samples and histogram samples which were rejected due to invalid labels.",
            ),
            without_metadata: registry.counter(
                "prometheus_api_remote_write_without_metadata_appended_samples_total",
                "The total number of received remote write samples (and histogram samples) which were ingested without corresponding metadata.",
            ),
        };
        Self {
            storage,
            clock,
            options,
            cache_v1: SeriesCache::default(),
            cache_v2: SeriesCache::default(),
            pool: Pool::default(),
            metrics,
        }
    }

    /// Refuses an encoding other than snappy, before the body is read.
    pub fn check_encoding(&self, encoding: Option<&str>) -> Result<(), WriteReply> {
        match encoding {
            None | Some("" | "snappy") => Ok(()),
            Some(other) => {
                let text = format!(
                    "{other} encoding (compression) is not accepted by this server; only snappy is acceptable"
                );
                Err(WriteReply::refuse(415, text))
            }
        }
    }

    /// The answer to a body over [`MAX_BODY_BYTES`].
    pub fn body_too_large() -> WriteReply {
        WriteReply::refuse(413, format!("request body exceeds the {MAX_BODY_BYTES} bytes limit"))
    }

    /// Unpacks a body and stores it. Blocks until the batch is on disk.
    pub fn receive(&self, content_type: Option<&str>, packed: &[u8]) -> WriteReply {
        let mut scratch = self.pool.take();
        let Scratch { body, lists } = &mut *scratch;
        if let Err(text) = unpack(packed, body) {
            return WriteReply::refuse(400, text);
        }
        let message = match self.message(content_type) {
            Ok(message) => message,
            Err(text) => return WriteReply::refuse(415, text),
        };
        let reply = match message {
            ProtobufMessage::V1 => self.receive_v1(body, lists),
            ProtobufMessage::V2 => self.receive_v2(body, lists),
        };
        if reply.status >= 500 {
            warn!(component = "web", err = reply.error, "remote write was not stored");
        }
        reply
    }

    /// The message that a content type names.
    fn message(&self, content_type: Option<&str>) -> Result<ProtobufMessage, String> {
        let content_type = content_type.unwrap_or_default();
        let given = if content_type.is_empty() { MEDIA_TYPE } else { content_type };
        let message = parse_content_type(given)?;
        if self.options.accepted.contains(&message) {
            return Ok(message);
        }
        let accepted: Vec<&str> = self.options.accepted.iter().map(|m| m.as_str()).collect();
        Err(format!(
            "{} protobuf message is not accepted by this server; only accepts {}",
            message.as_str(),
            accepted.join(", ")
        ))
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            appender: self.storage.appender(AppendOptions { durable: true, ..Default::default() }),
            max_time: self.clock.now_ms().saturating_add(MAX_AHEAD_MS),
        }
    }
}

const MEDIA_TYPE: &str = "application/x-protobuf";

/// What upstream's snappy decoder says of a damaged block.
const CORRUPT: &str = "s2: corrupt input";

fn unpack(packed: &[u8], body: &mut Vec<u8>) -> Result<(), String> {
    match snappy::unpack_into(packed, MAX_BODY_BYTES, body) {
        Ok(()) => Ok(()),
        Err(gauntlet_wire::WireError::TooLarge { limit, .. }) => {
            Err(format!("decoded size exceeds the {limit} bytes limit"))
        }
        Err(_) => Err(CORRUPT.to_owned()),
    }
}

fn parse_content_type(text: &str) -> Result<ProtobufMessage, String> {
    let text = text.trim();
    let mut parts = text.split(';');
    if parts.next() != Some(MEDIA_TYPE) {
        return Err(format!(
            "expected {MEDIA_TYPE} as the first (media) part, got {text} content-type"
        ));
    }
    for part in parts {
        let pair: Vec<&str> = part.split('=').collect();
        let [name, value] = pair[..] else {
            return Err(format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got {part} in {text} content-type"
            ));
        };
        if name == "proto" {
            return value.parse().map_err(|err| format!("got {text} content type; {err}"));
        }
    }
    Ok(ProtobufMessage::V1)
}

/// One request's batch, with the checks that come before the storage's.
struct Batch<'a> {
    appender: Box<dyn Appender + 'a>,
    max_time: Timestamp,
}

impl Batch<'_> {
    fn check_time(&self, t: Timestamp) -> Result<(), ReceiveError> {
        if t > self.max_time { Err(ReceiveError::TooFarAhead) } else { Ok(()) }
    }

    fn sample(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, ReceiveError> {
        self.check_time(t)?;
        Ok(self.appender.append(series, labels, t, value)?)
    }

    fn histogram(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        message: prompb::Histogram,
    ) -> Result<SeriesRef, ReceiveError> {
        let t = message.timestamp;
        self.check_time(t)?;
        let fault = |err: &dyn std::fmt::Display| ReceiveError::Histogram(err.to_string());
        self.appender.start_of_next(message.start_timestamp);
        let histogram = histogram_from_proto(message).map_err(|err| fault(&err))?;
        let appended = match histogram {
            AnyHistogram::Integer(mut h) => {
                if is_too_fine(h.schema) {
                    h.reduce_resolution(MAX_SCHEMA).map_err(|err| fault(&err))?;
                }
                self.appender.append_histogram(series, labels, t, h)
            }
            AnyHistogram::Float(mut h) => {
                if is_too_fine(h.schema) {
                    h.reduce_resolution(MAX_SCHEMA).map_err(|err| fault(&err))?;
                }
                self.appender.append_float_histogram(series, labels, t, h)
            }
        };
        appended.map_err(|err| match err {
            AppendError::InvalidHistogram(reason) => ReceiveError::Histogram(reason),
            err => err.into(),
        })
    }
}

fn is_too_fine(schema: i32) -> bool {
    schema > MAX_SCHEMA && schema <= MAX_RESERVED_SCHEMA
}

fn histogram_message(body: &[u8]) -> Result<prompb::Histogram, ReceiveError> {
    prompb::Histogram::decode(body).map_err(|_| ReceiveError::Proto(ProtoError::UnexpectedEof))
}

/// Why a label set is not taken.
enum LabelFault {
    /// No metric name, an empty name, or bytes that are no UTF-8; with what was given.
    Invalid(String),
    Duplicate(String, String),
}

/// The label set of pairs as they came: sorted, empty values left out.
fn label_set(pairs: &mut [(&[u8], &[u8])]) -> Result<Labels, LabelFault> {
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    let mut texts = Vec::with_capacity(pairs.len());
    let mut has_name = false;
    for (name, value) in &*pairs {
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return Err(LabelFault::Invalid(shown(pairs)));
        };
        let too_long = name.len().max(value.len()) > gauntlet_model::labels::MAX_LEN_BYTES;
        let is_name = name == gauntlet_model::labels::METRIC_NAME;
        if name.is_empty() || too_long || is_name && value.is_empty() {
            return Err(LabelFault::Invalid(shown(pairs)));
        }
        has_name |= is_name;
        texts.push((name, value));
    }
    if !has_name {
        return Err(LabelFault::Invalid(shown(pairs)));
    }
    if let Some(twice) = texts.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(LabelFault::Duplicate(shown(pairs), twice[0].0.to_owned()));
    }
    Ok(Labels::from_sorted(texts.into_iter().filter(|(_, value)| !value.is_empty())))
}

/// Labels as upstream prints them, whatever their bytes are.
fn shown(pairs: &[(&[u8], &[u8])]) -> String {
    let one = |(name, value): &(&[u8], &[u8])| {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        format!("{name}={}", gauntlet_model::float::GoQuoted(&value))
    };
    format!("{{{}}}", pairs.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Takes any bytes, for fuzzing.
pub fn check_bytes(bytes: &[u8]) {
    #[derive(Debug)]
    struct Nowhere;
    impl Appendable for Nowhere {
        fn appender(&self, _: AppendOptions) -> Box<dyn Appender + '_> {
            Box::new(crate::nowhere::NoAppender)
        }
    }
    let receiver = WriteReceiver::new(
        Arc::new(Nowhere),
        Arc::new(gauntlet_runtime::clock::ManualClock::new(0)),
        ReceiveOptions::default(),
        &Registry::new(),
    );
    receiver.receive_v1(bytes, &mut Lists::default());
    receiver.receive_v2(bytes, &mut Lists::default());
    receiver.receive(None, bytes);
}

#[cfg(test)]
mod tests;
