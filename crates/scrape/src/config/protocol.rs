//! The exposition formats a scrape asks for.

use std::fmt;
use std::str::FromStr;

use gauntlet_yaml::{Context, Mapping, ToYaml, Value};

/// A format by its name in configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    PrometheusProto,
    PrometheusText004,
    PrometheusText100,
    OpenMetricsText001,
    OpenMetricsText100,
}

/// What is asked for by default.
pub const DEFAULT_PROTOCOLS: [ScrapeProtocol; 4] = [
    ScrapeProtocol::OpenMetricsText100,
    ScrapeProtocol::OpenMetricsText001,
    ScrapeProtocol::PrometheusText100,
    ScrapeProtocol::PrometheusText004,
];

/// What is asked for where native histograms are wanted.
pub const PROTO_FIRST_PROTOCOLS: [ScrapeProtocol; 5] = [
    ScrapeProtocol::PrometheusProto,
    ScrapeProtocol::OpenMetricsText100,
    ScrapeProtocol::OpenMetricsText001,
    ScrapeProtocol::PrometheusText100,
    ScrapeProtocol::PrometheusText004,
];

/// A name that is none of a format; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scrape protocol {0}, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0]"
)]
pub struct UnknownProtocol(String);

impl ScrapeProtocol {
    /// The name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::PrometheusText004 => "PrometheusText0.0.4",
            Self::PrometheusText100 => "PrometheusText1.0.0",
            Self::OpenMetricsText001 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText100 => "OpenMetricsText1.0.0",
        }
    }

    /// The media type, as it stands in the `Accept` header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::PrometheusText004 => "text/plain;version=0.0.4",
            Self::PrometheusText100 => "text/plain;version=1.0.0",
            Self::OpenMetricsText001 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetricsText100 => "application/openmetrics-text;version=1.0.0",
        }
    }
}

impl fmt::Display for ScrapeProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ScrapeProtocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        PROTO_FIRST_PROTOCOLS
            .into_iter()
            .find(|p| p.as_str() == name)
            .ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

impl ToYaml for ScrapeProtocol {
    fn to_yaml(&self) -> Value {
        Value::Str(self.as_str().to_owned())
    }
}

/// Reads `scrape_protocols`: not empty, each known and once. `whose` ends the error.
pub fn read_protocols(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    whose: &str,
) -> Option<Vec<ScrapeProtocol>> {
    let key = "scrape_protocols";
    let names: Vec<String> = map.take(cx, key)?;
    if names.is_empty() {
        map.problem(cx, key, format!("scrape_protocols cannot be empty {whose}"));
        return None;
    }
    let mut protocols = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if names[..index].iter().any(|n| n.eq_ignore_ascii_case(name)) {
            let all = names.join(" ");
            let reason = format!("duplicated protocol in scrape_protocols, got [{all}] {whose}");
            map.problem(cx, key, reason);
            return None;
        }
        match name.parse() {
            Ok(protocol) => protocols.push(protocol),
            Err(err) => {
                let err: UnknownProtocol = err;
                map.problem(cx, key, format!("scrape_protocols: {err} {whose}"));
                return None;
            }
        }
    }
    Some(protocols)
}
