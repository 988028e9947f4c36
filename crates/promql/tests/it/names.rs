//! Functions take the metric's name away: series that differ in nothing else cannot both stay, whoever looks at them next.

use std::sync::Arc;

use gauntlet_model::Labels;
use gauntlet_promql::engine::QueryOptions;
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_testkit::promqltest::MemoryStore;

use crate::limits::block_on;

/// `a` and `b` have a series `i="both"` each, `a` from the start, `b` from its second half on; `c` has others.
fn store() -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for (name, i, steps) in [("a", "both", 0..40), ("b", "both", 20..40), ("c", "own", 0..40)] {
        let labels = Labels::from_pairs([("__name__", name), ("i", i)]);
        for step in steps {
            store.append(&labels, 0, step * 15_000, step as f64, None).unwrap();
        }
    }
    store.encode().unwrap();
    Arc::new(store)
}

fn check(query: &str, is_refused: bool) {
    for threads in [1, 2] {
        let mut options = EngineOptions::new(CpuPool::new(threads), Arc::new(SystemClock));
        if threads > 1 {
            options.inline_ns = 0;
        }
        let engine = Engine::new(options);
        for end in [10, 39] {
            let options = QueryOptions::default();
            let run = engine.range(store(), query, 0, end * 15_000, 15_000, &options);
            let refused = match block_on(run) {
                Ok(_) => false,
                Err(failure) => {
                    let text = failure.error.to_string();
                    assert_eq!(text, "vector cannot contain metrics with the same labelset");
                    true
                }
            };
            // While one of them has no sample they do not meet.
            assert_eq!(refused, is_refused && end == 39, "{query} to {end} on {threads} threads");
        }
    }
}

#[test]
fn equal_rows_are_refused_beneath_whatever_reads_them() {
    let both = "{__name__=~\"a|b|c\"}";
    check(&format!("count_over_time({both}[1m])"), true);
    check(&format!("sum(count_over_time({both}[1m]))"), true);
    check(&format!("sum by (i) (rate({both}[1m])) + 1"), true);
    check(&format!("topk(1, max_over_time({both}[1m]))"), true);
    check(&format!("abs(count_over_time({both}[1m]))"), true);
    check(&format!("sum(timestamp({both}))"), true);
    check("sum(count_over_time({__name__=~\"a|c\"}[1m]))", false);
    check(&format!("sum(last_over_time({both}[1m]))"), false);
    check(&format!("sum({both})"), false);
    check(&format!("absent_over_time({both}[1m])"), false);
    check(&format!("sum(sum_over_time(sum by (__name__, i) ({both})[1m:15s]))"), true);
}
