//! XOR chunks of 120 samples: nanoseconds a sample to encode and to decode, over shapes of values.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_chunk::{Columns, Encoding, XorAppender, decode};

const SAMPLES: usize = 120;

fn shapes() -> Vec<(&'static str, Vec<(i64, f64)>)> {
    let mut seed = 42u64;
    let mut chance = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut of = |jitter: bool, value: &mut dyn FnMut(u64, usize) -> f64| {
        let mut samples = Vec::new();
        for i in 0..SAMPLES {
            let late = if jitter { (chance() % 12) as i64 } else { 0 };
            samples.push((1_700_000_000_000 + i as i64 * 15_000 + late, value(chance(), i)));
        }
        samples
    };
    let mut total = 0.0;
    let mut jittered = 0.0;
    vec![
        ("constant", of(false, &mut |_, _| 1.0)),
        (
            "counter",
            of(false, &mut |c, _| {
                total += (c % 100) as f64;
                total
            }),
        ),
        (
            "counter_jitter",
            of(true, &mut |c, _| {
                jittered += (c % 100) as f64;
                jittered
            }),
        ),
        ("gauge", of(false, &mut |c, _| (c % 10_000) as f64 / 100.0)),
        ("random", of(false, &mut |c, _| f64::from_bits(c >> 12 | 0x3ff0_0000_0000_0000))),
    ]
}

fn xor(c: &mut Criterion) {
    for (name, samples) in shapes() {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(SAMPLES as u64));
        group.bench_function("encode", |b| {
            b.iter(|| {
                let mut appender = XorAppender::new();
                for (t, value) in &samples {
                    appender.append(*t, *value);
                }
                black_box(appender.bytes().len())
            });
        });
        let mut appender = XorAppender::new();
        for (t, value) in &samples {
            appender.append(*t, *value);
        }
        let chunk = appender.into_bytes();
        let mut out = Columns::default();
        group.bench_function("decode", |b| {
            b.iter(|| {
                out.clear();
                decode(Encoding::Xor, black_box(&chunk), i64::MIN, i64::MAX, &mut out)
                    .expect("encoded above");
                black_box(out.values.len())
            });
        });
        group.finish();
    }
    many_chunks(c);
}

/// As a query meets them: more chunks than branch prediction can learn, of counters and gauges.
fn many_chunks(c: &mut Criterion) {
    let chunks: Vec<Vec<u8>> = (0..1000u64)
        .map(|number| {
            let mut seed = number + 1;
            let mut appender = XorAppender::new();
            let mut total = 0.0;
            for i in 0..SAMPLES as i64 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number);
                let step = (seed >> 33) % 100;
                total += step as f64;
                let value = if number % 2 == 0 { total } else { step as f64 / 100.0 };
                appender.append(1_700_000_000_000 + i * 15_000, value);
            }
            appender.into_bytes()
        })
        .collect();
    let mut group = c.benchmark_group("many_chunks");
    group.throughput(Throughput::Elements((SAMPLES * chunks.len()) as u64));
    let mut out = Columns::default();
    group.bench_function("decode", |b| {
        b.iter(|| {
            for chunk in &chunks {
                out.clear();
                decode(Encoding::Xor, black_box(chunk), i64::MIN, i64::MAX, &mut out)
                    .expect("encoded above");
            }
            black_box(out.values.len())
        });
    });
    group.finish();
}

criterion_group!(benches, xor);
criterion_main!(benches);
