//! Frames of a StoreAPI stream: a series of ten labels with one chunk of 180 bytes. Budget: 1 us each to read and to write (measured 0.7 and 0.6).

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_model::Labels;
use gauntlet_wire::frame::{AggrChunk, ChunkBytes, StoreSet, put_batch_frame};

fn frames(c: &mut Criterion) {
    let series: Vec<(Labels, Vec<AggrChunk>)> = (0..64)
        .map(|i| {
            let pairs = (0..9).map(|n| (format!("label_{n}"), format!("value-{n}-{i:05}")));
            let name = [("__name__".to_owned(), "http_requests_total".to_owned())];
            let data = Bytes::from(vec![i as u8; 180]);
            let chunk = AggrChunk::raw(1, 2, ChunkBytes { encoding: 1, data, hash: 7 });
            (Labels::from_pairs(name.into_iter().chain(pairs)), vec![chunk])
        })
        .collect();
    let refs: Vec<_> = series.iter().map(|(l, c)| (l, &c[..])).collect();
    let mut frame = Vec::new();
    put_batch_frame(&mut frame, &refs);
    let bytes = Bytes::from(frame.clone());
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Elements(series.len() as u64));
    group.bench_function("read", |b| {
        b.iter(|| {
            let mut set = StoreSet::new();
            set.read_frame(&bytes).expect("BUG: own frame");
            set
        });
    });
    group.bench_function("write", |b| {
        b.iter(|| {
            frame.clear();
            put_batch_frame(&mut frame, &refs);
            frame.len()
        });
    });
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
