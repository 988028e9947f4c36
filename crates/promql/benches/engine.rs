//! The engine's speed over series in memory: 1,000 series, a sample every 15 s for an hour and more, 194 steps of 15 s.
//!
//! Each figure is of one whole query; the throughput is in series-steps. `cargo bench -p gauntlet-promql --bench engine`.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::{BoxFuture, ready};
use gauntlet_chunk::{Encoding, XorAppender};
use gauntlet_model::Labels;
use gauntlet_promql::engine::QueryOptions;
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_storage::{
    Chunk, ChunkData, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
    SeriesSetBuilder,
};

const SERIES: usize = 1_000;
const STEPS: i64 = 194;
const STEP_MS: i64 = 15_000;
const START_MS: i64 = 1_800_000;

/// Series by metric name, in chunks of 120 samples: answers at once, so that the engine alone is measured.
#[derive(Debug, Default)]
struct Store {
    series: HashMap<String, Vec<(Labels, Vec<Chunk>)>>,
}

impl Queryable for Store {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        let name = request.matchers.iter().find(|m| m.name == "__name__");
        let mut builder = SeriesSetBuilder::new();
        for (labels, chunks) in name.and_then(|m| self.series.get(&m.value)).into_iter().flatten() {
            builder.push_series(labels.clone());
            chunks.iter().for_each(|chunk| builder.push_chunk(chunk.clone()));
        }
        Box::pin(ready(Ok(builder.build())))
    }

    fn label_names<'a>(
        &'a self,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        Box::pin(ready(Ok(LabelAnswer::default())))
    }

    fn label_values<'a>(
        &'a self,
        _: &'a str,
        _: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        Box::pin(ready(Ok(LabelAnswer::default())))
    }
}

fn store() -> Arc<Store> {
    let mut store = Store::default();
    for name in ["m_total", "n_total"] {
        let all = (0..SERIES).map(|series| {
            let (pod, ns) = (format!("pod-{series:04}"), format!("ns-{}", series % 20));
            let labels = Labels::from_pairs([
                ("__name__", name),
                ("cluster", "bench"),
                ("container", "app"),
                ("instance", "10.0.0.1:9090"),
                ("job", "bench"),
                ("namespace", &ns),
                ("pod", &pod),
            ]);
            (labels, chunks(series as i64))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        store.series.insert(name.to_owned(), all);
    }
    Arc::new(store)
}

/// A counter with scrapes that come a little early or late.
fn chunks(series: i64) -> Vec<Chunk> {
    let samples: Vec<i64> = (0..START_MS / STEP_MS + STEPS).collect();
    let mut value = 0.0;
    let chunk = |part: &[i64]| {
        let mut appender = XorAppender::new();
        let time = |i: i64| i * STEP_MS + (i * 31 % 17);
        for i in part {
            value += ((i * 7 + series) % 13) as f64;
            assert!(appender.append(time(*i), value), "120 samples fit");
        }
        Chunk {
            min_time: time(part[0]),
            max_time: time(part[part.len() - 1]),
            replica: 0,
            data: ChunkData::Encoded {
                encoding: Encoding::Xor,
                bytes: appender.into_bytes().into(),
            },
        }
    };
    samples.chunks(120).map(chunk).collect()
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn queries(c: &mut Criterion) {
    let store = store();
    let mut group = c.benchmark_group("engine");
    group.sample_size(20);
    group.throughput(Throughput::Elements(SERIES as u64 * STEPS as u64));
    for threads in [1, 2] {
        let mut options = EngineOptions::new(CpuPool::new(threads), Arc::new(SystemClock));
        options.inline_ns = 0;
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
                    let run = engine.range(store.clone(), query, START_MS, end, STEP_MS, &options);
                    block_on(run).expect("the query is well-formed")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, queries);
criterion_main!(benches);
