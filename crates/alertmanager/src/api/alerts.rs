//! `GET /alerts`, `POST /alerts`.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};

use super::answer::Answer;
use super::body;
use super::encode::push_alert;
use super::params::{Params, ReceiverFilter, pass};
use crate::alert::{AlertState, Status};
use crate::manager::Manager;
use crate::matcher::ParseMode;
use crate::pipeline::AlertQuery;

pub(super) fn get(manager: &Manager, mode: ParseMode, params: &Params) -> Result<Answer, Answer> {
    let matchers = params.matchers("filter", mode).map_err(|err| Answer::bad(&err))?;
    let receivers = ReceiverFilter::new(params, mode)?;
    let config = manager.config();
    let labels_of =
        |name: &str| config.as_ref()?.receivers.iter().find(|r| r.name == name).map(|r| &r.labels);
    let wanted_status = status_filter(params);
    let found = manager.alerts(AlertQuery {
        labels: &|labels| pass(&matchers, labels),
        receivers: &|names| receivers.passes_any(names, labels_of),
        status: &wanted_status,
    });
    let mut out = String::with_capacity(2 + 512 * found.len());
    out.push('[');
    for (i, info) in found.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_alert(&mut out, info, &[]);
    }
    out.push(']');
    Ok(Answer::json(out))
}

/// By the switches `active`, `silenced` and `inhibited`.
pub(super) fn status_filter(params: &Params) -> impl Fn(&Status) -> bool + use<> {
    let (active, silenced, inhibited) =
        (params.switch("active"), params.switch("silenced"), params.switch("inhibited"));
    move |status: &Status| {
        (active || status.state != AlertState::Active)
            && (silenced || status.silenced_by.is_empty())
            && (inhibited || status.inhibited_by.is_empty())
    }
}

pub(super) async fn post(manager: &Arc<Manager>, request: Request<Body>) -> Result<Answer, Answer> {
    let from = body::sender(&request);
    let bytes = body::read(request, "alerts").await?;
    let alerts = body::alerts(&bytes)?;
    let outcome = manager.post_alerts(alerts, &from).await;
    if let Err(reason) = outcome.durable {
        return Err(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, &reason));
    }
    let invalid = outcome.posted.invalid;
    if !invalid.is_empty() {
        let text = invalid.join("\n");
        tracing::error!(component = "api", err = %text, "Failed to validate alerts");
        return Err(Answer::bad(&text));
    }
    Ok(Answer::bare(StatusCode::OK))
}
