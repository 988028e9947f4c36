//! html/template against Go's vectors.

use gauntlet_template::{
    Error, Funcs, Limits, Map, MissingKey, Mode, Set, Signature, StrType, Type, Value,
};
use serde_json::Value as Json;

use crate::golden::{self, Outcome, bytes_at};

const GAPS: &[(&str, &str)] = &[];

#[test]
fn html_templates_escape_as_go_does() {
    let Some(vectors) = golden::load("html-template.json") else { return };
    let data = data(&vectors["D"]);
    let funcs = funcs();
    golden::run("html/template", vectors["cases"].as_array().unwrap(), GAPS, |case| {
        let text = match case["context"].as_str() {
            Some(context) => vectors["contexts"][context].as_str().unwrap().as_bytes().to_vec(),
            None => bytes_at(case, "template").unwrap(),
        };
        let data = match case["data"].as_str() {
            Some("D") => data.clone(),
            _ => Value::string(bytes_at(case, "data").unwrap()),
        };
        let mut set = Set::new(Mode::Html, MissingKey::Zero);
        let mut out = Vec::new();
        let done = set
            .parse("t", &text, &funcs)
            .and_then(|()| set.program("t"))
            .and_then(|program| program.execute_into(&mut out, data, &funcs, &Limits::default()));
        match done {
            Ok(()) => Outcome::Output(out),
            Err(error) => Outcome::Error {
                partial: matches!(error, Error::Exec(_)).then_some(out),
                text: error.to_string(),
            },
        }
    });
}

/// The map of the vectors: floats by name, JSON's own types otherwise.
fn data(json: &Json) -> Value {
    let entries = json.as_object().unwrap().iter().map(|(key, value)| {
        let value = match value {
            Json::Null => Value::Nil,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => match value.as_i64() {
                Some(int) => Value::int(int),
                None => Value::Float(value.as_f64().unwrap()),
            },
            Json::String(text) => match text.strip_prefix("float ") {
                Some(float) => Value::Float(float.parse().unwrap()),
                None => Value::str(text),
            },
            Json::Array(items) => {
                Value::strings(items.iter().map(|i| i.as_str().unwrap().to_owned()))
            }
            Json::Object(map) => Value::map(Map::strings(
                map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())),
            )),
        };
        (Value::str(key), value)
    });
    Value::map(Map::new(Type::STRING, Type::Any, entries.collect()))
}

fn funcs() -> Funcs {
    let mut funcs = Funcs::new();
    for (name, ty) in [
        ("safeHtml", StrType::Html),
        ("safeUrl", StrType::Url),
        ("safeJS", StrType::Js),
        ("safeCSS", StrType::Css),
        ("safeAttr", StrType::HtmlAttr),
    ] {
        funcs.add(name, Signature::of(&[Type::STRING]), move |args, _| {
            Ok(Value::Str(args[0].as_bytes().unwrap().clone(), ty))
        });
    }
    funcs.add("toUpper", Signature::of(&[Type::STRING]), |args, _| {
        let text = String::from_utf8(args[0].as_bytes().unwrap().to_vec()).unwrap();
        Ok(Value::from(text.to_uppercase()))
    });
    funcs
}
