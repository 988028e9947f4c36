//! `tracing`: where spans of this process are sent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::TlsConfig;
use gauntlet_remote::config::is_reserved_header;
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
    pub tls_config: TlsConfig,
    pub headers: BTreeMap<String, String>,
    pub gzip: bool,
    /// 0: the exporter's default.
    pub timeout: Duration,
}

impl FromYaml for TracingConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
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
        let headers: BTreeMap<String, String> = map.take_default(cx, "headers");
        for name in headers.keys() {
            if name.eq_ignore_ascii_case("authorization") {
                let reason = "custom authorization header configuration is not yet supported";
                map.problem(cx, "headers", reason);
            } else if is_reserved_header(name) {
                let reason = format!("{name} is a reserved header. It must not be changed");
                map.problem(cx, "headers", reason);
            }
        }
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
            tls_config: map.take_default(cx, "tls_config"),
            headers,
            gzip: compression == "gzip",
            timeout: map.take_default(cx, "timeout"),
        };
        map.finish(cx).then_some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for TracingConfig {
    fn to_yaml(&self) -> Value {
        let tls = (!self.tls_config.is_default()).then_some(&self.tls_config);
        MapBuilder::new()
            .put("client_type", self.client_type.as_str())
            .put("endpoint", &self.endpoint)
            .put_nonzero("sampling_fraction", self.sampling_fraction)
            .put_nonzero("insecure", self.insecure)
            .put_some("tls_config", tls)
            .put_nonzero("headers", &self.headers)
            .put_some("compression", self.gzip.then_some("gzip"))
            .put_some("timeout", (!self.timeout.is_zero()).then_some(self.timeout))
            .build()
    }
}
