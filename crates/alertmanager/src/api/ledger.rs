//! `GET /ledger`: what became of alerts, newest first.
//!
//! Parameters: `filter` (matchers of an alert's labels, repeatable), `fingerprint`, `event` (repeatable), `receiver`, `from` and `to`
//! (RFC 3339), `limit` (100 by default, at most 10,000), `before` (the `next` of an earlier answer).
//! Answer: `{"entries":[{"number","at","event","alerts":[{"fingerprint","labels"}],...,"text"}],"next"}`; `next` is there while more may follow.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::params::Params;
use crate::labels::Fingerprint;
use crate::ledger::{Kind, LedgerQuery};
use crate::manager::Manager;
use crate::matcher::{Matchers, ParseMode};
use crate::time::Time;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

pub(super) async fn get(
    manager: &Arc<Manager>,
    mode: ParseMode,
    params: &Params,
) -> Result<Answer, Answer> {
    let matchers = params.matchers("filter", mode).map_err(|err| Answer::bad(&err))?;
    let bad =
        |name: &str, what: &str, text: &str| Answer::bad(&format!("{name}: {text:?} is no {what}"));
    let time = |name: &str| match params.last(name) {
        None => Ok(None),
        Some(text) => Time::parse(text).map(Some).ok_or_else(|| bad(name, "RFC 3339 time", text)),
    };
    let number = |name: &str| match params.last(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| bad(name, "number", text)),
    };
    let mut kinds = Vec::new();
    for text in params.all("event") {
        kinds.push(Kind::parse(text).ok_or_else(|| bad("event", "kind of event", text))?);
    }
    let fingerprint = match params.last("fingerprint") {
        None => None,
        Some(text) => {
            Some(Fingerprint::parse(text).ok_or_else(|| bad("fingerprint", "fingerprint", text))?)
        }
    };
    let limit = number("limit")?.map_or(DEFAULT_LIMIT, |n| n as usize).min(MAX_LIMIT);
    let query = LedgerQuery {
        matchers: Matchers::new(matchers),
        fingerprint,
        kinds,
        receiver: params.last("receiver").map(str::to_owned),
        from: time("from")?,
        to: time("to")?,
        before: number("before")?,
        limit,
    };
    let found = manager.ledger(query).await.map_err(|err| {
        Answer::text(StatusCode::INTERNAL_SERVER_ERROR, &format!("reading the ledger: {err}"))
    })?;
    let entries: Vec<Value> = found
        .iter()
        .map(|entry| {
            let mut value = entry.to_json();
            value["text"] = entry.in_words().into();
            value
        })
        .collect();
    let mut answer = json!({ "entries": entries });
    if let Some(last) = found.last().filter(|_| found.len() >= limit && limit > 0) {
        answer["next"] = last.number.into();
    }
    Ok(Answer::json(answer.to_string()))
}
