//! Doors for fuzzing: each takes any bytes and reads all there is to read in them. Nothing may panic or hang.

use std::sync::Arc;

use bytes::Bytes;

use crate::index::{IndexReader, SeriesEntry, SymbolCache};
use crate::index_header::IndexHeaderReader;
use crate::meta::BlockMeta;
use crate::segment::{SegmentReader, parse_chunk};
use crate::source::{ByteSource, MemorySource};
use crate::tombstones::Tombstones;

fn source(data: &[u8]) -> Arc<dyn ByteSource> {
    Arc::new(MemorySource::new("fuzz", Bytes::copy_from_slice(data)))
}

/// An index: all postings, series and labels.
pub fn index(data: &[u8]) {
    let Ok(reader) = IndexReader::open(source(data)) else { return };
    let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
    let names: Vec<_> = reader.label_names().map(str::to_owned).collect();
    for name in names {
        let _ = reader.label_values(&name);
        for series_ref in reader.postings_of(&name).unwrap_or_default() {
            if reader.series(series_ref, true, &mut entry).is_ok() {
                let _ = reader.labels(&entry, &mut cache);
            }
        }
    }
    let _ = entry.decode(data, true);
}

pub fn index_header(data: &[u8]) {
    let Ok(reader) = IndexHeaderReader::open(source(data)) else { return };
    let names: Vec<_> = reader.label_names().map(str::to_owned).collect();
    for name in names {
        for value in reader.label_values(&name).unwrap_or_default() {
            let _ = reader.postings_range(&name, &value);
        }
    }
}

pub fn tombstones(data: &[u8]) {
    if let Ok(tombstones) = Tombstones::parse("fuzz", data) {
        assert_eq!(Tombstones::parse("fuzz", &tombstones.to_file()).ok(), Some(tombstones));
    }
}

pub fn meta(data: &[u8]) {
    if let Ok(meta) = BlockMeta::parse("fuzz", data) {
        assert_eq!(BlockMeta::parse("fuzz", &meta.to_json()).ok(), Some(meta));
    }
}

/// A segment, read at each place its first bytes could point to.
pub fn segment(data: &[u8]) {
    let _ = parse_chunk(&MemorySource::new("fuzz", Bytes::new()), 0, &Bytes::copy_from_slice(data));
    let Ok(reader) = SegmentReader::new(vec![source(data)]) else { return };
    for offset in 0..data.len().min(64) as u64 + 2 {
        let _ = reader.chunk(offset);
    }
}
