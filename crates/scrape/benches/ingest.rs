//! A known body into a storage that takes everything and keeps nothing: ns a sample for parsing, lookup and bookkeeping.
#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};
use gauntlet_scrape::bench_support::Door;
use gauntlet_scrape::config::{ScrapeConfig, ScrapeGlobals};
use gauntlet_storage::{AppendError, Appender};
use gauntlet_yaml::{Context, Dialect, Document, Mapping};

const LINES: usize = 10_000;

/// Names new series by counting.
#[derive(Default)]
struct Sink {
    series: u64,
    sum: f64,
}

impl Appender for Sink {
    fn append(
        &mut self,
        series: SeriesRef,
        _: &Labels,
        _: Timestamp,
        value: f64,
    ) -> Result<SeriesRef, AppendError> {
        self.sum += value;
        if series.0 == 0 {
            self.series += 1;
            return Ok(SeriesRef(self.series));
        }
        Ok(series)
    }

    fn append_histogram(
        &mut self,
        series: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        Ok(series)
    }

    fn append_float_histogram(
        &mut self,
        series: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        Ok(series)
    }

    fn append_exemplar(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Exemplar,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    fn update_metadata(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: &Metadata,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}

fn body(churn: usize) -> String {
    let mut out = String::new();
    for i in 0..LINES {
        if i % 50 == 0 {
            let _ = write!(
                out,
                "# HELP metric_{} Some help for it.\n# TYPE metric_{0} gauge\n",
                i / 50
            );
        }
        let pod = if i % 100 < churn { i + LINES } else { i };
        let _ = writeln!(
            out,
            "metric_{}{{instance=\"10.0.0.{}:9100\",namespace=\"ns-{}\",pod=\"app-{pod}\",container=\"main\"}} {}",
            i / 50,
            i % 250,
            i % 7,
            i * 37
        );
    }
    out
}

fn door() -> Door {
    let document = Document::parse(b"job_name: bench\n", Dialect::V2).unwrap();
    let mut cx = Context::new();
    let mut map = Mapping::read(document.root().unwrap(), "config.plain", &mut cx).unwrap();
    let config = ScrapeConfig::read(&mut map, &mut cx, &ScrapeGlobals::default());
    Door::new(config, "host:9100").unwrap()
}

fn ingest(c: &mut Criterion) {
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(LINES as u64));
    let text = "text/plain; version=0.0.4";
    let same = body(0);
    group.bench_function("known", |b| {
        let (mut door, mut sink, mut t) = (door(), Sink::default(), 0);
        b.iter(|| {
            t += 1;
            let (kept, err) = door.append(&mut sink, same.as_bytes(), text, t);
            assert!(err.is_none());
            black_box(kept)
        });
    });
    group.bench_function("churn_1_percent", |b| {
        let other = body(1);
        let (mut door, mut sink, mut t) = (door(), Sink::default(), 0);
        b.iter(|| {
            t += 1;
            let body = if t % 2 == 0 { &same } else { &other };
            black_box(door.append(&mut sink, body.as_bytes(), text, t).0)
        });
    });
    group.bench_function("new", |b| {
        let mut sink = Sink::default();
        b.iter(|| black_box(door().append(&mut sink, same.as_bytes(), text, 1).0));
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
