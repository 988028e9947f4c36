//! The plan of a query, and what its operators say they did.

use std::sync::Arc;

use gauntlet_model::Labels;
use gauntlet_promql::engine::{Arg, Explain, PlanNode, QueryOptions};
use gauntlet_promql::{Engine, EngineOptions, parse};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_testkit::promqltest::MemoryStore;

use crate::limits::block_on;

const SERIES: i64 = 600;
const SAMPLES: i64 = 60;

fn store() -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for series in 0..SERIES {
        let name = format!("{series:03}");
        let labels = Labels::from_pairs([("__name__", "m_total"), ("i", &name)]);
        for i in 0..SAMPLES {
            store.append(&labels, 0, i * 15_000, (i * 2 + series) as f64, None).unwrap();
        }
    }
    store.encode().unwrap();
    Arc::new(store)
}

fn engine() -> Engine {
    let mut options = EngineOptions::new(CpuPool::new(2), Arc::new(SystemClock));
    options.inline_ns = 0;
    Engine::new(options)
}

fn analyze(query: &str) -> Explain {
    let options = QueryOptions { analyze: true, ..QueryOptions::default() };
    let run = engine();
    let run = run.range(store(), query, 0, 49 * 15_000, 15_000, &options);
    *block_on(run).unwrap().explain.unwrap()
}

fn plan(query: &str) -> Explain {
    let engine = engine();
    let expr = parse(query, &engine.options().parser).unwrap();
    engine.explain(&expr, 0, 49 * 15_000, 15_000, &QueryOptions::default()).unwrap()
}

/// The tree as `operator:name@text(inputs)`.
fn shape(query: &str, node: &PlanNode) -> String {
    let text = node.pos.map_or("", |pos| &query[pos.start as usize..pos.end as usize]);
    let inputs: Vec<String> = node.inputs.iter().map(|input| shape(query, input)).collect();
    format!("{}:{}@{text}({})", node.operator, node.name, inputs.join(","))
}

#[test]
fn every_operator_says_where_it_stands() {
    let check = |query: &str, expect: &str| {
        assert_eq!(shape(query, &plan(query).plan), expect, "{query}");
    };
    check(
        "sum(rate(m_total[5m])) / 2",
        "map:/@sum(rate(m_total[5m])) / 2(aggregate:sum@sum(rate(m_total[5m]))(\
         window:rate@rate(m_total[5m])(select:m_total@m_total())),number:@2())",
    );
    check(
        "max_over_time(m_total[5m:1m]) and -m_total",
        "set:and@max_over_time(m_total[5m:1m]) and -m_total(\
         window:max_over_time@max_over_time(m_total[5m:1m])(subquery:@m_total(select:m_total@m_total())),\
         map:-@-m_total(select:m_total@m_total()))",
    );
    check(
        "quantile_over_time(0.5, m_total[5m])",
        "window:quantile_over_time@quantile_over_time(0.5, m_total[5m])(\
         select:m_total@m_total(),number:@0.5())",
    );
    check("vector(1)", "once:vector@vector(1)(vectorOf:vector@vector(1)(number:@1()))");
}

#[test]
fn equal_selections_are_asked_once() {
    let plan = plan("rate(m_total[5m]) > rate(m_total[1m])");
    assert_eq!(plan.selections.len(), 1);
    assert_eq!(plan.selections[0].matchers, ["__name__=\"m_total\""]);
    assert_eq!((plan.selections[0].min_time, plan.selections[0].max_time), (-299_999, 735_000));
    assert!(plan.plan.args.contains(&("card", Arg::Text("one-to-one".to_owned()))));
}

#[test]
fn a_run_says_what_each_operator_did() {
    let explain = analyze("sum by (i) (rate(m_total[1m]) > 0)");
    let aggregate = &explain.plan;
    let (map, window) = (&aggregate.inputs[0], &aggregate.inputs[0].inputs[0]);
    let select = &window.inputs[0];
    let stats = |node: &PlanNode| node.stats.unwrap();
    let (series, samples) = (SERIES as u64, (SERIES * 49) as u64);
    for node in [aggregate, map, window] {
        let stats = stats(node);
        assert_eq!((stats.series, stats.samples, stats.calls), (series, samples, 1), "{node:?}");
    }
    assert!(map.fused && window.fused && select.fused && !aggregate.fused);
    assert!(stats(aggregate).peak_bytes >= series * 50 * 8);
    let read = stats(select);
    assert_eq!(read.samples_decoded, (SERIES * 50) as u64);
    assert!(read.bytes_decoded > series * 30 && read.bytes_decoded < series * SAMPLES as u64 * 16);
    assert!(read.tiles > 1, "600 series are several tiles");
    assert!(stats(window).samples_seen > samples);
    let found = explain.selections[0].found.unwrap();
    assert_eq!((found.series, found.chunks), (series, series));
    assert!(
        stats(aggregate).cpu + stats(select).cpu + stats(window).cpu > std::time::Duration::ZERO
    );
}

#[test]
fn what_runs_apart_has_its_own_figures() {
    let explain = analyze(
        "m_total + on (i) group_left label_replace(m_total, \"j\", \"$1\", \"i\", \"(.*)\")",
    );
    for node in [&explain.plan, &explain.plan.inputs[0], &explain.plan.inputs[1]] {
        let stats = node.stats.unwrap();
        assert_eq!((stats.series, stats.samples), (SERIES as u64, (SERIES * 50) as u64));
    }
}
