//! OTLP metrics in: `/api/v1/otlp/v1/metrics`. Points become samples by upstream's rules: names and labels (`names`, `labels`),
//! histograms (`histograms`), a `target_info` series a resource. A request is one durable batch, taken whole or not at all.

mod convert;
mod delta;
mod histograms;
mod json;
mod labels;
mod names;

use std::io::Read as _;
use std::sync::Arc;

use gauntlet_runtime::Clock;
use gauntlet_storage::{AppendError, AppendOptions, Appendable};
use gauntlet_telemetry::{Counter, Family, Registry};
use gauntlet_wire::otlp::ExportMetricsServiceRequest;
use gauntlet_wire::prost::Message as _;
use parking_lot::Mutex;
use tracing::{error, warn};

use self::convert::{ConvertError, Converter, Settings};
use self::delta::Accumulator;
use crate::config::OtlpConfig;
use crate::receive::{MAX_AHEAD_MS, MAX_BODY_BYTES, WriteReply};

/// What is done with points that count since the point before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeltaMode {
    /// Refused.
    #[default]
    Refuse,
    /// `otlp-native-delta-ingestion`: stored as they are.
    Keep,
    /// `otlp-deltatocumulative`: summed up.
    Cumulate,
}

/// What may be set of the receiver besides the configuration file.
#[derive(Clone, Debug)]
pub struct OtlpOptions {
    pub delta: DeltaMode,
    /// `--enable-feature=type-and-unit-labels`
    pub type_and_unit_labels: bool,
    /// `--enable-feature=metadata-wal-records`
    pub append_metadata: bool,
    /// `--query.lookback-delta`: a `target_info` sample is written every half of it.
    pub lookback_ms: i64,
}

/// Gives the section `otlp` of the configuration as it is now.
pub type OtlpSource = Arc<dyn Fn() -> OtlpConfig + Send + Sync>;

/// Receives OTLP metrics for a storage. Shared by all requests.
pub struct OtlpReceiver {
    storage: Arc<dyn Appendable>,
    clock: Arc<dyn Clock>,
    options: OtlpOptions,
    config: OtlpSource,
    accumulator: Mutex<Accumulator>,
    late_exemplars: Counter,
    without_metadata: Counter,
    warnings: Family<Counter>,
}

impl std::fmt::Debug for OtlpReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OtlpReceiver").field("options", &self.options).finish_non_exhaustive()
    }
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

impl OtlpReceiver {
    pub fn new(
        storage: Arc<dyn Appendable>,
        clock: Arc<dyn Clock>,
        options: OtlpOptions,
        config: OtlpSource,
        registry: &Registry,
    ) -> Self {
        Self {
            storage,
            clock,
            options,
            config,
            accumulator: Mutex::default(),
            late_exemplars: registry.counter(
                "prometheus_api_otlp_out_of_order_exemplars_total",
                "The total number of received OTLP exemplars which were rejected because they were out of order.",
            ),
            without_metadata: registry.counter(
                "prometheus_api_otlp_appended_samples_without_metadata_total",
                "The total number of samples ingested from OTLP without corresponding metadata.",
            ),
            warnings: registry.counter_vec(
                "prometheus_api_otlp_translation_warnings_total",
                "The total number of warnings produced while translating OTLP metrics to the Prometheus model, by category.",
                &["category"],
            ),
        }
    }

    /// Decodes a body and stores it. Blocks until the batch is on disk.
    pub fn receive(
        &self,
        content_type: Option<&str>,
        encoding: Option<&str>,
        body: &[u8],
    ) -> WriteReply {
        let refuse = |status, error: String| WriteReply { status, error, written: None };
        let request = match decode(content_type, encoding, body) {
            Ok(request) => request,
            Err(text) => {
                warn!(component = "web", err = text, "Error decoding OTLP write request");
                return refuse(400, text);
            }
        };
        match self.store(request) {
            Ok(()) => refuse(200, String::new()),
            Err(err) if err.is_bad_request() => refuse(400, err.to_string()),
            Err(err) => {
                error!(component = "web", %err, "Error appending remote write");
                refuse(if err.is_read_only() { 503 } else { 500 }, err.to_string())
            }
        }
    }

    fn store(&self, mut request: ExportMetricsServiceRequest) -> Result<(), ConvertErrors> {
        let now = self.clock.now_ms();
        if self.options.delta == DeltaMode::Cumulate {
            self.accumulator.lock().apply(&mut request, now);
        }
        let config = (self.config)();
        let settings = Settings {
            config: &config,
            keep_delta: self.options.delta == DeltaMode::Keep,
            type_and_unit_labels: self.options.type_and_unit_labels,
            append_metadata: self.options.append_metadata,
            lookback_ms: self.options.lookback_ms,
            max_time: now.saturating_add(MAX_AHEAD_MS),
        };
        let appender =
            self.storage.appender(AppendOptions { durable: true, ..AppendOptions::default() });
        let mut converter = Converter::new(settings, appender);
        let errors = converter.convert(&request);
        let counts = converter.counts();
        self.late_exemplars.add(counts.late_exemplars);
        self.without_metadata.add(counts.without_metadata);
        for warning in &counts.warnings {
            self.warnings.with(&[warning.category]).inc();
            warn!(
                component = "web",
                warning = warning.text,
                "Warnings translating OTLP metrics to Prometheus write request"
            );
        }
        if !errors.is_empty() {
            return Err(ConvertErrors(errors));
        }
        converter.commit().map_err(|err| ConvertErrors(vec![err.into()]))
    }
}

/// Everything that was wrong with a request.
#[derive(Debug)]
struct ConvertErrors(Vec<ConvertError>);

impl ConvertErrors {
    /// The storage takes nothing now; later it will.
    fn is_read_only(&self) -> bool {
        let read_only =
            |err: &ConvertError| matches!(err, ConvertError::Append(AppendError::ReadOnly(_)));
        self.0.iter().any(read_only)
    }

    /// As upstream decides it: only samples that come too late, or too early, are the sender's fault.
    fn is_bad_request(&self) -> bool {
        self.0.iter().any(|err| match err {
            ConvertError::TooFarAhead => true,
            ConvertError::Append(err) => matches!(
                err,
                AppendError::OutOfOrder
                    | AppendError::OutOfBounds
                    | AppendError::DuplicateSample
                    | AppendError::TooOld
            ),
            _ => false,
        })
    }
}

impl std::fmt::Display for ConvertErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MOST: usize = 100;
        for (at, err) in self.0.iter().take(MOST).enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{err}")?;
        }
        match self.0.len() {
            count if count > MOST => write!(f, "\nand {} more", count - MOST),
            _ => Ok(()),
        }
    }
}

fn decode(
    content_type: Option<&str>,
    encoding: Option<&str>,
    body: &[u8],
) -> Result<ExportMetricsServiceRequest, String> {
    let content_type = content_type.unwrap_or_default();
    if content_type != PROTOBUF && content_type != JSON {
        return Err(format!(
            "unsupported content type: {content_type}, supported: [{JSON}, {PROTOBUF}]"
        ));
    }
    let unpacked;
    let body = match encoding.unwrap_or_default() {
        "" => body,
        "gzip" => {
            unpacked = gunzip(body)?;
            &unpacked
        }
        other => {
            return Err(format!(
                "unsupported compression: {other}. Only \"gzip\" or no compression supported"
            ));
        }
    };
    if content_type == PROTOBUF {
        return ExportMetricsServiceRequest::decode(body).map_err(|err| err.to_string());
    }
    json::decode(body)
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body).take(MAX_BODY_BYTES as u64 + 1);
    reader.read_to_end(&mut out).map_err(|err| format!("gzip: {err}"))?;
    if out.len() > MAX_BODY_BYTES {
        return Err(format!("decoded size exceeds the {MAX_BODY_BYTES} bytes limit"));
    }
    Ok(out)
}

/// Takes any bytes, for fuzzing.
pub fn check_bytes(bytes: &[u8]) {
    for content_type in [PROTOBUF, JSON] {
        for encoding in ["", "gzip"] {
            let Ok(request) = decode(Some(content_type), Some(encoding), bytes) else { continue };
            for nhcb in [false, true] {
                let config = OtlpConfig {
                    convert_histograms_to_nhcb: nhcb,
                    promote_all_resource_attributes: nhcb,
                    promote_scope_metadata: true,
                    ..OtlpConfig::default()
                };
                let settings = Settings {
                    config: &config,
                    keep_delta: nhcb,
                    type_and_unit_labels: true,
                    append_metadata: true,
                    lookback_ms: 5 * 60 * 1000,
                    max_time: i64::MAX,
                };
                let mut request = request.clone();
                Accumulator::default().apply(&mut request, 0);
                let appender = Box::new(crate::nowhere::NoAppender);
                let mut converter = Converter::new(settings, appender);
                let _ = converter.convert(&request);
            }
        }
    }
}

#[cfg(test)]
mod tests;
