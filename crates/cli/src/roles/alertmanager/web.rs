//! What the role serves over HTTP: the API, `/metrics`, a plain page. Left out: the web app,
//! which has no pages for this role yet.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gauntlet_alertmanager::Manager;
use gauntlet_alertmanager::api::Api;
use gauntlet_api::router::not_found;
use gauntlet_telemetry::{Family, Histogram, Registry};
use gauntlet_ui::{PlainPage, Section};
use http::{Method, StatusCode, Uri};

use crate::web::{metrics, plain_page};

const SIZE_BOUNDS: [f64; 7] = [100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// The role's HTTP side.
pub(super) struct Web {
    api: Api,
    manager: Arc<Manager>,
    registry: Registry,
    prefix: String,
    sizes: Family<Histogram>,
}

impl Web {
    pub(super) fn new(api: Api, manager: Arc<Manager>, registry: Registry, prefix: String) -> Self {
        let sizes = registry.histogram_vec(
            "alertmanager_http_response_size_bytes",
            "Histogram of response size for HTTP requests.",
            &["handler", "method"],
            &SIZE_BOUNDS,
        );
        Self { api, manager, registry, prefix, sizes }
    }

    pub(super) fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }

    fn page(&self) -> PlainPage {
        let config = self.manager.config();
        let receivers = config.as_ref().map_or(0, |config| config.receivers.len());
        PlainPage {
            title: "Alertmanager".to_owned(),
            lead: "Who is told of alerts, by Gauntlet.".to_owned(),
            sections: vec![
                Section::new("State")
                    .row("receivers", receivers.to_string())
                    .row("running since", self.manager.started_at().to_ms_text()),
                Section::new("API")
                    .link("Alerts", "all that are there", format!("{}/api/v2/alerts", self.prefix))
                    .link(
                        "Groups",
                        "as they are sent",
                        format!("{}/api/v2/alerts/groups", self.prefix),
                    )
                    .link(
                        "Silences",
                        "all that are remembered",
                        format!("{}/api/v2/silences", self.prefix),
                    )
                    .link(
                        "Status",
                        "configuration and cluster",
                        format!("{}/api/v2/status", self.prefix),
                    )
                    .link(
                        "Ledger",
                        "what became of each alert",
                        format!("{}/api/v2/ledger", self.prefix),
                    )
                    .link("Metrics", "of this process", format!("{}/metrics", self.prefix)),
            ],
        }
    }
}

async fn handle(State(web): State<Arc<Web>>, mut request: Request) -> Response {
    let path = request.uri().path();
    let Some(path) = path.strip_prefix(web.prefix.as_str()) else { return not_found() };
    if !web.prefix.is_empty() {
        let path = if path.is_empty() { "/" } else { path };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return not_found() };
        *request.uri_mut() = uri;
    }
    let request = match web.api.answer(request).await {
        Ok(response) => return response,
        Err(request) => request,
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path();
    let response = match path {
        "/metrics" => metrics(&web.registry, request.headers()),
        "/" => plain_page(&web.page()),
        _ => not_found(),
    };
    let handler = match path {
        "/metrics" | "/" => path,
        _ => "/other",
    };
    if let Some(size) = axum::body::HttpBody::size_hint(response.body()).exact() {
        web.sizes.with(&[handler, "get"]).observe(size as f64);
    }
    response
}
