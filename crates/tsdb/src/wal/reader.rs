//! Reads the records of one segment. Damage costs what it hit: the reader goes on at the next fragment that verifies, at the
//! latest on the next page, and says what it passed over.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_encoding::crc32c;
use gauntlet_runtime::{File, Fs};

use super::format::{
    HEADER_BYTES, KIND_FIRST, KIND_FULL, KIND_LAST, KIND_MASK, KIND_MIDDLE, MAX_RECORD_BYTES,
    PAGE_BYTES, SNAPPY, ZSTD, segment_name,
};

/// Pages read from disk at once.
const READ_PAGES: usize = 16;

/// Bytes of a log that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    /// Offset in the file of the fragment or record at fault.
    pub offset: u64,
    pub reason: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {}: {}", self.path.display(), self.offset, self.reason)
    }
}

/// Reads one segment front to back.
#[derive(Debug)]
pub struct SegmentReader {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Read span and the file offset of its first byte; a multiple of the page size.
    span: Vec<u8>,
    span_offset: u64,
    /// Position in the span.
    at: usize,
    /// Bytes of the first span that are passed over; bytes of the file from here on are not read.
    skip: usize,
    limit: u64,
    at_end: bool,
    /// Fragments of the record in the making, its first fragment's offset and kind; `None` between records.
    record: Vec<u8>,
    pending: Option<(u64, u8)>,
    /// A record was given up; its further fragments are passed over without a word.
    skipping: bool,
    decompressed: Vec<u8>,
    snappy: snap::raw::Decoder,
    damage: Vec<Damage>,
    record_offset: u64,
}

impl SegmentReader {
    pub fn open(fs: &dyn Fs, dir: &Path, segment: u32) -> io::Result<Self> {
        let path = dir.join(segment_name(segment));
        Ok(Self::new(fs.open(&path)?, path))
    }

    /// Reads an open file; `path` is for messages.
    pub fn new(file: Arc<dyn File>, path: PathBuf) -> Self {
        Self {
            file,
            path,
            span: Vec::new(),
            span_offset: 0,
            at: 0,
            skip: 0,
            limit: u64::MAX,
            at_end: false,
            record: Vec::new(),
            pending: None,
            skipping: false,
            decompressed: Vec::new(),
            snappy: snap::raw::Decoder::new(),
            damage: Vec::new(),
            record_offset: 0,
        }
    }

    /// Reads from an offset between two records up to another one, out.
    pub fn within(file: Arc<dyn File>, path: PathBuf, offset: u64, limit: u64) -> Self {
        let skip = offset as usize % PAGE_BYTES;
        Self { span_offset: offset - skip as u64, skip, limit, ..Self::new(file, path) }
    }

    /// Offset behind what was read.
    pub(crate) fn position(&self) -> u64 {
        self.span_offset + self.at as u64
    }

    /// The next record whose checksums hold, or `None` at the end. Errs only where the file cannot be read at all.
    pub fn next_record(&mut self) -> io::Result<Option<&[u8]>> {
        self.next_record_if(|_| true)
    }

    /// As [`SegmentReader::next_record`], passing over records whose first byte, their type, is not wanted. Most of those are not
    /// decompressed: the first byte of a snappy block stands in it as it is.
    pub fn next_record_if(&mut self, wanted: impl Fn(u8) -> bool) -> io::Result<Option<&[u8]>> {
        loop {
            let Some((kind, start, end)) = self.next_fragment()? else { return Ok(None) };
            let offset = self.span_offset + (start - HEADER_BYTES) as u64;
            match (kind & KIND_MASK, self.pending) {
                (KIND_FULL | KIND_FIRST, pending) => {
                    if let Some((at, _)) = pending {
                        self.complain(at, "record without its end".to_owned());
                    }
                    self.record.clear();
                    self.pending = Some((offset, kind));
                    self.skipping = false;
                }
                (_, Some(_)) => {}
                (_, None) => {
                    if !self.skipping {
                        self.complain(offset, "fragment without its record's start".to_owned());
                        self.skipping = true;
                    }
                    continue;
                }
            }
            if self.record.len() + (end - start) > MAX_RECORD_BYTES {
                self.give_up(format!("record over the limit of {MAX_RECORD_BYTES} bytes"));
                continue;
            }
            self.record.extend_from_slice(&self.span[start..end]);
            if matches!(kind & KIND_MASK, KIND_FULL | KIND_LAST) {
                let Some((at, kind)) = self.pending.take() else { continue };
                if first_byte(kind, &self.record).is_some_and(|first| !wanted(first)) {
                    continue;
                }
                match self.decompress(kind) {
                    Ok(()) => {
                        self.record_offset = at;
                        return Ok(Some(&self.decompressed));
                    }
                    Err(reason) => self.complain(at, reason),
                }
            }
        }
    }

    /// Offset of the record that was read last.
    pub fn record_offset(&self) -> u64 {
        self.record_offset
    }

    /// What was passed over so far, taken out.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }

    /// Notes that the record read last, though whole, makes no sense.
    pub fn complain_of_record(&mut self, reason: String) {
        self.complain(self.record_offset, reason);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds the next fragment that verifies: its kind and where its data lies in the span.
    fn next_fragment(&mut self) -> io::Result<Option<(u8, usize, usize)>> {
        loop {
            if self.at >= self.span.len() && !self.fill()? {
                if let Some((at, _)) = self.pending.take() {
                    self.complain(at, "segment ends within a record".to_owned());
                }
                return Ok(None);
            }
            let page_end = (self.at / PAGE_BYTES + 1) * PAGE_BYTES;
            let page_end = page_end.min(self.span.len());
            let offset = self.span_offset + self.at as u64;
            if self.span[self.at] & KIND_MASK == 0 {
                if self.span[self.at..page_end].iter().any(|b| *b != 0) {
                    self.give_up_at(offset, "padding that is not zero".to_owned());
                }
                self.at = page_end;
                continue;
            }
            match fragment(&self.span[self.at..page_end]) {
                Ok((kind, len)) => {
                    let start = self.at + HEADER_BYTES;
                    self.at = start + len;
                    return Ok(Some((kind, start, start + len)));
                }
                Err((reason, len)) => {
                    self.give_up_at(offset, reason);
                    // The length may be sound although the data is not: then only this fragment is lost.
                    let next = len.map(|len| self.at + HEADER_BYTES + len);
                    let sound = next.filter(|next| {
                        *next < page_end && fragment(&self.span[*next..page_end]).is_ok()
                    });
                    self.at = sound.unwrap_or(page_end);
                }
            }
        }
    }

    /// Reads the next span. False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        self.span_offset += self.span.len() as u64;
        let full = READ_PAGES * PAGE_BYTES;
        if self.span.len() < full {
            // Memory that is zeros when it comes: a vector made longer would be written over, page by page.
            self.span = vec![0; full];
        }
        let wanted = self.limit.saturating_sub(self.span_offset).min(full as u64) as usize;
        let read = self.file.read_at(&mut self.span[..wanted], self.span_offset)?;
        self.at_end = read < full;
        self.span.truncate(read);
        self.at = std::mem::take(&mut self.skip);
        Ok(read > self.at)
    }

    fn decompress(&mut self, kind: u8) -> Result<(), String> {
        self.decompressed.clear();
        match kind & (SNAPPY | ZSTD) {
            0 => self.decompressed.extend_from_slice(&self.record),
            SNAPPY => {
                let len = snap::raw::decompress_len(&self.record).map_err(|e| e.to_string())?;
                if len > MAX_RECORD_BYTES {
                    return Err(format!("record of {len} bytes, over {MAX_RECORD_BYTES}"));
                }
                self.decompressed.resize(len, 0);
                self.snappy
                    .decompress(&self.record, &mut self.decompressed)
                    .map_err(|err| err.to_string())?;
            }
            ZSTD => {
                use std::io::Read as _;
                let decoder = zstd::stream::read::Decoder::with_buffer(self.record.as_slice())
                    .map_err(|err| err.to_string())?;
                decoder
                    .take(MAX_RECORD_BYTES as u64 + 1)
                    .read_to_end(&mut self.decompressed)
                    .map_err(|err| err.to_string())?;
                if self.decompressed.len() > MAX_RECORD_BYTES {
                    return Err(format!("record over the limit of {MAX_RECORD_BYTES} bytes"));
                }
            }
            _ => return Err("record with two compressions".to_owned()),
        }
        Ok(())
    }

    fn give_up(&mut self, reason: String) {
        let offset = self.pending.map_or(self.span_offset, |(at, _)| at);
        self.give_up_at(offset, reason);
    }

    fn give_up_at(&mut self, offset: u64, reason: String) {
        self.pending = None;
        self.skipping = true;
        self.complain(offset, reason);
    }

    fn complain(&mut self, offset: u64, reason: String) {
        self.damage.push(Damage { path: self.path.clone(), offset, reason });
    }
}

/// The first byte of a record after decompression, where that can be seen without it.
fn first_byte(kind: u8, record: &[u8]) -> Option<u8> {
    match kind & (SNAPPY | ZSTD) {
        0 => record.first().copied(),
        SNAPPY => {
            // | length uvarint | tag | ...; a block begins with a literal: low bits 0, then 60 to 63 for one to four bytes of length.
            let tag_at = record.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
            let tag = *record.get(tag_at)?;
            let more = usize::from(tag >> 2).saturating_sub(59);
            (tag & 3 == 0).then(|| record.get(tag_at + 1 + more).copied())?
        }
        _ => None,
    }
}

/// Reads bytes that may be a segment, decodes their records and says how many were whole and how many damages there were. For
/// fuzzing; never panics.
pub fn check_bytes(bytes: &[u8]) -> (usize, usize) {
    let file = Arc::new(MemoryFile(bytes.to_vec()));
    let mut reader = SegmentReader::new(file, PathBuf::from("memory"));
    let mut records = super::Records::default();
    let (mut whole, mut damages) = (0, 0);
    while let Ok(Some(record)) = reader.next_record() {
        records.clear();
        match records.decode(record) {
            Ok(()) => whole += 1,
            Err(_) => damages += 1,
        }
    }
    (whole, damages + reader.take_damage().len())
}

#[derive(Debug)]
struct MemoryFile(Vec<u8>);

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or(&[]);
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn preallocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Checks the fragment at the start of the rest of a page: its kind and length, or why not and the length where it fits the page.
fn fragment(rest: &[u8]) -> Result<(u8, usize), (String, Option<usize>)> {
    let Some((header, data)) = rest.split_first_chunk::<HEADER_BYTES>() else {
        return Err(("fragment header cut short".to_owned(), None));
    };
    let [kind, len @ .., _, _, _, _] = header;
    let len = usize::from(u16::from_be_bytes(*len));
    let known = matches!(kind & KIND_MASK, KIND_FULL | KIND_FIRST | KIND_MIDDLE | KIND_LAST);
    if kind & !(KIND_MASK | SNAPPY | ZSTD) != 0 || !known {
        return Err((format!("unknown fragment kind {kind:#04x}"), None));
    }
    let Some(data) = data.get(..len) else {
        return Err((format!("fragment of {len} bytes passes its page"), None));
    };
    let [.., c0, c1, c2, c3] = *header;
    let expected = u32::from_be_bytes([c0, c1, c2, c3]);
    let found = crc32c(data);
    if expected != found {
        let reason = format!("checksum of {len} bytes: expected {expected:08x}, found {found:08x}");
        return Err((reason, Some(len)));
    }
    Ok((*kind, len))
}
