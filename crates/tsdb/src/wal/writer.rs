//! Appends records to a log. A batch of records is compressed by its caller's thread, framed and written with one write, and
//! synced apart from that: waiting callers share a sync.
//!
//! A failed write leaves nothing: the file is cut back, and the next batch is written over what may remain. A failed sync ends
//! writing for good, since the kernel may have dropped the pages.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gauntlet_encoding::crc32c;
use gauntlet_runtime::{File, Fs};
use parking_lot::Mutex;

use super::format::{
    Compression, DEFAULT_SEGMENT_BYTES, HEADER_BYTES, KIND_FIRST, KIND_FULL, KIND_LAST,
    KIND_MIDDLE, PAGE_BYTES, SNAPPY, ZSTD, list_segments, segment_name,
};
use super::tail::Position;
use crate::error::{At as _, Result, TsdbError};

#[derive(Clone, Copy, Debug)]
pub struct WalOptions {
    /// Multiple of the page size.
    pub segment_bytes: u64,
    pub compression: Compression,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self { segment_bytes: DEFAULT_SEGMENT_BYTES, compression: Compression::default() }
    }
}

/// A place in the log: bytes written since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(u64);

/// Records to be logged together, in order. Reused between batches.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RecordBuffer {
    /// Adds what `encode` appends as one record; nothing where it appends nothing.
    pub fn record(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        encode(&mut self.bytes);
        if self.bytes.len() > before {
            self.ends.push(self.bytes.len());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// Records as they go into fragments: kind bits of the compression and bytes.
#[derive(Debug, Default)]
struct Prepared {
    bytes: Vec<u8>,
    records: Vec<(u8, usize)>,
}

impl Prepared {
    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// What preparing a batch needs, kept by its thread for the next.
struct Room {
    prepared: Prepared,
    /// One record packed, and what is left of longer ones.
    packed: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl Room {
    fn new() -> Box<Self> {
        let (prepared, packed) = (Prepared::default(), Vec::new());
        Box::new(Self { prepared, packed, snappy: snap::raw::Encoder::new() })
    }
}

/// Bytes that a thread keeps.
const KEPT_BYTES: usize = 4 << 20;

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

#[derive(Debug)]
struct Segment {
    number: u32,
    path: PathBuf,
    file: Arc<dyn File>,
    /// Bytes of whole batches in the file.
    size: u64,
    /// Bytes that the file system has set aside for the file.
    reserved: u64,
}

/// Space is set aside in steps of this size, so that a full disk is met before a batch is written, not within it.
const RESERVE_BYTES: u64 = 4 << 20;

#[derive(Debug)]
struct Writing {
    segment: Segment,
    framed: Vec<u8>,
    written: u64,
}

/// A log that is written. Shared; batches are ordered by who locks first.
#[derive(Debug)]
pub struct Wal {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: WalOptions,
    writing: Mutex<Writing>,
    /// Held while syncing; who waits for it finds its bytes synced.
    syncing: Mutex<()>,
    written: AtomicU64,
    synced: AtomicU64,
    failed: AtomicBool,
    failed_writes: AtomicU64,
}

impl Wal {
    /// Opens the log for writing in a new segment behind those that are there, which stay as they are.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, options: WalOptions) -> Result<Self> {
        fs.create_dir_all(dir).at("creating", dir)?;
        let last = list_segments(&*fs, dir).at("listing", dir)?.last().copied();
        let number = match last {
            // An empty last segment is taken over, so that restarts without writes leave no trail.
            Some((number, 0)) => number,
            Some((number, _)) => number + 1,
            None => super::checkpoint::last_checkpoint(&*fs, dir)?.map_or(0, |(n, _)| n + 1),
        };
        if let Some((number, size)) = last.filter(|(_, size)| *size > 0) {
            // A killed process has left what it had set aside.
            let _ = fs.open_write(&dir.join(segment_name(number))).and_then(|f| f.truncate(size));
        }
        let segment = create_segment(&*fs, dir, number)?;
        Ok(Self {
            fs,
            dir: dir.to_owned(),
            options,
            writing: Mutex::new(Writing { segment, framed: Vec::new(), written: 0 }),
            syncing: Mutex::new(()),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failed_writes: AtomicU64::new(0),
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn options(&self) -> WalOptions {
        self.options
    }

    /// The place behind the last whole batch: how far a reader may go.
    pub fn end(&self) -> Position {
        let writing = self.writing.lock();
        Position { segment: writing.segment.number, offset: writing.segment.size }
    }

    /// Number of the segment that is written to.
    pub fn segment(&self) -> u32 {
        self.writing.lock().segment.number
    }

    /// Writes a batch: all of it or, on error, none. It survives the end of the process; for the machine's see [`Wal::sync_to`].
    pub fn log(&self, batch: &RecordBuffer) -> Result<Lsn> {
        if self.failed.load(Ordering::Acquire) {
            return Err(TsdbError::ReadOnly("a sync failed".to_owned()));
        }
        let mut room = ROOM.take().unwrap_or_else(Room::new);
        prepare(batch, self.options.compression, &mut room);
        let written = self.write(&room.prepared);
        if room.prepared.bytes.capacity() + room.packed.capacity() <= KEPT_BYTES {
            ROOM.set(Some(room));
        }
        if written.is_err() {
            self.failed_writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// Batches that could not be written, since the log was opened.
    pub fn failed_writes(&self) -> u64 {
        self.failed_writes.load(Ordering::Relaxed)
    }

    fn write(&self, prepared: &Prepared) -> Result<Lsn> {
        let mut writing = self.writing.lock();
        let writing = &mut *writing;
        writing.framed.clear();
        let mut start = 0;
        for (kind, end) in &prepared.records {
            let record = &prepared.bytes[start..*end];
            start = *end;
            let at = writing.segment.size + writing.framed.len() as u64;
            if !fits(record.len(), at, self.options.segment_bytes) {
                flush(writing)?;
                self.roll(writing)?;
            }
            let page_at =
                (writing.segment.size + writing.framed.len() as u64) as usize % PAGE_BYTES;
            frame(&mut writing.framed, page_at, *kind, record);
        }
        flush(writing)?;
        self.written.store(writing.written, Ordering::Release);
        Ok(Lsn(writing.written))
    }

    /// Waits until the log is durable up to `lsn`.
    pub fn sync_to(&self, lsn: Lsn) -> Result<()> {
        if self.synced.load(Ordering::Acquire) >= lsn.0 {
            return Ok(());
        }
        let _syncing = self.syncing.lock();
        if self.synced.load(Ordering::Acquire) >= lsn.0 {
            return Ok(());
        }
        let (file, path, written) = {
            let writing = self.writing.lock();
            (Arc::clone(&writing.segment.file), writing.segment.path.clone(), writing.written)
        };
        self.sync_file(&*file, &path)?;
        self.synced.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }

    /// Makes all that was written durable. Costs nothing where it is already.
    pub fn sync(&self) -> Result<()> {
        self.sync_to(Lsn(self.written.load(Ordering::Acquire)))
    }

    /// Begins a new segment, unless the current one is empty, and returns its number.
    pub fn next_segment(&self) -> Result<u32> {
        let mut writing = self.writing.lock();
        if writing.segment.size > 0 {
            self.roll(&mut writing)?;
        }
        Ok(writing.segment.number)
    }

    /// Removes segments below `number`; the one that is written to stays.
    pub fn remove_below(&self, number: u32) -> Result<()> {
        let current = self.segment();
        for (segment, _) in list_segments(&*self.fs, &self.dir).at("listing", &self.dir)? {
            if segment < number.min(current) {
                let path = self.dir.join(segment_name(segment));
                self.fs.remove_file(&path).at("removing", &path)?;
            }
        }
        Ok(())
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> Result<u64> {
        let segments = list_segments(&*self.fs, &self.dir).at("listing", &self.dir)?;
        Ok(segments.iter().map(|(_, size)| size).sum())
    }

    fn sync_file(&self, file: &dyn File, path: &Path) -> Result<()> {
        let synced = file.sync_data().at("syncing", path);
        if synced.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        synced
    }

    /// Ends the segment: padded to a page, synced, the next one created.
    fn roll(&self, writing: &mut Writing) -> Result<()> {
        let segment = &writing.segment;
        let pad = (PAGE_BYTES - segment.size as usize % PAGE_BYTES) % PAGE_BYTES;
        segment
            .file
            .write_at(&[0; PAGE_BYTES][..pad], segment.size)
            .at("writing", &segment.path)?;
        self.sync_file(&*segment.file, &segment.path)?;
        // What was set aside and not needed is given back; if not, it costs some space until the segment goes.
        let _ = segment.file.truncate(segment.size + pad as u64);
        let next = create_segment(&*self.fs, &self.dir, segment.number + 1)?;
        writing.segment = next;
        self.synced.fetch_max(writing.written, Ordering::AcqRel);
        Ok(())
    }
}

fn create_segment(fs: &dyn Fs, dir: &Path, number: u32) -> Result<Segment> {
    let path = dir.join(segment_name(number));
    let file = fs.create(&path).at("creating", &path)?;
    fs.sync_dir(dir).at("syncing", dir)?;
    Ok(Segment { number, path, file, size: 0, reserved: 0 })
}

/// Sets space aside for `bytes` more, and some for later where there is enough.
fn reserve(segment: &mut Segment, bytes: u64) -> std::io::Result<()> {
    let end = segment.size + bytes;
    if end <= segment.reserved {
        return Ok(());
    }
    let ahead = end.next_multiple_of(RESERVE_BYTES);
    if segment.file.preallocate(ahead).is_ok() {
        segment.reserved = ahead;
        return Ok(());
    }
    segment.file.preallocate(end)?;
    segment.reserved = end;
    Ok(())
}

/// Writes what is framed. On error the segment is as before.
fn flush(writing: &mut Writing) -> Result<()> {
    let Writing { segment, framed, written } = writing;
    if framed.is_empty() {
        return Ok(());
    }
    if let Err(err) = reserve(segment, framed.len() as u64) {
        framed.clear();
        return Err(err).at("reserving space for", &segment.path);
    }
    if let Err(err) = segment.file.write_at(framed, segment.size) {
        framed.clear();
        segment.reserved = segment.size;
        // If this fails too, the next batch overwrites the rest, or a reader finds and names it.
        let _ = segment.file.truncate(segment.size);
        return Err(err).at("writing", &segment.path);
    }
    segment.size += framed.len() as u64;
    *written += framed.len() as u64;
    framed.clear();
    Ok(())
}

/// Whether a record fits the segment from `at` on. A record larger than a segment goes into a segment of its own.
fn fits(len: usize, at: u64, segment_bytes: u64) -> bool {
    if at == 0 {
        return true;
    }
    if at >= segment_bytes {
        return false;
    }
    let page = PAGE_BYTES as u64;
    let in_page = (page - at % page).saturating_sub(HEADER_BYTES as u64);
    let pages_left = (segment_bytes / page).saturating_sub(at / page + 1);
    len as u64 <= in_page + pages_left * (page - HEADER_BYTES as u64)
}

fn prepare(batch: &RecordBuffer, compression: Compression, room: &mut Room) {
    let Room { prepared, packed, snappy } = room;
    prepared.clear();
    for record in batch.iter() {
        let shorter = match compression {
            Compression::None => None,
            Compression::Snappy => {
                let most = snap::raw::max_compress_len(record.len());
                if packed.len() < most {
                    packed.resize(most, 0);
                }
                let len = snappy.compress(record, packed).ok();
                len.map(|len| (SNAPPY, &packed[..len]))
            }
            Compression::Zstd => {
                *packed = zstd::bulk::compress(record, 1).unwrap_or_default();
                (!packed.is_empty()).then_some((ZSTD, &packed[..]))
            }
        };
        // What does not shrink is kept as it is.
        let (kind, bytes) =
            shorter.filter(|(_, bytes)| bytes.len() < record.len()).unwrap_or((0, record));
        prepared.bytes.extend_from_slice(bytes);
        prepared.records.push((kind, prepared.bytes.len()));
    }
}

/// Appends a record's fragments; `page_at` is the place in the page where `out` ends.
fn frame(out: &mut Vec<u8>, mut page_at: usize, compression: u8, record: &[u8]) {
    let mut rest = record;
    let mut first = true;
    loop {
        let left = PAGE_BYTES - page_at;
        if left <= HEADER_BYTES {
            out.resize(out.len() + left, 0);
            page_at = 0;
            continue;
        }
        let (part, after) = rest.split_at(rest.len().min(left - HEADER_BYTES));
        let kind = match (first, after.is_empty()) {
            (true, true) => KIND_FULL,
            (true, false) => KIND_FIRST,
            (false, false) => KIND_MIDDLE,
            (false, true) => KIND_LAST,
        };
        out.push(kind | compression);
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(&crc32c(part).to_be_bytes());
        out.extend_from_slice(part);
        page_at = (page_at + HEADER_BYTES + part.len()) % PAGE_BYTES;
        if after.is_empty() {
            return;
        }
        rest = after;
        first = false;
    }
}
