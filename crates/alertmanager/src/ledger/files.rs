//! The ledger on disk: segments of JSON lines in a folder, named by the number of their first entry, the oldest removed when all
//! together exceed their bound. A torn last line is cut, a line that cannot be read is left out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_runtime::fs::{File, Fs};

use super::{Chunk, LedgerEntry};
use crate::metrics::LedgerMetrics;

/// A segment is closed when it is larger.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Larger segments are none of ours.
const MAX_SEGMENT_BYTES: u64 = 64 << 20;

/// The folder. Written by one thread; reading needs no lock.
#[derive(Debug)]
pub struct LedgerFiles {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    max_bytes: u64,
    segment_bytes: u64,
    open: Option<Open>,
    metrics: LedgerMetrics,
}

#[derive(Debug)]
struct Open {
    file: Arc<dyn File>,
    size_bytes: u64,
}

impl LedgerFiles {
    /// Opens the folder, made if it is not there, bounded to `max_bytes`. Returns the number the next entry takes.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        max_bytes: u64,
        metrics: LedgerMetrics,
    ) -> io::Result<(Self, u64)> {
        fs.create_dir_all(dir)?;
        let segment_bytes = SEGMENT_BYTES.min(max_bytes / 4).max(1);
        let mut files =
            Self { fs, dir: dir.to_owned(), max_bytes, segment_bytes, open: None, metrics };
        let mut next = 1;
        if let Some(last) = files.segments_newest_first()?.first().cloned() {
            let path = files.dir.join(&last);
            let bytes = files.fs.read(&path, MAX_SEGMENT_BYTES)?;
            let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let file = files.fs.open_write(&path)?;
            if whole < bytes.len() {
                file.truncate(whole as u64)?;
            }
            let entries = parse(&bytes[..whole]);
            let named = first_number(&last).unwrap_or(1);
            next = entries.last().map_or(named, |entry| entry.number + 1);
            files.open = Some(Open { file, size_bytes: whole as u64 });
        }
        Ok((files, next))
    }

    /// Adds entries; not synced. On failure they are lost and counted.
    pub(crate) fn append(&mut self, chunks: &[Arc<Chunk>]) -> io::Result<()> {
        for (at, chunk) in chunks.iter().enumerate() {
            if let Err(err) = self.write(chunk.first, &chunk.lines) {
                self.metrics.write_errors.inc();
                self.metrics.dropped.add(chunks[at..].iter().map(|chunk| chunk.count).sum());
                // What the disk holds of it is cut when the segment is opened anew.
                self.open = None;
                return Err(err);
            }
        }
        Ok(())
    }

    fn write(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|open| open.size_bytes >= self.segment_bytes) {
            let file = self.fs.create(&self.dir.join(format!("{first:020}.jsonl")))?;
            self.open = Some(Open { file, size_bytes: 0 });
            self.enforce_bound()?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.file.write_at(lines, open.size_bytes)?;
        open.size_bytes += lines.len() as u64;
        Ok(())
    }

    fn enforce_bound(&mut self) -> io::Result<()> {
        let mut segments: Vec<(String, u64)> = self
            .fs
            .list(&self.dir)?
            .into_iter()
            .filter(|entry| first_number(&entry.name).is_some())
            .map(|entry| (entry.name, entry.size_bytes))
            .collect();
        segments.sort();
        let mut total: u64 = segments.iter().map(|(_, size)| size).sum();
        let room = self.max_bytes.saturating_sub(self.segment_bytes);
        for (name, size) in segments.iter().take(segments.len().saturating_sub(1)) {
            if total <= room {
                break;
            }
            self.fs.remove_file(&self.dir.join(name))?;
            total -= size;
        }
        self.metrics.size.set(total as f64);
        Ok(())
    }

    pub(super) fn segments_newest_first(&self) -> io::Result<Vec<String>> {
        let entries = self.fs.list(&self.dir)?.into_iter().map(|entry| entry.name);
        let mut names: Vec<String> = entries.filter(|name| first_number(name).is_some()).collect();
        names.sort();
        names.reverse();
        Ok(names)
    }

    /// Entries of a segment, oldest first. One that was removed meanwhile has none.
    pub(super) fn read(&self, segment: &str) -> io::Result<Vec<LedgerEntry>> {
        match self.fs.read(&self.dir.join(segment), MAX_SEGMENT_BYTES) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(err) => Err(err),
        }
    }
}

fn first_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// Entries of lines; what is none of ours is left out.
pub(super) fn parse(bytes: &[u8]) -> Vec<LedgerEntry> {
    bytes.split(|b| *b == b'\n').filter_map(LedgerEntry::from_line).collect()
}
