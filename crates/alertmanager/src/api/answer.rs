//! Answers and refusals, in the shapes of the peer's framework.

use axum::body::Body;
use gauntlet_encoding::push_json_str;
use http::{HeaderValue, Method, Response, StatusCode, header};

/// A status, a body and perhaps a list of methods.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    /// JSON; `None` for no body at all.
    body: Option<String>,
    allow: Option<String>,
}

/// Codes of the framework's checks.
pub(super) const REQUIRED: u32 = 602;
pub(super) const BAD_TYPE: u32 = 601;
pub(super) const TOO_FEW: u32 = 612;

impl Answer {
    pub(super) fn json(body: String) -> Self {
        Self { status: StatusCode::OK, body: Some(body), allow: None }
    }

    /// Only a status.
    pub(super) fn bare(status: StatusCode) -> Self {
        Self { status, body: None, allow: None }
    }

    /// A status with a text, as the handlers refuse.
    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        let mut body = String::with_capacity(text.len() + 2);
        push_json_str(&mut body, text);
        Self { status, body: Some(body), allow: None }
    }

    pub(super) fn bad(text: &str) -> Self {
        Self::text(StatusCode::BAD_REQUEST, text)
    }

    /// A refusal of the framework, before a handler sees the request.
    pub(super) fn coded(status: StatusCode, code: u32, message: &str) -> Self {
        let mut body = format!("{{\"code\":{code},\"message\":");
        push_json_str(&mut body, message);
        body.push('}');
        Self { status, body: Some(body), allow: None }
    }

    pub(super) fn invalid(code: u32, message: &str) -> Self {
        Self::coded(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::coded(StatusCode::NOT_FOUND, 404, &format!("path {path} was not found"))
    }

    pub(super) fn not_allowed(method: &Method, allowed: &[&str]) -> Self {
        let allowed = allowed.join(",");
        let message = format!("method {method} is not allowed, but [{allowed}] are");
        let mut answer = Self::coded(StatusCode::METHOD_NOT_ALLOWED, 405, &message);
        answer.allow = Some(allowed);
        answer
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(allow) = self.allow.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(mut body) = self.body {
            let kind = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, kind);
            body.push('\n');
            *response.body_mut() = Body::from(body);
        }
        response
    }
}
