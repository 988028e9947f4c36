//! A query that would pass a limit fails alone, with the error that says so.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use gauntlet_model::histogram::Span;
use gauntlet_model::{FloatHistogram, Labels};
use gauntlet_promql::engine::QueryOptions;
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{Budget, Clock, CpuPool, SystemClock};
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
    options.inline_ns = 0;
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

#[test]
fn memory_that_runs_out_names_the_operator() {
    let over = Err(("execution", "in operator join: "));
    check(|o| o.query_memory_bytes = 220_000, "m_total / on (i) m_total", over);
    let over = Err(("execution", "in operator window: "));
    check(|o| o.query_memory_bytes = 20_000, "sort(rate(m_total[1m]))", over);
}

/// Histograms with so many buckets, a sample every 15 s.
fn histograms(series: usize, buckets: usize) -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for series in 0..series {
        let name = format!("{series:03}");
        let labels = Labels::from_pairs([("__name__", "h"), ("i", &name)]);
        for i in 0..60 {
            let histogram = FloatHistogram {
                count: (buckets * (i + 1)) as f64,
                sum: 1.0,
                positive_spans: vec![Span { offset: 0, length: buckets as u32 }],
                positive_buckets: vec![(i + 1) as f64; buckets],
                ..FloatHistogram::default()
            };
            let t = i as i64 * 15_000;
            store.append(&labels, 0, t, 0.0, Some(Arc::new(histogram))).unwrap();
        }
    }
    store.encode().unwrap();
    Arc::new(store)
}

#[test]
fn histograms_are_paid_for() {
    let run = |query: &str, limit: u64| {
        let mut options = EngineOptions::new(CpuPool::new(2), Arc::new(SystemClock));
        options.inline_ns = 0;
        options.query_memory_bytes = limit;
        let all = Budget::new(u64::MAX);
        options.memory = Some(Arc::clone(&all));
        let engine = Engine::new(options);
        let options = QueryOptions::default();
        let store = histograms(10, 200);
        let run = engine.range(store, query, 0, 49 * 15_000, 15_000, &options);
        let outcome = block_on(run).map(drop).map_err(|failure| failure.error.to_string());
        assert_eq!(all.used_bytes(), 0, "{query}");
        (outcome, all.peak_bytes())
    };
    // 10 series of 50 steps of 200 counts.
    let whole = 10 * 50 * 200 * 8;
    for query in ["h", "h * 2", "rate(h[1m])", "h + on (i) h"] {
        let (outcome, peak) = run(query, u64::MAX);
        assert!(outcome.is_ok() && peak > whole, "{query}: {outcome:?} {peak}");
        let (outcome, peak) = run(query, whole);
        let text = outcome.unwrap_err();
        assert!(text.contains("needs more memory than it may use in operator"), "{query}: {text}");
        assert!(peak <= whole);
    }
    let (outcome, peak) = run("sum(h)", u64::MAX);
    assert!(outcome.is_ok() && peak > 50 * 200 * 8 * 2, "sum and compensation by step: {peak}");
}

/// Counts how often it is asked; a query's look at its deadline asks once.
#[derive(Debug, Default)]
struct CountingClock(AtomicU64);

impl Clock for CountingClock {
    fn now_ms(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        self.0.fetch_add(1, Ordering::Relaxed);
        Duration::ZERO
    }
}

#[test]
fn no_work_goes_on_for_long_without_a_look_at_whether_it_is_wanted() {
    // One series whose windows hold all of its samples at nearly every step.
    let mut store = MemoryStore::new();
    let labels = Labels::from_pairs([("__name__", "m_total")]);
    for i in 0..2000 {
        store.append(&labels, 0, i * 1000, ((i * 7919) % 1000) as f64, None).unwrap();
    }
    store.encode().unwrap();
    let store = Arc::new(store);
    let (steps, samples) = (1000u64, 2000);
    for func in [
        "quantile_over_time(0.5, X)",
        "sum_over_time(X)",
        "rate(X)",
        "deriv(X)",
        "stddev_over_time(X)",
    ] {
        let clock = Arc::new(CountingClock::default());
        let engine = Engine::new(EngineOptions::new(CpuPool::new(1), clock.clone()));
        let options = QueryOptions::default();
        let query = func.replace('X', "m_total[2000s]");
        let run = engine.range(store.clone(), &query, 2_000_000, 2_999_000, 1000, &options);
        let result = block_on(run).unwrap();
        assert!(result.stats.total_samples >= steps * samples / 2);
        // Half of the samples of counters are falls, and only these are work.
        let work = steps * samples / 8;
        let looks = clock.0.load(Ordering::Relaxed);
        assert!(looks >= work / (1 << 17), "{query}: {looks} looks");
    }
    // Histograms: a look each series at least, and as many by weight.
    let clock = Arc::new(CountingClock::default());
    let engine = Engine::new(EngineOptions::new(CpuPool::new(1), clock.clone()));
    let options = QueryOptions::default();
    let store = histograms(10, 500);
    let run = engine.range(store, "sum_over_time(h[15m])", 0, 49 * 15_000, 15_000, &options);
    let result = block_on(run).unwrap();
    let looks = clock.0.load(Ordering::Relaxed);
    assert!(looks >= 10 + result.stats.total_samples / (1 << 17), "{looks} looks");
}

#[test]
fn samples_that_an_operator_does_not_take_match_nothing() {
    let mut store = MemoryStore::new();
    for i in ["1", "2"] {
        let labels = Labels::from_pairs([("__name__", "f"), ("i", i)]);
        store.append(&labels, 0, 0, 1.0, None).unwrap();
    }
    let histogram = FloatHistogram {
        count: 1.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![1.0],
        ..FloatHistogram::default()
    };
    let labels = Labels::from_pairs([("__name__", "h")]);
    store.append(&labels, 0, 0, 0.0, Some(Arc::new(histogram))).unwrap();
    store.encode().unwrap();
    let store = Arc::new(store);
    let engine = Engine::new(EngineOptions::new(CpuPool::new(1), Arc::new(SystemClock)));
    let ask = |query: &str| {
        let options = QueryOptions::default();
        let run = engine.instant(store.clone(), query, 1000, &options);
        match block_on(run) {
            Ok(result) => {
                let (_, infos) = result.annotations.to_strings(query, 0, 0);
                infos.join("; ")
            }
            Err(failure) => failure.error.to_string(),
        }
    };
    // The peer's answers. What cannot be computed is no match; what can be is one, kept or not.
    let info = "PromQL info: incompatible sample types encountered for binary operator \"/\": float / histogram (1:1)";
    assert_eq!(ask("f / on () h"), info);
    let many = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
    assert_eq!(ask("f * on () h"), many);
    assert_eq!(ask("f > on () (h / h * 0 or vector(5))"), many);
}
