//! The role `node`: host metrics over HTTP, and a landing page that says how each collector fares.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gauntlet_net::server::{Server, ServerOptions};
use gauntlet_node::{Exposition, Filter, Kind, NodeConfig, NodeExporter, Outcome};
use gauntlet_telemetry::{Counter, Family, Gauge, MetricKind, MetricValue, Registry, process};
use gauntlet_ui::{PlainPage, Section};
use http::{HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;
use tracing::info;

use crate::flags::values::Values;
use crate::roles::{Failure, Start};

/// Metrics of this host, ready to be served by `node` itself or inside `up`.
pub(crate) struct Node {
    exporter: NodeExporter,
    /// The exporter's own metrics; empty with `--web.disable-exporter-metrics`.
    registry: Registry,
    own: OwnMetrics,
    requests: Semaphore,
    max_requests: usize,
    telemetry_path: String,
}

struct OwnMetrics {
    in_flight: Gauge,
    served: Family<Counter>,
    failed: Family<Counter>,
}

/// This machine's architecture under the name that dashboards group by.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

impl Node {
    /// Builds the collectors that the flags ask for.
    pub(crate) fn build(values: &Values) -> Result<Self, Failure> {
        let get = |name: &str| {
            if values.is_given(name) { values.texts(name) } else { Vec::new() }
        };
        let config = NodeConfig::from_flags(&get)?;
        let exporter = NodeExporter::new(config)?;
        let registry = Registry::new();
        let own = OwnMetrics::new(&registry);
        if !values.bool("web.disable-exporter-metrics") {
            process::register(&registry);
        }
        let max_requests = values.count("web.max-requests");
        Ok(Self {
            exporter,
            registry,
            own,
            requests: Semaphore::new(if max_requests == 0 {
                Semaphore::MAX_PERMITS
            } else {
                max_requests
            }),
            max_requests,
            telemetry_path: values.text("web.telemetry-path"),
        })
    }

    pub(crate) fn enabled(&self) -> Vec<&'static str> {
        self.exporter.enabled()
    }

    /// The document for one scrape. Blocks.
    pub(crate) fn document(&self, filter: &Filter) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(64 * 1024);
        self.exporter
            .collect_with(filter, |exposition| self.add_own(exposition), &mut out)
            .map_err(|err| err.to_string())?;
        Ok(out)
    }

    fn add_own(&self, out: &mut Exposition) {
        let build = out.family(
            "node_exporter_build_info",
            "A metric with a constant '1' value labeled by version, revision, branch, goversion from which node_exporter was built, and the goos and goarch for the build.",
            Kind::Gauge,
        );
        let labels = [
            ("branch", "gauntlet"),
            ("goarch", go_arch()),
            ("goos", std::env::consts::OS),
            ("goversion", "none"),
            ("revision", env!("CARGO_PKG_VERSION")),
            ("tags", "gauntlet"),
            ("version", "1.12.1"),
        ];
        out.put(build, &labels, 1.0);
        for family in self.registry.gather() {
            let kind = match family.kind {
                MetricKind::Counter => Kind::Counter,
                MetricKind::Gauge => Kind::Gauge,
                _ => Kind::Untyped,
            };
            let id = out.family(&family.name, &family.help, kind);
            for metric in &family.metrics {
                let labels: Vec<(&str, &str)> =
                    metric.labels.iter().map(|(n, v)| (n.as_ref(), v.as_str())).collect();
                if let MetricValue::Counter(v) | MetricValue::Gauge(v) | MetricValue::Untyped(v) =
                    metric.value
                {
                    out.put(id, &labels, v);
                }
            }
        }
    }

    /// What each collector last did, as a page.
    fn page(&self) -> PlainPage {
        let mut collectors = Section::new("Collectors");
        for status in self.exporter.status() {
            let text = match (&status.outcome, status.enabled) {
                (_, false) => continue,
                (Outcome::Pending, _) => "has not run yet".to_owned(),
                (Outcome::Success, _) => {
                    format!("{} samples in {:.2?}", status.samples, status.duration)
                }
                (Outcome::NoData(why), _) => format!("nothing to show here: {why}"),
                (Outcome::Failed(why), _) => format!("failed: {why}"),
            };
            collectors = collectors.row(status.name, text);
        }
        PlainPage {
            title: "Node Exporter".to_owned(),
            lead: "Metrics of this host, by Gauntlet.".to_owned(),
            sections: vec![
                Section::new("Metrics").link("Metrics", "all of them", &self.telemetry_path),
                collectors,
            ],
        }
    }
}

impl OwnMetrics {
    fn new(registry: &Registry) -> Self {
        let served = registry.counter_vec(
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
            &["code"],
        );
        for code in ["200", "500", "503"] {
            served.with(&[code]);
        }
        let failed = registry.counter_vec(
            "promhttp_metric_handler_errors_total",
            "Total number of internal errors encountered by the promhttp metric handler.",
            &["cause"],
        );
        for cause in ["encoding", "gathering"] {
            failed.with(&[cause]);
        }
        Self {
            in_flight: registry.gauge(
                "promhttp_metric_handler_requests_in_flight",
                "Current number of scrapes being served.",
            ),
            served,
            failed,
        }
    }
}

/// Serves until the shutdown.
pub(crate) async fn run(start: Start) -> Result<(), Failure> {
    let values = &start.values;
    let node = Arc::new(Node::build(values)?);
    info!(collectors = node.enabled().join(","), "enabled collectors");
    let options = ServerOptions {
        read_timeout: Duration::from_secs(60),
        web_config_file: values.text("web.config.file"),
        ..ServerOptions::default()
    };
    let server = if values.bool("web.systemd-socket") {
        let inherited = gauntlet_sys::sockets::inherited_listeners();
        if inherited.is_empty() {
            return Err(Failure::new(
                "no socket activation file descriptors found: start it from a systemd socket unit, or without --web.systemd-socket",
            ));
        }
        Server::from_listeners(inherited, options)?
    } else {
        Server::bind(&values.texts("web.listen-address"), options).await?
    };
    for address in server.addresses() {
        info!(%address, "Listening on");
    }
    server.run(router(node), start.shutdown.clone()).await;
    Ok(())
}

pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new().fallback(handle).with_state(node)
}

async fn handle(State(node): State<Arc<Node>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == node.telemetry_path {
        let query = request.uri().query().unwrap_or_default().to_owned();
        return metrics(node, &query).await;
    }
    if path == "/" {
        return (
            [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))],
            node.page().to_html(),
        )
            .into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

async fn metrics(node: Arc<Node>, query: &str) -> Response {
    let Ok(_permit) = node.requests.try_acquire() else {
        node.own.served.with(&["503"]).inc();
        let text = format!(
            "Limit of concurrent requests reached ({}), try again later.\n",
            node.max_requests
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let params = gauntlet_api::Params::new(Some(query), None);
    let names = |name: &str| params.all(name).map(str::to_owned).collect::<Vec<_>>();
    let filter = match Filter::from_query(names("collect[]"), names("exclude[]")) {
        Ok(filter) => filter,
        Err(err) => return (StatusCode::BAD_REQUEST, format!("{err}\n")).into_response(),
    };
    node.own.in_flight.inc();
    let worker = Arc::clone(&node);
    let document = tokio::task::spawn_blocking(move || worker.document(&filter)).await;
    node.own.in_flight.dec();
    match document {
        Ok(Ok(document)) => {
            node.own.served.with(&["200"]).inc();
            let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
            ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], document)
                .into_response()
        }
        Ok(Err(reason)) => {
            node.own.served.with(&["500"]).inc();
            let text = format!("Couldn't create filtered metrics handler: {reason}\n");
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(_) => {
            node.own.served.with(&["500"]).inc();
            node.own.failed.with(&["gathering"]).inc();
            (StatusCode::INTERNAL_SERVER_ERROR, "the collection ended without a result\n")
                .into_response()
        }
    }
}
