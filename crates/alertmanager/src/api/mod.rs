//! The HTTP API v2, the endpoints of ledger and routes, and the small pages beside them (health, reload, v1's farewell).
//!
//! Paths, parameters, bodies, statuses and texts are the peer's. [`Api::answer`] takes a request whose prefix is cut off and whose
//! body is still to come. Left out: metrics and screens, which whoever serves it puts beside it.

mod alerts;
mod answer;
mod body;
mod encode;
mod goerror;
mod groups;
mod ledger;
mod limit;
mod params;
mod receivers;
mod routes;
mod silences;
mod status;

pub use body::fuzz_alerts;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use gauntlet_notify::Templates;
use gauntlet_telemetry::Registry;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::manager::Manager;
use crate::matcher::ParseMode;
use answer::Answer;
use limit::Limits;
use params::Params;

/// What is known of the cluster.
pub trait ClusterView: fmt::Debug + Send + Sync {
    fn name(&self) -> String;
    /// `ready` or `settling`.
    fn status(&self) -> &'static str;
    /// Name and address of each member, sorted by name.
    fn peers(&self) -> Vec<(String, String)>;
}

/// What `versionInfo` says.
#[derive(Clone, Debug, Default)]
pub struct VersionInfo {
    pub branch: String,
    pub build_date: String,
    pub build_user: String,
    pub go_version: String,
    pub revision: String,
    pub version: String,
}

/// Called for `POST /-/reload`; gives the reason of a refusal.
pub type Reload =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Gives the templates in force, for the labels of routes.
pub type TemplateSource = Arc<dyn Fn() -> Option<Arc<Templates>> + Send + Sync>;

/// What the API is made with.
pub struct ApiOptions {
    pub manager: Arc<Manager>,
    /// `None` without a cluster.
    pub cluster: Option<Arc<dyn ClusterView>>,
    pub version: VersionInfo,
    pub mode: ParseMode,
    /// Most GET requests at the same time.
    pub get_concurrency: usize,
    /// Longest time for a request; zero for no bound.
    pub timeout: Duration,
    pub reload: Reload,
    pub templates: TemplateSource,
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The API of one [`Manager`].
#[derive(Debug)]
pub struct Api {
    options: ApiOptions,
    limits: Limits,
}

const V1_GONE: &str = r#"{"status":"deprecated","error":"The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 API"}"#;

impl Api {
    pub fn new(options: ApiOptions, registry: &Registry) -> Self {
        let limits = Limits::new(options.get_concurrency, options.timeout, registry);
        Self { options, limits }
    }

    /// Answers, or gives the request back if the path is none of the API's.
    pub async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Request<Body>> {
        let path = request.uri().path().to_owned();
        let handler = match path.as_str() {
            "/-/healthy" | "/-/ready" => return Ok(health(request.method())),
            "/-/reload" => return Ok(self.reload(request.method()).await),
            "/api/v2" => return Ok(redirect("/api/v2/")),
            _ if path.starts_with("/api/v1/") => return Ok(gone()),
            _ if path.starts_with("/api/v2/silence/") => "/api/v2/silence/{silenceID}",
            _ if path.starts_with("/api/v2/") => path.as_str(),
            _ => return Err(request),
        };
        if let Some(response) = preflight(&request) {
            return Ok(response);
        }
        let with_origin = request.headers().contains_key(header::ORIGIN);
        let method = request.method().clone();
        let rest = path["/api/v2".len()..].to_owned();
        let mut response =
            self.limits.run(&method, handler, self.route(&method, &rest, request)).await;
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if with_origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Ok(response)
    }

    async fn route(&self, method: &Method, path: &str, request: Request<Body>) -> Response<Body> {
        let params = Params::new(request.uri().query());
        let manager = &self.options.manager;
        let mode = self.options.mode;
        let answer = match (method.as_str(), path) {
            ("GET", "/status") => Ok(status::get(&self.options)),
            ("GET", "/receivers") => receivers::get(manager, mode, &params),
            ("GET", "/alerts") => alerts::get(manager, mode, &params),
            ("POST", "/alerts") => alerts::post(manager, request).await,
            ("GET", "/alerts/groups") => groups::get(&self.options, &params),
            ("GET", "/silences") => silences::list(manager, mode, &params),
            ("POST", "/silences") => silences::post(manager, request).await,
            ("GET", "/ledger") => ledger::get(manager, mode, &params).await,
            ("GET", "/routes") => routes::get(manager, mode, &params),
            (_, path) if path.starts_with("/silence/") => {
                let id = &path["/silence/".len()..];
                match method.as_str() {
                    "GET" => silences::get(manager, id),
                    "DELETE" => silences::delete(manager, id).await,
                    _ => Err(Answer::not_allowed(method, &["DELETE", "GET"])),
                }
            }
            (_, "/alerts") => Err(Answer::not_allowed(method, &["POST", "GET"])),
            (_, "/silences") => Err(Answer::not_allowed(method, &["POST", "GET"])),
            (_, "/status" | "/receivers" | "/alerts/groups" | "/ledger" | "/routes") => {
                Err(Answer::not_allowed(method, &["GET"]))
            }
            (_, other) => Err(Answer::not_found(&format!("/api/v2{other}"))),
        };
        answer.unwrap_or_else(|refusal| refusal).into_response()
    }

    async fn reload(&self, method: &Method) -> Response<Body> {
        if *method != Method::POST {
            return other_method(method, "OPTIONS, POST");
        }
        match (self.options.reload)().await {
            Ok(()) => plain(StatusCode::OK, ""),
            Err(reason) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("failed to reload config: {reason}\n"),
            ),
        }
    }
}

fn health(method: &Method) -> Response<Body> {
    match *method {
        Method::GET => plain(StatusCode::OK, "OK"),
        Method::HEAD => plain(StatusCode::OK, ""),
        _ => other_method(method, "GET, HEAD, OPTIONS"),
    }
}

fn other_method(method: &Method, allow: &'static str) -> Response<Body> {
    let mut response = if *method == Method::OPTIONS {
        plain(StatusCode::OK, "")
    } else {
        plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Text, or nothing at all.
fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    if !text.is_empty() {
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn gone() -> Response<Body> {
    let mut response = Response::new(Body::from(V1_GONE));
    *response.status_mut() = StatusCode::GONE;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn redirect(to: &'static str) -> Response<Body> {
    let text = format!("<a href=\"{to}\">Temporary Redirect</a>.\n\n");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static(to));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// The question a browser asks before it calls from another site.
fn preflight(request: &Request<Body>) -> Option<Response<Body>> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, HEAD"));
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    Some(response)
}
