//! What templates and webhooks see of a notification: the group, its alerts, what they have in common.
//!
//! Names of fields, methods and JSON keys are upstream's, for users' templates know them. [`Data`] also reads back from its JSON, which
//! is what tools that try templates are given.

mod kv;
mod objects;

use std::sync::Arc;

use gauntlet_template::{Time, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use kv::Kv;
use objects::DataObject;

use crate::notifier::{Alert, NotifyContext};

/// A notification. Cheap to clone: alerts and label sets are shared.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Data {
    /// The receiver's name with characters that mean something in a regex escaped, as upstream has it.
    pub receiver: String,
    /// `firing` or `resolved`.
    pub status: String,
    #[serde(serialize_with = "write_alerts", deserialize_with = "read_alerts")]
    pub alerts: Vec<Arc<AlertData>>,
    /// Why it is sent.
    pub notification_reason: String,
    #[serde(rename = "groupLabels")]
    pub group_labels: Kv,
    #[serde(rename = "commonLabels")]
    pub common_labels: Kv,
    #[serde(rename = "commonAnnotations")]
    pub common_annotations: Kv,
    #[serde(rename = "routeLabels")]
    pub route_labels: Kv,
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// Whether the route's labels are texts, no templates any more.
    #[serde(skip)]
    pub route_labels_rendered: bool,
}

/// An alert of a notification.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertData {
    /// `firing` or `resolved`.
    pub status: String,
    pub labels: Kv,
    pub annotations: Kv,
    #[serde(rename = "startsAt")]
    pub starts_at: Moment,
    /// Zero while the alert fires.
    #[serde(rename = "endsAt")]
    pub ends_at: Moment,
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// Sixteen hexadecimal digits.
    pub fingerprint: String,
}

pub(crate) const FIRING: &str = "firing";
pub(crate) const RESOLVED: &str = "resolved";

impl Data {
    pub(crate) fn new(cx: &NotifyContext, alerts: &[Alert], external_url: &str) -> Self {
        let status = if alerts.iter().any(Alert::is_firing) { FIRING } else { RESOLVED };
        let alerts: Vec<Arc<AlertData>> =
            alerts.iter().map(|alert| Arc::new(AlertData::new(alert))).collect();
        Self {
            receiver: quote_meta(&cx.receiver),
            status: status.to_owned(),
            notification_reason: cx.reason.to_owned(),
            group_labels: cx.group_labels.clone(),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            route_labels: cx.route_labels.clone(),
            external_url: external_url.to_owned(),
            route_labels_rendered: true,
            alerts,
        }
    }

    /// As templates see it.
    pub(crate) fn to_value(&self) -> Value {
        Value::object(DataObject(self.clone()))
    }
}

impl AlertData {
    fn new(alert: &Alert) -> Self {
        let status = if alert.is_firing() { FIRING } else { RESOLVED };
        Self {
            status: status.to_owned(),
            labels: Kv::from_pairs(alert.labels.iter()),
            annotations: alert.annotations.clone(),
            starts_at: Moment(alert.starts_at.clone()),
            ends_at: Moment(alert.ends_at.clone()),
            generator_url: alert.generator_url.clone(),
            fingerprint: format!("{:016x}", alert.fingerprint),
        }
    }
}

/// What all sets have, with the same value.
fn common<'a>(mut sets: impl Iterator<Item = &'a Kv>) -> Kv {
    let Some(first) = sets.next() else { return Kv::default() };
    let mut common = first.to_map();
    for set in sets {
        if common.is_empty() {
            break;
        }
        common.retain(|name, value| set.get(name).unwrap_or_default() == value);
    }
    Kv::from(common)
}

/// Go's `regexp.QuoteMeta`.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn write_alerts<S: Serializer>(alerts: &[Arc<AlertData>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(alerts.iter().map(|alert| &**alert))
}

/// Null is an empty list.
fn read_alerts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Arc<AlertData>>, D::Error> {
    let alerts = Option::<Vec<AlertData>>::deserialize(from)?;
    Ok(alerts.unwrap_or_default().into_iter().map(Arc::new).collect())
}

/// A time that is RFC 3339 in JSON, to the nanosecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment(pub Time);

/// Go's `time.RFC3339Nano`.
const RFC3339_NANO: &[u8] = b"2006-01-02T15:04:05.999999999Z07:00";

impl Default for Moment {
    fn default() -> Self {
        Self(Time::ZERO)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0.format(RFC3339_NANO)))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse_rfc3339(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_alerts_share_is_common() {
        let set = |pairs: &[(&str, &str)]| Kv::from_pairs(pairs.iter().copied());
        let sets = [set(&[("a", "1"), ("b", "2"), ("e", "")]), set(&[("a", "1"), ("b", "3")])];
        // Upstream compares with a missing value as with an empty one.
        assert_eq!(common(sets.iter()), set(&[("a", "1"), ("e", "")]));
        assert_eq!(common([].into_iter()), Kv::default());
    }

    #[test]
    fn receivers_are_quoted_for_regexes() {
        assert_eq!(quote_meta("a.b-c (x)"), r"a\.b-c \(x\)");
    }
}
