//! Crafted blocks: written, selected, deleted from, damaged.

use std::path::Path;
use std::sync::Arc;

use gauntlet_block::compact::{CompactOptions, clean_tombstones};
use gauntlet_block::{BlockError, BlockMeta, BlockReader, BlockWriter, NewChunk, PageCache, Ulid};
use gauntlet_chunk::{Columns, Encoding, XorAppender};
use gauntlet_model::{Labels, MatchOp, Matcher};
use gauntlet_runtime::{Fs, SystemFs};
use gauntlet_storage::{DecodeScratch, SelectRequest, TimeRange};

fn labels(i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "m"),
        ("i", &format!("{i:03}")),
        ("odd", if i % 2 == 1 { "yes" } else { "" }),
    ])
}

/// A block of 100 series, two chunks of 50 samples each, a sample each second.
fn write_block(parent: &Path) -> BlockMeta {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let mut symbols: Vec<String> = ["__name__", "i", "m", "odd", "yes"].map(String::from).to_vec();
    symbols.extend((0..100).map(|i| format!("{i:03}")));
    symbols.sort();
    let meta = BlockMeta::new(Ulid::from_parts(1, 2), 0, 100_000);
    let mut writer =
        BlockWriter::create_with_segments(&fs, parent, meta, &symbols, 10_000).unwrap();
    let mut all: Vec<_> = (0..100).map(labels).collect();
    all.sort();
    for labels in all {
        let chunks: Vec<Vec<u8>> = (0..2)
            .map(|half| {
                let mut appender = XorAppender::new();
                for t in half * 50..half * 50 + 50 {
                    appender.append(t * 1000, (t * t) as f64);
                }
                appender.into_bytes()
            })
            .collect();
        let new = |half: i64| NewChunk {
            min_time: half * 50_000,
            max_time: half * 50_000 + 49_000,
            encoding: Encoding::Xor as u8,
            data: &chunks[half as usize],
        };
        writer.add_series(&labels, &[new(0), new(1)]).unwrap();
    }
    writer.finish().unwrap().unwrap()
}

fn open(parent: &Path, meta: &BlockMeta) -> Arc<BlockReader> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    BlockReader::open(&fs, &parent.join(meta.ulid.to_string()), &PageCache::new(1 << 20)).unwrap()
}

fn select(
    block: &Arc<BlockReader>,
    matchers: &[Matcher],
    range: TimeRange,
) -> Vec<(String, usize)> {
    let set = block.select_series(&SelectRequest::new(matchers, range)).unwrap();
    let (mut scratch, mut out) = (DecodeScratch::default(), Columns::default());
    (0..set.len())
        .map(|i| {
            set.decode(i, range, &mut scratch, &mut out).unwrap();
            (set.labels(i).value("i").to_owned(), out.len())
        })
        .collect()
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

#[test]
fn a_written_block_is_selected_from_by_every_kind_of_matcher() {
    let dir = tempfile::tempdir().unwrap();
    let meta = write_block(dir.path());
    assert_eq!(
        (meta.stats.num_series, meta.stats.num_chunks, meta.stats.num_samples),
        (100, 200, 10_000)
    );
    let block = open(dir.path(), &meta);
    assert!(block.segments().segments().len() > 1);
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let all = TimeRange::all();
    type Case<'a> = (&'a [(MatchOp, &'a str, &'a str)], usize);
    let cases: [Case<'_>; 16] = [
        (&[(Equal, "__name__", "m")], 100),
        (&[(Equal, "i", "007")], 1),
        (&[(Equal, "i", "nope")], 0),
        (&[(Equal, "odd", "yes")], 50),
        (&[(Equal, "odd", "")], 50),
        (&[(NotEqual, "odd", "yes")], 50),
        (&[(NotEqual, "odd", "")], 50),
        (&[(Regex, "i", "00.")], 10),
        (&[(Regex, "i", "001|002|nope")], 2),
        (&[(NotRegex, "i", "0.*")], 0),
        (&[(NotRegex, "i", "00.*"), (Equal, "odd", "yes")], 45),
        (&[(Regex, "odd", ".*")], 100),
        (&[(Regex, "odd", ".+")], 50),
        (&[(NotRegex, "odd", ".+")], 50),
        (&[(NotRegex, "odd", ".*")], 0),
        (&[(Regex, "missing", "|a"), (NotEqual, "i", "003")], 99),
    ];
    for (matchers, count) in cases {
        let matchers: Vec<_> = matchers.iter().map(|(op, n, v)| matcher(*op, n, v)).collect();
        assert_eq!(select(&block, &matchers, all).len(), count, "{matchers:?}");
    }
    assert_eq!(block.label_names(&[]).unwrap(), ["__name__", "i", "odd"]);
    assert_eq!(block.label_names(&[Matcher::equal("i", "002")]).unwrap(), ["__name__", "i"]);
    assert_eq!(block.label_values("odd", &[]).unwrap(), ["yes"]);
    let some = block.label_values("i", &[matcher(Regex, "i", ".*5")]).unwrap();
    assert_eq!(some.len(), 10);
    let one = [Matcher::equal("i", "010")];
    assert_eq!(select(&block, &one, TimeRange::new(49_000, 50_000)), [("010".to_owned(), 2)]);
    assert_eq!(select(&block, &one, TimeRange::new(99_001, 200_000)), []);
}

#[test]
fn deleted_samples_are_gone_and_stay_gone() {
    let dir = tempfile::tempdir().unwrap();
    let meta = write_block(dir.path());
    let block = open(dir.path(), &meta);
    block.delete(&[matcher(MatchOp::Regex, "i", "00[12]")], 10_000, 59_000).unwrap();
    block.delete(&[matcher(MatchOp::Equal, "i", "003")], i64::MIN, i64::MAX).unwrap();
    for block in [block, open(dir.path(), &meta)] {
        assert_eq!(block.meta().stats.num_tombstones, 3);
        let got = select(&block, &[matcher(MatchOp::Regex, "i", "00[0-3]")], TimeRange::all());
        let expect = [("000", 100), ("001", 50), ("002", 50)].map(|(i, n)| (i.to_owned(), n));
        assert_eq!(got, expect);
    }
}

#[test]
fn deleted_samples_are_cleaned_out_and_a_snapshot_stays() {
    let dir = tempfile::tempdir().unwrap();
    let meta = write_block(dir.path());
    let block = open(dir.path(), &meta);
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let options = CompactOptions::default();
    let ulid = Ulid::from_parts(5, 5);
    assert!(clean_tombstones(&fs, dir.path(), &block, ulid, &options).unwrap().is_none());
    block.delete(&[matcher(MatchOp::Regex, "i", "0.*")], 10_000, 59_000).unwrap();
    let kept = dir.path().join("kept");
    block.snapshot(&kept).unwrap();
    let cleaned = clean_tombstones(&fs, dir.path(), &block, ulid, &options).unwrap().unwrap();
    assert_eq!(cleaned.stats.num_samples, 5_000);
    assert_eq!((cleaned.compaction.level, cleaned.compaction.parents[0].ulid), (1, meta.ulid));
    gauntlet_block::delete_block(&SystemFs, &dir.path().join(meta.ulid.to_string())).unwrap();
    for parent in [dir.path(), &kept] {
        let meta = if parent == kept { &meta } else { &cleaned };
        let got = select(&open(parent, meta), &[Matcher::equal("i", "010")], TimeRange::all());
        assert_eq!(got, [("010".to_owned(), 50)]);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_index_or_chunks_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let meta = write_block(dir.path());
    let folder = dir.path().join(meta.ulid.to_string());
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let read_all = || -> Result<(), BlockError> {
        let block = BlockReader::open(&fs, &folder, &PageCache::new(1 << 20))?;
        block.for_each_series(&[], |_, _, entry| {
            entry.chunks.iter().try_for_each(|meta| block.raw_chunk(meta.chunk_ref).map(|_| ()))
        })?;
        for name in block.index().label_names() {
            block.index().postings_of(name)?;
        }
        Ok(())
    };
    read_all().unwrap();
    for (name, step) in [("index", 97), ("chunks/000001", 199)] {
        let path = folder.join(name);
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            // Padding between sections and segment header padding are nobody's.
            let padding = good[at] == 0;
            match read_all() {
                Err(err) => assert!(err.is_corruption(), "{err}"),
                Ok(()) => assert!(padding, "{name} at {at}"),
            }
        }
        for len in (0..good.len()).step_by(step * 3) {
            std::fs::write(&path, &good[..len]).unwrap();
            assert!(read_all().is_err(), "{name} cut to {len}");
        }
        std::fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_writer_refuses_what_no_reader_would_take() {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let meta = BlockMeta::new(Ulid::from_parts(1, 3), 0, 10);
    assert!(BlockWriter::create(&fs, dir.path(), meta.clone(), ["b", "a"]).is_err());
    let mut writer = BlockWriter::create(&fs, dir.path(), meta, ["a", "b", "c"]).unwrap();
    let chunk = |min_time, max_time| NewChunk { min_time, max_time, encoding: 1, data: &[0, 0] };
    let of = |name, value| Labels::from_pairs([(name, value)]);
    writer.add_series(&of("a", "b"), &[chunk(0, 1), chunk(2, 3)]).unwrap();
    for (labels, chunks) in [
        (of("a", "b"), vec![chunk(0, 1)]),
        (of("a", "a"), vec![chunk(0, 1)]),
        (of("a", "d"), vec![chunk(0, 1)]),
        (of("a", "c"), vec![chunk(0, 2), chunk(2, 3)]),
        (of("a", "c"), vec![chunk(3, 2)]),
    ] {
        assert!(
            matches!(writer.add_series(&labels, &chunks), Err(BlockError::Refused(_))),
            "{labels}"
        );
    }
    // No samples: no block.
    assert!(writer.finish().unwrap().is_none());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
