//! Where the bytes of a block's files come from: memory, a file read through a page cache, later ranges of a bucket object.
//!
//! Files are read, not mapped: whoever truncates a file makes us err, not crash. Small reads go through pages that all blocks
//! share within one byte budget, so that symbols and neighbouring series cost no system call each.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gauntlet_runtime::{File, Fs};
use parking_lot::Mutex;
use quick_cache::Weighter;

/// Random access to immutable bytes.
pub trait ByteSource: Debug + Send + Sync {
    /// For errors: path or object name.
    fn name(&self) -> &str;
    fn len(&self) -> u64;
    /// Exactly `len` bytes at `offset`; `UnexpectedEof` where there are not as many.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// As [`ByteSource::read`], for bytes that are wanted once: no cache keeps them.
    fn read_once(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.read(offset, len)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes that are all in memory.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    bytes: Bytes,
}

impl MemorySource {
    pub fn new(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (start, end) = range_of(offset, len, self.len())?;
        Ok(self.bytes.slice(start as usize..end as usize))
    }
}

/// Bytes of a page. Small, since chunks and series entries are; a power of two.
pub const PAGE_BYTES: usize = 16 << 10;
/// Reads above this go straight to the file.
const DIRECT_READ_BYTES: usize = 4 * PAGE_BYTES;
/// Default budget of [`PageCache`].
pub const DEFAULT_CACHE_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug)]
struct PageWeight;

impl Weighter<(u64, u64), Bytes> for PageWeight {
    fn weight(&self, _: &(u64, u64), page: &Bytes) -> u64 {
        page.len() as u64 + 64
    }
}

/// Pages of files, shared by all blocks. Scan resistant: one long read does not push out what is read often.
#[derive(Debug)]
pub struct PageCache {
    pages: quick_cache::sync::Cache<(u64, u64), Bytes, PageWeight>,
    next_file: AtomicU64,
}

impl PageCache {
    /// `budget_bytes` bounds what the pages hold.
    pub fn new(budget_bytes: u64) -> Arc<Self> {
        let pages = (budget_bytes as usize / PAGE_BYTES).max(16);
        let cache =
            quick_cache::sync::Cache::with_weighter(pages, budget_bytes.max(1 << 20), PageWeight);
        Arc::new(Self { pages: cache, next_file: AtomicU64::new(0) })
    }

    /// Bytes held now.
    pub fn size_bytes(&self) -> u64 {
        self.pages.weight()
    }
}

/// A file on this machine.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    file: Arc<dyn File>,
    id: u64,
    len: u64,
    cache: Arc<PageCache>,
}

impl FileSource {
    pub fn open(fs: &dyn Fs, path: &Path, cache: &Arc<PageCache>) -> io::Result<Self> {
        let file = fs.open(path)?;
        let len = file.size_bytes()?;
        let id = cache.next_file.fetch_add(1, Ordering::Relaxed);
        Ok(Self { name: path.display().to_string(), file, id, len, cache: Arc::clone(cache) })
    }

    fn page(&self, page: u64) -> io::Result<Bytes> {
        let key = (self.id, page);
        if let Some(found) = self.cache.pages.get(&key) {
            return Ok(found);
        }
        let offset = page * PAGE_BYTES as u64;
        let bytes =
            self.read_direct(offset, (self.len - offset).min(PAGE_BYTES as u64) as usize)?;
        self.cache.pages.insert(key, bytes.clone());
        Ok(bytes)
    }

    fn read_direct(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; len];
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (start, end) = range_of(offset, len, self.len)?;
        if len > DIRECT_READ_BYTES {
            return self.read_direct(start, len);
        }
        if len == 0 {
            return Ok(Bytes::new());
        }
        let size = PAGE_BYTES as u64;
        let (first, last) = (start / size, (end - 1) / size);
        let from = (start % size) as usize;
        if first == last {
            return Ok(self.page(first)?.slice(from..from + len));
        }
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&self.page(first)?[from..]);
        for page in first + 1..=last {
            let bytes = self.page(page)?;
            let wanted = (len - out.len()).min(bytes.len());
            out.extend_from_slice(&bytes[..wanted]);
        }
        Ok(out.into())
    }

    fn read_once(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (start, _) = range_of(offset, len, self.len)?;
        self.read_direct(start, len)
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        // Pages of a closed file are dead weight; a block has few enough to name each.
        for page in 0..self.len.div_ceil(PAGE_BYTES as u64).min(1 << 16) {
            self.cache.pages.remove(&(self.id, page));
        }
    }
}

/// Least and most bytes that a [`Sequential`] reads at once.
const FIRST_WINDOW_BYTES: usize = 16 << 10;
const LAST_WINDOW_BYTES: usize = 128 << 10;

/// A source that is read about front to back, once: by one reader, in steps that grow, past the page cache. Holds one step.
#[derive(Debug)]
pub struct Sequential {
    source: Arc<dyn ByteSource>,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    /// Size of the step.
    step: usize,
}

impl Sequential {
    pub fn new(source: Arc<dyn ByteSource>) -> Self {
        Self { source, window: Mutex::default() }
    }
}

impl ByteSource for Sequential {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (start, end) = range_of(offset, len, self.source.len())?;
        let mut window = self.window.lock();
        let held_to = window.start + window.bytes.len() as u64;
        if start >= window.start && end <= held_to {
            let from = (start - window.start) as usize;
            return Ok(window.bytes.slice(from..from + len));
        }
        if len > LAST_WINDOW_BYTES {
            return self.source.read_once(start, len);
        }
        let goes_on = (window.start..=held_to + LAST_WINDOW_BYTES as u64).contains(&start);
        let step = if goes_on && window.step > 0 { window.step * 2 } else { FIRST_WINDOW_BYTES };
        let step = step.min(LAST_WINDOW_BYTES).max(len);
        let wanted = (self.source.len() - start).min(step as u64) as usize;
        // Before the next step is read this one goes, unless a slice of it is still in use.
        window.bytes = Bytes::new();
        let bytes = self.source.read_once(start, wanted)?;
        *window = Window { start, bytes, step };
        Ok(window.bytes.slice(..len))
    }
}

fn range_of(offset: u64, len: usize, size: u64) -> io::Result<(u64, u64)> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok((offset, end)),
        _ => {
            let text = format!("{len} bytes at {offset} wanted, file has {size}");
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_runtime::SystemFs;

    #[test]
    fn reads_cross_pages_and_end_where_the_file_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let content: Vec<u8> = (0..PAGE_BYTES * 6 + 100).map(|i| (i / 7) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let cache = PageCache::new(1 << 20);
        let source = FileSource::open(&SystemFs, &path, &cache).unwrap();
        let len = content.len();
        for (offset, count) in [
            (0, 10),
            (PAGE_BYTES - 5, 10),
            (PAGE_BYTES, PAGE_BYTES),
            (10, 3 * PAGE_BYTES),
            (1, 5 * PAGE_BYTES),
            (len - 3, 3),
            (len, 0),
        ] {
            assert_eq!(source.read(offset as u64, count).unwrap(), content[offset..offset + count]);
        }
        assert!(source.read(len as u64 - 2, 3).is_err());
        assert!(source.read(u64::MAX, 3).is_err());
        assert!(cache.size_bytes() > 0);
        drop(source);
        assert_eq!(cache.size_bytes(), 0);
    }

    #[test]
    fn one_that_is_read_front_to_back_gives_the_same_and_keeps_out_of_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let content: Vec<u8> = (0..3 * LAST_WINDOW_BYTES + 77).map(|i| (i / 5) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let cache = PageCache::new(1 << 20);
        let source = Sequential::new(Arc::new(FileSource::open(&SystemFs, &path, &cache).unwrap()));
        let len = content.len();
        let mut at = 0;
        let mut kept = Vec::new();
        while at < len {
            let count = (at % 700 + 1).min(len - at);
            kept.push((at, source.read(at as u64, count).unwrap()));
            at += count;
        }
        for (at, bytes) in kept {
            assert_eq!(bytes, content[at..at + bytes.len()]);
        }
        for (offset, count) in
            [(5, 10), (len - 3, 3), (len / 2, 9), (0, 2 * LAST_WINDOW_BYTES), (len, 0), (7, 0)]
        {
            assert_eq!(source.read(offset as u64, count).unwrap(), content[offset..offset + count]);
        }
        assert!(source.read(len as u64 - 2, 3).is_err());
        assert!(source.read(u64::MAX, 3).is_err());
        assert_eq!(cache.size_bytes(), 0);
    }
}
