//! One request to a destination, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_net::client::{ClientOptions, HttpClient};
use gauntlet_runtime::Clock;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Uri};
use http_body_util::BodyExt as _;

use super::auth::{CloudAuth, Means, clean_path};
use crate::config::{ProtobufMessage, RemoteWriteConfig};

/// Most bytes of an error that are read.
const MAX_ERROR_BYTES: usize = 1024;

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// To be sent again, after the given time where the receiver names one.
    Retry { reason: String, after: Option<Duration> },
    /// Sending it again cannot help. `status` is 0 where there was no answer.
    Final { reason: String, status: u16 },
}

impl Refusal {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. } | Self::Final { reason, .. } => reason,
        }
    }
}

/// What the receiver says that it took; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

/// Sends to one endpoint.
#[derive(Debug)]
pub(super) struct WriteClient {
    http: HttpClient,
    auth: CloudAuth,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    retry_429: bool,
}

impl WriteClient {
    /// Checks the configuration; opens no connection.
    pub(super) fn new(
        config: &RemoteWriteConfig,
        user_agent: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        Self::with(config, user_agent, Means::of_process(Arc::clone(clock))?)
    }

    pub(super) fn with(
        config: &RemoteWriteConfig,
        user_agent: &str,
        means: Means,
    ) -> Result<Self, String> {
        let auth = CloudAuth::new(config, means)?;
        let mut uri: Uri = config.url.as_str().parse().map_err(|err| format!("{err}"))?;
        if auth.cleans_path() {
            uri = with_path(uri, clean_path)?;
        }
        let options =
            ClientOptions { round_robin: config.round_robin_dns, ..ClientOptions::default() };
        let http = HttpClient::new(&config.http, options).map_err(|err| err.to_string())?;
        let mut headers = HeaderMap::new();
        let (content_type, version) = match config.protobuf_message {
            ProtobufMessage::V1 => ("application/x-protobuf", "0.1.0"),
            ProtobufMessage::V2 => {
                ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0")
            }
        };
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static(version));
        if let Ok(agent) = HeaderValue::from_str(user_agent) {
            headers.insert(USER_AGENT, agent);
        }
        for (name, value) in &config.headers {
            let name = HeaderName::try_from(name).map_err(|err| err.to_string())?;
            let value = HeaderValue::try_from(value).map_err(|err| err.to_string())?;
            headers.insert(name, value);
        }
        Ok(Self {
            http,
            auth,
            uri,
            headers,
            timeout: config.remote_timeout.to_std(),
            retry_429: config.queue_config.retry_on_http_429,
        })
    }

    /// Sends a packed body. `attempt` counts from 0.
    pub(super) async fn store(
        &self,
        packed: Bytes,
        attempt: u32,
        clock: &dyn Clock,
    ) -> (Option<Taken>, Result<(), Refusal>) {
        let mut request = Request::new(packed);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if attempt > 0 {
            request.headers_mut().insert("retry-attempt", HeaderValue::from(attempt));
        }
        if let Err(reason) = self.auth.apply(&mut request).await {
            return (None, Err(Refusal::Retry { reason, after: None }));
        }
        let response = match self.http.send(request, self.timeout).await {
            Ok(response) => response,
            Err(err) => {
                return (None, Err(Refusal::Retry { reason: err.to_string(), after: None }));
            }
        };
        let (parts, mut body) = response.into_parts();
        let taken = taken(&parts.headers);
        let mut text = Vec::new();
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                if let Some(data) = frame.data_ref() {
                    text.extend_from_slice(data);
                }
                if text.len() > MAX_ERROR_BYTES {
                    break;
                }
            }
        };
        // The head of the answer is what counts.
        let _ = tokio::time::timeout(self.timeout, reading).await;
        let status = parts.status.as_u16();
        if parts.status.is_success() {
            return (taken, Ok(()));
        }
        if matches!(status, 401 | 403) {
            self.auth.forget();
        }
        text.truncate(MAX_ERROR_BYTES);
        let text = String::from_utf8_lossy(&text);
        let reason = format!("server returned HTTP status {}: {text}", parts.status);
        let again = status / 100 == 5 || status == 429 && self.retry_429;
        let refusal = if again {
            let after = parts.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
            Refusal::Retry {
                reason,
                after: after.and_then(|text| retry_after(text, clock.now_ms())),
            }
        } else {
            Refusal::Final { reason, status }
        };
        (taken, Err(refusal))
    }
}

fn with_path(uri: Uri, change: impl Fn(&str) -> String) -> Result<Uri, String> {
    let mut path = change(uri.path());
    if let Some(query) = uri.query() {
        path = format!("{path}?{query}");
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path.parse().map_err(|err| format!("{err}"))?);
    Uri::from_parts(parts).map_err(|err| err.to_string())
}

fn taken(headers: &HeaderMap) -> Option<Taken> {
    let number = |name: &str| {
        headers.get(name).map(|v| v.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0))
    };
    let samples = number("x-prometheus-remote-write-samples-written");
    let histograms = number("x-prometheus-remote-write-histograms-written");
    let exemplars = number("x-prometheus-remote-write-exemplars-written");
    (samples.is_some() || histograms.is_some() || exemplars.is_some()).then(|| Taken {
        samples: samples.unwrap_or(0),
        histograms: histograms.unwrap_or(0),
        exemplars: exemplars.unwrap_or(0),
    })
}

/// Longest that a receiver may ask to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The wait that `Retry-After` asks for: seconds, or a date. `None` where it asks for none.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let wait_ms = match text.trim().parse::<i64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => http_date_ms(text.trim())? - now_ms,
    };
    let wait = Duration::from_millis(u64::try_from(wait_ms).ok()?);
    (!wait.is_zero()).then(|| wait.min(MAX_RETRY_AFTER))
}

/// `Mon, 02 Jan 2006 15:04:05 GMT` in ms since the epoch.
fn http_date_ms(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = parts[..] else { return None };
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let number = |text: &str| text.parse::<i64>().ok().filter(|n| (0..10_000).contains(n));
    let (day, year) = (number(day)?, number(year)?);
    // Days since the epoch in the Gregorian calendar, years beginning in March.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + number(hour)? * 3600 + number(minute)? * 60 + number(second)?;
    Some(seconds * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(http_date_ms("Mon, 02 Jan 2006 15:04:05 GMT"), Some(1_136_214_245_000));
        assert_eq!(retry_after("7", 0), seconds(7));
        assert_eq!(retry_after("0", 0), None);
        assert_eq!(retry_after("-1", 0), None);
        assert_eq!(retry_after("soon", 0), None);
        assert_eq!(retry_after("Mon, 02 Jan 2006 15:04:05 GMT", 1_136_214_240_000), seconds(5));
        assert_eq!(retry_after("Mon, 02 Jan 2006 15:04:05 GMT", 1_136_214_250_000), None);
        assert_eq!(retry_after("999999999", 0), seconds(3600));
    }
}
