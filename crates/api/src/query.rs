//! `/api/v1/query`, `/query_range`, `/format_query`, `/parse_query`, `/query_exemplars`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use gauntlet_model::float;
use gauntlet_promql::engine::{
    QueryFailure, QueryOptions, QueryOrigin, QueryResult, QueryStats, StepStats, Value,
};
use gauntlet_promql::{Expr, ValueType, parse as parse_expr};
use gauntlet_storage::SelectHints;
use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::envelope::{Answer, ApiError, ErrorKind, MAX_ANNOTATIONS};
use crate::explain;
use crate::labels::TRUNCATED;
use crate::params::{Params, parse_duration};
use crate::results::ResultStream;
use crate::results::{push_labels, push_seconds, push_timestamp};
use crate::state::{ApiState, bool_param};

/// Most points a series of a range query may have.
const MAX_POINTS: i64 = 11_000;

pub(crate) async fn instant(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let at = params.time_or("time", state.clock.now_ms())?;
    let mut options = options(state, params, 0)?;
    options.analyze = wants_explain(params)?;
    let text = params.get("query");
    let expr = expression(state, text)?;
    let _place = place(&state.query_gate, longest(state, &options)).await?;
    let storage = state.storage_for(params)?;
    let result = state.engine.instant_expr(storage, &expr, at, &options).await;
    answer(params, text, result, limit)
}

pub(crate) async fn range(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let (start, end, step) = span(state, params)?;
    let mut options = options(state, params, step)?;
    options.analyze = wants_explain(params)?;
    let text = params.get("query");
    let expr = expression(state, text)?;
    check_range_type(&expr)?;
    let _place = place(&state.query_gate, longest(state, &options)).await?;
    let storage = state.storage_for(params)?;
    let result = state.engine.range_expr(storage, &expr, start, end, step, &options).await;
    answer(params, text, result, limit)
}

/// Start, end and step of a range query, in ms.
fn span(state: &ApiState, params: &Params) -> Result<(i64, i64, i64), ApiError> {
    let start = params.time("start")?;
    let end = params.time("end")?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = step(state, params, end - start)?;
    if step <= 0 {
        return Err(ApiError::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MAX_POINTS {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok((start, end, step))
}

fn check_range_type(expr: &Expr) -> Result<(), ApiError> {
    let value_type = expr.value_type();
    if matches!(value_type, ValueType::Scalar | ValueType::Vector) {
        return Ok(());
    }
    Err(ApiError::parameter(
        "query",
        format!(
            "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
            value_type.documented()
        ),
    ))
}

/// Whether a query's answer is to have its plan with it.
fn wants_explain(params: &Params) -> Result<bool, ApiError> {
    bool_param(params, "explain", false)
}

/// `/api/v1/query_explain`: the plan of an instant query (`time`) or a range query (`start`, `end`, `step`), and with `analyze`
/// what each operator did when it ran.
pub(crate) async fn explain(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let analyze = bool_param(params, "analyze", false)?;
    let is_range = ["start", "end", "step"].iter().any(|name| params.find(name).is_some());
    let (start, end, step) = if is_range {
        span(state, params)?
    } else {
        let at = params.time_or("time", state.clock.now_ms())?;
        (at, at, 0)
    };
    let mut options = options(state, params, step)?;
    options.analyze = analyze;
    let text = params.get("query");
    let expr = expression(state, text)?;
    if is_range {
        check_range_type(&expr)?;
    }
    let engine = &state.engine;
    if !analyze {
        let plan = engine
            .explain(&expr, start, end, step, &options)
            .map_err(|error| engine_error(&QueryFailure::from(error)))?;
        return Ok(explain::answer(text, &plan, None));
    }
    let _place = place(&state.query_gate, longest(state, &options)).await?;
    let storage = state.storage_for(params)?;
    let result = if is_range {
        engine.range_expr(storage, &expr, start, end, step, &options).await
    } else {
        engine.instant_expr(storage, &expr, start, &options).await
    };
    let result = result.map_err(|failure| engine_error(&failure))?;
    let Some(plan) = &result.explain else {
        return Err(ApiError::new(ErrorKind::Internal, "BUG: a run that was to be analysed"));
    };
    let (warnings, infos) = result.annotations.to_strings(text, MAX_ANNOTATIONS, MAX_ANNOTATIONS);
    Ok(Answer { warnings, infos, ..explain::answer(text, plan, Some(&result)) })
}

/// The exemplars of every selector in an expression; an expression without selectors has no answer at all.
pub(crate) fn exemplars(state: &ApiState, params: &Params) -> Response {
    match find_exemplars(state, params) {
        Err(err) => err.into_response(),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(data)) => Answer { data: data.into_bytes(), ..Answer::default() }.into_response(),
    }
}

fn find_exemplars(state: &ApiState, params: &Params) -> Result<Option<String>, ApiError> {
    let start = params.time_or("start", 0)?;
    let end = params.time_or("end", i64::MAX)?;
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = parse_expr(params.get("query"), &state.engine.options().parser)
        .map_err(|err| ApiError::bad_data(err.to_string()))?;
    let mut selectors = Vec::new();
    expr.walk(&mut |e| match e {
        Expr::Vector(selector) => selectors.push(selector.matchers.clone()),
        Expr::Matrix(range) => selectors.push(range.selector.matchers.clone()),
        _ => {}
    });
    if selectors.is_empty() {
        return Ok(None);
    }
    let mut data = String::from("[");
    for (labels, exemplars) in state.role.exemplars(selectors, start, end)? {
        if data.len() > 1 {
            data.push(',');
        }
        data.push_str("{\"seriesLabels\":");
        push_labels(&mut data, &labels);
        data.push_str(",\"exemplars\":[");
        for (i, exemplar) in exemplars.iter().enumerate() {
            data.push_str(if i > 0 { ",{\"labels\":" } else { "{\"labels\":" });
            push_labels(&mut data, &exemplar.labels);
            data.push_str(",\"value\":\"");
            float::push_json_float(&mut data, exemplar.value);
            data.push_str("\",\"timestamp\":");
            push_timestamp(&mut data, exemplar.timestamp.unwrap_or(0));
            data.push('}');
        }
        data.push_str("]}");
    }
    data.push(']');
    Ok(Some(data))
}

pub(crate) fn format(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let expr = expression(state, params.get("query"))?;
    Answer::of(&gauntlet_promql::printer::pretty(&expr))
}

pub(crate) fn parse(state: &ApiState, params: &Params) -> Result<Answer, ApiError> {
    let expr = expression(state, params.get("query"))?;
    let mut tree = gauntlet_promql::json::to_json(&expr);
    // The peer's tree is made of maps, which Go prints with their keys sorted.
    tree.sort_all_objects();
    Answer::of(&tree)
}

fn expression(state: &ApiState, text: &str) -> Result<Expr, ApiError> {
    parse_expr(text, &state.engine.options().parser)
        .map_err(|err| ApiError::parameter("query", err))
}

/// The step in ms. Thanos has a default: a 250th of the range, but not below its flag.
fn step(state: &ApiState, params: &Params, range_ms: i64) -> Result<i64, ApiError> {
    match (params.get("step"), &state.thanos) {
        ("", Some(thanos)) => Ok((range_ms / 250).max(thanos.default_step_ms)),
        (text, _) => parse_duration(text).map_err(|reason| ApiError::parameter("step", reason)),
    }
}

fn options(state: &ApiState, params: &Params, step_ms: i64) -> Result<QueryOptions, ApiError> {
    let timeout = params.duration("timeout")?;
    let lookback = match params.get("lookback_delta") {
        "" => None,
        text => Some(parse_duration(text).map_err(|reason| {
            ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))
        })?),
    };
    let max_resolution_ms = state.max_resolution_ms(params, step_ms)?;
    let dynamic = state.thanos.as_ref().and_then(|thanos| thanos.dynamic_lookback);
    let lookback = lookback.or_else(|| {
        dynamic.map(|widen| widen(state.engine.options().lookback_delta_ms, max_resolution_ms))
    });
    Ok(QueryOptions {
        analyze: false,
        step_stats: params.get("stats") == "all",
        origin: QueryOrigin {
            query: params.get("query").to_owned(),
            asked_by: params.asked_by.clone(),
        },
        timeout: timeout.map(|ms| Duration::from_millis(ms.max(0) as u64)),
        lookback_delta_ms: lookback,
        hints: SelectHints {
            partial_response: state.partial_response(params)?,
            replica_labels: state.replica_labels(params)?,
            max_resolution_ms,
            ..SelectHints::default()
        },
    })
}

/// How long a query may take, waiting included.
fn longest(state: &ApiState, options: &QueryOptions) -> Duration {
    let most = state.engine.options().timeout;
    options.timeout.map_or(most, |asked| asked.min(most))
}

/// Waits for a place among the queries at work.
async fn place(gate: &Semaphore, longest: Duration) -> Result<SemaphorePermit<'_>, ApiError> {
    match tokio::time::timeout(longest, gate.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(ApiError::new(ErrorKind::Canceled, "query was canceled in query queue")),
        Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue")),
    }
}

fn answer(
    params: &Params,
    text: &str,
    result: Result<QueryResult, QueryFailure>,
    limit: usize,
) -> Result<Answer, ApiError> {
    let mut result = result.map_err(|failure| engine_error(&failure))?;
    let (mut warnings, infos) =
        result.annotations.to_strings(text, MAX_ANNOTATIONS, MAX_ANNOTATIONS);
    if limit > 0 && truncate(&mut result.value, limit) {
        warnings.push(TRUNCATED.to_owned());
    }
    let mut data = String::new();
    if !params.get("stats").is_empty() {
        data.push_str(",\"stats\":");
        push_stats(&mut data, &result.stats);
    }
    if let Some(plan) = &result.explain {
        data.push_str(",\"explain\":");
        data.push_str(&explain::tree(text, plan, Some(&result)).to_string());
    }
    data.push('}');
    let value = Some(ResultStream::new(result.value));
    Ok(Answer { value, data: data.into_bytes(), warnings, infos })
}

fn truncate(value: &mut Value, limit: usize) -> bool {
    match value {
        Value::Vector(samples) if samples.len() > limit => {
            samples.truncate(limit);
            true
        }
        Value::Matrix(matrix) if matrix.len() > limit => {
            matrix.truncate(limit);
            true
        }
        _ => false,
    }
}

/// Statistics as upstream lays them out; what is not measured apart is 0.
pub(crate) fn push_stats(out: &mut String, stats: &QueryStats) {
    let seconds = |out: &mut String, name: &str, took: Duration| {
        out.push_str(name);
        float::push_json_float(out, took.as_secs_f64());
    };
    let total = stats.select_time + stats.compute_time;
    seconds(out, "{\"timings\":{\"evalTotalTime\":", total);
    out.push_str(",\"resultSortTime\":0");
    seconds(out, ",\"queryPreparationTime\":", stats.select_time);
    seconds(out, ",\"innerEvalTime\":", stats.compute_time);
    out.push_str(",\"execQueueTime\":0");
    seconds(out, ",\"execTotalTime\":", total);
    out.push_str("},\"samples\":{");
    let by_step = |out: &mut String, name: &str, counts: &dyn Fn(&StepStats) -> &[u64]| {
        let Some(steps) = &stats.by_step else { return };
        out.push_str(name);
        for (i, count) in counts(steps).iter().enumerate() {
            out.push_str(if i > 0 { ",[" } else { "[[" });
            push_seconds(out, steps.start.saturating_add(steps.step_ms.saturating_mul(i as i64)));
            out.push_str(&format!(",{count}]"));
        }
        out.push_str(if counts(steps).is_empty() { "[]," } else { "]," });
    };
    by_step(out, "\"totalQueryableSamplesPerStep\":", &|steps| &steps.total_samples);
    out.push_str(&format!("\"totalQueryableSamples\":{},", stats.total_samples));
    by_step(out, "\"samplesReadPerStep\":", &|steps| &steps.read_samples);
    out.push_str(&format!(
        "\"samplesRead\":{},\"peakSamples\":{}}}}}",
        stats.read_samples, stats.peak_samples
    ));
}

fn engine_error(failure: &QueryFailure) -> ApiError {
    let kind = match failure.error.error_type() {
        "bad_data" => ErrorKind::BadData,
        "timeout" => ErrorKind::Timeout,
        "canceled" => ErrorKind::Canceled,
        "internal" => ErrorKind::Internal,
        _ => ErrorKind::Execution,
    };
    ApiError::new(kind, failure.error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_query_without_a_place_times_out_in_the_queue() {
        let gate = Semaphore::new(1);
        let first = place(&gate, Duration::from_secs(1)).await.unwrap();
        let refused = place(&gate, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.message.as_str()),
            (ErrorKind::Timeout, "query timed out in query queue")
        );
        drop(first);
        assert!(place(&gate, Duration::from_secs(1)).await.is_ok());
    }
}
