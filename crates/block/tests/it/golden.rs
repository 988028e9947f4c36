//! Blocks of a real Prometheus and a real Thanos: read whole, written again, compared byte for byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_block::health::IndexHealth;
use gauntlet_block::index::{IndexWriter, SeriesEntry, SymbolCache};
use gauntlet_block::{
    BlockMeta, BlockReader, FileSource, IndexReader, IndexSource as _, PageCache, SegmentWriter,
    Tombstones,
};
use gauntlet_chunk::histogram::{Appended, FloatHistogramSamples, HistogramSamples};
use gauntlet_chunk::{
    AggregateChunk, Columns, Encoding, FloatHistogramAppender, HistogramAppender, XorAppender,
    decode,
};
use gauntlet_runtime::{Fs, SystemFs};

/// Folders of all golden blocks; empty, with a word about it, where there are none.
pub(crate) fn golden_blocks() -> Vec<PathBuf> {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let mut blocks = Vec::new();
    for set in
        ["bucket-raw", "bucket-compacted", "prometheus-data/killed", "prometheus-data/stopped"]
    {
        let Ok(entries) = std::fs::read_dir(root.join("golden").join(set)) else { continue };
        let mut found: Vec<_> =
            entries.map(|e| e.unwrap().path()).filter(|p| p.join("meta.json").exists()).collect();
        found.sort();
        // A hundred raw blocks are much alike.
        let step = if set == "bucket-raw" { 16 } else { 1 };
        blocks.extend(found.into_iter().step_by(step));
    }
    assert!(blocks.len() > 30, "golden blocks are missing: {}", blocks.len());
    blocks
}

pub(crate) fn open(folder: &Path) -> Arc<BlockReader> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    BlockReader::open(&fs, folder, &PageCache::new(1 << 24)).unwrap()
}

#[test]
fn metas_come_back_byte_for_byte() {
    for folder in golden_blocks() {
        let bytes = std::fs::read(folder.join("meta.json")).unwrap();
        let meta = BlockMeta::parse("meta.json", &bytes).unwrap();
        assert!(meta.unknown.is_empty(), "{folder:?}");
        assert_eq!(String::from_utf8(meta.to_json()), String::from_utf8(bytes), "{folder:?}");
    }
}

#[test]
fn statistics_of_meta_are_those_of_the_files() {
    for folder in golden_blocks() {
        let block = open(&folder);
        let stats = block.meta().stats;
        let (mut series, mut chunks, mut samples) = (0, 0, 0);
        block
            .for_each_series(&[], |_, labels, entry| {
                assert!(!labels.is_empty());
                series += 1;
                chunks += entry.chunks.len() as u64;
                for meta in &entry.chunks {
                    let raw = block.raw_chunk(meta.chunk_ref)?;
                    samples += match Encoding::from_u8(raw.encoding) {
                        Some(encoding) => {
                            let mut out = Columns::default();
                            decode(encoding, &raw.data, i64::MIN, i64::MAX, &mut out).unwrap();
                            assert_eq!(out.timestamps.first(), Some(&meta.min_time));
                            assert_eq!(out.timestamps.last(), Some(&meta.max_time));
                            out.len()
                        }
                        None => AggregateChunk::parse(&raw.data).unwrap().windows(),
                    } as u64;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((series, chunks), (stats.num_series, stats.num_chunks), "{folder:?}");
        // Downsampling leaves some counts of its source in place.
        if block.meta().thanos.is_none_or(|t| t.downsample.resolution_ms == 0) {
            assert_eq!(samples, stats.num_samples, "{folder:?}");
        }
        let tombstones = Tombstones::read(&SystemFs, &folder).unwrap();
        assert_eq!(tombstones.total(), stats.num_tombstones, "{folder:?}");
    }
}

#[test]
fn indexes_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for folder in golden_blocks() {
        let block = open(&folder);
        let index = block.index();
        let mut symbols = Vec::new();
        index
            .for_each_symbol(|symbol| {
                symbols.push(symbol.to_owned());
                Ok(())
            })
            .unwrap();
        assert_eq!(symbols.len(), index.symbol_count());
        let path = dir.path().join("index");
        let mut writer = IndexWriter::create(&SystemFs, path.clone(), &symbols).unwrap();
        let mut entry = SeriesEntry::default();
        let mut cache = SymbolCache::default();
        for series_ref in index.all_postings().unwrap() {
            index.series(series_ref, true, &mut entry).unwrap();
            let labels = index.labels(&entry, &mut cache).unwrap();
            assert_eq!(writer.add_series(&labels, &entry.chunks).unwrap(), series_ref);
        }
        writer.finish().unwrap();
        let (ours, theirs) =
            (std::fs::read(&path).unwrap(), std::fs::read(folder.join("index")).unwrap());
        assert!(
            ours == theirs,
            "{folder:?} differs at {:?}",
            ours.iter().zip(&theirs).position(|(a, b)| a != b)
        );
    }
}

#[test]
fn segments_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (i, folder) in golden_blocks().into_iter().enumerate() {
        let block = open(&folder);
        let target = dir.path().join(i.to_string());
        let mut writer =
            SegmentWriter::create(SystemFs::shared(), target.clone(), 512 << 20).unwrap();
        block
            .for_each_series(&[], |_, _, entry| {
                for meta in &entry.chunks {
                    let raw = block.raw_chunk(meta.chunk_ref)?;
                    assert_eq!(writer.write_one(raw.encoding, &raw.data)?, meta.chunk_ref);
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(writer.finish().unwrap(), block.segments().segments().len());
        let name = "000001";
        assert!(
            std::fs::read(target.join(name)).unwrap()
                == std::fs::read(folder.join("chunks").join(name)).unwrap(),
            "{folder:?}"
        );
    }
}

/// Encodes the samples of a chunk anew; histograms keep the chunk's header.
fn encode_again(encoding: Encoding, data: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Xor => {
            let mut out = Columns::default();
            decode(encoding, data, i64::MIN, i64::MAX, &mut out).unwrap();
            let mut appender = XorAppender::new();
            for (t, value) in out.timestamps.iter().zip(&out.values) {
                appender.append(*t, *value);
            }
            appender.into_bytes()
        }
        Encoding::Histogram => {
            let mut samples = HistogramSamples::new(encoding, data).unwrap();
            let mut appender = HistogramAppender::new(false);
            while samples.advance().unwrap() {
                let done =
                    appender.append(None, 0, samples.timestamp(), &samples.histogram(), true);
                assert!(matches!(done, Ok(Appended::Same)), "{done:?}");
            }
            appender.set_header(gauntlet_chunk::histogram::counter_reset_header(encoding, data));
            appender.into_bytes()
        }
        Encoding::FloatHistogram => {
            let mut samples = FloatHistogramSamples::new(encoding, data).unwrap();
            let mut appender = FloatHistogramAppender::new(false);
            while samples.advance().unwrap() {
                let done =
                    appender.append(None, 0, samples.timestamp(), &samples.histogram(), true);
                assert!(matches!(done, Ok(Appended::Same)), "{done:?}");
            }
            appender.set_header(gauntlet_chunk::histogram::counter_reset_header(encoding, data));
            appender.into_bytes()
        }
        other => panic!("golden blocks hold no {other:?}"),
    }
}

#[test]
fn chunks_come_back_byte_for_byte() {
    let mut seen = std::collections::BTreeMap::new();
    for folder in golden_blocks() {
        let block = open(&folder);
        block
            .for_each_series(&[], |_, labels, entry| {
                for meta in &entry.chunks {
                    let raw = block.raw_chunk(meta.chunk_ref)?;
                    let count = seen.entry(raw.encoding).or_insert(0);
                    *count += 1;
                    // There are fifty thousand of floats: every fifth will do.
                    if raw.encoding == Encoding::Xor as u8 && *count % 5 != 0 {
                        continue;
                    }
                    match Encoding::from_u8(raw.encoding) {
                        Some(encoding) => assert!(
                            encode_again(encoding, &raw.data) == raw.data,
                            "{folder:?} {labels} {encoding:?}"
                        ),
                        None => {
                            let chunk = AggregateChunk::parse(&raw.data).unwrap();
                            assert!(chunk.encode() == raw.data);
                            for aggregate in gauntlet_chunk::Aggregate::ALL {
                                if let Ok((encoding, data)) = chunk.get(aggregate) {
                                    assert!(
                                        encode_again(encoding, data) == data,
                                        "{labels} {aggregate:?}"
                                    );
                                }
                            }
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
    }
    println!("chunks by encoding: {seen:?}");
}

#[test]
fn an_index_header_knows_what_its_index_knows() {
    for folder in golden_blocks().into_iter().step_by(3) {
        let block = open(&folder);
        let index = block.index();
        let bytes = gauntlet_block::build_index_header(&**index.source()).unwrap();
        let header = gauntlet_block::IndexHeaderReader::from_bytes("index-header", bytes).unwrap();
        let names: Vec<_> = index.label_names().collect();
        assert_eq!(header.label_names().collect::<Vec<_>>(), names);
        for symbol in 0..index.symbol_count() as u32 {
            assert_eq!(header.symbol(symbol).unwrap(), index.symbol(symbol).unwrap());
        }
        let mut pairs = vec![("", String::new())];
        for name in &names {
            let values = header.label_values(name).unwrap();
            assert_eq!(values, index.label_values(name).unwrap());
            pairs.extend(values.into_iter().map(|v| (*name, v)));
        }
        for (name, value) in pairs {
            let range = header.postings_range(name, &value).unwrap().unwrap();
            let expect = index.postings(name, &[&value]).unwrap();
            let len = (range.end - range.start) as usize;
            assert!(len >= 4 + expect.len() * 4 && len < 8 + expect.len() * 4, "{name}={value}");
            let list = index.source().read(range.start, 4 + expect.len() * 4).unwrap();
            let refs: Vec<_> =
                list[4..].chunks(4).map(|b| u32::from_be_bytes(b.try_into().unwrap())).collect();
            assert_eq!(refs, expect);
        }
        assert_eq!(header.postings_range("nope", "").unwrap(), None);
        assert_eq!(header.postings_range("job", "zzz").unwrap(), None);
    }
}

#[test]
fn entry_sizes_are_those_that_thanos_found() {
    let mut compared = 0;
    for folder in golden_blocks() {
        let block = open(&folder);
        let meta = block.meta();
        let health = IndexHealth::gather(block.index(), meta.min_time, meta.max_time).unwrap();
        assert_eq!((health.critical(), health.out_of_order()), (None, None), "{folder:?}");
        let Some(thanos) = meta.thanos.filter(|t| t.index_stats != Default::default()) else {
            continue;
        };
        assert_eq!(health.index_stats(), thanos.index_stats, "{folder:?}");
        compared += 1;
    }
    println!("compared {compared}");
}
/// An index among the peers' own test data.
fn conformance_index(path: &str) -> Option<IndexReader> {
    let path = gauntlet_testkit::conformance_dir()?.join("conformance/thanos/pkg/block").join(path);
    let source = FileSource::open(&SystemFs, &path, &PageCache::new(1 << 20)).unwrap();
    Some(IndexReader::open(Arc::new(source)).unwrap())
}

#[test]
fn chunks_out_of_order_are_counted() {
    let Some(index) = conformance_index("testdata/out_of_order_chunks/index") else { return };
    let health = IndexHealth::gather(&index, 0, i64::MAX).unwrap();
    assert_eq!((health.out_of_order_series, health.out_of_order_chunks), (1, 1));
    assert!(health.out_of_order().is_some());
}
