//! `/api/v1/status/*` and `/api/v1/features`.

use serde_json::json;

use crate::envelope::{Answer, ApiError};
use crate::params::Params;
use crate::state::ApiState;

/// Rows of a table of `/status/tsdb` without a limit, and the most that may be asked for.
const TSDB_ROWS: usize = 10;
const MAX_TSDB_ROWS: usize = 10_000;

pub(crate) fn status(state: &ApiState, what: &str, params: &Params) -> Result<Answer, ApiError> {
    let value = match what {
        "config" => json!({ "yaml": state.role.config_yaml()? }),
        "flags" => json!(*state.flags),
        "runtimeinfo" => state.role.runtime_info()?,
        "buildinfo" => json!(state.build),
        "tsdb" => state.role.tsdb_status(tsdb_limit(params)?)?,
        "tsdb/blocks" => state.role.tsdb_blocks()?,
        "walreplay" => state.role.wal_replay()?,
        _ => state.role.overview()?,
    };
    Answer::of(&value)
}

fn tsdb_limit(params: &Params) -> Result<usize, ApiError> {
    match params.get("limit") {
        "" => Ok(TSDB_ROWS),
        text => match text.parse::<usize>() {
            Ok(limit) if limit > MAX_TSDB_ROWS => {
                Err(ApiError::bad_data(format!("limit must not exceed {MAX_TSDB_ROWS}")))
            }
            Ok(limit) if limit > 0 => Ok(limit),
            _ => Err(ApiError::bad_data("limit must be a positive number")),
        },
    }
}

/// What is on, for clients that adapt.
pub(crate) fn features(state: &ApiState) -> Result<Answer, ApiError> {
    Answer::of(&json!({
        "api": {
            "admin": state.limits.admin,
            "label_values_match": true,
            "lifecycle": state.limits.lifecycle,
            "query_exemplars": state.role.keeps_exemplars(),
            "query_explain": true,
            "query_stats": true,
            "query_warnings": true,
            "remote_read": true,
            "store_match": state.thanos.is_some(),
        },
    }))
}
