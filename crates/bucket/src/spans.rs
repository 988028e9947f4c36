//! Where each metric's series lie in a block's index: made once beside the index header, never required.
//!
//! Series ascend by label set and the metric's name sorts first among ordinary names, so a metric's entries are one run of the
//! index. Knowing it, a selection by name reads entries at once, without postings: one dependent read less. Entries of others
//! that lie in between are read and dropped by their labels, so the run need not be pure.
//!
//! File `index-header.spans`, page docs/formats/index-header.md:
//! | magic u32 be 0x67587370 | version u8 = 1 | count u32 be | (list u64 be, first u32 be, last u32 be) * count | crc32c u32 be |

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use gauntlet_block::IndexHeaderReader;
use gauntlet_block::index::IndexVersion;
use gauntlet_encoding::{Cursor, crc32c, put_u32, put_u64};
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{MatchOp, Matcher};
use gauntlet_objstore::Bucket;
use gauntlet_runtime::Fs;
use tracing::{debug, warn};

use crate::BucketError;
use crate::postings::{decode, list_range};
use crate::ranges;

const FILE: &str = "index-header.spans";
const MAGIC: u32 = 0x6758_7370;
const VERSION: u8 = 1;
/// Postings of all names together that are read to make the file; blocks with more go without.
const MAX_LISTS_BYTES: u64 = 16 << 20;
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Longest run read where other matchers may leave little of it, and where all of it is wanted.
const MAX_MIXED_BYTES: u64 = 1 << 20;
const MAX_WHOLE_BYTES: u64 = 16 << 20;

/// One metric's run: the place of its postings list, its first and its last series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    list: u64,
    first: u32,
    last: u32,
}

/// The runs of a block, ascending by list; 16 bytes a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Opens the file in `folder` or makes it. What fails here costs speed only, and is logged.
    pub async fn open_or_build(
        bucket: &dyn Bucket,
        index: &str,
        header: &IndexHeaderReader,
        fs: &Arc<dyn Fs>,
        folder: &Path,
    ) -> Self {
        let path = folder.join(FILE);
        if fs.exists(&path) {
            match fs.read(&path, MAX_FILE_BYTES).map(|bytes| Self::parse(&bytes)) {
                Ok(Ok(spans)) => return spans,
                Ok(Err(reason)) => warn!(path = %path.display(), reason, "spans are made anew"),
                Err(err) => warn!(path = %path.display(), %err, "spans are made anew"),
            }
        }
        match Self::build(bucket, index, header).await {
            Ok(spans) => {
                if let Err(err) = fs.replace(&path, &spans.to_file()) {
                    warn!(path = %path.display(), %err, "spans not kept");
                }
                spans
            }
            Err(err) => {
                debug!(index, %err, "no spans made");
                Self::default()
            }
        }
    }

    async fn build(
        bucket: &dyn Bucket,
        index: &str,
        header: &IndexHeaderReader,
    ) -> Result<Self, BucketError> {
        // In version 1 entries are not aligned, so a run cannot be walked.
        if header.index_version() == IndexVersion::V1 {
            return Ok(Self::default());
        }
        let mut lists = Vec::new();
        let mut bytes = 0;
        let mut names = Vec::new();
        header.for_each_value(METRIC_NAME, "", |value, _| {
            names.push(value.to_owned());
            Ok(ControlFlow::Continue(()))
        })?;
        for name in names {
            if let Some(range) = list_range(header, METRIC_NAME, &name)? {
                bytes += range.end - range.start;
                lists.push(range);
            }
        }
        if bytes > MAX_LISTS_BYTES {
            return Ok(Self::default());
        }
        let parts = ranges::fetch(bucket, index, lists.clone()).await?;
        let mut spans = Vec::with_capacity(lists.len());
        for range in lists {
            let series = decode(index, range.start, &parts.get(range.clone()))?;
            if let (Some(first), Some(last)) = (series.first(), series.last()) {
                spans.push(Span { list: range.start, first: *first, last: *last });
            }
        }
        spans.sort_unstable_by_key(|span| span.list);
        Ok(Self(spans))
    }

    /// The bytes of the index to read for a selection by name: from the first entry to where the last begins. `None` where
    /// postings serve better.
    pub fn range_for(
        &self,
        header: &IndexHeaderReader,
        matchers: &[Matcher],
    ) -> Result<Option<Range<u64>>, BucketError> {
        let by_name =
            |m: &&Matcher| m.op == MatchOp::Equal && m.name == METRIC_NAME && !m.value.is_empty();
        let Some(name) = matchers.iter().find(by_name) else { return Ok(None) };
        let Some(list) = list_range(header, METRIC_NAME, &name.value)? else { return Ok(None) };
        let Ok(at) = self.0.binary_search_by_key(&list.start, |span| span.list) else {
            return Ok(None);
        };
        let span = self.0[at];
        let range = header.series_offset(span.first)..header.series_offset(span.last);
        let limit = if matchers.len() == 1 { MAX_WHOLE_BYTES } else { MAX_MIXED_BYTES };
        let len = range.end.checked_sub(range.start);
        Ok(len.is_some_and(|len| len <= limit).then_some(range))
    }

    /// Reads a file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (content, stored) = bytes.split_last_chunk::<4>().ok_or("cut short")?;
        let (stored, found) = (u32::from_be_bytes(*stored), crc32c(content));
        if stored != found {
            return Err(format!("expected checksum {stored:08x}, found {found:08x}"));
        }
        let mut cursor = Cursor::new(content);
        let mut read = || -> Result<Self, gauntlet_encoding::DecodeError> {
            let (magic, version, count) = (cursor.u32()?, cursor.u8()?, cursor.u32()?);
            let mut spans = Vec::new();
            if (magic, version) == (MAGIC, VERSION) {
                for _ in 0..count {
                    let (list, first, last) = (cursor.u64()?, cursor.u32()?, cursor.u32()?);
                    spans.push(Span { list, first, last });
                }
            }
            Ok(Self(spans))
        };
        read().map_err(|err| err.to_string())
    }

    fn to_file(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(13 + self.0.len() * 16);
        put_u32(&mut out, MAGIC);
        out.push(VERSION);
        put_u32(&mut out, self.0.len() as u32);
        for span in &self.0 {
            put_u64(&mut out, span.list);
            put_u32(&mut out, span.first);
            put_u32(&mut out, span.last);
        }
        let crc = crc32c(&out);
        put_u32(&mut out, crc);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_back_and_damage_is_seen() {
        let spans = Spans(vec![
            Span { list: 5, first: 1, last: 9 },
            Span { list: 1 << 40, first: 10, last: u32::MAX },
        ]);
        let mut file = spans.to_file();
        assert_eq!(Spans::parse(&file).unwrap(), spans);
        file[10] ^= 1;
        assert!(Spans::parse(&file).is_err());
        assert!(Spans::parse(&[]).is_err());
    }
}
