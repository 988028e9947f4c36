//! Head chunk files: full chunks, out of the heap. Page: docs/formats/head-chunks.md. Source: upstream head chunk format v1.
//! file  = | magic 0x0130BC91 u32 be | version 1 | 0 0 0 | chunk* | zero* |
//! chunk = | series u64 be | min t u64 be | max t u64 be | encoding u8, top bit: late | len uvarint | data | crc32c of all before u32 be |
//!
//! The files are a cache: the log has their samples. They are never synced, and a damaged or missing one costs a longer replay.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_chunk::Encoding;
use gauntlet_encoding::{Cursor, crc32c, put_u32, put_u64, put_uvarint};
use gauntlet_model::Timestamp;
use gauntlet_runtime::{File, Fs};
use parking_lot::Mutex;
use tracing::warn;

use super::spill::SpillLost;
use crate::error::{At as _, Result, TsdbError};
use crate::wal::Damage;

const MAGIC: u32 = 0x0130_BC91;
const VERSION: u8 = 1;
const FILE_HEADER_BYTES: usize = 8;
/// Series, two times and the encoding.
const CHUNK_HEADER_BYTES: usize = 25;
/// A file is finished before it would pass this.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// Chunks are written out in runs of about this size.
const FLUSH_BYTES: usize = 64 << 10;
const LATE: u8 = 0x80;
/// Bytes of a file that are looked at together while its chunks are listed.
const WINDOW: usize = 1 << 20;
/// First guess of a chunk's size on reading: chunks of floats end at about a kilobyte.
const READ_BYTES: usize = 1152;
/// Chunks that begin no further apart are read together, what lies between them too: a kilobyte costs less than a call.
const MAX_GAP: u64 = 4096;
/// And at most so many bytes at once.
const RUN_BYTES: u64 = 64 << 10;
/// Upper bound of a chunk's data; upstream's are some kilobytes.
const MAX_CHUNK_BYTES: usize = 16 << 20;

/// Place of a chunk: file number << 32 | offset.
pub(crate) type HeadChunkRef = u64;

/// The place of a chunk that cannot be read back from where it was written.
pub(crate) const LOST_CHUNK: HeadChunkRef = u64::MAX;

/// A chunk found while loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundChunk {
    pub(crate) series: u64,
    pub(crate) min_t: Timestamp,
    pub(crate) max_t: Timestamp,
    pub(crate) chunk: HeadChunkRef,
    pub(crate) late: bool,
    pub(crate) encoding: Encoding,
}

/// A chunk to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewChunk<'a> {
    pub(crate) series: u64,
    pub(crate) min_t: Timestamp,
    pub(crate) max_t: Timestamp,
    pub(crate) encoding: Encoding,
    pub(crate) late: bool,
    pub(crate) data: &'a [u8],
}

#[derive(Debug)]
struct Current {
    number: u32,
    /// `None` until the first flush succeeded.
    file: Option<Arc<dyn File>>,
    flushed: u64,
    buffer: Vec<u8>,
}

/// A file that is kept open for readers.
#[derive(Debug)]
pub(crate) struct Pinned {
    number: u32,
    /// Bytes that were in the file when it was pinned; a file that is written no more has all it will ever have.
    written: u64,
    file: Arc<dyn File>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u32, Arc<dyn File>>,
    current: Option<Current>,
    next: u32,
    failing: bool,
    /// Chunks that were found damaged when they were read.
    damaged: BTreeSet<HeadChunkRef>,
    /// Files of before the opening whose chunks nobody has listed yet.
    unlisted: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct ChunkFiles {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    state: Mutex<State>,
}

/// Takes the number of a chunk, and its encoding and bytes or what is wrong with it.
pub(crate) type EachChunk<'a> = dyn FnMut(usize, Result<(Encoding, &[u8])>) + 'a;

impl ChunkFiles {
    /// Opens the folder. New chunks go to a new file; what the others have is told by [`ChunkFiles::list_chunks`].
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Self> {
        fs.create_dir_all(dir).at("creating", dir)?;
        let mut state = State { next: 1, ..State::default() };
        for entry in fs.list(dir).at("listing", dir)? {
            let Ok(number) = entry.name.parse::<u32>() else { continue };
            let path = dir.join(&entry.name);
            state.next = state.next.max(number.saturating_add(1));
            if entry.size_bytes == 0 {
                fs.remove_file(&path).at("removing", &path)?;
                continue;
            }
            state.files.insert(number, fs.open(&path).at("opening", &path)?);
            state.unlisted.push(number);
        }
        Ok(Self { fs, dir: dir.to_owned(), state: Mutex::new(state) })
    }

    /// Lists the sound chunks of the files of before the opening; once. Reads and verifies all of them.
    pub(crate) fn list_chunks(&self) -> (Vec<FoundChunk>, Vec<Damage>) {
        let files: Vec<(u32, Arc<dyn File>)> = {
            let mut state = self.state.lock();
            let numbers = std::mem::take(&mut state.unlisted);
            let file = |number: u32| Some((number, Arc::clone(state.files.get(&number)?)));
            numbers.into_iter().filter_map(file).collect()
        };
        let (mut found, mut damage) = (Vec::new(), Vec::new());
        for (number, file) in files {
            if let Err((offset, reason)) = scan(&*file, number, &mut found) {
                let path = self.path(number);
                damage.push(Damage { path, offset: offset as u64, reason });
            }
        }
        (found, damage)
    }

    /// Adds a chunk and says where. It can be read at once; writing it out may come later, and is tried again if it fails.
    pub(crate) fn append(&self, chunk: &NewChunk<'_>) -> HeadChunkRef {
        let mut state = self.state.lock();
        let full = state.current.as_ref().is_some_and(|current| {
            let size = current.flushed + current.buffer.len() as u64;
            size + (chunk.data.len() + CHUNK_HEADER_BYTES + 16) as u64 > MAX_FILE_BYTES
        });
        if full {
            self.flush(&mut state);
            // What could not be written stays readable nowhere else: keep the file open until it can.
            if state.current.as_ref().is_some_and(|current| current.buffer.is_empty()) {
                state.current = None;
            }
        }
        if state.current.is_none() {
            let number = state.next;
            state.next += 1;
            let mut buffer = Vec::with_capacity(FLUSH_BYTES + 4096);
            put_u32(&mut buffer, MAGIC);
            buffer.extend_from_slice(&[VERSION, 0, 0, 0]);
            state.current = Some(Current { number, file: None, flushed: 0, buffer });
        }
        let current = state.current.as_mut().expect("BUG: a current file was just made");
        let offset = current.flushed + current.buffer.len() as u64;
        let place = u64::from(current.number) << 32 | offset;
        encode(&mut current.buffer, chunk);
        if current.buffer.len() >= FLUSH_BYTES {
            self.flush(&mut state);
        }
        place
    }

    /// The files of this moment, to be read from even after they are removed.
    pub(crate) fn pin(&self) -> Vec<Pinned> {
        let mut state = self.state.lock();
        // A file that is in the buffer alone has no handle that could outlive it.
        if state.current.as_ref().is_some_and(|current| current.file.is_none()) {
            self.flush(&mut state);
        }
        let written = |number: u32| match &state.current {
            Some(current) if current.number == number => current.flushed,
            _ => u64::MAX,
        };
        let pinned = state.files.iter().map(|(number, file)| Pinned {
            number: *number,
            written: written(*number),
            file: Arc::clone(file),
        });
        pinned.collect()
    }

    /// Replaces `out` by a chunk's data, its checksum verified.
    pub(crate) fn read(&self, place: HeadChunkRef, out: &mut Vec<u8>) -> Result<Encoding> {
        self.read_pinned(place, &[], out)
    }

    /// As [`ChunkFiles::read`], with files to fall back on.
    pub(crate) fn read_pinned(
        &self,
        place: HeadChunkRef,
        pinned: &[Pinned],
        out: &mut Vec<u8>,
    ) -> Result<Encoding> {
        let (number, offset) = ((place >> 32) as u32, place & 0xffff_ffff);
        // What was written when the file was pinned is there still: no need to ask under the lock, which all readers share.
        let known = pinned.iter().find(|p| p.number == number && offset < p.written);
        if let Some(known) = known {
            return self.read_from(&*known.file, place, out);
        }
        let file = {
            let state = self.state.lock();
            if let Some(current) = &state.current
                && current.number == number
                && offset >= current.flushed
            {
                let at = (offset - current.flushed) as usize;
                let rest = current.buffer.get(at..).unwrap_or(&[]);
                return self.decode(place, rest, out).map(|(encoding, _)| encoding);
            }
            let pinned = || pinned.iter().find(|p| p.number == number).map(|p| &p.file);
            state.files.get(&number).or_else(pinned).cloned()
        };
        let Some(file) = file else {
            let reason = match place {
                LOST_CHUNK => SpillLost.to_string(),
                _ => "no such head chunk file".to_owned(),
            };
            return Err(self.corrupt(number, offset, reason));
        };
        self.read_from(&*file, place, out)
    }

    /// Reads many chunks, whose places ascend, and hands each to `each` with its number, or what was wrong with it. Neighbours in a
    /// file are read together: series of one target, and those of a wide query, cost a call for dozens of chunks.
    pub(crate) fn read_many(
        &self,
        places: &[HeadChunkRef],
        pinned: &[Pinned],
        each: &mut EachChunk<'_>,
    ) {
        let (mut run, mut one) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < places.len() {
            let first = places[at];
            let (number, offset) = ((first >> 32) as u32, first & 0xffff_ffff);
            let known = pinned.iter().find(|p| p.number == number && offset < p.written);
            let near = |pair: &&[HeadChunkRef]| {
                pair[1] - pair[0] <= MAX_GAP && pair[1] - first <= RUN_BYTES
            };
            let end = known.map_or(at, |pinned| {
                let is_written = |place: HeadChunkRef| place & 0xffff_ffff < pinned.written;
                let followers = places[at..].windows(2).take_while(near);
                at + followers.take_while(|pair| is_written(pair[1])).count()
            });
            run.clear();
            if let (Some(pinned), true) = (known, end > at) {
                run.resize((places[end] - first) as usize + READ_BYTES, 0);
                let read = pinned.file.read_at(&mut run, offset).unwrap_or(0);
                run.truncate(read);
            }
            for (n, place) in places.iter().enumerate().take(end + 1).skip(at) {
                let bytes = run.get((place - first) as usize..).unwrap_or(&[]);
                if needed_bytes(bytes).is_ok_and(|needed| needed <= bytes.len()) {
                    let found =
                        decode(bytes, *place).map(|(chunk, data, _)| (chunk.encoding, data));
                    each(
                        n,
                        found.map_err(|reason| self.corrupt(number, place & 0xffff_ffff, reason)),
                    );
                    continue;
                }
                let encoding = self.read_pinned(*place, pinned, &mut one);
                each(n, encoding.map(|encoding| (encoding, &one[..])));
            }
            at = end + 1;
        }
    }

    /// Reads a chunk that is in `file`. Budget: a microsecond, all but the kernel's half of it in the checksum and the copy.
    fn read_from(
        &self,
        file: &dyn File,
        place: HeadChunkRef,
        out: &mut Vec<u8>,
    ) -> Result<Encoding> {
        let (number, offset) = ((place >> 32) as u32, place & 0xffff_ffff);
        let failed = |source| TsdbError::Io { action: "reading", path: self.path(number), source };
        let mut small = [0; READ_BYTES];
        let read = file.read_at(&mut small, offset).map_err(failed)?;
        let bytes = &small[..read];
        let needed = needed_bytes(bytes).map_err(|reason| self.corrupt(number, offset, reason))?;
        if needed <= bytes.len() {
            return self.decode(place, bytes, out).map(|(encoding, _)| encoding);
        }
        let mut bytes = vec![0; needed];
        file.read_exact_at(&mut bytes, offset).map_err(failed)?;
        self.decode(place, &bytes, out).map(|(encoding, _)| encoding)
    }

    /// Notes a chunk that was found damaged: it is left out of answers from now on.
    pub(crate) fn set_aside(&self, place: HeadChunkRef) {
        self.state.lock().damaged.insert(place);
    }

    /// Chunks that are left out of answers.
    pub(crate) fn damaged(&self) -> BTreeSet<HeadChunkRef> {
        self.state.lock().damaged.clone()
    }

    /// Writes out what is buffered.
    pub(crate) fn sync(&self) {
        self.flush(&mut self.state.lock());
    }

    /// Number that the next file begun will have; files below it hold only chunks that exist already.
    pub(crate) fn cut(&self) -> u32 {
        let mut state = self.state.lock();
        self.flush(&mut state);
        if state.current.as_ref().is_some_and(|current| current.buffer.is_empty()) {
            state.current = None;
        }
        state.next
    }

    /// Removes files below `number`.
    pub(crate) fn remove_below(&self, number: u32) -> Result<()> {
        let mut state = self.state.lock();
        let current = state.current.as_ref().map_or(u32::MAX, |current| current.number);
        let old: Vec<u32> = state.files.range(..number.min(current)).map(|(n, _)| *n).collect();
        for number in old {
            state.files.remove(&number);
            let path = self.path(number);
            self.fs.remove_file(&path).at("removing", &path)?;
        }
        Ok(())
    }

    /// Bytes on disk, and in the buffer.
    pub(crate) fn size_bytes(&self) -> (u64, usize) {
        let state = self.state.lock();
        let files = state.files.values().filter_map(|file| file.size_bytes().ok()).sum();
        (files, state.current.as_ref().map_or(0, |current| current.buffer.capacity()))
    }

    fn flush(&self, state: &mut State) {
        let Some(current) = &mut state.current else { return };
        if current.buffer.is_empty() {
            return;
        }
        let path = self.path(current.number);
        let written = (|| -> io::Result<()> {
            let file = match &current.file {
                Some(file) => file,
                None => {
                    let file = self.fs.create(&path)?;
                    state.files.insert(current.number, Arc::clone(&file));
                    current.file.insert(file)
                }
            };
            file.write_at(&current.buffer, current.flushed)
        })();
        match written {
            Ok(()) => {
                current.flushed += current.buffer.len() as u64;
                current.buffer.clear();
                state.failing = false;
            }
            Err(err) if !state.failing => {
                state.failing = true;
                warn!(component = "tsdb", path = %path.display(), %err, "head chunks stay in memory: writing failed");
            }
            Err(_) => {}
        }
    }

    fn decode(
        &self,
        place: HeadChunkRef,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(Encoding, usize)> {
        let (chunk, data, len) = decode(bytes, place)
            .map_err(|reason| self.corrupt((place >> 32) as u32, place & 0xffff_ffff, reason))?;
        out.clear();
        out.extend_from_slice(data);
        Ok((chunk.encoding, len))
    }

    fn corrupt(&self, number: u32, offset: u64, reason: String) -> TsdbError {
        TsdbError::Corrupt {
            path: self.path(number),
            reason: format!("chunk at {offset}: {reason}"),
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:06}"))
    }
}

fn encode(out: &mut Vec<u8>, chunk: &NewChunk<'_>) {
    let start = out.len();
    put_u64(out, chunk.series);
    put_u64(out, chunk.min_t as u64);
    put_u64(out, chunk.max_t as u64);
    out.push(chunk.encoding as u8 | if chunk.late { LATE } else { 0 });
    put_uvarint(out, chunk.data.len() as u64);
    out.extend_from_slice(chunk.data);
    let crc = crc32c(&out[start..]);
    put_u32(out, crc);
}

/// Bytes of the chunk that starts here, from its length field.
fn needed_bytes(bytes: &[u8]) -> std::result::Result<usize, String> {
    let mut cursor = Cursor::new(bytes);
    let len = cursor
        .skip(CHUNK_HEADER_BYTES)
        .and_then(|()| cursor.uvarint_len())
        .map_err(|err| err.to_string())?;
    if len > MAX_CHUNK_BYTES {
        return Err(format!("length {len} passes {MAX_CHUNK_BYTES}"));
    }
    Ok(cursor.offset() + len + 4)
}

fn decode(
    bytes: &[u8],
    place: HeadChunkRef,
) -> std::result::Result<(FoundChunk, &[u8], usize), String> {
    let needed = needed_bytes(bytes)?;
    let Some(whole) = bytes.get(..needed) else { return Err("cut short".to_owned()) };
    let (sum, expected) = (crc32c(&whole[..needed - 4]), &whole[needed - 4..]);
    if sum.to_be_bytes() != *expected {
        return Err(format!("checksum: expected {expected:02x?}, found {sum:08x}"));
    }
    let mut cursor = Cursor::new(whole);
    let mut next = || cursor.u64().map_err(|err| err.to_string());
    let (series, min_t, max_t) = (next()?, next()? as i64, next()? as i64);
    let number = cursor.u8().map_err(|err| err.to_string())?;
    let encoding = Encoding::from_u8(number & !LATE)
        .ok_or_else(|| format!("unknown encoding {}", number & !LATE))?;
    let data = cursor.len_bytes().map_err(|err| err.to_string())?;
    let late = number & LATE != 0;
    Ok((FoundChunk { series, min_t, max_t, chunk: place, late, encoding }, data, needed))
}

/// Lists a file's chunks up to its end or the first damage. Holds a window of the file, not the whole of it.
fn scan(
    file: &dyn File,
    number: u32,
    found: &mut Vec<FoundChunk>,
) -> std::result::Result<(), (usize, String)> {
    let fault = |offset: usize, err: &dyn std::fmt::Display| (offset, err.to_string());
    let size = file.size_bytes().map_err(|err| fault(0, &err))?;
    if size > 2 * MAX_FILE_BYTES {
        return Err((0, format!("{size} bytes are no head chunk file")));
    }
    let mut header = [0; FILE_HEADER_BYTES];
    let read = file.read_at(&mut header, 0).map_err(|err| fault(0, &err))?;
    if header[..5] != [0x01, 0x30, 0xBC, 0x91, VERSION] || read < FILE_HEADER_BYTES {
        if is_zero(file, 0, size).map_err(|err| fault(0, &err))? {
            return Ok(());
        }
        return Err((0, "not a head chunk file of version 1".to_owned()));
    }
    let (mut window, mut start) = (Vec::new(), FILE_HEADER_BYTES as u64);
    let mut at = start;
    while at < size {
        let here = (at - start) as usize;
        let rest = window.get(here..).unwrap_or(&[]);
        let whole = needed_bytes(rest).is_ok_and(|needed| needed <= rest.len());
        if !whole && start + (window.len() as u64) < size {
            // A chunk crosses the window's end: move on, and widen for one that is larger than the window.
            let wanted = if here == 0 && !window.is_empty() { window.len() * 2 } else { WINDOW };
            start = at;
            // Zeros from the start, not written: see the log's reader.
            window = vec![0; wanted];
            let read = file.read_at(&mut window, start).map_err(|err| fault(at as usize, &err))?;
            window.truncate(read);
            if read == 0 {
                break;
            }
            continue;
        }
        // Upstream makes files longer than their chunks; the series of a chunk is never 0.
        if rest.iter().take(CHUNK_HEADER_BYTES).all(|byte| *byte == 0) {
            if !is_zero(file, at, size).map_err(|err| fault(at as usize, &err))? {
                return Err((at as usize, "bytes behind the end".to_owned()));
            }
            break;
        }
        let place = u64::from(number) << 32 | at;
        let (chunk, _, len) = decode(rest, place).map_err(|reason| (at as usize, reason))?;
        found.push(chunk);
        at += len as u64;
    }
    Ok(())
}

/// Whether a file has nothing but zeros from `at` on.
fn is_zero(file: &dyn File, mut at: u64, size: u64) -> io::Result<bool> {
    let mut window = vec![0; WINDOW];
    while at < size {
        let read = file.read_at(&mut window, at)?;
        if read == 0 {
            break;
        }
        if window[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += read as u64;
    }
    Ok(true)
}

/// Lists the chunks of bytes that may be a head chunk file; for fuzzing.
pub fn check_bytes(bytes: &[u8]) -> usize {
    let mut at = FILE_HEADER_BYTES;
    let mut chunks = 0;
    while let Some(rest) = bytes.get(at..) {
        let Ok((_, _, len)) = decode(rest, at as u64) else { break };
        at += len;
        chunks += 1;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use gauntlet_runtime::SystemFs;

    use super::*;

    fn chunk(series: u64, data: &[u8]) -> NewChunk<'_> {
        let encoding = Encoding::Xor;
        NewChunk {
            series,
            min_t: -5,
            max_t: series as i64,
            encoding,
            late: series.is_multiple_of(2),
            data,
        }
    }

    #[test]
    fn chunks_are_read_before_and_after_they_are_written_out() {
        let dir = tempfile::tempdir().unwrap();
        let files = ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap();
        let (found, damage) = files.list_chunks();
        assert!(found.is_empty() && damage.is_empty());
        let data: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
        let places: Vec<u64> =
            (1..500).map(|n| files.append(&chunk(n, &data[..n as usize * 5]))).collect();
        let check = |files: &ChunkFiles| {
            let mut out = Vec::new();
            for (n, place) in places.iter().enumerate() {
                assert_eq!(files.read(*place, &mut out).unwrap(), Encoding::Xor);
                assert_eq!(out, data[..(n + 1) * 5]);
            }
        };
        check(&files);
        files.sync();
        check(&files);
        drop(files);
        let files = ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap();
        let (found, damage) = files.list_chunks();
        assert!(damage.is_empty());
        assert_eq!(found.iter().map(|f| f.chunk).collect::<Vec<_>>(), places);
        assert_eq!(
            found[1],
            FoundChunk {
                series: 2,
                min_t: -5,
                max_t: 2,
                chunk: places[1],
                late: true,
                encoding: Encoding::Xor
            }
        );
        check(&files);
        assert_eq!(files.cut(), 2);
        files.append(&chunk(1, &data));
        files.remove_below(2).unwrap();
        assert!(files.read(places[0], &mut Vec::new()).is_err());
    }

    #[test]
    fn neighbours_are_read_together_and_fail_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap();
        let data: Vec<u8> = (0..30_000u32).map(|n| (n / 7) as u8).collect();
        let len = |n: usize| if n.is_multiple_of(10) { n * 150 } else { n * 3 };
        let mut places: Vec<u64> =
            (1..200).map(|n| files.append(&chunk(n as u64, &data[..len(n)]))).collect();
        files.sync();
        let pinned = files.pin();
        // Some are not written out yet, and one is nowhere.
        places.extend((200..210).map(|n| files.append(&chunk(n as u64, &data[..len(n)]))));
        let path = dir.path().join("000001");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[places[60] as u32 as usize + 40] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        for every in [1, 3, 25] {
            let wanted: Vec<usize> = (0..places.len()).step_by(every).collect();
            let mut asked: Vec<u64> = wanted.iter().map(|n| places[*n]).collect();
            asked.push(LOST_CHUNK);
            let mut seen = Vec::new();
            files.read_many(&asked, &pinned, &mut |i, found| {
                seen.push(i);
                match (wanted.get(i), found) {
                    (Some(60) | None, found) => assert!(found.is_err()),
                    (Some(n), found) => {
                        assert_eq!(found.unwrap(), (Encoding::Xor, &data[..len(n + 1)]));
                    }
                }
            });
            assert!(seen.iter().copied().eq(0..asked.len()));
        }
    }

    #[test]
    fn damage_is_named_and_what_is_before_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let files = ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap();
        let places: Vec<u64> = (1..100).map(|n| files.append(&chunk(n, &[7; 100]))).collect();
        files.sync();
        let path = dir.path().join("000001");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[places[50] as u32 as usize + 60] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        assert!(files.read(places[50], &mut Vec::new()).is_err());
        let (found, damage) =
            ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap().list_chunks();
        assert_eq!((found.len(), damage.len()), (50, 1));
        assert_eq!(damage[0].offset, places[50] & 0xffff_ffff);
    }

    #[test]
    fn upstreams_files_are_read_whole() {
        let Some(oracles) = gauntlet_testkit::conformance_dir() else { return };
        let source = oracles.join("golden/prometheus-data/killed/chunks_head");
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(source).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let (found, damage) =
            ChunkFiles::open(SystemFs::shared(), dir.path()).unwrap().list_chunks();
        assert_eq!(damage, []);
        assert!(found.len() > 40 && found.iter().any(|f| f.late));
    }
}
