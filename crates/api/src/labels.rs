//! `/api/v1/labels`, `/api/v1/label/<name>/values`, `/api/v1/series`.

use std::sync::Arc;

use gauntlet_model::{Labels, Matcher};
use gauntlet_storage::{LabelAnswer, LabelRequest, QueryError, SelectRequest, TimeRange};

use crate::envelope::{Answer, ApiError, ErrorKind};
use crate::params::{MAX_TIME, MIN_TIME, Params};
use crate::results::push_labels;
use crate::state::ApiState;

/// Said when `limit` cut an answer.
pub(crate) const TRUNCATED: &str = "results truncated due to limit";

pub(crate) async fn label_names(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let range = range(params)?;
    let sets = params.matchers().map_err(ApiError::bad_data)?;
    let storage = state.storage_for(params)?;
    let mut all = LabelAnswer::default();
    for matchers in at_least_one(sets) {
        let request = label_request(state, params, matchers, range, limit)?;
        all.merge(storage.label_names(&request).await.map_err(storage_error)?);
    }
    list(all, limit)
}

pub(crate) async fn label_values(
    state: &ApiState,
    name: &str,
    params: &Params,
) -> Result<Answer, ApiError> {
    let name = match name.strip_prefix("U__") {
        Some(_) => unescape_name(name),
        None => name.to_owned(),
    };
    if name.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
    }
    let sets = params.matchers().map_err(ApiError::bad_data)?;
    let limit = params.limit()?;
    let range = range(params)?;
    let storage = state.storage_for(params)?;
    let mut all = LabelAnswer::default();
    for matchers in at_least_one(sets) {
        let request = label_request(state, params, matchers, range, limit)?;
        all.merge(storage.label_values(&name, &request).await.map_err(storage_error)?);
    }
    list(all, limit)
}

pub(crate) async fn series(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    if params.find("match[]").is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let range = range(params)?;
    let sets = params.matchers().map_err(|reason| ApiError::parameter("match[]", reason))?;
    let storage = state.storage_for(params)?;
    let mut labels: Vec<Labels> = Vec::new();
    let mut warnings = Vec::new();
    for matchers in sets {
        let mut request = SelectRequest::new(matchers, range);
        request.hints.labels_only = true;
        request.hints.func = "series".to_owned();
        request.hints.limit = if limit > 0 { limit + 1 } else { 0 };
        request.hints.partial_response = state.partial_response(params)?;
        request.hints.replica_labels = state.replica_labels(params)?;
        let set = storage.select(&request).await.map_err(storage_error)?;
        labels.extend(set.iter().map(|(labels, _)| labels.clone()));
        warnings.extend(set.warnings.iter().cloned());
    }
    labels.sort_unstable();
    labels.dedup();
    if limit > 0 && labels.len() > limit {
        labels.truncate(limit);
        warnings.push(TRUNCATED.to_owned());
    }
    let mut data = String::from("[");
    for (i, set) in labels.iter().enumerate() {
        if i > 0 {
            data.push(',');
        }
        push_labels(&mut data, set);
    }
    data.push(']');
    Ok(Answer { data: data.into_bytes(), warnings, ..Answer::default() })
}

fn range(params: &Params) -> Result<TimeRange, ApiError> {
    let min = params.time_or("start", MIN_TIME)?;
    let max = params.time_or("end", MAX_TIME)?;
    Ok(TimeRange { min, max })
}

fn at_least_one(sets: Vec<Vec<Matcher>>) -> Vec<Vec<Matcher>> {
    if sets.is_empty() { vec![Vec::new()] } else { sets }
}

fn label_request(
    state: &ApiState,
    params: &Params,
    matchers: Vec<Matcher>,
    range: TimeRange,
    limit: usize,
) -> Result<LabelRequest, ApiError> {
    let mut request = LabelRequest::new(Arc::<[Matcher]>::from(matchers), range);
    request.limit = if limit > 0 { limit + 1 } else { 0 };
    request.partial_response = state.partial_response(params)?;
    // Replica labels stay in these answers, as the peer leaves them in.
    Ok(request)
}

fn list(mut answer: LabelAnswer, limit: usize) -> Result<Answer, ApiError> {
    if limit > 0 && answer.values.len() > limit {
        answer.values.truncate(limit);
        answer.warnings.push(TRUNCATED.to_owned());
    }
    let mut out = Answer::of(&answer.values)?;
    out.warnings = answer.warnings;
    Ok(out)
}

/// What a storage's error is to the API.
pub(crate) fn storage_error(err: QueryError) -> ApiError {
    let kind = match &err {
        QueryError::Canceled(gauntlet_runtime::CancelReason::TimedOut) => ErrorKind::Timeout,
        QueryError::Canceled(_) => ErrorKind::Canceled,
        QueryError::BadRequest(_) => ErrorKind::BadData,
        QueryError::Budget(_) | QueryError::Unavailable(_) | QueryError::Moved => {
            ErrorKind::Execution
        }
        QueryError::Corrupt(_) => ErrorKind::Internal,
    };
    ApiError::new(kind, err.to_string())
}

/// Undoes upstream's value escaping of names: `U__` in front, `_` doubled, `_<hex>_` for other characters. A name that is no
/// such escape is taken as it is.
fn unescape_name(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let Some(end) = rest.find('_') else { return name.to_owned() };
        match u32::from_str_radix(&rest[..end], 16).ok().and_then(char::from_u32) {
            Some(c) if end <= 6 => out.push(c),
            _ => return name.to_owned(),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::unescape_name;

    #[test]
    fn escaped_names_are_read_back() {
        for (escaped, name) in
            [("U__a_2e_b", "a.b"), ("U__a__b", "a_b"), ("U__zz", "zz"), ("U__a_xx_b", "U__a_xx_b")]
        {
            assert_eq!(unescape_name(escaped), name);
        }
    }
}
