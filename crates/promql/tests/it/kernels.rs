//! Short ways through the engine against the long ones: windows side by side against windows alone, joins without a mask, what
//! a storage is told of a selection.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use gauntlet_model::Labels;
use gauntlet_promql::engine::{QueryOptions, SampleValue, Value};
use gauntlet_promql::{Engine, EngineOptions};
use gauntlet_runtime::{CpuPool, SystemClock};
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};
use gauntlet_testkit::promqltest::MemoryStore;

use crate::limits::block_on;

const STEP: i64 = 15_000;
const STEPS: i64 = 50;

fn engine() -> Engine {
    Engine::new(EngineOptions::new(CpuPool::new(1), Arc::new(SystemClock)))
}

fn store(series: &[(&str, &dyn Fn(i64) -> f64)]) -> Arc<MemoryStore> {
    let mut store = MemoryStore::new();
    for (name, value) in series {
        let labels = Labels::from_pairs([("__name__", *name)]);
        for i in 0..100 {
            store.append(&labels, 0, i * STEP, value(i), None).unwrap();
        }
    }
    store.encode().unwrap();
    Arc::new(store)
}

/// The floats of the only series of a range query.
fn range(store: &Arc<MemoryStore>, query: &str) -> Vec<f64> {
    let (engine, options) = (engine(), QueryOptions::default());
    let (start, end) = (40 * STEP, (40 + STEPS - 1) * STEP);
    let result = block_on(engine.range(store.clone(), query, start, end, STEP, &options)).unwrap();
    let Value::Matrix(matrix) = result.value else { panic!("a matrix is expected") };
    matrix.floats(0).map(|(_, value)| value).collect()
}

fn instant(store: &Arc<MemoryStore>, query: &str, t: i64) -> f64 {
    let (engine, options) = (engine(), QueryOptions::default());
    let result = block_on(engine.instant(store.clone(), query, t, &options)).unwrap();
    match result.value {
        Value::Vector(samples) => match samples[0].value {
            SampleValue::Float(value) => value,
            SampleValue::Histogram(_) => panic!("a float is expected"),
        },
        other => panic!("a vector is expected: {other:?}"),
    }
}

#[test]
fn sums_side_by_side_are_those_alone_to_the_last_bit() {
    // Magnitudes far apart, so that compensation matters, and one step at which everything overflows.
    let wild = |i: i64| ((i * 7919 % 1000) as f64 - 500.0) * 10f64.powi((i * 31 % 40) as i32 - 20);
    let huge = |i: i64| if i % 37 == 0 { f64::MAX } else { wild(i) };
    let store = store(&[("wild", &wild), ("huge", &huge)]);
    for query in ["sum_over_time(wild[5m])", "avg_over_time(wild[5m])", "avg_over_time(huge[10m])"]
    {
        for (i, value) in range(&store, query).iter().enumerate() {
            let alone = instant(&store, query, (40 + i as i64) * STEP);
            assert_eq!(value.to_bits(), alone.to_bits(), "{query} at {i}: {value} {alone}");
        }
    }
}

#[test]
fn a_counter_with_falls_rises_as_one_without() {
    let falling = |i: i64| (1000 + i * 7919 % 97) as f64;
    // The same, with what a fall hides counted in.
    let rising = |i: i64| {
        let steps = (1..=i).map(|i| match falling(i) >= falling(i - 1) {
            true => falling(i) - falling(i - 1),
            false => falling(i),
        });
        1e9 + steps.sum::<f64>()
    };
    let store = store(&[("falling_total", &falling), ("rising_total", &rising)]);
    let (a, b) =
        (range(&store, "increase(falling_total[2m])"), range(&store, "increase(rising_total[2m])"));
    assert_eq!(a.len(), STEPS as usize);
    assert_eq!(a, b);
}

#[test]
fn sides_stay_in_place_whichever_is_the_one_side() {
    let store = store(&[("six", &|_| 6.0), ("two", &|_| 2.0)]);
    for grouping in ["", "group_left ()", "group_right ()"] {
        for (op, expect) in [("/", 3.0), ("-", 4.0), ("> bool", 1.0), ("^", 36.0)] {
            let query = format!("six {op} on () {grouping} two");
            assert_eq!(instant(&store, &query, STEP), expect, "{query}");
        }
    }
}

/// Notes for each selection whether only the last sample was asked for.
#[derive(Debug)]
struct Listening(Arc<MemoryStore>, Mutex<Vec<bool>>);

impl Queryable for Listening {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        self.1.lock().unwrap().push(request.hints.latest_only);
        self.0.select(request)
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        self.0.label_names(request)
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        self.0.label_values(name, request)
    }
}

#[test]
fn the_last_sample_alone_is_asked_for_where_one_instant_is_shown() {
    let check = |query: &str, expect: &[bool]| {
        let store = Arc::new(Listening(store(&[("m", &|i| i as f64)]), Mutex::default()));
        let (engine, options) = (engine(), QueryOptions::default());
        block_on(engine.instant(store.clone(), query, 90 * STEP, &options)).unwrap();
        assert_eq!(*store.1.lock().unwrap(), expect, "{query}");
    };
    check("m", &[true]);
    check("sum(m)", &[true]);
    check("m + m", &[true]);
    check("m - m offset 5m", &[false]);
    check("m - m @ 0", &[false]);
    check("rate(m[5m])", &[false]);
    check("max_over_time(m[5m:15s])", &[false]);
}
