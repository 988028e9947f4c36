//! `/api/v1/write` and `/api/v1/otlp/v1/metrics`: bodies from other senders, where the role takes them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use gauntlet_remote::receive::{MAX_BODY_BYTES, WriteReceiver, WriteReply};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::router::text;
use crate::state::ApiState;

const DISABLED: &str =
    "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n";

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

pub(crate) async fn write(state: &Arc<ApiState>, request: Request) -> Response {
    let Some(receiver) = &state.receivers.write else {
        return text(StatusCode::NOT_FOUND, DISABLED);
    };
    if let Some(refusal) = not_ready(state) {
        return refusal;
    }
    let (parts, body) = request.into_parts();
    if let Err(refusal) =
        receiver.check_encoding(header_text(&parts.headers, header::CONTENT_ENCODING))
    {
        return reply(refusal);
    }
    let Ok(_permit) = state.receivers.gate.acquire().await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    };
    let body = match read_body(&parts.headers, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let receiver = Arc::clone(receiver);
    let content_type = header_text(&parts.headers, header::CONTENT_TYPE).map(str::to_owned);
    let receiving =
        tokio::task::spawn_blocking(move || receiver.receive(content_type.as_deref(), &body));
    match receiving.await {
        Ok(outcome) => reply(outcome),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the write ended without a result\n"),
    }
}

pub(crate) async fn otlp(state: &Arc<ApiState>, request: Request) -> Response {
    let Some(receiver) = &state.receivers.otlp else {
        return text(
            StatusCode::NOT_FOUND,
            "otlp write receiver needs to be enabled with --web.enable-otlp-receiver\n",
        );
    };
    if let Some(refusal) = not_ready(state) {
        return refusal;
    }
    let (parts, body) = request.into_parts();
    let Ok(_permit) = state.receivers.gate.acquire().await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    };
    let body = match read_body(&parts.headers, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let receiver = Arc::clone(receiver);
    let own = |name| header_text(&parts.headers, name).map(str::to_owned);
    let (content_type, encoding) = (own(header::CONTENT_TYPE), own(header::CONTENT_ENCODING));
    let receiving = tokio::task::spawn_blocking(move || {
        receiver.receive(content_type.as_deref(), encoding.as_deref(), &body)
    });
    match receiving.await {
        Ok(outcome) => reply(outcome),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the write ended without a result\n"),
    }
}

/// Upstream's answer while the log replays.
pub(crate) fn not_ready(state: &ApiState) -> Option<Response> {
    state.role.not_ready().map(|_| text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))
}

/// How long a body may take to come. Bodies are read one beside the other up to a bound, and a sender that has gone silent must not
/// keep the others out.
const BODY_TIME: Duration = Duration::from_secs(60);

/// The whole body, within the bounds that hold before unpacking.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Response> {
    let claimed = header_text(headers, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if claimed.is_some_and(|size: u64| size > MAX_BODY_BYTES as u64) {
        return Err(reply(WriteReceiver::body_too_large()));
    }
    let Ok(read) = tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_BODY_BYTES)).await else {
        let (status, error) = (503, format!("the body did not come within {BODY_TIME:?}"));
        return Err(reply(WriteReply { status, error, written: None }));
    };
    read.map_err(|err| {
        let text_of = err.to_string();
        if text_of.contains("length limit exceeded") {
            return reply(WriteReceiver::body_too_large());
        }
        text(StatusCode::BAD_REQUEST, format!("{text_of}\n"))
    })
}

pub(crate) fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// When a sender may try again that was told that nothing can be stored now.
const RETRY_AFTER_SECS: u64 = 5;

pub(crate) fn reply(reply: WriteReply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if reply.error.is_empty() {
        status.into_response()
    } else {
        text(status, format!("{}\n", reply.error))
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
    }
    if let Some(written) = reply.written {
        let counts = [
            (SAMPLES, written.samples),
            (HISTOGRAMS, written.histograms),
            (EXEMPLARS, written.exemplars),
        ];
        for (name, count) in counts {
            response.headers_mut().insert(name, HeaderValue::from(count));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_served_now_is_told_when_to_come_again() {
        let of = |status| reply(WriteReply { status, error: "no space".to_owned(), written: None });
        assert_eq!(of(503).headers()[header::RETRY_AFTER], "5");
        assert!(!of(500).headers().contains_key(header::RETRY_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_sender_is_given_up() {
        let silent = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        let answer = read_body(&HeaderMap::new(), Body::from_stream(silent)).await.unwrap_err();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
    }
}
