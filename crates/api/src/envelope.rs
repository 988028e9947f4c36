//! The envelope of every JSON answer: `{"status": ..., "data": ..., "warnings": [...]}`, and the kinds of error with their HTTP codes.

use gauntlet_encoding::push_json_str;
use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt as _};
use http::{HeaderValue, StatusCode, header};

use crate::results::{PART_BYTES, ResultStream};

/// Warnings and infos shown of each kind; the rest is counted in one more line.
pub const MAX_ANNOTATIONS: usize = 10;

/// Kind of an API error: upstream's `errorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
    NotFound,
    NotAcceptable,
}

impl ErrorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::NotAcceptable => "not_acceptable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // Upstream's own code for a client that has gone.
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub kind: ErrorKind,
    pub message: String,
    /// Annotations that came before the error.
    pub warnings: Vec<String>,
}

impl ApiError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), warnings: Vec::new() }
    }

    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, message)
    }

    /// A parameter that cannot be taken, in upstream's words.
    pub fn parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {reason}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = String::with_capacity(128);
        body.push_str("{\"status\":\"error\",\"errorType\":");
        push_json_str(&mut body, self.kind.as_str());
        body.push_str(",\"error\":");
        push_json_str(&mut body, &self.message);
        push_list(&mut body, "warnings", &self.warnings);
        body.push('}');
        json_response(self.kind.status(), body.into())
    }
}

/// A successful answer: `data` is JSON already.
#[derive(Debug, Default)]
pub struct Answer {
    /// A query's value, written out before `data` while it is sent.
    pub(crate) value: Option<ResultStream>,
    pub data: Vec<u8>,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

impl Answer {
    /// An answer from anything that serialises.
    pub fn of(data: &impl serde::Serialize) -> Result<Self, ApiError> {
        let data = serde_json::to_vec(data)
            .map_err(|err| ApiError::new(ErrorKind::Internal, err.to_string()))?;
        Ok(Self { data, ..Self::default() })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut tail = String::new();
        push_list(&mut tail, "warnings", &self.warnings);
        push_list(&mut tail, "infos", &self.infos);
        tail.push('}');
        const HEAD: &str = "{\"status\":\"success\",\"data\":";
        let Some(mut value) = self.value else {
            let mut body = Vec::with_capacity(HEAD.len() + self.data.len() + tail.len());
            body.extend_from_slice(HEAD.as_bytes());
            body.extend_from_slice(&self.data);
            body.extend_from_slice(tail.as_bytes());
            return json_response(StatusCode::OK, Body::from(body));
        };
        let mut first = String::with_capacity(PART_BYTES + PART_BYTES / 4);
        first.push_str(HEAD);
        let done = value.part(&mut first);
        let mut first = first.into_bytes();
        let mut end = self.data;
        end.extend_from_slice(tail.as_bytes());
        if done {
            first.extend_from_slice(&end);
            return json_response(StatusCode::OK, Body::from(first));
        }
        // The rest is written while it is sent, so that no answer is in memory as text.
        let rest = stream::unfold(Some((value, end)), |rest| async move {
            let (mut value, end) = rest?;
            let mut part = String::with_capacity(PART_BYTES + PART_BYTES / 4);
            let done = value.part(&mut part);
            let mut part = part.into_bytes();
            if done {
                part.extend_from_slice(&end);
                return Some((part, None));
            }
            Some((part, Some((value, end))))
        });
        let parts = stream::once(async move { first }).chain(rest);
        json_response(StatusCode::OK, Body::from_stream(parts.map(Ok::<_, Infallible>)))
    }
}

fn json_response(status: StatusCode, body: Body) -> Response {
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn push_list(out: &mut String, name: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    out.push(',');
    push_json_str(out, name);
    out.push_str(":[");
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_str(out, text);
    }
    out.push(']');
}
