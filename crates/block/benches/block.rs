//! A block of 20,000 series with ten labels and two chunks of 120 samples each: cost per series to select, to decode, to compact.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gauntlet_block::compact::{CompactOptions, compact_blocks};
use gauntlet_block::{BlockMeta, BlockReader, BlockWriter, NewChunk, PageCache, Ulid};
use gauntlet_chunk::{Columns, XorAppender};
use gauntlet_model::{Labels, Matcher};
use gauntlet_runtime::{Fs, SystemFs};
use gauntlet_storage::{DecodeScratch, SelectRequest, TimeRange};

const SERIES: usize = 20_000;
const STEP_MS: i64 = 15_000;

fn labels(i: usize) -> Labels {
    let (instance, path) = (i / 40, i % 40);
    Labels::from_pairs([
        ("__name__", "http_requests_total".to_owned()),
        ("cluster", "eu-central-1".to_owned()),
        ("code", format!("{}", 200 + path % 5)),
        ("env", "production".to_owned()),
        ("instance", format!("10.0.{}.{}:9100", instance / 250, instance % 250)),
        ("job", "api-server".to_owned()),
        ("method", "GET".to_owned()),
        ("path", format!("/api/v1/resource/{path}")),
        ("pod", format!("api-server-{instance:05}-x7k2p")),
        ("zone", format!("zone-{}", instance % 3)),
    ])
}

/// Writes a block of 240 samples a series from `start` on.
fn write_block(parent: &Path, number: u64, start: i64) -> BlockMeta {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let mut series: Vec<Labels> = (0..SERIES).map(labels).collect();
    series.sort();
    let mut symbols: Vec<String> = series
        .iter()
        .flat_map(|l| l.iter().flat_map(|(n, v)| [n.to_owned(), v.to_owned()]))
        .collect();
    symbols.sort();
    symbols.dedup();
    let end = start + 240 * STEP_MS;
    let meta = BlockMeta::new(Ulid::from_parts(number, 1), start, end);
    let mut writer = BlockWriter::create(&fs, parent, meta, &symbols).expect("block begins");
    for (i, labels) in series.iter().enumerate() {
        let mut total = 0;
        let chunks = [0, 1].map(|half| {
            let mut appender = XorAppender::new();
            for k in 0..120 {
                total += (i * 7 + k * k) % 100;
                appender.append(start + (half * 120 + k as i64) * STEP_MS, total as f64);
            }
            appender.into_bytes()
        });
        let new = |half: i64| NewChunk {
            min_time: start + half * 120 * STEP_MS,
            max_time: start + (half * 120 + 119) * STEP_MS,
            encoding: 1,
            data: &chunks[half as usize],
        };
        writer.add_series(labels, &[new(0), new(1)]).expect("series ascend");
    }
    writer.finish().expect("block ends").expect("block has samples")
}

fn open(parent: &Path, meta: &BlockMeta) -> Arc<BlockReader> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let cache = PageCache::new(64 << 20);
    BlockReader::open(&fs, &parent.join(meta.ulid.to_string()), &cache).expect("block opens")
}

#[expect(clippy::print_stdout, reason = "the figure is for whoever runs the bench")]
fn block(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let first = write_block(dir.path(), 1, 0);
    let second = write_block(dir.path(), 2, first.max_time);
    let reader = open(dir.path(), &first);
    let request =
        SelectRequest::new([Matcher::equal("__name__", "http_requests_total")], TimeRange::all());
    let mut group = c.benchmark_group("block");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SERIES as u64));
    group.bench_function("open", |b| b.iter(|| black_box(open(dir.path(), &first))));
    group.bench_function("select", |b| {
        b.iter(|| black_box(reader.select_series(&request).expect("selects").len()));
    });
    group.bench_function("select_one", |b| {
        let one = [
            Matcher::equal("instance", "10.0.1.7:9100"),
            Matcher::equal("path", "/api/v1/resource/3"),
        ];
        let request = SelectRequest::new(one, TimeRange::all());
        b.iter(|| black_box(reader.select_series(&request).expect("selects").len()));
    });
    let set = reader.select_series(&request).expect("selects");
    group.bench_function("decode", |b| {
        let (mut scratch, mut out) = (DecodeScratch::default(), Columns::default());
        b.iter(|| {
            for i in 0..set.len() {
                set.decode(i, TimeRange::all(), &mut scratch, &mut out).expect("decodes");
                black_box(out.len());
            }
        });
    });
    let other = open(dir.path(), &second);
    group.bench_function("compact_two", |b| {
        let fs: Arc<dyn Fs> = SystemFs::shared();
        b.iter(|| {
            let target = tempfile::tempdir().expect("temporary folder");
            let blocks = [Arc::clone(&reader), Arc::clone(&other)];
            let options = CompactOptions::default();
            compact_blocks(&fs, target.path(), &blocks, Ulid::from_parts(3, 1), &options)
                .expect("compacts")
        });
    });
    group.finish();
    println!(
        "index {} bytes, held in memory {} bytes",
        reader.index().size_bytes(),
        reader.index().memory_bytes()
    );
}

criterion_group!(benches, block);
criterion_main!(benches);
