//! What a notification's text costs: parsing it, and executing it over a group of alerts.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use gauntlet_runtime::ManualClock;
use gauntlet_template::functions::alertmanager::funcs;
use gauntlet_template::{Limits, Map, MissingKey, Mode, Set, Type, Value};

/// A title and a text as people write them for Slack.
const SLACK: &str = r#"[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts }}{{ end }}] {{ .CommonLabels.alertname }} for {{ .CommonLabels.job }}
{{ range .Alerts -}}
*Alert:* {{ .Annotations.title }}{{ if .Labels.severity }} - `{{ .Labels.severity }}`{{ end }}
*Description:* {{ .Annotations.description }}
*Details:*
  {{ range $name, $value := .Labels }} - *{{ $name }}:* `{{ $value }}`
  {{ end }}
{{ end }}"#;

const PLAIN: &str = "an alert is firing";

fn group(alerts: usize) -> Value {
    let strings = |pairs: &[(&'static str, &'static str)]| {
        Value::map(Map::strings(pairs.iter().map(|(k, v)| (*k, *v))))
    };
    let any = |pairs: Vec<(&str, Value)>| {
        let entries = pairs.into_iter().map(|(k, v)| (Value::str(k), v)).collect();
        Value::map(Map::new(Type::STRING, Type::Any, entries))
    };
    let labels = strings(&[
        ("alertname", "HighLatency"),
        ("instance", "web-1.example.com:9100"),
        ("job", "web"),
        ("severity", "critical"),
        ("zone", "eu-west-1"),
    ]);
    let annotations =
        strings(&[("description", "p99 is at 1.2 s for 10 minutes"), ("title", "Latency is high")]);
    let alert = any(vec![("Labels", labels.clone()), ("Annotations", annotations)]);
    any(vec![
        ("Status", Value::str("firing")),
        ("Alerts", Value::list(Type::Any, vec![alert; alerts])),
        ("CommonLabels", labels),
    ])
}

fn bench(c: &mut Criterion) {
    let funcs = funcs(Arc::new(ManualClock::new(0)));
    let limits = Limits::default();
    for (mode, name) in [(Mode::Text, "text"), (Mode::Html, "html")] {
        let parse = |text: &str| {
            let mut set = Set::new(mode, MissingKey::Zero);
            set.parse("", text, &funcs).expect("the text parses");
            set.program("").expect("the text is safe")
        };
        c.bench_function(&format!("parse slack {name}"), |b| b.iter(|| parse(black_box(SLACK))));
        let (slack, plain) = (parse(SLACK), parse(PLAIN));
        for alerts in [1, 10] {
            let data = group(alerts);
            c.bench_function(&format!("execute slack {name}, {alerts} alerts"), |b| {
                b.iter(|| slack.execute(black_box(data.clone()), &funcs, &limits))
            });
        }
        let data = group(1);
        c.bench_function(&format!("execute plain {name}"), |b| {
            b.iter(|| plain.execute(black_box(data.clone()), &funcs, &limits))
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
