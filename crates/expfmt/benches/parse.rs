//! Parsing speed: a body of gauges with seven labels, new to the parser and known to it; and the peers' bodies of `conformance/textparse`,
//! where they are there. Budget: `scan`'s module page.
#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_expfmt::{Entry, MediaType, Parser, ParserOptions, ScratchLabels};

const LINES: usize = 10_000;

fn body() -> String {
    let mut out = String::new();
    for i in 0..LINES {
        if i % 50 == 0 {
            let _ = write!(
                out,
                "# HELP metric_{} Some help for it.\n# TYPE metric_{0} gauge\n",
                i / 50
            );
        }
        let _ = writeln!(
            out,
            "metric_{}{{instance=\"10.0.0.{}:9100\",namespace=\"ns-{}\",pod=\"app-{i}\",container=\"main\"}} {}",
            i / 50,
            i % 250,
            i % 7,
            i * 37
        );
    }
    out
}

fn parse(c: &mut Criterion) {
    let body = body();
    let mut lengths = Vec::new();
    let mut parser = Parser::new(body.as_bytes(), MediaType::Text, ParserOptions::default());
    while let Some(entry) = parser.next().unwrap() {
        if entry == Entry::Series {
            lengths.push(parser.sample().raw.len());
        }
    }
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("scan", |b| {
        b.iter(|| {
            let mut parser =
                Parser::new(body.as_bytes(), MediaType::Text, ParserOptions::default());
            let mut sum = 0.0;
            while let Some(entry) = parser.next().unwrap() {
                if entry == Entry::Series {
                    sum += parser.sample().value;
                }
            }
            black_box(sum)
        });
    });
    group.bench_function("known", |b| {
        b.iter(|| {
            let mut parser =
                Parser::new(body.as_bytes(), MediaType::Text, ParserOptions::default());
            let mut sum = 0.0;
            let mut i = 0;
            while let Some(entry) = parser.next_known(|_| Some(lengths[i])).unwrap() {
                if entry == Entry::Series {
                    sum += parser.sample().value;
                    i = (i + 1).min(LINES - 1);
                }
            }
            black_box(sum)
        });
    });
    group.bench_function("labels", |b| {
        let mut scratch = ScratchLabels::default();
        b.iter(|| {
            let mut parser =
                Parser::new(body.as_bytes(), MediaType::Text, ParserOptions::default());
            let mut count = 0;
            while let Some(entry) = parser.next().unwrap() {
                if entry == Entry::Series {
                    parser.labels(&mut scratch).unwrap();
                    count += scratch.len();
                }
            }
            black_box(count)
        });
    });
    group.finish();
}

/// The peers' bodies: lines told apart, with labels decoded, and known.
#[expect(clippy::print_stdout, reason = "says what it leaves out")]
fn files(c: &mut Criterion) {
    let dir = match std::env::var_os("CONFORMANCE_DIR") {
        Some(dir) => std::path::PathBuf::from(dir),
        None => std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let mut group = c.benchmark_group("textparse");
    for name in
        ["alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt", "alltypes.5mfs.om.txt"]
    {
        let Ok(mut body) = std::fs::read(dir.join("conformance/textparse").join(name)) else {
            println!("SKIPPED: {name} is not there");
            continue;
        };
        let open = name.ends_with(".om.txt");
        if open && !body.trim_ascii_end().ends_with(b"# EOF") {
            body.extend_from_slice(b"# EOF\n");
        }
        let media_type = if open { MediaType::OpenMetrics } else { MediaType::Text };
        let mut lengths = Vec::new();
        let mut parser = Parser::new(&body, media_type, ParserOptions::default());
        while let Some(entry) = parser.next().unwrap() {
            if entry == Entry::Series {
                lengths.push(parser.sample().raw.len());
            }
        }
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut scratch = ScratchLabels::default();
        group.bench_function(format!("{name}: with labels"), |b| {
            b.iter(|| {
                let mut parser = Parser::new(&body, media_type, ParserOptions::default());
                let mut count = 0;
                while let Some(entry) = parser.next().unwrap() {
                    if entry == Entry::Series {
                        parser.labels(&mut scratch).unwrap();
                        count += scratch.len();
                    }
                }
                black_box(count)
            });
        });
        group.bench_function(format!("{name}: known"), |b| {
            b.iter(|| {
                let mut parser = Parser::new(&body, media_type, ParserOptions::default());
                let (mut sum, mut i) = (0.0, 0);
                while let Some(entry) = parser.next_known(|_| lengths.get(i).copied()).unwrap() {
                    if entry == Entry::Series {
                        sum += parser.sample().value;
                        i += 1;
                    }
                }
                black_box(sum)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, files);
criterion_main!(benches);
