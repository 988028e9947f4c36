//! Notification texts against Alertmanager's own, over its five groups of alerts.
//!
//! The built-in templates belong to crate `notify`; without its files the cases that need them are left out, aloud.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_runtime::ManualClock;
use gauntlet_template::functions::alertmanager::{add_route_labels, funcs};
use gauntlet_template::{
    CallError, Context, Error, Limits, Map, MissingKey, Mode, Object, Set, Signature, Time, Type,
    Value, Zone,
};
use serde_json::Value as Json;

use crate::golden::{self, Outcome, bytes_at};

const GAPS: &[(&str, &str)] = &[
    (
        "{{ template \"email.default.html\" . }}",
        "the file has shorthands that crate notify expands, and compares there",
    ),
    (" ", "in HTML mode blank text prints the line ends between the peer's built-in definitions"),
];

#[test]
fn notification_texts_are_alertmanagers() {
    let Some(vectors) = golden::load("alertmanager-template.json") else { return };
    let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notify/src/texts");
    let builtin: Option<Vec<String>> = ["default.tmpl", "email.tmpl"]
        .iter()
        .map(|file| std::fs::read_to_string(texts.join(file)).ok())
        .collect();
    if builtin.is_none() {
        println!("SKIPPED: built-in templates, no {}", texts.display());
    }
    let cases: Vec<Json> = vectors["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| {
            let needs = case["template"]
                .as_str()
                .is_some_and(|t| t.contains(".default.") || t.contains("{{ template \"__"));
            builtin.is_some() || !needs
        })
        .cloned()
        .collect();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let plain = funcs(clock);
    let sets = [Mode::Text, Mode::Html].map(|mode| {
        let mut set = Set::new(mode, MissingKey::Zero);
        for text in builtin.iter().flatten() {
            let mut all = plain.clone();
            add_route_labels(&mut all, HashMap::new(), Value::Missing);
            set.parse("", text, &all).unwrap();
        }
        set
    });
    golden::run("alertmanager", &cases, GAPS, |case| {
        let text = bytes_at(case, "template").unwrap();
        if text.is_empty() {
            return Outcome::Output(Vec::new());
        }
        let group = &vectors["groups"][case["group"].as_str().unwrap()]["data"];
        let data = Value::object(Struct::data(group));
        let mut funcs = plain.clone();
        let labels = group["routeLabels"].as_object().unwrap().iter();
        let labels = labels.map(|(k, v)| (k.clone().into(), v.as_str().unwrap().to_owned().into()));
        add_route_labels(&mut funcs, labels.collect(), data.clone());
        let mut set = sets[usize::from(case["html"] == true)].clone();
        let done = set
            .parse("", &text, &funcs)
            .and_then(|()| set.program(""))
            .and_then(|program| program.execute(data, &funcs, &Limits::default()));
        match done {
            Ok(out) => Outcome::Output(out),
            Err(Error::Limit(limit, text)) => panic!("{case}: {limit} {text}"),
            Err(error) => Outcome::Error { text: error.to_string(), partial: None },
        }
    });
}

/// A struct: fields with their JSON names.
#[derive(Debug)]
struct Struct {
    type_name: &'static str,
    names: &'static [&'static str],
    json: &'static [&'static str],
    values: Vec<Value>,
}

/// A field of the data that is not exported; it prints all the same.
const PRIVATE: &str = "routeLabelsRendered";

impl Struct {
    fn data(json: &Json) -> Self {
        let text = |key: &str| Value::str(json[key].as_str().unwrap());
        let kv = |key: &str| Value::object(Kv::of(&json[key]));
        let alerts = json["alerts"].as_array().unwrap().iter().map(Self::alert);
        Self {
            type_name: "*template.Data",
            names: &[
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
            ],
            json: &[
                "receiver",
                "status",
                "alerts",
                "notification_reason",
                "groupLabels",
                "commonLabels",
                "commonAnnotations",
                "routeLabels",
                "externalURL",
            ],
            values: vec![
                text("receiver"),
                text("status"),
                Value::object(Alerts(alerts.map(Arc::new).collect())),
                text("notification_reason"),
                kv("groupLabels"),
                kv("commonLabels"),
                kv("commonAnnotations"),
                kv("routeLabels"),
                text("externalURL"),
                Value::Bool(false),
            ],
        }
    }

    fn alert(json: &Json) -> Self {
        let text = |key: &str| Value::str(json[key].as_str().unwrap());
        // The recording had a zone with a name, which JSON does not keep.
        let time = |key: &str| {
            let time = Time::parse_rfc3339(json[key].as_str().unwrap()).unwrap();
            Value::Time(match time.zone() {
                Zone::Fixed(_, 3600) => time.in_zone(Zone::Fixed("CET".to_owned(), 3600)),
                _ => time,
            })
        };
        Self {
            type_name: "template.Alert",
            names: &[
                "Status",
                "Labels",
                "Annotations",
                "StartsAt",
                "EndsAt",
                "GeneratorURL",
                "Fingerprint",
            ],
            json: &[
                "status",
                "labels",
                "annotations",
                "startsAt",
                "endsAt",
                "generatorURL",
                "fingerprint",
            ],
            values: vec![
                text("status"),
                Value::object(Kv::of(&json["labels"])),
                Value::object(Kv::of(&json["annotations"])),
                time("startsAt"),
                time("endsAt"),
                text("generatorURL"),
                text("fingerprint"),
            ],
        }
    }

    fn pair(name: &str, value: &str) -> Self {
        Self {
            type_name: "template.Pair",
            names: &["Name", "Value"],
            json: &["Name", "Value"],
            values: vec![Value::str(name), Value::str(value)],
        }
    }
}

impl Object for Struct {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn field_names(&self) -> &'static [&'static str] {
        self.names
    }

    fn field(&self, name: &str) -> Option<Value> {
        let at = self.names.iter().position(|n| *n == name)?;
        Some(self.values[at].clone())
    }

    fn has_private_field(&self, name: &str) -> bool {
        name == PRIVATE
    }

    fn json(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(self.json.iter().copied().zip(self.values.iter().cloned()).collect())
    }
}

#[derive(Debug)]
struct Alerts(Vec<Arc<Struct>>);

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn underlying(&self) -> Option<Value> {
        let items = self.0.iter().map(|a| Value::Object(a.clone()));
        Some(Value::list(Type::Object("template.Alert"), items.collect()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "Firing" | "Resolved").then_some(Signature::NONE)
    }

    fn call(&self, name: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        let status = name.to_lowercase();
        let items = self
            .0
            .iter()
            .filter(|alert| alert.values[0].as_bytes().is_some_and(|s| s == status.as_bytes()));
        let items = items.map(|alert| Value::Object(alert.clone()));
        Ok(Value::list(Type::Object("template.Alert"), items.collect()))
    }
}

#[derive(Clone, Debug)]
struct Kv(Vec<(String, String)>);

impl Kv {
    fn of(json: &Json) -> Self {
        let mut pairs: Vec<_> = json
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        pairs.sort();
        Self(pairs)
    }

    /// `alertname` first.
    fn sorted(&self) -> Vec<(String, String)> {
        let mut pairs = self.0.clone();
        pairs.sort_by_key(|(name, _)| name != "alertname");
        pairs
    }
}

fn show(pairs: &[(String, String)]) -> Option<Bytes> {
    let all: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
    Some(all.join(", ").into())
}

fn names_or_values(pairs: &[(String, String)], name: &str) -> Value {
    Value::object(Strings(
        pairs.iter().map(|(n, v)| if name == "Names" { n.clone() } else { v.clone() }).collect(),
    ))
}

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::map(Map::strings(self.0.iter().cloned())))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(match name {
            "SortedPairs" | "Names" | "Values" | "String" => Signature::NONE,
            "Remove" => Signature::of(&[Type::STRINGS]),
            _ => return None,
        })
    }

    fn call(&self, name: &str, args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(match name {
            "SortedPairs" => Value::object(Pairs(self.sorted())),
            "Remove" => {
                let Value::List(list) = &args[0] else { panic!("{args:?}") };
                let gone = |n: &str| {
                    list.items.iter().any(|i| i.as_bytes().is_some_and(|b| b == n.as_bytes()))
                };
                Value::object(Self(self.0.iter().filter(|(n, _)| !gone(n)).cloned().collect()))
            }
            "String" => Value::string(self.string().unwrap()),
            _ => names_or_values(&self.sorted(), name),
        })
    }

    fn string(&self) -> Option<Bytes> {
        show(&self.sorted())
    }
}

#[derive(Debug)]
struct Pairs(Vec<(String, String)>);

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn underlying(&self) -> Option<Value> {
        let items = self.0.iter().map(|(n, v)| Value::object(Struct::pair(n, v)));
        Some(Value::list(Type::Object("template.Pair"), items.collect()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "Names" | "Values" | "String").then_some(Signature::NONE)
    }

    fn call(&self, name: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(match name {
            "String" => Value::string(self.string().unwrap()),
            _ => names_or_values(&self.0, name),
        })
    }

    fn string(&self) -> Option<Bytes> {
        show(&self.0)
    }
}

#[derive(Debug)]
struct Strings(Vec<String>);

impl Object for Strings {
    fn type_name(&self) -> &'static str {
        "template.StringSlice"
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::strings(self.0.clone()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Join").then_some(Signature::of(&[Type::STRING]))
    }

    fn call(&self, _: &str, args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        let separator = String::from_utf8(args[0].as_bytes().unwrap().to_vec()).unwrap();
        Ok(Value::from(self.0.join(&separator)))
    }
}
