//! Two replicas of a gauge with jitter, decoded and merged by the penalty algorithm. Budget: 15 ns a sample read.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_chunk::{Columns, Encoding, XorAppender};
use gauntlet_model::Labels;
use gauntlet_storage::dedup::{PenaltyScratch, decode_penalty};
use gauntlet_storage::{Chunk, ChunkData, SeriesSet, SeriesSetBuilder, TimeRange};

const SAMPLES: i64 = 5760;

fn replicas(lanes: u32) -> SeriesSet {
    let mut builder = SeriesSetBuilder::new();
    builder.push_series(Labels::from_pairs([("__name__", "m")]));
    for replica in 0..lanes {
        for first in (0..SAMPLES).step_by(120) {
            let mut appender = XorAppender::new();
            let time = |i: i64| i * 15_000 + i64::from(replica) * 4_321 + i * 7_919 % 13;
            for i in first..first + 120 {
                appender.append(time(i), (i as f64 / 40.0).sin());
            }
            let (min_time, max_time) = (time(first), time(first + 119));
            let bytes = Bytes::from(appender.into_bytes());
            let data = ChunkData::Encoded { encoding: Encoding::Xor, bytes };
            builder.push_chunk(Chunk { min_time, max_time, replica, data });
        }
    }
    builder.build()
}

fn dedup(c: &mut Criterion) {
    let mut group = c.benchmark_group("dedup");
    for (name, lanes, counter) in [
        ("one lane", 1, false),
        ("gauge", 2, false),
        ("counter", 2, true),
        ("three lanes", 3, false),
    ] {
        let set = replicas(lanes);
        let (mut scratch, mut out) = (PenaltyScratch::default(), Columns::default());
        group.throughput(Throughput::Elements(u64::from(lanes) * SAMPLES as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                decode_penalty(&set, 0, TimeRange::all(), counter, &mut scratch, &mut out)
                    .expect("BUG: own chunks");
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, dedup);
criterion_main!(benches);
