//! Entry point of the fuzz target `template`.

use std::sync::Arc;

use gauntlet_runtime::ManualClock;

use crate::functions::{alertmanager, prometheus};
use crate::value::{Map, Type};
use crate::{Funcs, Limits, MissingKey, Mode, Set, Time, Value, time, to_json};

#[derive(Debug)]
struct Answer;

impl prometheus::Query for Answer {
    fn query(&self, expr: &str) -> Result<Vec<prometheus::Sample>, String> {
        let labels = gauntlet_model::Labels::from_pairs([("expr", expr)]);
        Ok(vec![prometheus::Sample { labels, value: prometheus::SampleValue::Float(1.5) }])
    }
}

/// Parses and executes any text, in both modes and with both peers' functions: it may fail, but not panic or run away.
/// The text also serves as a layout and as a time.
pub fn check(text: &[u8]) {
    let limits = Limits { output_bytes: 1 << 16, steps: 20_000, depth: 100, deadline: None };
    let mut console = prometheus::funcs(prometheus::Env {
        query: Arc::new(Answer),
        external_url: "http://h/p".to_owned(),
        path_prefix: "/p".to_owned(),
        now_ms: 1,
    });
    prometheus::add_console(&mut console);
    let data = data(text);
    let mut notification = alertmanager::funcs(Arc::new(ManualClock::new(1)));
    let labels = [("a".into(), text.to_vec().into())].into();
    alertmanager::add_route_labels(&mut notification, labels, data.clone());
    for (mode, funcs) in [(Mode::Text, &notification), (Mode::Html, &console)] {
        run(mode, text, data.clone(), funcs, &limits);
    }
    let _ = Time::from_unix(1, 1).format(text);
    let _ = time::parse(b"2006-01-02T15:04:05.999Z07:00", text);
    let _ = time::parse(text, text);
    let _ = to_json(&data, 1 << 16);
}

fn run(mode: Mode, text: &[u8], data: Value, funcs: &Funcs, limits: &Limits) {
    let mut set = Set::new(mode, MissingKey::Zero);
    if set.parse("fuzz", text, funcs).is_err() {
        return;
    }
    let Ok(program) = set.program("fuzz") else { return };
    if let Ok(out) = program.execute(data, funcs, limits) {
        assert!(out.len() <= limits.output_bytes, "BUG: the output limit does not hold");
    }
}

fn data(text: &[u8]) -> Value {
    let list = Value::list(Type::Any, vec![Value::int(1), Value::Nil, Value::Float(1.5)]);
    Value::map(Map::new(
        Type::STRING,
        Type::Any,
        vec![
            (Value::str("s"), Value::string(text.to_vec())),
            (Value::str("l"), list),
            (Value::str("m"), Value::map(Map::strings([("a", "b")]))),
            (Value::str("t"), Value::Time(Time::from_unix(1_700_000_000, 5))),
            (Value::str("d"), Value::duration(90_000_000_000)),
        ],
    ))
}
