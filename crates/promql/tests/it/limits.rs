//! A query that would pass a limit fails alone, with the error that says so.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use gauntlet_model::Labels;
use gauntlet_promql::engine::QueryOptions;
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{Budget, CpuPool, SystemClock};
use gauntlet_testkit::promqltest::MemoryStore;

fn store() -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for series in 0..200 {
        let name = format!("{series:03}");
        let labels = Labels::from_pairs([("__name__", "m_total"), ("i", &name)]);
        for i in 0..60 {
            store.append(&labels, 0, i * 15_000, (i + series) as f64, None).unwrap();
        }
    }
    store.encode().unwrap();
    Arc::new(store)
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The error's kind and text for `query` over 50 steps of all series.
fn check(set: impl Fn(&mut EngineOptions), query: &str, expect: Result<(), (&str, &str)>) {
    let mut options = EngineOptions::new(CpuPool::new(2), Arc::new(SystemClock));
    set(&mut options);
    let engine = Engine::new(options);
    let options = QueryOptions::default();
    let run = engine.range(store(), query, 0, 49 * 15_000, 15_000, &options);
    match (block_on(run), expect) {
        (Ok(_), Ok(())) => {}
        (Err(failure), Err((kind, text))) => {
            assert_eq!(failure.error.error_type(), kind, "{}", failure.error);
            assert!(failure.error.to_string().contains(text), "{}", failure.error);
        }
        (got, expect) => {
            let got = got.map(|_| "an answer").map_err(|failure| failure.error.to_string());
            panic!("{query}: {got:?} where {expect:?} was expected");
        }
    }
}

#[test]
fn samples_are_counted_as_upstream_counts_them() {
    let too_many = Err(("execution", "too many samples into memory in query execution"));
    check(|o| o.max_samples = 10_000, "m_total", Ok(()));
    check(|o| o.max_samples = 9_999, "m_total", too_many);
    check(|o| o.max_samples = 9_999, "sum(m_total)", too_many);
}

#[test]
fn memory_is_charged_before_it_is_used_and_given_back() {
    let over = Err(("execution", "needs more memory than it may use"));
    check(|o| o.query_memory_bytes = 20_000, "m_total", over);
    check(|o| o.query_memory_bytes = 20_000, "count(m_total)", Ok(()));
    let all = Budget::new(10 << 20);
    check(|o| o.memory = Some(Arc::clone(&all)), "m_total / on (i) m_total", Ok(()));
    assert_eq!(all.used_bytes(), 0);
    assert!(all.peak_bytes() >= 3 * 200 * 50 * 8, "both sides and the result");
}

#[test]
fn time_runs_out() {
    let late = Err(("timeout", "query timed out in "));
    check(|o| o.timeout = Duration::ZERO, "m_total", late);
}
