//! Probes and the life cycle: `/-/healthy`, `/-/ready`, `/-/reload`, `/-/quit`, `/version`.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::router::text;
use crate::state::ApiState;

pub(crate) fn healthy(state: &ApiState) -> Response {
    text(StatusCode::OK, format!("{} is Healthy.\n", state.role.name()))
}

/// Ready, or 503 with the reason: upstream says only that it is not.
pub(crate) fn ready(state: &ApiState) -> Response {
    match state.role.not_ready() {
        None => text(StatusCode::OK, format!("{} is Ready.\n", state.role.name())),
        Some(reason) => {
            text(StatusCode::SERVICE_UNAVAILABLE, format!("Service Unavailable: {reason}\n"))
        }
    }
}

pub(crate) async fn reload(state: &Arc<ApiState>, method: &Method) -> Response {
    if let Some(refusal) = refuse(state, method) {
        return refusal;
    }
    match state.role.reload().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {reason}\n"))
        }
    }
}

pub(crate) fn quit(state: &ApiState, method: &Method) -> Response {
    if let Some(refusal) = refuse(state, method) {
        return refusal;
    }
    state.role.quit();
    text(StatusCode::OK, "Requesting termination... Goodbye!")
}

fn refuse(state: &ApiState, method: &Method) -> Option<Response> {
    if !matches!(*method, Method::POST | Method::PUT) {
        let mut response =
            text(StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed");
        response.headers_mut().remove(header::X_CONTENT_TYPE_OPTIONS);
        return Some(response);
    }
    if !state.limits.lifecycle {
        return Some(text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled."));
    }
    None
}

pub(crate) fn version(state: &ApiState) -> Response {
    let body = serde_json::to_string(&state.build).unwrap_or_default();
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
