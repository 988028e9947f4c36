//! The engine's speed over series in memory: 1,000 series, a sample every 15 s for an hour and more, 194 steps of 15 s.
//!
//! Each figure is of one whole query; the throughput is in series-steps. `cargo bench -p gauntlet-promql --bench engine`.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_model::Labels;
use gauntlet_promql::engine::QueryOptions;
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_testkit::promqltest::MemoryStore;

const SERIES: usize = 1_000;
const STEPS: i64 = 194;
const STEP_MS: i64 = 15_000;
const START_MS: i64 = 1_800_000;

fn store() -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for series in 0..SERIES {
        for name in ["m_total", "n_total"] {
            let pod = format!("pod-{series:04}");
            let ns = format!("ns-{}", series % 20);
            let labels = Labels::from_pairs([
                ("__name__", name),
                ("cluster", "bench"),
                ("container", "app"),
                ("instance", "10.0.0.1:9090"),
                ("job", "bench"),
                ("namespace", &ns),
                ("pod", &pod),
            ]);
            let mut value = 0.0;
            for i in 0..(START_MS / STEP_MS + STEPS) {
                value += ((i * 7 + series as i64) % 13) as f64;
                let t = i * STEP_MS + (i * 31 % 17);
                store.append(&labels, 0, t, value, None).expect("samples ascend");
            }
        }
    }
    store.encode().expect("floats encode");
    Arc::new(store)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

fn queries(c: &mut Criterion) {
    let store = store();
    let mut group = c.benchmark_group("engine");
    group.sample_size(20);
    group.throughput(Throughput::Elements(SERIES as u64 * STEPS as u64));
    for threads in [1, 2] {
        let options = EngineOptions::new(CpuPool::new(threads), Arc::new(SystemClock));
        let engine = Engine::new(options);
        for (name, query) in [
            ("selector", "m_total"),
            ("count", "count(m_total)"),
            ("rate", "rate(m_total[5m])"),
            ("sum_by_rate", "sum by (namespace) (rate(m_total[5m]))"),
            ("sum_over_time", "sum by (namespace) (sum_over_time(m_total[10m]))"),
            ("avg_over_time", "max by (container) (avg_over_time(m_total[10m]))"),
            ("max_over_time", "max by (container) (max_over_time(m_total[10m]))"),
            ("quantile_over_time", "max(quantile_over_time(0.9, m_total[10m]))"),
            ("join", "m_total / on (pod) n_total"),
            ("topk", "topk(5, m_total)"),
        ] {
            group.bench_function(format!("{name}/{threads}"), |b| {
                b.iter(|| {
                    let end = START_MS + (STEPS - 1) * STEP_MS;
                    let options = QueryOptions::default();
                    let run =
                        engine.range(store.clone(), query, START_MS, end, STEP_MS, &options);
                    block_on(run).expect("the query is well-formed")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, queries);
criterion_main!(benches);
