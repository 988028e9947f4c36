//! Why a body is no list of alerts or no silence, in the words of Go's JSON decoder. Only made when decoding has failed.

use serde_json::Value;

/// Of a list of alerts.
pub(super) fn alerts(bytes: &[u8], err: &serde_json::Error) -> String {
    explain(bytes, err, |value| {
        let Value::Array(items) = value else {
            return Some(mismatch(value, "models.PostableAlerts"));
        };
        items.iter().find_map(|item| {
            let Value::Object(fields) = item else {
                return (!item.is_null()).then(|| mismatch(item, "models.PostableAlert"));
            };
            fields.iter().find_map(|(name, value)| match name.as_str() {
                "labels" => pairs(value, "Alert.labels"),
                "annotations" => pairs(value, "PostableAlert.annotations"),
                "generatorURL" => text(value, "Alert.generatorURL", "strfmt.URI"),
                "startsAt" | "endsAt" if !value.is_null() && !value.is_string() => Some(format!(
                    "parsing time {value} as \"2006-01-02T15:04:05Z07:00\": not a text"
                )),
                _ => None,
            })
        })
    })
}

/// Of a silence.
pub(super) fn silence(bytes: &[u8], err: &serde_json::Error) -> String {
    explain(bytes, err, |value| {
        let Value::Object(fields) = value else {
            return Some(mismatch(value, "models.PostableSilence"));
        };
        fields.iter().find_map(|(name, value)| match name.as_str() {
            "id" => text(value, "PostableSilence.id", "string"),
            "comment" => text(value, "Silence.comment", "string"),
            "createdBy" => text(value, "Silence.createdBy", "string"),
            "annotations" => pairs(value, "Silence.annotations"),
            "matchers" => match value {
                Value::Array(items) => items.iter().find_map(matcher),
                Value::Null => None,
                other => Some(mismatch_in(other, "Silence.matchers", "models.Matchers")),
            },
            _ => None,
        })
    })
}

fn matcher(item: &Value) -> Option<String> {
    let Value::Object(fields) = item else {
        return (!item.is_null()).then(|| mismatch_in(item, "Silence.matchers", "models.Matcher"));
    };
    fields.iter().find_map(|(name, value)| match name.as_str() {
        "isEqual" | "isRegex" if !value.is_null() && !value.is_boolean() => {
            Some(mismatch_in(value, &format!("Matcher.matchers.{name}"), "bool"))
        }
        "name" | "value" => text(value, &format!("Matcher.matchers.{name}"), "string"),
        _ => None,
    })
}

fn explain(
    bytes: &[u8],
    err: &serde_json::Error,
    types: impl Fn(&Value) -> Option<String>,
) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => types(&value).unwrap_or_else(|| err.to_string()),
        Err(err) if err.is_eof() => "unexpected EOF".to_owned(),
        Err(err) => format!("invalid JSON: {err}"),
    }
}

fn pairs(value: &Value, field: &str) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Object(fields) => fields.values().find_map(|value| text(value, field, "string")),
        other => Some(mismatch_in(other, field, "models.LabelSet")),
    }
}

fn text(value: &Value, field: &str, kind: &str) -> Option<String> {
    (!value.is_null() && !value.is_string()).then(|| mismatch_in(value, field, kind))
}

fn mismatch(value: &Value, kind: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {kind}", name_of(value))
}

fn mismatch_in(value: &Value, field: &str, kind: &str) -> String {
    format!("json: cannot unmarshal {} into Go struct field {field} of type {kind}", name_of(value))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
