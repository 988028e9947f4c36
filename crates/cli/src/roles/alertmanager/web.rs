//! What the role serves over HTTP: the API, `/metrics`, the web app, or a plain page where the app was not built in.
//!
//! Below `/api/v1` the peer answers that v1 is gone, and so does this but for the two questions that the web app asks every role.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gauntlet_alertmanager::api::Api;
use gauntlet_api::router::{not_found, redirect};
use gauntlet_telemetry::{Family, Histogram, Registry};
use gauntlet_ui::{PlainPage, Section};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::overview::{Overview, PAGES};
use crate::web::{accepts_gzip, app_file, metrics, plain_page};

const SIZE_BOUNDS: [f64; 7] = [100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// The role's HTTP side.
pub(super) struct Web {
    api: Api,
    overview: Overview,
    registry: Registry,
    prefix: String,
    sizes: Family<Histogram>,
}

impl Web {
    pub(super) fn new(api: Api, overview: Overview, registry: Registry, prefix: String) -> Self {
        let sizes = registry.histogram_vec(
            "alertmanager_http_response_size_bytes",
            "Histogram of response size for HTTP requests.",
            &["handler", "method"],
            &SIZE_BOUNDS,
        );
        Self { api, overview, registry, prefix, sizes }
    }

    pub(super) fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }

    fn page(&self) -> PlainPage {
        let config = self.overview.manager.config();
        let receivers = config.as_ref().map_or(0, |config| config.receivers.len());
        PlainPage {
            title: "Alertmanager".to_owned(),
            lead: "Who is told of alerts, by Gauntlet.".to_owned(),
            sections: vec![
                Section::new("State")
                    .row("receivers", receivers.to_string())
                    .row("running since", self.overview.manager.started_at().to_ms_text()),
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
    let whole = request.uri().path();
    let below =
        whole.strip_prefix(web.prefix.as_str()).filter(|p| p.is_empty() || p.starts_with('/'));
    let Some(path) = below else {
        // Who opens the port should not have to know the prefix.
        let lost = whole == "/" && *request.method() == Method::GET;
        return if lost {
            redirect(StatusCode::FOUND, &format!("{}/", web.prefix))
        } else {
            not_found()
        };
    };
    if path.is_empty() {
        // The app finds its files beside its address, which must not look like a file's itself. Relative, for proxies.
        let last = web.prefix.rsplit('/').next().unwrap_or_default();
        return redirect(StatusCode::FOUND, &format!("{last}/"));
    }
    if !web.prefix.is_empty() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return not_found() };
        *request.uri_mut() = uri;
    }
    if *request.method() == Method::GET {
        match request.uri().path() {
            "/api/v1/status/overview" => return success(web.overview.json()),
            "/api/v1/features" => return success(json!({})),
            _ => {}
        }
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
        "/" if !gauntlet_ui::is_built() => plain_page(&web.page()),
        _ => {
            // The app knows where the peer's page of the status has gone.
            let page =
                matches!(path, "/" | "/status") || PAGES.contains(&path.trim_start_matches('/'));
            app_file(path, accepts_gzip(request.headers()), request.headers(), page)
                .unwrap_or_else(not_found)
        }
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

/// An answer in the shape of API v1.
fn success(data: Value) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, json!({ "status": "success", "data": data }).to_string()).into_response()
}
