//! Vectors of `golden/go`: read, run, compared; known gaps are named and must stay gaps.

use base64::Engine as _;
use gauntlet_template::{Time, Type, Value};
use serde_json::Value as Json;

/// The vectors of one file; `None` (said aloud) without the folder.
pub(crate) fn load(name: &str) -> Option<Json> {
    let path = gauntlet_testkit::conformance_dir()?.join("golden/go").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// What a case gave: its output or its error.
#[derive(PartialEq, Eq)]
pub(crate) enum Outcome {
    Output(Vec<u8>),
    Error { text: String, partial: Option<Vec<u8>> },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(out) => write!(f, "{:?}", String::from_utf8_lossy(out)),
            Self::Error { text, partial } => {
                let partial = partial.as_deref().map(String::from_utf8_lossy);
                write!(f, "error {text:?} after {partial:?}")
            }
        }
    }
}

/// `key`, or the bytes of `key_b64`.
pub(crate) fn bytes_at(json: &Json, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = json[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let text = json[format!("{key}_b64")].as_str()?;
    Some(base64::engine::general_purpose::STANDARD.decode(text).unwrap())
}

pub(crate) fn expected(case: &Json) -> Outcome {
    match bytes_at(case, "output") {
        Some(output) => Outcome::Output(output),
        None => Outcome::Error {
            text: String::from_utf8(bytes_at(case, "error").unwrap()).unwrap(),
            partial: bytes_at(case, "partial"),
        },
    }
}

/// Compares every case; gaps are (template or context, reason).
pub(crate) fn run(
    what: &str,
    cases: &[Json],
    gaps: &[(&str, &str)],
    mut run: impl FnMut(&Json) -> Outcome,
) {
    let (mut equal, mut wrong, mut open) = (0, Vec::new(), vec![0; gaps.len()]);
    for case in cases {
        let want = expected(case);
        let mut got = run(case);
        if let (Outcome::Error { partial: None, .. }, Outcome::Error { partial, .. }) =
            (&want, &mut got)
        {
            *partial = None;
        }
        let label = case["template"].as_str().or(case["context"].as_str()).unwrap_or("");
        let gap = gaps.iter().position(|(template, _)| *template == label);
        match (got == want, gap) {
            (true, _) => equal += 1,
            (false, Some(at)) => open[at] += 1,
            (false, None) => wrong.push(format!("{case}\n   want {want}\n   got  {got}")),
        }
    }
    println!("{what}: {equal}/{} equal, {} known gaps", cases.len(), gaps.len());
    let closed: Vec<_> =
        gaps.iter().zip(&open).filter(|(_, n)| **n == 0).map(|(gap, _)| gap.0).collect();
    assert!(closed.is_empty(), "gaps that are none any more: {closed:?}");
    let shown = wrong.iter().take(limit()).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{what}: {} of {} differ:\n{shown}", wrong.len(), cases.len());
}

/// How many differences a failure lists: `SHOW`, else 25.
fn limit() -> usize {
    std::env::var("SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(25)
}

fn parse_float(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other.parse().unwrap(),
    }
}

/// A value by its kind, as the text vectors describe data.
pub(crate) fn value(json: &Json) -> Value {
    match json["kind"].as_str().unwrap() {
        "nil" => Value::Nil,
        "string" => Value::string(bytes_at(json, "v").unwrap()),
        "int" => Value::int(json["v"].as_i64().unwrap()),
        "float" => Value::Float(parse_float(json["v"].as_str().unwrap())),
        "bool" => Value::Bool(json["v"].as_bool().unwrap()),
        "duration" => Value::duration(json["ns"].as_i64().unwrap()),
        "time" => Value::Time(Time::parse_rfc3339(json["v"].as_str().unwrap()).unwrap()),
        "list" => {
            let elem = elem(json);
            let items = json["v"].as_array().unwrap().iter().map(|v| element(v, elem)).collect();
            Value::list(elem, items)
        }
        "map" => {
            let elem = elem(json);
            let key = if json["key"] == "int" { Type::INT } else { Type::STRING };
            let entries = json["v"].as_object().unwrap().iter().map(|(k, v)| {
                let key =
                    if key == Type::INT { Value::int(k.parse().unwrap()) } else { Value::str(k) };
                (key, element(v, elem))
            });
            Value::map(gauntlet_template::Map::new(key, elem, entries.collect()))
        }
        other => panic!("kind {other}"),
    }
}

fn elem(json: &Json) -> Type {
    match json["elem"].as_str() {
        None | Some("any") => Type::Any,
        Some("string") => Type::STRING,
        Some("int") => Type::INT,
        Some("float") => Type::Float,
        Some(other) => panic!("element type {other}"),
    }
}

fn element(json: &Json, elem: Type) -> Value {
    match elem {
        Type::Any => value(json),
        Type::Float => Value::Float(json.as_f64().unwrap()),
        Type::INT => Value::int(json.as_i64().unwrap()),
        _ => Value::str(json.as_str().unwrap()),
    }
}
