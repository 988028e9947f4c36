//! `/federate`: the last sample of every series that a selector takes, for another server to scrape. Source: upstream `web/federate.go`.
//!
//! Stale series are left out, external labels put on, series sorted by metric name. Text and protobuf; native histograms of exponential
//! buckets go to those who take protobuf alone.

mod families;
mod format;
mod protobuf;
mod text;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures::future::try_join_all;
use gauntlet_model::is_stale_nan;
use gauntlet_promql::parse_metric_selector;
use gauntlet_storage::{
    DecodeScratch, QueryError, Queryable, SelectRequest, SeriesSet, TimeRange, merge_sets,
};
use http::{HeaderValue, StatusCode, header};

use self::families::{Federated, families};
use self::format::{Format, negotiate};
use crate::params::Params;
use crate::router::{not_found, text as plain};
use crate::state::ApiState;

pub(crate) async fn federate(state: &Arc<ApiState>, request: Request) -> Response {
    let Some(storage) = &state.receivers.federation else { return not_found() };
    let params = Params::new(request.uri().query(), None);
    let accept = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let format = negotiate(accept);
    let mut response = match answer(state, &**storage, &params, format).await {
        Ok(body) => {
            let mut response = Body::from(body).into_response();
            if let Ok(value) = HeaderValue::from_str(&format.content_type()) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        Err((status, reason)) => plain(status, format!("{reason}\n")),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

async fn answer(
    state: &ApiState,
    storage: &dyn Queryable,
    params: &Params,
    format: Format,
) -> Result<Vec<u8>, (StatusCode, String)> {
    let mut requests = Vec::new();
    let now = state.clock.now_ms();
    let lookback = state.engine.options().lookback_delta_ms;
    let range = TimeRange::new(now - lookback, now);
    for selector in params.all("match[]") {
        let matchers = parse_metric_selector(selector)
            .map_err(|err| (StatusCode::BAD_REQUEST, err.to_string()))?;
        requests.push(SelectRequest::new(matchers, range));
    }
    let failed = |err: QueryError| {
        let status = match err {
            QueryError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, err.to_string())
    };
    let sets = try_join_all(requests.iter().map(|request| storage.select(request)));
    let set = merge_sets(sets.await.map_err(failed)?);
    let external = state.role.external_labels();
    let work = move || -> Result<Vec<u8>, QueryError> {
        let mut found = last_samples(&set, range)?;
        // Upstream sorts by name alone; the storage's order holds within a name.
        found.sort_by(|a, b| a.labels.metric_name().cmp(b.labels.metric_name()));
        let families = families(&found, &external, format.takes_native());
        Ok(if format.is_protobuf() {
            protobuf::encode(&families, format)
        } else {
            text::encode(&families, format).into_bytes()
        })
    };
    let printed = tokio::task::spawn_blocking(work).await;
    printed
        .map_err(|_| {
            (StatusCode::INTERNAL_SERVER_ERROR, "federation ended without a result".into())
        })?
        .map_err(failed)
}

/// The newest sample of each series, unless that says that the series ended.
fn last_samples(set: &SeriesSet, range: TimeRange) -> Result<Vec<Federated>, QueryError> {
    let mut columns = gauntlet_chunk::Columns::default();
    let mut scratch = DecodeScratch::default();
    let mut out = Vec::with_capacity(set.len());
    for (index, (labels, _)) in set.iter().enumerate() {
        set.decode(index, range, &mut scratch, &mut columns)?;
        let Some(last) = columns.len().checked_sub(1) else { continue };
        let histogram = columns.histogram(last).cloned();
        let value = histogram.as_ref().map_or(columns.values[last], |h| h.sum);
        if !is_stale_nan(value) {
            out.push(Federated {
                labels: labels.clone(),
                t: columns.timestamps[last],
                value,
                histogram,
            });
        }
    }
    Ok(out)
}
