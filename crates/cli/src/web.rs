//! What a role serves over HTTP: the API, `/metrics`, the web app or a plain page, and the counting of it all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gauntlet_api::router::{self, not_found, redirect};
use gauntlet_api::state::ApiState;
use gauntlet_runtime::Clock;
use gauntlet_telemetry::{Counter, Family, Histogram, Registry};
use gauntlet_ui::PlainPage;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Makes the plain page when it is asked for.
pub(crate) type PageMaker = Arc<dyn Fn() -> PlainPage + Send + Sync>;

/// A role's HTTP side.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) api: Option<Arc<ApiState>>,
    pub(crate) registry: Registry,
    pub(crate) page: PageMaker,
    pub(crate) prefix: String,
    pub(crate) metrics: HttpMetrics,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Requests, as the role's peer counts them.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: Family<Counter>,
    duration: Family<Histogram>,
    size: Family<Histogram>,
}

const DURATION_BOUNDS: &[f64] = &[0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0];
const SIZE_BOUNDS: &[f64] = &[100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

impl HttpMetrics {
    pub(crate) fn prometheus(registry: &Registry) -> Self {
        Self {
            requests: registry.counter_vec(
                "prometheus_http_requests_total",
                "Counter of HTTP requests.",
                &["handler", "code"],
            ),
            duration: registry.histogram_vec(
                "prometheus_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &["handler"],
                DURATION_BOUNDS,
            ),
            size: registry.histogram_vec(
                "prometheus_http_response_size_bytes",
                "Histogram of response size for HTTP requests.",
                &["handler"],
                SIZE_BOUNDS,
            ),
        }
    }

    pub(crate) fn thanos(registry: &Registry) -> Self {
        Self {
            requests: registry.counter_vec(
                "http_requests_total",
                "Tracks the number of HTTP requests.",
                &["handler", "code"],
            ),
            duration: registry.histogram_vec(
                "http_request_duration_seconds",
                "Tracks the latencies for HTTP requests.",
                &["handler"],
                &[0.001, 0.01, 0.1, 0.3, 0.6, 1.0, 3.0, 6.0, 9.0, 20.0, 30.0, 60.0, 90.0, 120.0],
            ),
            size: registry.histogram_vec(
                "http_response_size_bytes",
                "Tracks the size of HTTP responses.",
                &["handler"],
                SIZE_BOUNDS,
            ),
        }
    }
}

impl Web {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }
}

async fn handle(State(web): State<Arc<Web>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix(web.prefix.as_str()).unwrap_or(&path);
    let handler = handler_label(path);
    let started = web.clock.monotonic();
    let response = respond(&web, path, request).await;
    let took: Duration = web.clock.monotonic().saturating_sub(started);
    web.metrics.requests.with(&[handler, response.status().as_str()]).inc();
    web.metrics.duration.with(&[handler]).observe(took.as_secs_f64());
    if let Some(size) = http_body_size(&response) {
        web.metrics.size.with(&[handler]).observe(size as f64);
    }
    response
}

async fn respond(web: &Web, path: &str, request: Request) -> Response {
    if let Some(api) = &web.api
        && (router::serves(path) || path.contains("//"))
    {
        return router::serve(api, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let gzip = accepts_gzip(request.headers());
    match path {
        "/metrics" => metrics(&web.registry, request.headers()),
        "" | "/" if gauntlet_ui::is_built() && web.api.is_some() => {
            redirect(StatusCode::FOUND, &beside(&web.prefix, path, "query"))
        }
        "" | "/" => page(web),
        "/graph" if gauntlet_ui::is_built() => {
            let query = request.uri().query().unwrap_or_default();
            redirect(StatusCode::FOUND, &beside(&web.prefix, path, &format!("query?{query}")))
        }
        _ => app(web, path, gzip, request.headers()),
    }
}

/// The page `to` as seen from `path` (prefix removed), which lies at the root. Relative, so that it is right behind proxies that take
/// away a prefix which we never see.
fn beside(prefix: &str, path: &str, to: &str) -> String {
    match prefix.rsplit('/').next() {
        Some(last) if path.is_empty() && !last.is_empty() => format!("{last}/{to}"),
        _ => to.to_owned(),
    }
}

fn app(web: &Web, path: &str, gzip: bool, headers: &HeaderMap) -> Response {
    match app_file(path, gzip, headers, web.api.is_some()) {
        Some(response) => response,
        None if path == "/query" => page(web),
        None => not_found(),
    }
}

/// A file of the app, or, where the role has `pages`, the app itself for the path of one of them.
pub(crate) fn app_file(
    path: &str,
    gzip: bool,
    headers: &HeaderMap,
    pages: bool,
) -> Option<Response> {
    let name = path.trim_start_matches('/');
    let asset = match gauntlet_ui::asset(name, gzip) {
        Some(asset) => asset,
        None if !name.contains('.') && pages => gauntlet_ui::index(name)?,
        None => return None,
    };
    if headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == asset.etag.as_bytes()) {
        return Some(StatusCode::NOT_MODIFIED.into_response());
    }
    let mut response = Body::from(asset.body.into_owned()).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(asset.cache_control));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        out.insert(header::ETAG, etag);
    }
    if let Some(encoding) = asset.encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    secure(out, gauntlet_ui::assets::APP_POLICY);
    Some(response)
}

fn page(web: &Web) -> Response {
    plain_page(&(web.page)())
}

/// A page that needs no script.
pub(crate) fn plain_page(page: &PlainPage) -> Response {
    let mut response = page.to_html().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    secure(headers, gauntlet_ui::assets::PLAIN_POLICY);
    response
}

fn secure(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|part| part.trim().split(';').next() == Some("gzip")))
}

fn http_body_size(response: &Response) -> Option<u64> {
    use axum::body::HttpBody as _;
    response.body().size_hint().exact()
}

/// The route as upstream labels it: label names do not make handlers of their own.
fn handler_label(path: &str) -> &'static str {
    const KNOWN: &[&str] = &[
        "/",
        "/metrics",
        "/query",
        "/graph",
        "/version",
        "/-/healthy",
        "/-/ready",
        "/-/reload",
        "/-/quit",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/query_exemplars",
        "/api/v1/format_query",
        "/api/v1/parse_query",
        "/api/v1/labels",
        "/api/v1/series",
        "/api/v1/targets",
        "/api/v1/targets/metadata",
        "/api/v1/metadata",
        "/api/v1/scrape_pools",
        "/api/v1/rules",
        "/api/v1/alerts",
        "/api/v1/alertmanagers",
        "/api/v1/stores",
        "/api/v1/read",
        "/api/v1/write",
        "/api/v1/otlp/v1/metrics",
        "/federate",
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/buildinfo",
        "/api/v1/status/tsdb",
        "/api/v1/status/tsdb/blocks",
        "/api/v1/status/walreplay",
        "/api/v1/status/overview",
    ];
    if path.starts_with("/api/v1/label/") {
        return "/api/v1/label/:name/values";
    }
    KNOWN.iter().find(|known| **known == path).copied().unwrap_or("other")
}

/// All metrics in the format that the client asks for.
pub(crate) fn metrics(registry: &Registry, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let format = gauntlet_expfmt::negotiate(accept, true);
    let body = gauntlet_expfmt::encode::encode(format, &registry.gather());
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}
