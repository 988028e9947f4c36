//! JSON text as Go writes it for the API: sorted keys, no spaces, no escapes for HTML.

use std::fmt::Write as _;

use gauntlet_encoding::push_json_str;
use gauntlet_model::MatchOp;

use crate::pipeline::AlertInfo;
use crate::silence::Silence;
use crate::time::Time;

/// An object of texts, in the order they come.
pub(super) fn push_pairs<'a>(
    out: &mut String,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    out.push('{');
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_str(out, name);
        out.push(':');
        push_json_str(out, value);
    }
    out.push('}');
}

/// A list of texts.
fn push_texts<T: AsRef<str>>(out: &mut String, texts: impl IntoIterator<Item = T>) {
    out.push('[');
    for (i, text) in texts.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_str(out, text.as_ref());
    }
    out.push(']');
}

pub(super) fn push_time(out: &mut String, time: Time) {
    out.push('"');
    out.push_str(&time.to_ms_text());
    out.push('"');
}

/// An alert; `muted_by` are the intervals that keep its group quiet.
pub(super) fn push_alert(out: &mut String, info: &AlertInfo, muted_by: &[String]) {
    let alert = &info.alert;
    out.push_str("{\"annotations\":");
    push_pairs(out, alert.annotations.iter());
    out.push_str(",\"endsAt\":");
    push_time(out, alert.ends_at);
    let _ = write!(out, ",\"fingerprint\":\"{}\",\"receivers\":[", alert.fingerprint);
    for (i, receiver) in info.receivers.iter().enumerate() {
        out.push_str(if i > 0 { ",{\"name\":" } else { "{\"name\":" });
        push_json_str(out, receiver);
        out.push('}');
    }
    out.push_str("],\"startsAt\":");
    push_time(out, alert.starts_at);
    out.push_str(",\"status\":{\"inhibitedBy\":");
    push_texts(out, info.status.inhibited_by.iter().map(ToString::to_string));
    out.push_str(",\"mutedBy\":");
    push_texts(out, muted_by);
    out.push_str(",\"silencedBy\":");
    push_texts(out, &info.status.silenced_by);
    let state = if muted_by.is_empty() { info.status.state.as_str() } else { "suppressed" };
    let _ = write!(out, ",\"state\":\"{state}\"}},\"updatedAt\":");
    push_time(out, alert.updated_at);
    if !alert.generator_url.is_empty() {
        out.push_str(",\"generatorURL\":");
        push_json_str(out, &alert.generator_url);
    }
    out.push_str(",\"labels\":");
    push_pairs(out, alert.labels.iter());
    out.push('}');
}

/// A silence of one matcher set, with its state now.
pub(super) fn push_silence(out: &mut String, silence: &Silence, now: Time) {
    out.push_str("{\"id\":");
    push_json_str(out, &silence.id);
    let _ =
        write!(out, ",\"status\":{{\"state\":\"{}\"}},\"updatedAt\":", silence.state(now).as_str());
    push_time(out, silence.updated_at);
    if !silence.annotations.is_empty() {
        out.push_str(",\"annotations\":");
        push_pairs(out, silence.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    }
    out.push_str(",\"comment\":");
    push_json_str(out, &silence.comment);
    out.push_str(",\"createdBy\":");
    push_json_str(out, &silence.created_by);
    out.push_str(",\"endsAt\":");
    push_time(out, silence.ends_at);
    out.push_str(",\"matchers\":[");
    for (i, matcher) in silence.matcher_sets.first().into_iter().flatten().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let is_equal = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
        let is_regex = matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex);
        let _ = write!(out, "{{\"isEqual\":{is_equal},\"isRegex\":{is_regex},\"name\":");
        push_json_str(out, &matcher.name);
        out.push_str(",\"value\":");
        push_json_str(out, &matcher.pattern);
        out.push('}');
    }
    out.push_str("],\"startsAt\":");
    push_time(out, silence.starts_at);
    out.push('}');
}
