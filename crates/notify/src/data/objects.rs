//! The data's types as the template language sees them: fields, methods, what prints.

use std::sync::Arc;

use bytes::Bytes;
use gauntlet_template::{CallError, Context, Object, Signature, Type, Value};

use super::{AlertData, Data, FIRING, Kv, RESOLVED};

/// `*template.Data`
#[derive(Debug)]
pub(super) struct DataObject(pub(super) Data);

/// Not for templates, but printed with the rest.
const PRIVATE: &str = "routeLabelsRendered";

const ALERT: Type = Type::Object("template.Alert");

impl Object for DataObject {
    fn type_name(&self) -> &'static str {
        "*template.Data"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &[
            "Receiver",
            "Status",
            "Alerts",
            "NotificationReason",
            "GroupLabels",
            "CommonLabels",
            "CommonAnnotations",
            "RouteLabels",
            "ExternalURL",
            PRIVATE,
        ]
    }

    fn field(&self, name: &str) -> Option<Value> {
        let data = &self.0;
        Some(match name {
            "Receiver" => Value::str(&data.receiver),
            "Status" => Value::str(&data.status),
            "Alerts" => Value::object(Alerts(data.alerts.clone())),
            "NotificationReason" => Value::str(&data.notification_reason),
            "GroupLabels" => Value::object(data.group_labels.clone()),
            "CommonLabels" => Value::object(data.common_labels.clone()),
            "CommonAnnotations" => Value::object(data.common_annotations.clone()),
            "RouteLabels" => Value::object(data.route_labels.clone()),
            "ExternalURL" => Value::str(&data.external_url),
            PRIVATE => Value::Bool(data.route_labels_rendered),
            _ => return None,
        })
    }

    fn has_private_field(&self, name: &str) -> bool {
        name == PRIVATE
    }

    fn json(&self) -> Option<Vec<(&'static str, Value)>> {
        const NAMES: [(&str, &str); 9] = [
            ("receiver", "Receiver"),
            ("status", "Status"),
            ("alerts", "Alerts"),
            ("notification_reason", "NotificationReason"),
            ("groupLabels", "GroupLabels"),
            ("commonLabels", "CommonLabels"),
            ("commonAnnotations", "CommonAnnotations"),
            ("routeLabels", "RouteLabels"),
            ("externalURL", "ExternalURL"),
        ];
        Some(named(&NAMES, self))
    }
}

/// The JSON names of an object's fields with their values.
fn named(names: &[(&'static str, &str)], object: &dyn Object) -> Vec<(&'static str, Value)> {
    names.iter().filter_map(|(json, field)| Some((*json, object.field(field)?))).collect()
}

/// `template.Alerts`
#[derive(Debug)]
struct Alerts(Vec<Arc<AlertData>>);

impl Alerts {
    /// A plain list of those with a status, or of all.
    fn list(&self, status: Option<&str>) -> Value {
        let alerts = self.0.iter().filter(|alert| status.is_none_or(|s| alert.status == s));
        Value::list(ALERT, alerts.map(|alert| Value::object(AlertObject(alert.clone()))).collect())
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn underlying(&self) -> Option<Value> {
        Some(self.list(None))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "Firing" | "Resolved").then_some(Signature::NONE)
    }

    fn call(&self, name: &str, _: &[Value], cx: &mut Context<'_>) -> Result<Value, CallError> {
        cx.spend(self.0.len() as u64)?;
        Ok(self.list(Some(if name == "Firing" { FIRING } else { RESOLVED })))
    }
}

/// `template.Alert`
#[derive(Debug)]
struct AlertObject(Arc<AlertData>);

impl Object for AlertObject {
    fn type_name(&self) -> &'static str {
        "template.Alert"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"]
    }

    fn field(&self, name: &str) -> Option<Value> {
        let alert = &self.0;
        Some(match name {
            "Status" => Value::str(&alert.status),
            "Labels" => Value::object(alert.labels.clone()),
            "Annotations" => Value::object(alert.annotations.clone()),
            "StartsAt" => Value::Time(alert.starts_at.0.clone()),
            "EndsAt" => Value::Time(alert.ends_at.0.clone()),
            "GeneratorURL" => Value::str(&alert.generator_url),
            "Fingerprint" => Value::str(&alert.fingerprint),
            _ => return None,
        })
    }

    fn json(&self) -> Option<Vec<(&'static str, Value)>> {
        const NAMES: [(&str, &str); 7] = [
            ("status", "Status"),
            ("labels", "Labels"),
            ("annotations", "Annotations"),
            ("startsAt", "StartsAt"),
            ("endsAt", "EndsAt"),
            ("generatorURL", "GeneratorURL"),
            ("fingerprint", "Fingerprint"),
        ];
        Some(named(&NAMES, self))
    }
}

/// `template.KV`
impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }

    fn underlying(&self) -> Option<Value> {
        Some(self.value())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "SortedPairs" | "Names" | "Values" | "String" => Some(Signature::NONE),
            "Remove" => Some(Signature::of(&[Type::STRINGS])),
            _ => None,
        }
    }

    fn call(&self, name: &str, args: &[Value], cx: &mut Context<'_>) -> Result<Value, CallError> {
        cx.spend(self.len() as u64)?;
        let pairs =
            Pairs(self.sorted_pairs().iter().map(|(n, v)| ((*n).into(), (*v).into())).collect());
        Ok(match name {
            "Names" => pairs.names(),
            "Values" => pairs.values(),
            "String" => Value::string(pairs.text()),
            "Remove" => {
                let names: Vec<Bytes> = match args.first() {
                    Some(Value::List(list)) => {
                        list.items.iter().filter_map(|item| item.as_bytes().cloned()).collect()
                    }
                    _ => Vec::new(),
                };
                cx.spend(names.len() as u64)?;
                let mut rest = self.to_map();
                for name in names {
                    if let Ok(name) = std::str::from_utf8(&name) {
                        rest.remove(name);
                    }
                }
                Value::object(Self::from(rest))
            }
            _ => Value::object(pairs),
        })
    }

    fn string(&self) -> Option<Bytes> {
        let pairs = self.sorted_pairs();
        Some(Pairs(pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()).text().into())
    }
}

/// `template.Pairs`
#[derive(Clone, Debug)]
struct Pairs(Arc<[(Arc<str>, Arc<str>)]>);

impl Pairs {
    fn names(&self) -> Value {
        Value::object(Strings(self.0.iter().map(|(name, _)| Arc::clone(name)).collect()))
    }

    fn values(&self) -> Value {
        Value::object(Strings(self.0.iter().map(|(_, value)| Arc::clone(value)).collect()))
    }

    fn text(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join(", ")
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn underlying(&self) -> Option<Value> {
        let items = self.0.iter().map(|(n, v)| Value::object(Pair(Arc::clone(n), Arc::clone(v))));
        Some(Value::list(Type::Object("template.Pair"), items.collect()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "Names" | "Values" | "String").then_some(Signature::NONE)
    }

    fn call(&self, name: &str, _: &[Value], cx: &mut Context<'_>) -> Result<Value, CallError> {
        cx.spend(self.0.len() as u64)?;
        Ok(match name {
            "Names" => self.names(),
            "Values" => self.values(),
            _ => Value::string(self.text()),
        })
    }

    fn string(&self) -> Option<Bytes> {
        Some(self.text().into())
    }
}

/// `template.Pair`
#[derive(Debug)]
struct Pair(Arc<str>, Arc<str>);

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "template.Pair"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &["Name", "Value"]
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(Value::str(&self.0)),
            "Value" => Some(Value::str(&self.1)),
            _ => None,
        }
    }
}

/// `template.Strings`
#[derive(Debug)]
struct Strings(Vec<Arc<str>>);

impl Object for Strings {
    fn type_name(&self) -> &'static str {
        "template.Strings"
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::strings(self.0.iter().map(|text| Bytes::copy_from_slice(text.as_bytes()))))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Join").then_some(Signature::of(&[Type::STRING]))
    }

    fn call(&self, _: &str, args: &[Value], cx: &mut Context<'_>) -> Result<Value, CallError> {
        cx.spend(self.0.len() as u64)?;
        let separator = args.first().and_then(Value::as_bytes).cloned().unwrap_or_default();
        let parts: Vec<&[u8]> = self.0.iter().map(|text| text.as_bytes()).collect();
        Ok(Value::string(parts.join(&separator[..])))
    }
}
