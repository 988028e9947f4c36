//! What a report of a known alert costs: 50,000 alerts of ten labels, 100 inhibition rules, 1,000 silences. Budget: 2 us an alert.

use std::borrow::Cow;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_alertmanager::alert::PostedAlert;
use gauntlet_alertmanager::metrics::{Features, Metrics};
use gauntlet_alertmanager::pipeline::{Core, CoreOptions};
use gauntlet_alertmanager::silence::{Silence, SilenceMatcher};
use gauntlet_alertmanager::{Config, ParseMode, Time};
use gauntlet_model::MatchOp;
use gauntlet_runtime::Chance;
use gauntlet_telemetry::Registry;

const ALERTS: usize = 50_000;

fn config() -> Arc<Config> {
    let mut text =
        "route: {receiver: r, group_by: [alertname]}\nreceivers: [{name: r}]\ninhibit_rules:\n"
            .to_owned();
    for n in 0..100 {
        text.push_str(&format!(
            "- {{source_matchers: ['alertname=S{n}'], target_matchers: ['alertname=A{n}', 'severity=~\"warn.*\"'], equal: [cluster]}}\n"
        ));
    }
    Arc::new(Config::parse(&text, ParseMode::Fallback).expect("config").config)
}

fn names() -> Vec<[(String, String); 10]> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    (0..ALERTS)
        .map(|n| {
            [
                pair("alertname", format!("A{}", n % 200)),
                pair("cluster", format!("c{}", n % 7)),
                pair("container", format!("container-{}", n % 13)),
                pair("env", "production".to_owned()),
                pair("instance", format!("10.0.{}.{}:9100", n / 250 % 250, n % 250)),
                pair("job", "node".to_owned()),
                pair("namespace", format!("team-{}", n % 31)),
                pair("pod", format!("pod-{n}")),
                pair("severity", "warning".to_owned()),
                pair("team", format!("t{}", n % 5)),
            ]
        })
        .collect()
}

fn posted(labels: &[(String, String); 10], now: Time) -> PostedAlert<'_> {
    PostedAlert {
        labels: labels
            .iter()
            .map(|(n, v)| (Cow::Borrowed(n.as_str()), Cow::Borrowed(v.as_str())))
            .collect(),
        annotations: vec![(Cow::Borrowed("summary"), Cow::Borrowed("something is wrong"))],
        generator_url: Cow::Borrowed("http://prometheus.example.org/graph?g0.expr=up+%3D%3D+0"),
        starts_at: Time::from_unix(1_700_000_000, 0),
        ends_at: now.plus_ns(240_000_000_000),
    }
}

fn resend(c: &mut Criterion) {
    let mut now = Time::from_unix(1_700_000_100, 0);
    let metrics = Metrics::new(&Registry::new(), Features::default());
    let mut core = Core::new(CoreOptions::default(), Chance::seeded(1), metrics, now);
    core.apply(config(), Vec::new(), now);
    for n in 0..1000 {
        let matcher = SilenceMatcher {
            op: MatchOp::Equal,
            name: "pod".into(),
            pattern: format!("pod-{}", n * 50),
        };
        let silence = Silence {
            matcher_sets: vec![vec![matcher]],
            ends_at: now.plus_ns(1_000_000_000_000_000),
            ..Silence::default()
        };
        core.set_silence(silence, now).expect("silence");
    }
    let all = names();
    let mut group = c.benchmark_group("resend");
    group.throughput(Throughput::Elements(ALERTS as u64));
    group.sample_size(10);
    group.bench_function("50k known alerts", |b| {
        b.iter(|| {
            now = now.plus_ns(30_000_000_000);
            for batch in all.chunks(256) {
                core.post(batch.iter().map(|labels| posted(labels, now)).collect(), "bench", now);
            }
        });
    });
    group.bench_function("flush of all groups", |b| {
        b.iter(|| {
            now = now.plus_ns(300_000_000_000);
            for batch in all.chunks(256) {
                core.post(batch.iter().map(|labels| posted(labels, now)).collect(), "bench", now);
            }
            core.poll(now);
            core.take_actions().len()
        });
    });
    group.finish();
}

criterion_group!(benches, resend);
criterion_main!(benches);
