//! Entries as JSON: the lines on disk and the items of `GET /api/v2/ledger`, which are the same but that lines of entries about
//! many alerts leave their labels out.

use std::fmt::Write as _;
use std::sync::Arc;

use gauntlet_encoding::push_json_str;
use gauntlet_model::Labels;
use serde_json::{Value, json};

use super::{Cause, Event, LedgerEntry, Subject};
use crate::labels::Fingerprint;
use crate::time::Time;

impl LedgerEntry {
    /// For an API: labels always.
    pub fn to_json(&self) -> Value {
        serde_json::from_str(&self.text(true)).unwrap_or_default()
    }

    /// For the disk, with a line break at the end.
    pub(super) fn line(&self) -> String {
        let mut line = self.text(self.alerts.len() == 1);
        line.push('\n');
        line
    }

    fn text(&self, labels: bool) -> String {
        let mut out = Object(String::with_capacity(512));
        out.number("number", self.number);
        out.text("at", &self.at.to_string());
        out.text("event", self.event.kind().as_str());
        out.key("alerts");
        out.0.push('[');
        for (at, subject) in self.alerts.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(out.0, "{comma}{{\"fingerprint\":\"{}\"", subject.fingerprint);
            if labels {
                out.0.push_str(",\"labels\":{");
                for (at, (name, value)) in subject.labels.iter().enumerate() {
                    if at > 0 {
                        out.0.push(',');
                    }
                    push_json_str(&mut out.0, name);
                    out.0.push(':');
                    push_json_str(&mut out.0, value);
                }
                out.0.push('}');
            }
            out.0.push('}');
        }
        out.0.push(']');
        if self.more > 0 {
            out.number("more", self.more);
        }
        push_fields(&mut out, &self.event);
        out.0.push('}');
        out.0
    }

    /// Reads a line; `None` if it is none of ours.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let alert = |alert: &Value| {
            let fingerprint = Fingerprint::parse(alert.get("fingerprint")?.as_str()?)?;
            let labels = match alert.get("labels").and_then(Value::as_object) {
                Some(pairs) => Labels::from_pairs(
                    pairs.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap_or_default())),
                ),
                None => Labels::empty(),
            };
            Some(Subject { fingerprint, labels })
        };
        let alerts: Option<Vec<Subject>> =
            value.get("alerts")?.as_array()?.iter().map(alert).collect();
        Some(Self {
            number: value.get("number")?.as_u64()?,
            at: Time::parse(value.get("at")?.as_str()?)?,
            alerts: Arc::from(alerts?),
            more: value.get("more").and_then(Value::as_u64).unwrap_or(0) as usize,
            event: event(&value)?,
        })
    }
}

/// An object that is being written.
struct Object(String);

impl Object {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_json_str(&mut self.0, key);
        self.0.push(':');
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        push_json_str(&mut self.0, text);
    }

    /// A number, a boolean or an object.
    fn number(&mut self, key: &str, number: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.0, "{number}");
    }
}

fn push_fields(out: &mut Object, event: &Event) {
    match event {
        Event::Received { from, change, starts_at, ends_at } => {
            out.text("from", from);
            out.text("change", change);
            out.text("startsAt", &starts_at.to_string());
            out.text("endsAt", &ends_at.to_string());
        }
        Event::Restored { extended } => out.number("extended", extended),
        Event::Limited { limit } => out.number("limit", limit),
        Event::Grouped { group_key, receiver, flush_at } => {
            push_group(out, group_key, receiver);
            out.text("flushAt", &flush_at.to_string());
        }
        Event::Suppressed { group_key, receiver, cause } => {
            push_group(out, group_key, receiver);
            let cause = match cause {
                Cause::Inhibited { source, rule } => {
                    json!({ "kind": "inhibited", "source": source.to_string(), "rule": rule })
                }
                Cause::Silenced { silences } => json!({ "kind": "silenced", "silences": silences }),
                Cause::Muted { intervals } => json!({ "kind": "muted", "intervals": intervals }),
                Cause::Inactive { intervals } => {
                    json!({ "kind": "inactive", "intervals": intervals })
                }
            };
            out.number("cause", cause);
        }
        Event::Resumed { group_key, receiver } => push_group(out, group_key, receiver),
        Event::Attempt { group_key, receiver, integration, tries, error }
        | Event::Failed { group_key, receiver, integration, tries, error } => {
            push_group(out, group_key, receiver);
            out.text("integration", integration);
            out.number("tries", tries);
            out.text("error", error);
        }
        Event::Sent { group_key, receiver, integration, reason, tries, took_ms } => {
            push_group(out, group_key, receiver);
            out.text("integration", integration);
            out.text("reason", reason);
            out.number("tries", tries);
            out.number("tookMs", took_ms);
        }
        Event::Told { group_key, receiver, integration, at }
        | Event::Duplicate { group_key, receiver, integration, at } => {
            push_group(out, group_key, receiver);
            out.text("integration", integration);
            out.text("toldAt", &at.to_string());
        }
        Event::Forgotten => {}
    }
}

fn push_group(out: &mut Object, group_key: &str, receiver: &str) {
    out.text("groupKey", group_key);
    out.text("receiver", receiver);
}

/// Texts that are constants in events; what a newer version may have written besides is cut to "other".
const CHANGES: [&str; 3] = ["new", "changed", "resolved"];
const REASONS: [&str; 5] = [
    "first notification",
    "new alerts added",
    "some alerts resolved",
    "all alerts resolved",
    "repeat interval elapsed",
];

fn event(value: &Value) -> Option<Event> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let time = |key: &str| Time::parse(value.get(key)?.as_str()?);
    let tries = || Some(value.get("tries")?.as_u64()? as u32);
    let known = |key: &str, all: &'static [&'static str]| {
        let text = value.get(key)?.as_str()?;
        Some(all.iter().copied().find(|known| *known == text).unwrap_or("other"))
    };
    let group_key = || text("groupKey");
    let receiver = || text("receiver");
    let integration = || text("integration");
    Some(match value.get("event")?.as_str()? {
        "received" => Event::Received {
            from: text("from")?,
            change: known("change", &CHANGES)?,
            starts_at: time("startsAt")?,
            ends_at: time("endsAt")?,
        },
        "restored" => Event::Restored { extended: value.get("extended")?.as_bool()? },
        "limited" => Event::Limited { limit: value.get("limit")?.as_u64()? as usize },
        "grouped" => Event::Grouped {
            group_key: group_key()?,
            receiver: receiver()?,
            flush_at: time("flushAt")?,
        },
        "suppressed" => Event::Suppressed {
            group_key: group_key()?,
            receiver: receiver()?,
            cause: cause(value.get("cause")?)?,
        },
        "resumed" => Event::Resumed { group_key: group_key()?, receiver: receiver()? },
        "attempt" => Event::Attempt {
            group_key: group_key()?,
            receiver: receiver()?,
            integration: integration()?,
            tries: tries()?,
            error: text("error")?,
        },
        "failed" => Event::Failed {
            group_key: group_key()?,
            receiver: receiver()?,
            integration: integration()?,
            tries: tries()?,
            error: text("error")?,
        },
        "sent" => Event::Sent {
            group_key: group_key()?,
            receiver: receiver()?,
            integration: integration()?,
            reason: known("reason", &REASONS)?,
            tries: tries()?,
            took_ms: value.get("tookMs")?.as_i64()?,
        },
        "told" => Event::Told {
            group_key: group_key()?,
            receiver: receiver()?,
            integration: integration()?,
            at: time("toldAt")?,
        },
        "duplicate" => Event::Duplicate {
            group_key: group_key()?,
            receiver: receiver()?,
            integration: integration()?,
            at: time("toldAt")?,
        },
        "forgotten" => Event::Forgotten,
        _ => return None,
    })
}

fn cause(value: &Value) -> Option<Cause> {
    let list = |key: &str| {
        let items = value.get(key)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    };
    Some(match value.get("kind")?.as_str()? {
        "inhibited" => Cause::Inhibited {
            source: Fingerprint::parse(value.get("source")?.as_str()?)?,
            rule: value.get("rule")?.as_str()?.to_owned(),
        },
        "silenced" => Cause::Silenced { silences: list("silences")? },
        "muted" => Cause::Muted { intervals: list("intervals")? },
        "inactive" => Cause::Inactive { intervals: list("intervals")? },
        _ => return None,
    })
}
