//! `/silences` and `/silence/{silenceID}`.

use std::cmp::Reverse;

use axum::body::Body;
use gauntlet_encoding::push_json_str;
use http::{Request, StatusCode};

use super::answer::{Answer, BAD_TYPE};
use super::body;
use super::encode::push_silence;
use super::params::Params;
use crate::manager::Manager;
use crate::matcher::{Matcher, ParseMode};
use crate::silence::{Silence, SilenceError, SilenceState};

pub(super) fn list(manager: &Manager, mode: ParseMode, params: &Params) -> Result<Answer, Answer> {
    let matchers = params.matchers("filter", mode).map_err(|err| Answer::bad(&err))?;
    let now = manager.now();
    let wanted = |state: SilenceState| match state {
        SilenceState::Active => params.switch("active"),
        SilenceState::Pending => params.switch("pending"),
        SilenceState::Expired => params.switch("expired"),
    };
    let mut found =
        manager.silences(|silence| wanted(silence.state(now)) && has(silence, &matchers));
    if let Some(odd) = found.iter().find(|silence| silence.matcher_sets.len() > 1) {
        return Err(several_sets(odd));
    }
    found.sort_by_key(|silence| {
        let ns = |time: crate::Time| (time.unix_secs(), time.subsec_nanos());
        match silence.state(now) {
            SilenceState::Active => (0, ns(silence.ends_at), Reverse((0, 0))),
            SilenceState::Pending => (1, ns(silence.starts_at), Reverse((0, 0))),
            SilenceState::Expired => (2, (0, 0), Reverse(ns(silence.ends_at))),
        }
    });
    let mut out = String::from("[");
    for (i, silence) in found.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_silence(&mut out, silence, now);
    }
    out.push(']');
    Ok(Answer::json(out))
}

/// Whether a set of the silence has all of these matchers, letter for letter.
fn has(silence: &Silence, matchers: &[Matcher]) -> bool {
    silence.matcher_sets.iter().any(|set| {
        matchers.iter().all(|wanted| {
            set.iter().any(|m| {
                m.op == wanted.op && *m.name == *wanted.name && *m.pattern == *wanted.value
            })
        })
    })
}

fn several_sets(silence: &Silence) -> Answer {
    let text = format!(
        "silence '{}' has multiple matcher sets which is not supported by this API version",
        silence.id
    );
    Answer::text(StatusCode::INTERNAL_SERVER_ERROR, &text)
}

pub(super) fn get(manager: &Manager, id: &str) -> Result<Answer, Answer> {
    let id = checked_id(id)?;
    match manager.silence(&id) {
        None => Err(Answer::bare(StatusCode::NOT_FOUND)),
        Some(silence) if silence.matcher_sets.len() > 1 => Err(several_sets(&silence)),
        Some(silence) => {
            let mut out = String::new();
            push_silence(&mut out, &silence, manager.now());
            Ok(Answer::json(out))
        }
    }
}

pub(super) async fn delete(manager: &Manager, id: &str) -> Result<Answer, Answer> {
    let id = checked_id(id)?;
    match manager.expire_silence(&id).await {
        Ok(()) => Ok(Answer::bare(StatusCode::OK)),
        Err(SilenceError::NotFound) => Err(Answer::bare(StatusCode::NOT_FOUND)),
        Err(err) => {
            tracing::error!(component = "api", %err, "Failed to expire silence");
            Err(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, &err.to_string()))
        }
    }
}

pub(super) async fn post(manager: &Manager, request: Request<Body>) -> Result<Answer, Answer> {
    let bytes = body::read(request, "silence").await?;
    let silence = body::silence(&bytes)?;
    if silence.starts_at >= silence.ends_at {
        return Err(Answer::bad("Failed to create silence: start time must be before end time"));
    }
    if silence.ends_at < manager.now() {
        return Err(Answer::bad("Failed to create silence: end time can't be in the past"));
    }
    match manager.set_silence(silence).await {
        Ok(id) => {
            let mut out = String::from("{\"silenceID\":");
            push_json_str(&mut out, &id);
            out.push('}');
            Ok(Answer::json(out))
        }
        Err(err) => {
            tracing::error!(component = "api", %err, "Failed to create silence");
            let status = match err {
                SilenceError::NotFound => StatusCode::NOT_FOUND,
                SilenceError::NotDurable(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            Err(Answer::text(status, &err.to_string()))
        }
    }
}

/// A UUID with its dashes at their places or without any, any letters' case.
fn checked_id(id: &str) -> Result<String, Answer> {
    let bytes = id.as_bytes();
    let dash = |at: usize| bytes.len() == 36 && matches!(at, 8 | 13 | 18 | 23);
    let good = matches!(bytes.len(), 32 | 36)
        && bytes
            .iter()
            .enumerate()
            .all(|(at, b)| if dash(at) { *b == b'-' } else { b.is_ascii_hexdigit() });
    if !good {
        let quoted = gauntlet_model::float::GoQuoted(id);
        let message = format!("silenceID in path must be of type uuid: {quoted}");
        return Err(Answer::invalid(BAD_TYPE, &message));
    }
    Ok(id.to_owned())
}
