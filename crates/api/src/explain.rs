//! JSON of a query's plan and of what its operators did. Page: docs/formats/query-explain.md.

use std::time::Duration;

use gauntlet_promql::engine::{
    Arg, Explain, Grid, OperatorStats, PlanNode, QueryResult, Selection, Value,
};
use serde_json::{Map, Value as Json, json};

use crate::envelope::Answer;

/// The answer of `/api/v1/query_explain`. `result`: of the run that was analysed.
pub(crate) fn answer(query: &str, plan: &Explain, result: Option<&QueryResult>) -> Answer {
    Answer { data: tree(query, plan, result).to_string().into_bytes(), ..Answer::default() }
}

/// The plan as a JSON tree.
pub(crate) fn tree(query: &str, plan: &Explain, result: Option<&QueryResult>) -> Json {
    let mut out = json!({
        "query": query,
        "analyzed": result.is_some(),
        "grid": grid(&plan.grid),
        "workers": plan.workers,
        "selections": plan.selections.iter().map(selection).collect::<Vec<_>>(),
        "plan": node(query, &plan.plan),
    });
    if let Some(result) = result {
        out["totals"] = totals(result);
    }
    out
}

fn grid(grid: &Grid) -> Json {
    json!({
        "startMs": grid.start,
        "endMs": grid.last(),
        "stepMs": if grid.steps > 1 { grid.step } else { 0 },
        "steps": grid.steps,
    })
}

fn selection(selection: &Selection) -> Json {
    let mut out = json!({
        "matchers": selection.matchers,
        "minTimeMs": selection.min_time,
        "maxTimeMs": selection.max_time,
    });
    if let Some(found) = &selection.found {
        out["series"] = json!(found.series);
        out["chunks"] = json!(found.chunks);
        out["bytes"] = json!(found.bytes);
    }
    out
}

fn node(query: &str, plan: &PlanNode) -> Json {
    let mut out = Map::new();
    out.insert("operator".to_owned(), json!(plan.operator));
    out.insert("name".to_owned(), json!(plan.name));
    out.insert("gives".to_owned(), json!(plan.gives));
    if let Some(pos) = plan.pos {
        let (start, end) = (pos.start as usize, pos.end as usize);
        out.insert("pos".to_owned(), json!({ "start": start, "end": end }));
        out.insert("text".to_owned(), json!(query.get(start..end).unwrap_or_default()));
    }
    let args: Map<String, Json> =
        plan.args.iter().map(|(name, value)| ((*name).to_owned(), arg(value))).collect();
    out.insert("args".to_owned(), Json::Object(args));
    if let Some(own) = &plan.grid {
        out.insert("grid".to_owned(), grid(own));
    }
    out.insert("fused".to_owned(), json!(plan.fused));
    if let Some(stats) = &plan.stats {
        out.insert("stats".to_owned(), operator_stats(stats));
    }
    let inputs: Vec<Json> = plan.inputs.iter().map(|input| node(query, input)).collect();
    out.insert("inputs".to_owned(), Json::Array(inputs));
    Json::Object(out)
}

fn arg(arg: &Arg) -> Json {
    match arg {
        Arg::Text(text) => json!(text),
        // JSON has no infinity and no not-a-number: such values are strings, as everywhere in this API.
        Arg::Number(value) if value.is_finite() => json!(value),
        Arg::Number(value) => json!(gauntlet_model::float::go_float(*value)),
        Arg::Int(value) => json!(value),
        Arg::Bool(value) => json!(value),
        Arg::List(list) => json!(list),
    }
}

fn operator_stats(stats: &OperatorStats) -> Json {
    json!({
        "calls": stats.calls,
        "shards": stats.tiles,
        "series": stats.series,
        "samples": stats.samples,
        "samplesSeen": stats.samples_seen,
        "samplesDecoded": stats.samples_decoded,
        "bytesDecoded": stats.bytes_decoded,
        "peakBytes": stats.peak_bytes,
        "cpuNs": nanos(stats.cpu),
        "wallNs": nanos(stats.wall),
    })
}

fn totals(result: &QueryResult) -> Json {
    let stats = &result.stats;
    let (kind, series) = match &result.value {
        Value::Scalar { .. } => ("scalar", 1),
        Value::String { .. } => ("string", 1),
        Value::Vector(samples) => ("vector", samples.len()),
        Value::Matrix(matrix) => ("matrix", matrix.len()),
    };
    json!({
        "resultType": kind,
        "resultSeries": series,
        "seriesRead": stats.series,
        "samplesSeen": stats.total_samples,
        "samplesDecoded": stats.decoded_samples,
        "peakSamples": stats.peak_samples,
        "peakBytes": stats.peak_memory_bytes,
        "selectNs": nanos(stats.select_time),
        "computeNs": nanos(stats.compute_time),
    })
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
