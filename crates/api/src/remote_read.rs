//! `/api/v1/read`: samples for other servers and for Thanos sidecars.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use crate::router::text;
use crate::state::ApiState;

pub(crate) async fn handle(state: &Arc<ApiState>, request: Request) -> Response {
    let _ = (state, request);
    text(StatusCode::NOT_IMPLEMENTED, "remote read is not built yet\n")
}
