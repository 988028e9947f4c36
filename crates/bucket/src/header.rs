//! A block's index header: kept on disk, made of a few range reads where it is missing or damaged.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_block::index_header::{INDEX_HEADER_FILE, IndexHeaderReader, build_index_header};
use gauntlet_block::{ByteSource, FileSource, PageCache};
use gauntlet_objstore::Bucket;
use gauntlet_runtime::Fs;
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::BucketError;
use crate::ranges;

/// Bytes at an index's end that are read at once: table of contents and most of the postings table.
const TAIL_BYTES: u64 = 64 << 10;
/// Rounds of reading after which an index is given up; three do for a sound one.
const MAX_ROUNDS: usize = 8;

/// Opens the header in `folder`, or makes it there from the object `index`.
pub async fn open_or_build(
    bucket: &dyn Bucket,
    index: &str,
    fs: &Arc<dyn Fs>,
    folder: &Path,
    cache: &Arc<PageCache>,
) -> Result<IndexHeaderReader, BucketError> {
    let path = folder.join(INDEX_HEADER_FILE);
    if fs.exists(&path) {
        match open(fs, &path, cache) {
            Ok(header) => return Ok(header),
            Err(err) => warn!(path = %path.display(), %err, "index header is made anew"),
        }
    }
    let size = bucket.attributes(index).await?.size_bytes;
    let bytes = build(bucket, index, size).await?;
    fs.create_dir_all(folder)
        .map_err(|err| BucketError::Io(format!("{}: {err}", folder.display())))?;
    fs.replace(&path, &bytes)
        .map_err(|err| BucketError::Io(format!("{}: {err}", path.display())))?;
    info!(index, bytes = bytes.len(), "made index header");
    open(fs, &path, cache)
}

fn open(
    fs: &Arc<dyn Fs>,
    path: &Path,
    cache: &Arc<PageCache>,
) -> Result<IndexHeaderReader, BucketError> {
    let source = FileSource::open(fs.as_ref(), path, cache)
        .map_err(|err| BucketError::Io(format!("{}: {err}", path.display())))?;
    Ok(IndexHeaderReader::open(Arc::new(source))?)
}

/// Reads what the header's maker asks for, until it asks for nothing more.
async fn build(bucket: &dyn Bucket, index: &str, size: u64) -> Result<Vec<u8>, BucketError> {
    let mut wanted = vec![0..16.min(size), size.saturating_sub(TAIL_BYTES)..size];
    let sparse = Sparse::new(index, size);
    for _ in 0..MAX_ROUNDS {
        wanted.retain(|range| !range.is_empty());
        let parts = ranges::fetch(bucket, index, wanted.clone()).await?;
        for range in wanted {
            let bytes = parts.get(range.clone());
            sparse.add(range.start, bytes);
        }
        match build_index_header(&sparse) {
            Ok(bytes) => return Ok(bytes),
            Err(err) => match sparse.take_missing() {
                Some(missing) => wanted = vec![missing],
                None => return Err(err.into()),
            },
        }
    }
    Err(BucketError::Corrupt(format!("{index}: its parts point at each other without end")))
}

/// An object of which parts have been read. A read of what is missing errs and is noted.
#[derive(Debug)]
struct Sparse {
    name: String,
    size: u64,
    state: Mutex<SparseState>,
}

#[derive(Debug, Default)]
struct SparseState {
    parts: Vec<(u64, Bytes)>,
    missing: Option<Range<u64>>,
}

impl Sparse {
    fn new(name: &str, size: u64) -> Self {
        Self { name: name.to_owned(), size, state: Mutex::default() }
    }

    fn add(&self, start: u64, bytes: Bytes) {
        self.state.lock().parts.push((start, bytes));
    }

    fn take_missing(&self) -> Option<Range<u64>> {
        self.state.lock().missing.take()
    }
}

impl ByteSource for Sparse {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.size);
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let mut state = self.state.lock();
        let found = state.parts.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
            (from + len <= bytes.len()).then(|| bytes.slice(from..from + len))
        });
        found.ok_or_else(|| {
            state.missing = Some(offset..end);
            io::Error::from(io::ErrorKind::WouldBlock)
        })
    }
}
