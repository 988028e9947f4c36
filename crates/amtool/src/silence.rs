//! Commands about silences.

use std::io::Read as _;

use gauntlet_alertmanager::Time;
use gauntlet_model::duration::Duration;
use gauntlet_model::duration::GoDuration;
use serde_json::{Value, json};

use crate::alert::object;
use crate::args::{go_quoted, io_text};
use crate::client::{Client, is_not_found, matcher_json};
use crate::{Failure, Run, format};

/// The largest file of silences.
const MAX_IMPORT_BYTES: u64 = 256 << 20;
/// Calls under way at once, at most.
const MAX_WORKERS: usize = 256;
const NS_PER_MS: i64 = 1_000_000;

/// `silence add`.
pub(crate) async fn add(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let words = run.words_with_name();
    let mut matchers = Vec::new();
    for word in &words {
        matchers.push(matcher_json(&run.matcher(word).map_err(Failure::Message)?));
    }
    if matchers.is_empty() {
        return Err(Failure::new("no matchers specified"));
    }
    let call = &run.call;
    let starts = match call.text("start") {
        "" => Time::now(&*run.world.clock),
        text => time(text)?,
    };
    let ends = match call.text("end") {
        "" => starts.plus_ns(lasting(call.text("duration"))?),
        text => time(text)?,
    };
    if starts > ends {
        return Err(Failure::new("silence cannot start after it ends"));
    }
    let comment = call.text("comment").to_owned();
    if call.bool("require-comment") && comment.is_empty() {
        return Err(Failure::new("comment required by config"));
    }
    let author = call.text("author").to_owned();
    let annotations = call.texts("annotation").to_vec();
    let annotations = run.pairs(&annotations, "annotations")?;
    let mut silence = json!({
        "comment": comment,
        "createdBy": author,
        "endsAt": ends.to_ms_text(),
        "matchers": matchers,
        "startsAt": starts.to_ms_text(),
    });
    if !annotations.is_empty() {
        silence["annotations"] = object(annotations);
    }
    let id = Client::new(run)?.post_silence(&silence).await?;
    run.print(&id);
    Ok(())
}

/// `silence expire`.
pub(crate) async fn expire(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    if run.call.arguments.is_empty() {
        return Err(Failure::new("no silence IDs specified"));
    }
    let client = Client::new(run)?;
    for id in &run.call.arguments {
        client.expire_silence(id).await?;
    }
    Ok(())
}

/// `silence query`.
pub(crate) async fn query(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let filter = run.words_with_name();
    let client = Client::new(run)?;
    let silences = client.silences(&filter).await?;
    let now = Time::now(&*run.world.clock);
    let call = &run.call;
    let expired = call.bool("expired");
    let within_ns = GoDuration::parse_flag(call.text("within")).map_or(0, GoDuration::as_ns);
    let wanted = |silence: &Value| {
        let Some(ends) = silence["endsAt"].as_str().and_then(Time::parse) else { return false };
        let over = ends < now;
        let near =
            if expired { ends >= now.plus_ns(-within_ns) } else { ends <= now.plus_ns(within_ns) };
        let is = |field: &str, flag: &str| {
            call.text(flag).is_empty() || silence[field].as_str() == Some(call.text(flag))
        };
        over == expired
            && (within_ns <= 0 || near)
            && is("createdBy", "created-by")
            && is("id", "id")
    };
    let silences: Vec<Value> = silences.into_iter().filter(wanted).collect();
    show(run, silences);
    Ok(())
}

/// `silence update`.
pub(crate) async fn update(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    if run.call.arguments.is_empty() {
        return Err(Failure::new("no silence IDs specified"));
    }
    let client = Client::new(run)?;
    let call = &run.call;
    let mut updated = Vec::new();
    for id in &call.arguments {
        let mut silence = client.silence(id).await?;
        if !call.text("start").is_empty() {
            silence["startsAt"] = time(call.text("start"))?.to_ms_text().into();
        }
        let of = |field: &str| silence[field].as_str().and_then(Time::parse).unwrap_or(Time::ZERO);
        let starts = of("startsAt");
        let ends = match (call.text("end"), call.text("duration")) {
            ("", "") => of("endsAt"),
            ("", duration) => starts.plus_ns(lasting(duration)?),
            (text, _) => time(text)?,
        };
        if starts > ends {
            return Err(Failure::new("silence cannot start after it ends"));
        }
        silence["endsAt"] = ends.to_ms_text().into();
        if !call.text("comment").is_empty() {
            silence["comment"] = call.text("comment").into();
        }
        silence["id"] = client.post_silence(&postable(&silence)).await?.into();
        updated.push(silence);
    }
    show(run, updated);
    Ok(())
}

/// `silence import`.
pub(crate) async fn import(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let mut text = Vec::new();
    match run.call.arguments.first() {
        Some(path) => {
            let file = std::fs::File::open(path)
                .map_err(|err| Failure::Message(io_text("open", path, &err)))?;
            file.take(MAX_IMPORT_BYTES).read_to_end(&mut text)
        }
        None => (&mut *run.world.stdin).take(MAX_IMPORT_BYTES).read_to_end(&mut text),
    }
    .map_err(|err| Failure::Message(err.to_string()))?;
    let silences: Vec<Value> = serde_json::from_slice(&text).map_err(|err| {
        // The first character decides, as it does for the peer; further in we say where.
        let text = match text.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'[') => err.to_string(),
            Some(_) => "not at beginning of value".to_owned(),
            None => "EOF".to_owned(),
        };
        Failure::Message(format!("couldn't unmarshal input data, is it JSON?: {text}"))
    })?;
    let client = Client::new(run)?;
    let force = run.call.bool("force");
    let workers = run.call.text("worker").parse::<f64>().unwrap_or(8.0) as usize;
    let mut failed = 0;
    for batch in silences.chunks(workers.clamp(1, MAX_WORKERS)) {
        let mut sends = Vec::new();
        for silence in batch {
            sends.push(import_one(&client, silence, force));
        }
        for (result, silence) in join(sends).await.into_iter().zip(batch) {
            match result {
                Ok(id) => run.print(&id),
                Err(failure) => {
                    failed += 1;
                    let id = silence["id"].as_str().unwrap_or_default();
                    let line = format!("Error adding silence id='{id}': {failure}\n");
                    run.out.stderr += &line;
                }
            }
        }
    }
    if failed > 0 {
        let all = silences.len();
        return Err(Failure::new(format!("couldn't import {failed} out of {all} silences")));
    }
    Ok(())
}

/// Sends a silence; one whose id the server does not know is made anew.
async fn import_one(client: &Client, silence: &Value, force: bool) -> Result<String, Failure> {
    let mut silence = postable(silence);
    if force {
        silence["id"] = Value::Null;
    }
    match client.post_silence(&without_null(&silence)).await {
        Err(failure) if is_not_found(&failure) => {
            silence["id"] = Value::Null;
            client.post_silence(&without_null(&silence)).await
        }
        other => other,
    }
}

/// Waits for all, in their order.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

fn show(run: &mut Run<'_, '_>, silences: Vec<Value>) {
    if run.call.bool("quiet") {
        for silence in &silences {
            run.print(silence["id"].as_str().unwrap_or_default());
        }
    } else {
        let table = format::silences(run.call.output, &run.call.date_format, silences);
        run.out.stdout += &table;
    }
}

/// The fields of a silence that may be sent.
fn postable(silence: &Value) -> Value {
    const FIELDS: [&str; 7] =
        ["annotations", "comment", "createdBy", "endsAt", "id", "matchers", "startsAt"];
    let fields = FIELDS.iter().filter_map(|f| Some(((*f).to_owned(), silence.get(f)?.clone())));
    Value::Object(fields.collect())
}

fn without_null(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A time as RFC 3339 has it; errs in Go's words for the commonest mistake.
pub(crate) fn time(text: &str) -> Result<Time, Failure> {
    Time::parse(text).ok_or_else(|| {
        let why = match gauntlet_template::Time::parse_rfc3339(text) {
            Err(why) => why,
            Ok(_) => format!("parsing time {}: out of range", go_quoted(text)),
        };
        Failure::Message(why)
    })
}

/// Nanoseconds of a silence's duration.
fn lasting(text: &str) -> Result<i64, Failure> {
    let duration = text.parse::<Duration>().map_err(|err| Failure::Message(err.to_string()))?;
    match duration.as_ms() {
        0 => Err(Failure::new("silence duration must be greater than 0")),
        ms => Ok(ms.saturating_mul(NS_PER_MS)),
    }
}
