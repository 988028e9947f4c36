//! golden/go/yaml.json: one struct decoded by Go's three YAML packages. It lives here because the struct has durations.

use std::collections::BTreeMap;

use gauntlet_model::duration::{Duration, GoDuration};
use gauntlet_yaml::{Context, Dialect, Document, FromYaml, MAX_DEPTH, Mapping, Node, Problems};
use serde_json::{Value, json};

/// Vectors we judge otherwise, and why.
const GAPS: &[(&str, &str)] =
    &[("s: !!binary /w==\n", "text here is UTF-8; other bytes are refused")];

#[derive(Default)]
struct Inner {
    a: String,
    b: i64,
}

impl FromYaml for Inner {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.Inner", cx)?;
        let inner = Self { a: map.take_default(cx, "a"), b: map.take_default(cx, "b") };
        map.finish(cx).then_some(inner)
    }

    fn go_type() -> std::borrow::Cow<'static, str> {
        "config.Inner".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::default())
    }

    const SKIPS_NULL: bool = true;
}

struct Def {
    k: String,
    v: i64,
}

impl FromYaml for Def {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let mut def = Self { k: "default".to_owned(), v: 7 };
        map.set(cx, "k", &mut def.k);
        map.set(cx, "v", &mut def.v);
        if def.v < 0 {
            map.problem(cx, "v", "v must not be negative");
        }
        map.finish(cx).then_some(def)
    }

    fn go_type() -> std::borrow::Cow<'static, str> {
        "config.plain".into()
    }
}

fn def_json(def: &Def) -> Value {
    json!({"K": def.k, "V": def.v})
}

fn inner_json(inner: &Inner) -> Value {
    json!({"A": inner.a, "B": inner.b})
}

/// The struct's non-zero fields, as the vectors show them.
fn decode(text: &[u8], dialect: Dialect) -> Result<Value, Problems> {
    let document = Document::parse(text, dialect)?;
    let mut out = serde_json::Map::new();
    let mut cx = Context::new();
    let root = document.root().filter(|r| r.text().is_none_or(|t| !matches!(t, "" | "~" | "null")));
    let Some(root) = root else { return Ok(json!({})) };
    let read = (|| {
        let cx = &mut cx;
        let mut map = Mapping::read(root, "config.Cfg", cx)?;
        let mut put = |key: &str, value: Option<Value>| {
            let zero = match &value {
                None | Some(Value::Null) => true,
                Some(Value::String(s)) => s.is_empty() || s == "0s",
                Some(Value::Number(n)) => n.as_f64() == Some(0.0),
                Some(Value::Bool(b)) => !b,
                _ => false,
            };
            if !zero {
                out.insert(key.to_owned(), value.unwrap_or_default());
            }
        };
        let int = |n: Option<i64>| n.map(|n| json!(n));
        put("s", map.take::<String>(cx, "s").map(Value::String));
        put("i", int(map.take(cx, "i")));
        put("u", int(map.take::<u8>(cx, "u").map(i64::from)));
        put("b", map.take::<bool>(cx, "b").map(Value::Bool));
        put("d", map.take::<Duration>(cx, "d").map(|d| json!(d.to_string())));
        put("td", map.take::<GoDuration>(cx, "td").map(|d| json!(d.to_string())));
        put("f", map.take::<f64>(cx, "f").map(|f| json!(go_float(f))));
        put("l", map.take::<Vec<String>>(cx, "l").map(|l| json!(l)));
        put("li", map.take::<Vec<i64>>(cx, "li").map(|l| json!(l)));
        put("m", map.take::<BTreeMap<String, String>>(cx, "m").map(|m| json!(m)));
        put("mi", map.take::<BTreeMap<String, i64>>(cx, "mi").map(|m| json!(m)));
        let inner = map.take::<Inner>(cx, "n").filter(|n| !n.a.is_empty() || n.b != 0);
        put("n", inner.as_ref().map(inner_json));
        put("p", map.take::<Inner>(cx, "p").as_ref().map(inner_json));
        put("ln", map.take::<Vec<Inner>>(cx, "ln").map(|l| l.iter().map(inner_json).collect()));
        put("def", map.take::<Def>(cx, "def").as_ref().map(def_json));
        put("pd", map.take::<Def>(cx, "pd").as_ref().map(def_json));
        let list = map.take::<Vec<Option<Def>>>(cx, "ld");
        put(
            "ld",
            list.map(|l| l.iter().map(|d| d.as_ref().map_or(Value::Null, def_json)).collect()),
        );
        put("any", map.take::<gauntlet_yaml::Value>(cx, "any").map(|v| any_json(&v, dialect)));
        // Inlined, so always shown if one is set.
        let x: Option<String> = map.take(cx, "x");
        let y: Option<i64> = map.take(cx, "y");
        if x.is_some() || y.is_some() {
            out.insert("x".to_owned(), json!(x.unwrap_or_default()));
            out.insert("y".to_owned(), json!(y.unwrap_or_default()));
        }
        map.finish(cx).then_some(())
    })();
    cx.finish(read).map(|()| Value::Object(out))
}

fn go_float(f: f64) -> String {
    if f.is_nan() {
        "NaN".to_owned()
    } else if f.is_infinite() {
        if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if f.abs() >= 1e16 {
        format!("{f:e}").replace('e', "e+")
    } else {
        f.to_string()
    }
}

fn any_json(value: &gauntlet_yaml::Value, dialect: Dialect) -> Value {
    use gauntlet_yaml::Value as Y;
    match value {
        Y::Null => json!("null"),
        Y::Bool(b) => json!({"bool": b}),
        Y::Int(n) => json!({"int": n}),
        Y::Uint(n) => json!({"uint64": n.to_string()}),
        Y::Float(f) => json!({"float": go_float(*f)}),
        Y::Str(s) => json!({"string": s}),
        Y::Bytes(b) => json!({"bytes": b}),
        Y::Timestamp(t) => {
            let date = t.split(['T', ' ']).next().unwrap_or_default();
            let parts: Vec<u32> = date.split('-').map(|p| p.parse().unwrap_or(0)).collect();
            let time = t.get(date.len() + 1..).map_or("00:00:00", |t| t.trim_end_matches('Z'));
            json!({"time": format!("{:04}-{:02}-{:02}T{time}Z", parts[0], parts[1], parts[2])})
        }
        Y::Seq(items) | Y::Flow(items) => {
            json!({"list": items.iter().map(|i| any_json(i, dialect)).collect::<Vec<_>>()})
        }
        Y::Map(pairs) => {
            let mut rows: Vec<Value> = pairs
                .iter()
                .map(|(k, v)| json!([any_json(k, dialect), any_json(v, dialect)]))
                .collect();
            rows.sort_by_key(ToString::to_string);
            let text_keys = pairs.iter().all(|(k, _)| matches!(k, Y::Str(_)));
            let key = if dialect == Dialect::V3 && text_keys { "string" } else { "interface {}" };
            json!({"go_type": format!("map[{key}]interface {{}}"), "map": rows})
        }
    }
}

/// Rows of maps come in Go's order of keys; compare them sorted by text.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                normalise(value);
                if key == "map"
                    && let Value::Array(rows) = value
                {
                    rows.sort_by_key(ToString::to_string);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

#[test]
fn go_vectors_are_equal() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let file = std::fs::read_to_string(dir.join("golden/go/yaml.json")).unwrap();
    // One case a line; the deepest answer is beyond what a JSON reader takes, and so beyond our bound.
    let cases: Vec<Value> = file
        .lines()
        .filter_map(|line| {
            serde_json::from_str(line.trim_end_matches([',', ']', '}']))
                .ok()
                .or_else(|| serde_json::from_str(line.trim_end_matches(',')).ok())
        })
        .collect();
    assert!(cases.len() > 450, "{} cases", cases.len());
    let (mut problems, mut passed, mut stale) = (Vec::new(), 0, Vec::new());
    for case in &cases {
        let text = match (case["yaml"].as_str(), case["yaml_len"].as_u64()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(len)) => ("any: ".to_owned() + &"[".repeat(len as usize)).into_bytes(),
            _ => b"s: \xff\n".to_vec(),
        };
        let name = String::from_utf8_lossy(&text).chars().take(60).collect::<String>();
        for dialect in [Dialect::V2, Dialect::V3] {
            let key =
                if dialect == Dialect::V3 && case.get("v3_same").is_none() { "v3" } else { "v2" };
            let (mut want, want_error) = (case[key].clone(), case[format!("{key}_error")].as_str());
            let deep = text.iter().filter(|b| **b == b'[').count() > MAX_DEPTH;
            let got = decode(&text, dialect);
            let verdict = match (&got, want_error) {
                (Ok(got), None) => {
                    let mut got = got.clone();
                    normalise(&mut got);
                    normalise(&mut want);
                    // Bytes that are no UTF-8 have no place in our text type.
                    (got == want).then_some(()).ok_or(format!("got {got}, want {want}"))
                }
                (Err(err), Some(want)) => {
                    let got = err.go_text();
                    (got == want || deep).then_some(()).ok_or(format!("got {got:?}, want {want:?}"))
                }
                (Err(_), None) if deep => Ok(()), // Our bound on depth is lower.
                (Ok(got), Some(want)) => Err(format!("got {got}, want error {want:?}")),
                (Err(err), None) => Err(format!("got error {:?}, want {want}", err.go_text())),
            };
            let known = GAPS.iter().any(|(gap, _)| *gap == name);
            match verdict {
                Ok(()) if known => stale.push(name.clone()),
                Ok(()) => passed += 1,
                Err(_) if known => {}
                Err(problem) => problems.push(format!("{dialect:?} {name:?}: {problem}")),
            }
        }
    }
    println!("yaml.json: {passed} of {}", cases.len() * 2);
    assert!(stale.is_empty(), "known gaps that pass now: {stale:?}");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
