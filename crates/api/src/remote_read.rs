//! `/api/v1/read`: samples for other servers, and encoded chunks for Thanos sidecars.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use gauntlet_remote::read::{CONTENT_TYPE_CHUNKS, CONTENT_TYPE_SAMPLES, ReadError};
use gauntlet_remote::read_server::{ReadOptions, ReadReply, answer};
use gauntlet_runtime::{Budget, Cancel};
use http::{HeaderValue, StatusCode, header};

use crate::router::text;
use crate::state::ApiState;

/// Longest that selecting for one remote read may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Remote reads at work.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts one remote read while it lives.
struct Running;

impl Running {
    fn start() -> (Self, usize) {
        (Self, RUNNING.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) async fn handle(state: &Arc<ApiState>, request: Request) -> Response {
    let limits = &state.limits;
    let (_running, at_once) = Running::start();
    if limits.remote_read_concurrency > 0 && at_once > limits.remote_read_concurrency {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "more than {} remote reads at once; try again\n",
                limits.remote_read_concurrency
            ),
        );
    }
    let Ok(body) = to_bytes(request.into_body(), limits.remote_read_bytes).await else {
        return text(
            StatusCode::BAD_REQUEST,
            format!("request body above {} bytes\n", limits.remote_read_bytes),
        );
    };
    let memory = state.engine.options();
    let options = ReadOptions {
        sample_limit: limits.remote_read_samples,
        max_frame_bytes: limits.remote_read_frame_bytes,
        request_limit_bytes: limits.remote_read_bytes,
        budget: Budget::with_parent(memory.query_memory_bytes, memory.memory.clone()),
    };
    let cancel = Cancel::with_timeout(Arc::clone(&state.clock), TIMEOUT);
    let labels = state.role.external_labels();
    match answer(&body, &*state.storage, &labels, &cancel, &options).await {
        Ok(ReadReply::Samples(bytes)) => respond(CONTENT_TYPE_SAMPLES, true, Body::from(bytes)),
        Ok(ReadReply::Chunks(frames)) => {
            respond(CONTENT_TYPE_CHUNKS, false, Body::from_stream(frames))
        }
        Err(err) => refuse(&err),
    }
}

fn respond(content_type: &'static str, snappy: bool, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if snappy {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    }
    response
}

fn refuse(err: &ReadError) -> Response {
    let status = StatusCode::from_u16(err.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    text(status, format!("{err}\n"))
}
