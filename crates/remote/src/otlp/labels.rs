//! Label sets of points: their attributes, what is promoted of resource and scope, and upstream's own labels.

use std::collections::HashMap;

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, LabelsBuilder, Metadata, MetricType};
use gauntlet_wire::otlp::any_value::Value;
use gauntlet_wire::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

use super::convert::ConvertError;
use super::names::{LabelNamer, unit_name};
use crate::config::{OtlpConfig, TranslationStrategy};

pub(super) const SERVICE_NAME: &str = "service.name";
pub(super) const SERVICE_NAMESPACE: &str = "service.namespace";
pub(super) const SERVICE_INSTANCE: &str = "service.instance.id";

/// What all points of a resource share.
#[derive(Debug, Default)]
pub(super) struct ResourceLabels {
    job: String,
    instance: String,
    promoted: Labels,
}

/// What all points of a scope share, where it is promoted.
#[derive(Debug)]
pub(super) struct ScopeLabels {
    name: String,
    version: String,
    schema_url: String,
    attributes: Labels,
}

/// Makes label sets; remembers names.
#[derive(Debug)]
pub(super) struct LabelMaker<'a> {
    config: &'a OtlpConfig,
    namer: LabelNamer,
    typed: bool,
    names: HashMap<String, String>,
    /// Labels made of several attributes, with those.
    pub(super) collisions: Vec<(String, String)>,
}

impl<'a> LabelMaker<'a> {
    pub(super) fn new(config: &'a OtlpConfig, typed: bool) -> Self {
        let namer = LabelNamer {
            utf8: allows_utf8(config.translation_strategy),
            prefix_underscores: config.label_name_underscore_sanitization,
            keep_underscores: config.label_name_preserve_multiple_underscores,
        };
        Self { config, namer, typed, names: HashMap::new(), collisions: Vec::new() }
    }

    fn name(&mut self, label: &str) -> Result<String, ConvertError> {
        if let Some(name) = self.names.get(label) {
            return Ok(name.clone());
        }
        let name = self.namer.name(label).map_err(ConvertError::Name)?;
        self.names.insert(label.to_owned(), name.clone());
        Ok(name)
    }

    pub(super) fn resource(&mut self, resource: &Resource) -> Result<ResourceLabels, ConvertError> {
        let get = |key: &str| find(&resource.attributes, key);
        let mut job = get(SERVICE_NAME).unwrap_or_default();
        if let (Some(namespace), true) = (get(SERVICE_NAMESPACE), get(SERVICE_NAME).is_some()) {
            job = format!("{namespace}/{job}");
        }
        let mut promoted = LabelsBuilder::default();
        for attribute in &resource.attributes {
            let promote = if self.config.promote_all_resource_attributes {
                !self.config.ignore_resource_attributes.contains(&attribute.key)
            } else {
                self.config.promote_resource_attributes.contains(&attribute.key)
            };
            if promote {
                let name = self.name(&attribute.key)?;
                promoted.set(&name, &text(attribute.value.as_ref()));
            }
        }
        let instance = get(SERVICE_INSTANCE).unwrap_or_default();
        Ok(ResourceLabels { job, instance, promoted: promoted.build() })
    }

    pub(super) fn scope(
        &mut self,
        scope: Option<&InstrumentationScope>,
        schema_url: &str,
    ) -> Result<Option<ScopeLabels>, ConvertError> {
        let Some(scope) =
            scope.filter(|s| self.config.promote_scope_metadata && !s.name.is_empty())
        else {
            return Ok(None);
        };
        let mut attributes = LabelsBuilder::default();
        for attribute in &scope.attributes {
            let name = self.name(&format!("otel_scope_{}", attribute.key))?;
            attributes.set(&name, &text(attribute.value.as_ref()));
        }
        Ok(Some(ScopeLabels {
            name: scope.name.clone(),
            version: scope.version.clone(),
            schema_url: schema_url.to_owned(),
            attributes: attributes.build(),
        }))
    }

    /// The labels of a point, without its name.
    pub(super) fn point(
        &mut self,
        attributes: &[KeyValue],
        resource: &ResourceLabels,
        scope: Option<&ScopeLabels>,
        metadata: &Metadata,
    ) -> Result<LabelsBuilder, ConvertError> {
        let mut out = self.attributes(attributes, &[METRIC_NAME])?;
        for (name, value) in &resource.promoted {
            if out.get(name).is_none() {
                out.set(name, value);
            }
        }
        identify(&mut out, resource);
        if let Some(scope) = scope {
            for (name, value) in &scope.attributes {
                out.set(name, value);
            }
            out.set("otel_scope_name", &scope.name);
            out.set("otel_scope_version", &scope.version);
            out.set("otel_scope_schema_url", &scope.schema_url);
        }
        if self.typed {
            if metadata.metric_type != MetricType::Unknown {
                out.set("__type__", metadata.metric_type.as_str());
            }
            if !metadata.unit.is_empty() {
                out.set("__unit__", &unit_name(&metadata.unit, self.namer.utf8));
            }
        }
        Ok(out)
    }

    /// The labels of a resource's `target_info`; `None` where it would say nothing.
    pub(super) fn target_info(
        &mut self,
        resource: &Resource,
        labels: &ResourceLabels,
    ) -> Result<Option<Labels>, ConvertError> {
        let identifying = [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE];
        let has = |key: &&&str| resource.attributes.iter().any(|a| a.key == **key);
        if resource.attributes.len() == identifying.iter().filter(has).count() {
            return Ok(None);
        }
        let ignored: &[&str] =
            if self.config.keep_identifying_resource_attributes { &[] } else { &identifying };
        let mut out = self.attributes(&resource.attributes, ignored)?;
        identify(&mut out, labels);
        out.set(METRIC_NAME, "target_info");
        let identified = out.get("job").is_some() || out.get("instance").is_some();
        Ok(identified.then(|| out.build()))
    }

    /// Attributes as labels; those that get the same name share it, values joined in the order of their keys.
    fn attributes(
        &mut self,
        attributes: &[KeyValue],
        ignored: &[&str],
    ) -> Result<LabelsBuilder, ConvertError> {
        let mut sorted: Vec<&KeyValue> =
            attributes.iter().filter(|a| !ignored.contains(&a.key.as_str())).collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let mut out = LabelsBuilder::default();
        for attribute in &sorted {
            let value = text(attribute.value.as_ref());
            if self.namer.utf8 {
                out.set(&attribute.key, &value);
                continue;
            }
            let name = self.name(&attribute.key)?;
            match out.get(&name).map(str::to_owned) {
                Some(before) => {
                    out.set(&name, &format!("{before};{value}"));
                    if !self.collisions.iter().any(|(known, _)| *known == name) {
                        let same = |a: &&&KeyValue| self.names.get(&a.key) == Some(&name);
                        let keys = sorted.iter().filter(same).map(|a| format!("{:?}", a.key));
                        let keys = keys.collect::<Vec<_>>().join(", ");
                        self.collisions.push((name, keys));
                    }
                }
                None => {
                    out.set(&name, &value);
                }
            }
        }
        Ok(out)
    }
}

fn identify(out: &mut LabelsBuilder, resource: &ResourceLabels) {
    if !resource.job.is_empty() {
        out.set("job", &resource.job);
    }
    if !resource.instance.is_empty() {
        out.set("instance", &resource.instance);
    }
}

pub(super) fn allows_utf8(strategy: TranslationStrategy) -> bool {
    matches!(
        strategy,
        TranslationStrategy::NoUtf8EscapingWithSuffixes | TranslationStrategy::NoTranslation
    )
}

pub(super) fn adds_suffixes(strategy: TranslationStrategy) -> bool {
    matches!(
        strategy,
        TranslationStrategy::NoUtf8EscapingWithSuffixes
            | TranslationStrategy::UnderscoreEscapingWithSuffixes
    )
}

fn find(attributes: &[KeyValue], key: &str) -> Option<String> {
    attributes.iter().find(|a| a.key == key).map(|a| text(a.value.as_ref()))
}

/// A value as a label has it: texts as they are, structures as JSON in Go's form.
pub(super) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|v| v.value.as_ref()) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Double(number)) => json_number(*number),
        Some(Value::Bytes(bytes)) => base64(bytes),
        Some(Value::Array(_) | Value::KeyValues(_)) => {
            let mut out = String::new();
            json(value, &mut out);
            out
        }
    }
}

/// A number as Go's JSON prints it.
fn json_number(number: f64) -> String {
    if !number.is_finite() {
        let name = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return format!("json: unsupported value: {name}");
    }
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
            _ => text,
        };
    }
    number.to_string()
}

fn json(value: Option<&AnyValue>, out: &mut String) {
    match value.and_then(|v| v.value.as_ref()) {
        None => out.push_str("null"),
        Some(Value::String(text)) => json_text(text, out),
        Some(Value::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
        Some(Value::Int(number)) => out.push_str(&number.to_string()),
        Some(Value::Double(number)) => out.push_str(&json_number(*number)),
        Some(Value::Bytes(bytes)) => json_text(&base64(bytes), out),
        Some(Value::Array(array)) => {
            out.push('[');
            for (at, item) in array.values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(Some(item), out);
            }
            out.push(']');
        }
        Some(Value::KeyValues(list)) => {
            let mut sorted: Vec<&KeyValue> = list.values.iter().collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            sorted.dedup_by(|later, earlier| later.key == earlier.key);
            out.push('{');
            for (at, item) in sorted.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text(&item.key, out);
                out.push(':');
                json(item.value.as_ref(), out);
            }
            out.push('}');
        }
    }
}

fn json_text(text: &str, out: &mut String) {
    let plain = serde_json::to_string(text).unwrap_or_default();
    for c in plain.chars() {
        match c {
            '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let word = part.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= part.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use gauntlet_wire::otlp::{ArrayValue, KeyValueList};

    use super::*;

    #[test]
    fn values_print_as_go_prints_them() {
        let any = |value| AnyValue { value: Some(value) };
        let check = |value: Value, expect: &str| assert_eq!(text(Some(&any(value))), expect);
        check(Value::Double(0.1), "0.1");
        check(Value::Double(1e21), "1e+21");
        check(Value::Double(-2.5e-7), "-2.5e-7");
        check(Value::Double(100000.0), "100000");
        check(Value::Bytes(b"any carnal".to_vec()), "YW55IGNhcm5hbA==");
        let pair = |key: &str, value| KeyValue { key: key.into(), value: Some(any(value)) };
        let list = KeyValueList {
            values: vec![
                pair(
                    "b",
                    Value::Array(ArrayValue {
                        values: vec![any(Value::Int(1)), any(Value::Bool(true))],
                    }),
                ),
                pair("a", Value::String("<x>\"".into())),
            ],
        };
        check(Value::KeyValues(list), r#"{"a":"<x>\"","b":[1,true]}"#);
        assert_eq!(text(None), "");
    }
}
