//! Up to which time samples left the head for blocks, on record. Page: docs/formats/head-cut.md.
//! file `head_cut` = | magic 0x47435554 u32 be | version 1 | min valid i64 be | next number u32 be | crc32c of all before u32 be |
//!
//! Samples of the log before `min valid` are in blocks. Numbers below `next number` are in use or were: series that left the log do not
//! give theirs to new ones. The blocks' meta.json says as much, without a checksum: see `db`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_encoding::{Cursor, crc32c, put_u32, put_u64};
use gauntlet_model::Timestamp;
use gauntlet_runtime::Fs;

use crate::error::{At as _, Result};

const NAME: &str = "head_cut";
const MAGIC: u32 = 0x4743_5554;
const VERSION: u8 = 1;
const FILE_BYTES: u64 = 21;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) min_valid: Timestamp,
    pub(crate) next_number: u32,
}

/// What is on record.
pub(crate) fn stored_cut(fs: &dyn Fs, dir: &Path) -> Option<Cut> {
    decode(&fs.read(&dir.join(NAME), FILE_BYTES).ok()?)
}

/// Replaces the file.
#[derive(Debug)]
pub(crate) struct CutFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

impl CutFile {
    pub(crate) fn new(fs: &Arc<dyn Fs>, dir: &Path) -> Self {
        Self { fs: Arc::clone(fs), path: dir.join(NAME) }
    }

    pub(crate) fn write(&self, cut: Cut) -> Result<()> {
        self.fs.replace(&self.path, &encode(cut)).at("writing", &self.path)
    }
}

fn encode(cut: Cut) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILE_BYTES as usize);
    put_u32(&mut out, MAGIC);
    out.push(VERSION);
    put_u64(&mut out, cut.min_valid as u64);
    put_u32(&mut out, cut.next_number);
    let crc = crc32c(&out);
    put_u32(&mut out, crc);
    out
}

fn decode(bytes: &[u8]) -> Option<Cut> {
    let mut cursor = Cursor::new(bytes);
    let (magic, version) = (cursor.u32().ok()?, cursor.u8().ok()?);
    let min_valid = cursor.u64().ok()? as Timestamp;
    let cut = Cut { min_valid, next_number: cursor.u32().ok()? };
    let sum = crc32c(bytes.get(..cursor.offset())?);
    let sound = magic == MAGIC && version == VERSION && cursor.u32().ok()? == sum;
    (sound && bytes.len() as u64 == FILE_BYTES).then_some(cut)
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
    fn the_time_comes_back_and_every_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let fs = SystemFs::shared();
        assert_eq!(stored_cut(&*fs, dir.path()), None);
        let cut = Cut { min_valid: -3, next_number: 9 };
        CutFile::new(&fs, dir.path()).write(cut).unwrap();
        assert_eq!(stored_cut(&*fs, dir.path()), Some(cut));
        let whole = encode(cut);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes), None, "bit {bit}");
        }
    }
}
