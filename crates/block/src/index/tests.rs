//! An index of version 1, put together by hand: symbols and series are named by offsets, the offset table is in no order.

use std::sync::Arc;

use gauntlet_encoding::{crc32c, put_len_bytes, put_u32, put_uvarint};
use gauntlet_model::{Labels, MatchOp, Matcher};

use super::writer::encode_series;
use super::*;
use crate::index_header::{IndexHeaderReader, build_index_header};
use crate::source::MemorySource;

fn section(out: &mut Vec<u8>, content: &[u8]) {
    put_u32(out, content.len() as u32);
    out.extend_from_slice(content);
    put_u32(out, crc32c(content));
}

pub(crate) fn version_1() -> Vec<u8> {
    let mut out = INDEX_MAGIC.to_be_bytes().to_vec();
    out.push(1);
    let mut toc = Toc { symbols: out.len() as u64, ..Toc::default() };
    let mut content = 5u32.to_be_bytes().to_vec();
    let mut symbol = std::collections::HashMap::new();
    for text in ["a", "b", "c", "x", "y"] {
        symbol.insert(text, out.len() as u32 + 4 + content.len() as u32);
        put_len_bytes(&mut content, text.as_bytes());
    }
    section(&mut out, &content);
    toc.series = out.len() as u64;
    let mut series = Vec::new();
    for pairs in [vec![("a", "x")], vec![("a", "y"), ("b", "c")]] {
        series.push(out.len() as u32);
        let labels: Vec<_> = pairs.iter().map(|(n, v)| (symbol[n], symbol[v])).collect();
        let chunk = ChunkMeta { min_time: 5, max_time: 9, chunk_ref: 8 };
        let mut entry = Vec::new();
        encode_series(&labels, &[chunk], &mut entry);
        put_uvarint(&mut out, entry.len() as u64);
        out.extend_from_slice(&entry);
        put_u32(&mut out, crc32c(&entry));
    }
    toc.label_indices = out.len() as u64;
    toc.postings = out.len() as u64;
    let mut table = 4u32.to_be_bytes().to_vec();
    let lists = [
        ("b", "c", &series[1..]),
        ("a", "y", &series[1..]),
        ("", "", &series[..]),
        ("a", "x", &series[..1]),
    ];
    for (name, value, list) in lists {
        table.push(2);
        put_len_bytes(&mut table, name.as_bytes());
        put_len_bytes(&mut table, value.as_bytes());
        put_uvarint(&mut table, out.len() as u64);
        let mut content = (list.len() as u32).to_be_bytes().to_vec();
        list.iter().for_each(|series| put_u32(&mut content, *series));
        section(&mut out, &content);
    }
    toc.label_offset_table = out.len() as u64;
    toc.postings_offset_table = out.len() as u64;
    section(&mut out, &table);
    toc.put(&mut out);
    out
}

#[test]
fn version_1_is_read() {
    let index = IndexReader::open(Arc::new(MemorySource::new("index", version_1()))).unwrap();
    assert_eq!(index.version(), IndexVersion::V1);
    assert_eq!(index.label_names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(index.label_values("a").unwrap(), ["x", "y"]);
    let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
    let mut spelled = |series_ref| {
        index.series(series_ref, true, &mut entry).unwrap();
        assert_eq!(entry.chunks.len(), 1);
        index.labels(&entry, &mut cache).unwrap()
    };
    let all: Vec<_> = index.all_postings().unwrap().into_iter().map(&mut spelled).collect();
    assert_eq!(
        all,
        [Labels::from_pairs([("a", "x")]), Labels::from_pairs([("a", "y"), ("b", "c")])]
    );
    for (op, value, expect) in
        [(MatchOp::Equal, "y", 1), (MatchOp::Regex, ".", 2), (MatchOp::NotEqual, "y", 1)]
    {
        let matcher = Matcher::new(op, "a", value).unwrap();
        assert_eq!(postings_for_matchers(&index, &[matcher]).unwrap().len(), expect);
    }
    let header = build_index_header(&**index.source()).unwrap();
    let header = IndexHeaderReader::from_bytes("index-header", header).unwrap();
    index.series(index.all_postings().unwrap()[1], false, &mut entry).unwrap();
    for (name, value) in &entry.labels {
        assert_eq!(header.symbol(*name).unwrap(), index.symbol(*name).unwrap());
        assert_eq!(header.symbol(*value).unwrap(), index.symbol(*value).unwrap());
    }
    for (name, value, series) in [("a", "x", 1), ("a", "y", 1), ("b", "c", 1), ("", "", 2)] {
        let range = header.postings_range(name, value).unwrap().unwrap();
        assert_eq!(range.end - range.start, 4 + 4 * series, "{name}={value}");
    }
}
