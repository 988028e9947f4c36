//! `tracing`: where spans of this process are to be sent. Read and checked here; whether a role can send them is its business.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::{Header, TlsConfig};
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

/// How spans travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TracingClient {
    #[default]
    Grpc,
    Http,
}

impl TracingClient {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// The section.
#[derive(Clone, Debug, PartialEq)]
pub struct TracingConfig {
    pub client_type: TracingClient,
    pub endpoint: String,
    /// Ratio of traces that are sent.
    pub sampling_fraction: f64,
    pub insecure: bool,
    pub tls_config: Option<TlsConfig>,
    pub headers: BTreeMap<String, Header>,
    pub gzip: bool,
    /// 0: the exporter's default.
    pub timeout: Duration,
}

impl FromYaml for TracingConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "tracing.plain", cx)?;
        let client: Option<String> = map.take(cx, "client_type");
        let client_type = match client.as_deref() {
            None | Some("grpc") => TracingClient::Grpc,
            Some("http") => TracingClient::Http,
            Some(other) => {
                let reason = format!(
                    "expected tracing client type to be to be http or grpc, but got {other}"
                );
                map.problem(cx, "client_type", reason);
                TracingClient::Grpc
            }
        };
        let endpoint: String = map.take_default(cx, "endpoint");
        if endpoint.is_empty() {
            cx.problem(map.position(), "tracing endpoint must be set");
        }
        let compression: String = map.take_default(cx, "compression");
        if !matches!(compression.as_str(), "" | "gzip") {
            let reason =
                format!("invalid compression type {compression} provided, valid options: gzip");
            map.problem(cx, "compression", reason);
        }
        let config = Self {
            client_type,
            endpoint,
            sampling_fraction: map.take_default(cx, "sampling_fraction"),
            insecure: map.take_default(cx, "insecure"),
            tls_config: map.take(cx, "tls_config"),
            headers: map.take_default(cx, "headers"),
            gzip: compression == "gzip",
            timeout: map.take_default(cx, "timeout"),
        };
        map.finish(cx).then_some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "tracing.plain".into()
    }
}

impl ToYaml for TracingConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("client_type", self.client_type.as_str())
            .put_nonzero("endpoint", &self.endpoint)
            .put_nonzero("sampling_fraction", self.sampling_fraction)
            .put_nonzero("insecure", self.insecure)
            .put_some("tls_config", self.tls_config.as_ref())
            .put_nonzero("headers", &self.headers)
            .put_some("compression", self.gzip.then_some("gzip"))
            .put_some("timeout", (!self.timeout.is_zero()).then_some(self.timeout))
            .build()
    }
}
