//! The real engine as what is under test.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use gauntlet_model::Timestamp;
use gauntlet_promql::engine::{self, EngineOptions, QueryFailure, QueryOptions, QueryResult};
use gauntlet_promql::{Engine, ParserOptions};
use gauntlet_runtime::{CpuPool, ManualClock};

use super::{Answer, MAX_SAMPLES, MemoryStore, SampleValue, TestEngine, Value};

/// The engine with the settings of the scripts.
#[derive(Clone, Debug)]
pub struct EngineUnderTest {
    engine: Engine,
}

impl EngineUnderTest {
    /// `threads` of the CPU pool: answers must not depend on it.
    pub fn new(threads: usize) -> Self {
        let mut options = EngineOptions::new(CpuPool::new(threads), Arc::new(ManualClock::new(0)));
        if threads > 1 {
            // However small, the query is spread over them.
            options.inline_ns = 0;
        }
        options.max_samples = MAX_SAMPLES;
        options.parser = ParserOptions::all();
        options.delayed_name_removal = true;
        options.use_start_timestamps = true;
        Self { engine: Engine::new(options) }
    }

    /// As [`Self::new`] with the peer's limit of samples.
    pub fn without_sample_limit(threads: usize) -> Self {
        let this = Self::new(threads);
        let mut options = this.engine.options().clone();
        options.max_samples = 50_000_000;
        Self { engine: Engine::new(options) }
    }
}

impl TestEngine for EngineUnderTest {
    fn instant(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        at: Timestamp,
    ) -> Result<Answer, String> {
        let options = QueryOptions::default();
        answer(block_on(self.engine.instant(store.clone(), query, at, &options)))
    }

    fn range(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    ) -> Result<Answer, String> {
        let options = QueryOptions::default();
        answer(block_on(self.engine.range(store.clone(), query, start, end, step_ms, &options)))
    }
}

fn answer(result: Result<QueryResult, QueryFailure>) -> Result<Answer, String> {
    let result = result.map_err(|failure| failure.error.to_string())?;
    let sample = |value| match value {
        engine::SampleValue::Float(value) => SampleValue::Float(value),
        engine::SampleValue::Histogram(histogram) => SampleValue::Histogram(histogram),
    };
    let value = match result.value {
        engine::Value::Scalar { value, .. } => Value::Scalar(value),
        engine::Value::String { text, .. } => Value::String(text),
        engine::Value::Vector(samples) => {
            Value::Vector(samples.into_iter().map(|s| (s.labels, sample(s.value))).collect())
        }
        engine::Value::Matrix(matrix) => Value::Matrix(
            (0..matrix.len())
                .map(|i| {
                    let floats = matrix.floats(i).map(|(t, v)| (t, SampleValue::Float(v)));
                    let histograms =
                        matrix.histograms(i).map(|(t, h)| (t, SampleValue::Histogram(h.clone())));
                    let mut points: Vec<_> = floats.chain(histograms).collect();
                    points.sort_by_key(|(t, _)| *t);
                    (matrix.labels(i).clone(), points)
                })
                .collect(),
        ),
    };
    Ok(Answer { value, annotations: result.annotations })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
