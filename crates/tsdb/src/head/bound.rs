//! Which references may be in use, known without reading the log: so that new series can be born while it replays.
//! Page: docs/formats/head-refs.md.
//! file `head_refs` = | magic 0x47524546 u32 be | version 1 | bound u32 be | segment u32 be | min valid i64 be | crc32c of all before |
//!
//! No series of a segment up to `segment` has a number of `bound` or above. The file is replaced before a number passes the bound
//! and when a segment begins, and when samples left the head for a block: those before `min valid` are in blocks. A segment with records behind `segment` was written by somebody else: then nothing is known.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gauntlet_encoding::{Cursor, crc32c, put_u32, put_u64};
use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;
use parking_lot::Mutex;

use crate::error::{At as _, Result};

const NAME: &str = "head_refs";
const MAGIC: u32 = 0x4752_4546;
const VERSION: u8 = 1;
const FILE_BYTES: u64 = 25;
/// Numbers of each shard that are set aside with one write. A restart skips what is left of them.
const STEP: u32 = 8192;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    bound: u32,
    segment: u32,
    min_valid: Timestamp,
}

/// The time before which, by the file, all samples are in blocks.
pub(crate) fn stored_min_valid(fs: &dyn Fs, dir: &Path) -> Option<Timestamp> {
    decode(&fs.read(&dir.join(NAME), FILE_BYTES).ok()?).map(|content| content.min_valid)
}

#[derive(Debug)]
pub(crate) struct RefBound {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    content: Mutex<Content>,
    bound: AtomicU32,
    /// Until the log of another program was read, nothing is written: its segments must not pass for ours.
    known: AtomicBool,
}

impl RefBound {
    /// The bound of a folder: above all numbers in use, or `None` where only the log can tell. `newest` is the highest segment or
    /// checkpoint with anything in it.
    pub(crate) fn load(fs: &Arc<dyn Fs>, dir: &Path, newest: Option<u32>) -> (Self, Option<u32>) {
        let path = dir.join(NAME);
        let content = fs.read(&path, FILE_BYTES).ok().and_then(|bytes| decode(&bytes));
        let known = match (content, newest) {
            (Some(content), newest) => {
                newest.is_none_or(|newest| newest <= content.segment).then_some(content.bound)
            }
            (None, newest) => newest.is_none().then_some(0),
        };
        let bound = known.unwrap_or(0);
        let min_valid = content.map_or(Timestamp::MIN, |content| content.min_valid);
        let bound = Self {
            fs: Arc::clone(fs),
            path,
            content: Mutex::new(Content { bound, segment: newest.unwrap_or(0), min_valid }),
            bound: AtomicU32::new(bound),
            known: AtomicBool::new(known.is_some()),
        };
        (bound, known)
    }

    /// The log was read: its numbers lie below `next`.
    pub(crate) fn settle(&self, next: u32) -> Result<()> {
        self.known.store(true, Ordering::Release);
        self.cover(next)
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Makes sure that `number` may be given to a series.
    #[inline]
    pub(crate) fn cover(&self, number: u32) -> Result<()> {
        if number < self.bound.load(Ordering::Acquire) { Ok(()) } else { self.raise(number) }
    }

    fn raise(&self, number: u32) -> Result<()> {
        let mut content = self.content.lock();
        if number >= content.bound {
            let new = Content { bound: number.saturating_add(STEP), ..*content };
            self.write(new)?;
            *content = new;
            self.bound.store(new.bound, Ordering::Release);
        }
        Ok(())
    }

    /// The log goes on in a segment of ours.
    pub(crate) fn begin_segment(&self, segment: u32) -> Result<()> {
        let mut content = self.content.lock();
        let new = Content { segment, ..*content };
        if self.is_known() {
            self.write(new)?;
        }
        *content = new;
        Ok(())
    }

    /// Samples before `t` are in blocks now.
    pub(crate) fn set_min_valid(&self, t: Timestamp) -> Result<()> {
        let mut content = self.content.lock();
        let new = Content { min_valid: t, ..*content };
        if self.is_known() {
            self.write(new)?;
        }
        *content = new;
        Ok(())
    }

    fn write(&self, content: Content) -> Result<()> {
        self.fs.replace(&self.path, &encode(content)).at("writing", &self.path)
    }
}

fn encode(content: Content) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILE_BYTES as usize);
    put_u32(&mut out, MAGIC);
    out.push(VERSION);
    put_u32(&mut out, content.bound);
    put_u32(&mut out, content.segment);
    put_u64(&mut out, content.min_valid as u64);
    let crc = crc32c(&out);
    put_u32(&mut out, crc);
    out
}

fn decode(bytes: &[u8]) -> Option<Content> {
    let mut cursor = Cursor::new(bytes);
    let (magic, version) = (cursor.u32().ok()?, cursor.u8().ok()?);
    let (bound, segment) = (cursor.u32().ok()?, cursor.u32().ok()?);
    let content = Content { bound, segment, min_valid: cursor.u64().ok()? as Timestamp };
    let sum = crc32c(bytes.get(..cursor.offset())?);
    let sound = magic == MAGIC && version == VERSION && cursor.u32().ok()? == sum;
    (sound && bytes.len() as u64 == FILE_BYTES).then_some(content)
}

/// Whether bytes are a file of this kind; for fuzzing.
pub fn check_bytes(bytes: &[u8]) -> bool {
    decode(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use gauntlet_runtime::SystemFs;

    use super::*;

    #[test]
    fn a_restart_goes_on_above_all_that_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let fs = SystemFs::shared();
        let (bound, known) = RefBound::load(&fs, dir.path(), None);
        assert_eq!(known, Some(0));
        bound.begin_segment(3).unwrap();
        bound.cover(1).unwrap();
        bound.cover(STEP).unwrap();
        bound.cover(STEP + 1).unwrap();
        bound.begin_segment(4).unwrap();
        assert_eq!(RefBound::load(&fs, dir.path(), Some(4)).1, Some(2 * STEP + 1));
        assert_eq!(RefBound::load(&fs, dir.path(), Some(5)).1, None, "a segment of somebody else");
    }

    #[test]
    fn every_flipped_bit_makes_the_file_unknown() {
        let whole = encode(Content { bound: 77, segment: 5, min_valid: -3 });
        assert!(decode(&whole).is_some());
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes), None, "bit {bit}");
        }
    }
}
