//! `/api/v1/admin/tsdb/*`: deleting series, cleaning tombstones, snapshots. Off unless the role allows it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::envelope::{Answer, ApiError, ErrorKind};
use crate::params::{MAX_TIME, MIN_TIME, Params};
use crate::state::ApiState;

pub(crate) fn delete_series(state: &ApiState, params: &Params) -> Response {
    match delete(state, params) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(err) => err.into_response(),
    }
}

fn delete(state: &ApiState, params: &Params) -> Result<(), ApiError> {
    enabled(state)?;
    if params.find("match[]").is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let min = params.time_or("start", MIN_TIME)?;
    let max = params.time_or("end", MAX_TIME)?;
    let sets = params.matchers().map_err(|reason| ApiError::parameter("match[]", reason))?;
    for matchers in sets {
        state.role.delete_series(matchers, min, max)?;
    }
    Ok(())
}

pub(crate) fn clean_tombstones(state: &ApiState) -> Response {
    match enabled(state).and_then(|()| state.role.clean_tombstones()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(err) => err.into_response(),
    }
}

pub(crate) fn snapshot(state: &ApiState, params: &Params) -> Response {
    let skip_head = match params.get("skip_head") {
        "" => Ok(false),
        text => text.to_ascii_lowercase().parse::<bool>().or(match text {
            "1" | "t" | "T" => Ok(true),
            "0" | "f" | "F" => Ok(false),
            _ => Err(ApiError::parameter(
                "skip_head",
                format!(
                    "unable to parse boolean: strconv.ParseBool: parsing {text:?}: invalid syntax"
                ),
            )),
        }),
    };
    let answer = enabled(state)
        .and(skip_head)
        .and_then(|skip_head| state.role.snapshot(skip_head))
        .and_then(|name| Answer::of(&serde_json::json!({ "name": name })));
    answer.into_response()
}

fn enabled(state: &ApiState) -> Result<(), ApiError> {
    if state.limits.admin {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Unavailable, "admin APIs disabled"))
}
