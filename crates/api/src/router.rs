//! Which path goes to which handler, and what upstream's server does around them: methods, redirects, CORS, not-found texts.
//!
//! One table and one dispatcher instead of a routing tree: the peers' answers to wrong methods and odd paths are part of the API.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use gauntlet_net::server::Peer;
use gauntlet_promql::engine::AskedBy;

use crate::envelope::{Answer, ApiError, ErrorKind};
use crate::params::Params;
use crate::state::ApiState;
use crate::{admin, compress, federate, labels, query, remote_read, remote_write, status, system};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Query,
    QueryRange,
    QueryExplain,
    QueryExemplars,
    FormatQuery,
    ParseQuery,
    Labels,
    LabelValues,
    Series,
    Targets,
    TargetsMetadata,
    Metadata,
    ScrapePools,
    ScrapePoolConfig,
    RelabelSteps,
    SelfMetrics,
    Rules,
    Alerts,
    Alertmanagers,
    Status(&'static str),
    Features,
    Notifications,
    Stores,
    Read,
    Write,
    Otlp,
    Federate,
    DeleteSeries,
    CleanTombstones,
    Snapshot,
    Healthy,
    Ready,
    Reload,
    Quit,
    Version,
}

/// Methods that a route takes, in the order of the `Allow` header.
fn methods(route: Route) -> &'static [&'static str] {
    match route {
        Route::Query
        | Route::QueryRange
        | Route::QueryExplain
        | Route::QueryExemplars
        | Route::FormatQuery
        | Route::ParseQuery
        | Route::Labels
        | Route::Series => &["GET", "OPTIONS", "POST"],
        Route::Read | Route::Write | Route::Otlp => &["OPTIONS", "POST"],
        Route::DeleteSeries | Route::CleanTombstones | Route::Snapshot => {
            &["OPTIONS", "POST", "PUT"]
        }
        Route::Healthy | Route::Ready => &["GET", "HEAD", "OPTIONS"],
        Route::Reload | Route::Quit => &["POST", "PUT", "GET", "HEAD"],
        _ => &["GET", "OPTIONS"],
    }
}

fn route(path: &str) -> Option<Route> {
    Some(match path {
        "/api/v1/query" => Route::Query,
        "/api/v1/query_range" => Route::QueryRange,
        "/api/v1/query_explain" => Route::QueryExplain,
        "/api/v1/query_exemplars" => Route::QueryExemplars,
        "/api/v1/format_query" => Route::FormatQuery,
        "/api/v1/parse_query" => Route::ParseQuery,
        "/api/v1/labels" => Route::Labels,
        "/api/v1/series" => Route::Series,
        "/api/v1/targets" => Route::Targets,
        "/api/v1/targets/metadata" => Route::TargetsMetadata,
        "/api/v1/metadata" => Route::Metadata,
        "/api/v1/scrape_pools" => Route::ScrapePools,
        "/api/v1/scrape_pools/config" => Route::ScrapePoolConfig,
        "/api/v1/targets/relabel_steps" => Route::RelabelSteps,
        "/api/v1/status/self_metrics" => Route::SelfMetrics,
        "/api/v1/rules" => Route::Rules,
        "/api/v1/alerts" => Route::Alerts,
        "/api/v1/alertmanagers" => Route::Alertmanagers,
        "/api/v1/status/config" => Route::Status("config"),
        "/api/v1/status/flags" => Route::Status("flags"),
        "/api/v1/status/runtimeinfo" => Route::Status("runtimeinfo"),
        "/api/v1/status/buildinfo" => Route::Status("buildinfo"),
        "/api/v1/status/tsdb" => Route::Status("tsdb"),
        "/api/v1/status/tsdb/blocks" => Route::Status("tsdb/blocks"),
        "/api/v1/status/walreplay" => Route::Status("walreplay"),
        "/api/v1/status/overview" => Route::Status("overview"),
        "/api/v1/features" => Route::Features,
        "/api/v1/notifications" => Route::Notifications,
        "/api/v1/stores" => Route::Stores,
        "/api/v1/read" => Route::Read,
        "/api/v1/write" => Route::Write,
        "/api/v1/otlp/v1/metrics" => Route::Otlp,
        "/federate" => Route::Federate,
        "/api/v1/admin/tsdb/delete_series" => Route::DeleteSeries,
        "/api/v1/admin/tsdb/clean_tombstones" => Route::CleanTombstones,
        "/api/v1/admin/tsdb/snapshot" => Route::Snapshot,
        "/-/healthy" => Route::Healthy,
        "/-/ready" => Route::Ready,
        "/-/reload" => Route::Reload,
        "/-/quit" => Route::Quit,
        "/version" => Route::Version,
        _ => {
            let name = path.strip_prefix("/api/v1/label/")?.strip_suffix("/values")?;
            if name.is_empty() || name.contains('/') {
                return None;
            }
            Route::LabelValues
        }
    })
}

/// Whether [`serve`] knows `path` (prefix removed), so that a role can put pages behind it.
pub fn serves(path: &str) -> bool {
    path == "/api/v1"
        || path.starts_with("/api/v1/")
        || path.starts_with("/-/")
        || path == "/version"
        || path == "/federate"
}

/// Answers a request to `/api/v1/*`, `/-/*` or `/version`. Other paths get upstream's 404.
pub async fn serve(state: &Arc<ApiState>, request: Request) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let accepts_gzip = compress::accepts_gzip(request.headers());
    let in_api = request.uri().path().contains("/api/v1");
    let mut response = dispatch(state, request).await;
    if in_api && response.status() != StatusCode::METHOD_NOT_ALLOWED {
        add_cors(state, origin.as_ref(), &mut response);
    }
    if accepts_gzip { compress::gzip(response).await } else { response }
}

async fn dispatch(state: &Arc<ApiState>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix(state.route_prefix.as_str()) else { return not_found() };
    if path.contains("//") {
        return redirect(StatusCode::TEMPORARY_REDIRECT, &squash(path));
    }
    if path == "/api/v1" {
        return redirect(StatusCode::TEMPORARY_REDIRECT, "/api/v1/");
    }
    if request.method() == Method::OPTIONS && path.starts_with("/api/v1/") {
        return StatusCode::NO_CONTENT.into_response();
    }
    let Some(route) = route(path) else {
        // The peer's router takes the slash off, and with it the prefix that it does not see.
        let bare = path.strip_prefix("/api/v1").and_then(|rest| rest.strip_suffix('/'));
        return match bare.filter(|bare| route(&format!("/api/v1{bare}")).is_some()) {
            Some(bare) if *request.method() == Method::GET => {
                redirect(StatusCode::MOVED_PERMANENTLY, bare)
            }
            Some(bare) => redirect(StatusCode::PERMANENT_REDIRECT, bare),
            None => not_found(),
        };
    };
    let allowed = methods(route);
    if !allowed.contains(&request.method().as_str()) {
        return method_not_allowed(allowed);
    }
    if request.method() == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let path = path.to_owned();
    respond(state, route, &path, request).await
}

/// What needs a database, and an agent has none.
fn needs_database(route: Route) -> bool {
    matches!(
        route,
        Route::Query
            | Route::QueryRange
            | Route::QueryExemplars
            | Route::FormatQuery
            | Route::ParseQuery
            | Route::Labels
            | Route::LabelValues
            | Route::Series
            | Route::Rules
            | Route::Alerts
            | Route::Alertmanagers
            | Route::Status("tsdb" | "tsdb/blocks")
            | Route::DeleteSeries
            | Route::CleanTombstones
            | Route::Snapshot
    )
}

async fn respond(state: &Arc<ApiState>, route: Route, path: &str, request: Request) -> Response {
    if state.limits.agent && needs_database(route) {
        let err = ApiError::new(ErrorKind::Execution, "unavailable with Prometheus Agent");
        return err.into_response();
    }
    match route {
        Route::Read => return remote_read::handle(state, request).await,
        Route::Write => return remote_write::write(state, request).await,
        Route::Otlp => return remote_write::otlp(state, request).await,
        Route::Federate => return federate::federate(state, request).await,
        Route::Healthy => return system::healthy(state),
        Route::Ready => return system::ready(state),
        Route::Reload => return system::reload(state, request.method()).await,
        Route::Quit => return system::quit(state, request.method()),
        Route::Version => return system::version(state),
        Route::DeleteSeries | Route::CleanTombstones | Route::Snapshot => {
            let params = match read_params(state, request).await {
                Ok(params) => params,
                Err(err) => return err.into_response(),
            };
            return match route {
                Route::DeleteSeries => admin::delete_series(state, &params),
                Route::CleanTombstones => admin::clean_tombstones(state),
                _ => admin::snapshot(state, &params),
            };
        }
        _ => {}
    }
    let params = match read_params(state, request).await {
        Ok(params) => params,
        Err(err) => return err.into_response(),
    };
    let answer = match route {
        Route::Query => query::instant(state, &params).await,
        Route::QueryRange => query::range(state, &params).await,
        Route::QueryExplain => query::explain(state, &params).await,
        Route::QueryExemplars => return query::exemplars(state, &params),
        Route::FormatQuery => query::format(state, &params),
        Route::ParseQuery => query::parse(state, &params),
        Route::Labels => labels::label_names(state, &params).await,
        Route::LabelValues => match label_name(path) {
            Ok(name) => labels::label_values(state, &name, &params).await,
            Err(err) => Err(err),
        },
        Route::Series => labels::series(state, &params).await,
        Route::Targets => {
            state.role.targets(&params).map(|data| Answer { data, ..Answer::default() })
        }
        Route::TargetsMetadata => state.role.targets_metadata(&params).and_then(|v| Answer::of(&v)),
        Route::Metadata => state.role.metadata(&params).and_then(|v| Answer::of(&v)),
        Route::ScrapePools => state.role.scrape_pools().and_then(|v| Answer::of(&v)),
        Route::ScrapePoolConfig => {
            state.role.scrape_pool_config(&params).and_then(|v| Answer::of(&v))
        }
        Route::RelabelSteps => state.role.relabel_steps(&params).and_then(|v| Answer::of(&v)),
        Route::SelfMetrics => state.role.self_metrics(&params).and_then(|v| Answer::of(&v)),
        Route::Stores => state.role.stores(&params).and_then(|v| Answer::of(&v)),
        Route::Status(what) => status::status(state, what, &params),
        Route::Rules => Ok(Answer { data: br#"{"groups":[]}"#.to_vec(), ..Answer::default() }),
        Route::Alerts => Ok(Answer { data: br#"{"alerts":[]}"#.to_vec(), ..Answer::default() }),
        Route::Alertmanagers => Ok(Answer {
            data: br#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#.to_vec(),
            ..Answer::default()
        }),
        Route::Notifications => Ok(Answer { data: b"[]".to_vec(), ..Answer::default() }),
        Route::Features => status::features(state),
        _ => Err(ApiError::new(ErrorKind::Internal, "BUG: route without handler")),
    };
    answer.into_response()
}

/// Query string and form body of a request.
async fn read_params(state: &ApiState, request: Request) -> Result<Params, ApiError> {
    let (parts, body) = request.into_parts();
    let form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/x-www-form-urlencoded"));
    let body = if form && parts.method == Method::POST {
        let limit = state.limits.form_bytes;
        Some(to_bytes(body, limit).await.map_err(|_| {
            ApiError::bad_data(format!("error parsing form values: body above {limit} bytes"))
        })?)
    } else {
        None
    };
    let mut params = Params::new(parts.uri.query(), body.as_deref());
    params.asked_by = AskedBy::Http {
        client_ip: parts
            .extensions
            .get::<Peer>()
            .map_or_else(String::new, |p| p.0.ip().to_string()),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
    };
    Ok(params)
}

/// The label name between `/label/` and `/values`, percent-decoded.
fn label_name(path: &str) -> Result<String, ApiError> {
    let raw = path
        .strip_prefix("/api/v1/label/")
        .and_then(|rest| rest.strip_suffix("/values"))
        .unwrap_or_default();
    let bytes = percent_decode(raw);
    String::from_utf8(bytes).map_err(|err| {
        let mut shown = String::new();
        for byte in err.as_bytes() {
            match byte {
                0x20..=0x7e => shown.push(char::from(*byte)),
                _ => shown.push_str(&format!("\\x{byte:02x}")),
            }
        }
        ApiError::bad_data(format!("invalid label name: \"{shown}\""))
    })
}

fn percent_decode(raw: &str) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let decoded = (bytes[i] == b'%')
            .then(|| raw.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match decoded {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    out
}

/// Adds upstream's CORS headers where the origin may ask.
fn add_cors(state: &ApiState, origin: Option<&HeaderValue>, response: &mut Response) {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    let Some(allowed) = &state.cors_origin else { return };
    if !origin.to_str().is_ok_and(|text| allowed.is_match(text)) {
        return;
    }
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Accept, Authorization, Content-Type, Origin"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Date"));
}

/// A plain answer.
pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Response {
    let mut response = (status, Body::from(body.into())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status.is_client_error() || status.is_server_error() {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// Upstream's answer to a path that is not served.
pub fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn method_not_allowed(allowed: &[&str]) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    if let Ok(value) = HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// A redirect with the small page that Go sends along.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = format!("<a href=\"{to}\">{reason}</a>.\n\n");
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(location) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, location);
    }
    response
}

fn squash(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}
