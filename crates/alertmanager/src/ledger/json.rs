//! Entries as JSON: the lines on disk and the items of `GET /api/v2/ledger`, which are the same but that lines of entries about
//! many alerts leave their labels out.

use std::sync::Arc;

use gauntlet_model::Labels;
use serde_json::{Map, Value, json};

use super::{Cause, Event, LedgerEntry, Subject};
use crate::labels::Fingerprint;
use crate::time::Time;

impl LedgerEntry {
    /// For an API: labels always.
    pub fn to_json(&self) -> Value {
        self.json(true)
    }

    /// For the disk, with a line break at the end.
    pub(super) fn line(&self) -> String {
        let mut line = self.json(self.alerts.len() == 1).to_string();
        line.push('\n');
        line
    }

    fn json(&self, labels: bool) -> Value {
        let alert = |subject: &Subject| {
            let mut alert = Map::new();
            alert.insert("fingerprint".into(), subject.fingerprint.to_string().into());
            if labels {
                let pairs = subject.labels.iter().map(|(n, v)| (n.to_owned(), v.into()));
                alert.insert("labels".into(), Value::Object(pairs.collect()));
            }
            Value::Object(alert)
        };
        let mut out = Map::new();
        out.insert("number".into(), self.number.into());
        out.insert("at".into(), self.at.to_string().into());
        out.insert("event".into(), self.event.kind().as_str().into());
        out.insert("alerts".into(), self.alerts.iter().map(alert).collect());
        if self.more > 0 {
            out.insert("more".into(), self.more.into());
        }
        if let Value::Object(fields) = fields(&self.event) {
            out.extend(fields);
        }
        Value::Object(out)
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

fn fields(event: &Event) -> Value {
    match event {
        Event::Received { from, change, starts_at, ends_at } => json!({
            "from": from, "change": change,
            "startsAt": starts_at.to_string(), "endsAt": ends_at.to_string(),
        }),
        Event::Restored { extended } => json!({ "extended": extended }),
        Event::Limited { limit } => json!({ "limit": limit }),
        Event::Grouped { group_key, receiver, flush_at } => json!({
            "groupKey": group_key, "receiver": receiver, "flushAt": flush_at.to_string(),
        }),
        Event::Suppressed { group_key, receiver, cause } => {
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
            json!({ "groupKey": group_key, "receiver": receiver, "cause": cause })
        }
        Event::Resumed { group_key, receiver } => {
            json!({ "groupKey": group_key, "receiver": receiver })
        }
        Event::Attempt { group_key, receiver, integration, tries, error }
        | Event::Failed { group_key, receiver, integration, tries, error } => json!({
            "groupKey": group_key, "receiver": receiver, "integration": integration,
            "tries": tries, "error": error,
        }),
        Event::Sent { group_key, receiver, integration, reason, tries, took_ms } => json!({
            "groupKey": group_key, "receiver": receiver, "integration": integration,
            "reason": reason, "tries": tries, "tookMs": took_ms,
        }),
        Event::Told { group_key, receiver, integration, at } => json!({
            "groupKey": group_key, "receiver": receiver, "integration": integration,
            "toldAt": at.to_string(),
        }),
        Event::Forgotten => json!({}),
    }
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
