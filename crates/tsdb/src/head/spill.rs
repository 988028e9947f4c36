//! Full cells of open chunks in a scratch file: of each chunk a slot with its first bytes, in units with a checksum each.
//!
//! The file is made anew at each start and removed at the end; nothing in it is needed after a restart, since the log has the
//! samples. Where it cannot be written, cells stay in memory. Source of the layout: none but this.
//! slot = unit*, unit = | 240 bytes | crc32c u32 le |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gauntlet_encoding::crc32c;
use gauntlet_runtime::{File, Fs};
use parking_lot::Mutex;
use tracing::warn;

use super::cells::PAYLOAD_BYTES;

/// Cells that leave together.
pub(crate) const UNIT_CELLS: usize = 4;
const UNIT_BYTES: usize = UNIT_CELLS * PAYLOAD_BYTES;
const STORED_BYTES: usize = UNIT_BYTES + 4;
/// A chunk ends at about a kilobyte, and may pass that by a step.
const MAX_UNITS: u32 = 4;
const SLOT_BYTES: u64 = 1024;
const NAME: &str = "open_chunks.scratch";

/// Where a chunk's first bytes are: slot and number of units. Four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spilled(u32);

impl Spilled {
    /// Cells that are there.
    #[inline]
    pub(crate) fn cells(self) -> usize {
        self.units() as usize * UNIT_CELLS
    }

    #[inline]
    fn units(self) -> u32 {
        self.0 & 7
    }

    fn slot(self) -> u32 {
        self.0 >> 3
    }
}

/// A part of an open chunk cannot be read back. It is still in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first part of an open chunk cannot be read back from the scratch file")]
pub(crate) struct SpillLost;

#[derive(Debug)]
pub(crate) struct Spill {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    /// `None` where it could not be made.
    file: Option<Arc<dyn File>>,
    slots: Mutex<Slots>,
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<u32>,
    next: u32,
}

impl Spill {
    /// Makes the scratch file in a folder.
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: &Path) -> Self {
        let path = dir.join(NAME);
        let file = fs.create(&path).ok();
        let slots = Mutex::default();
        Self { fs, path, file, slots, failing: AtomicBool::new(false) }
    }

    /// Takes a unit behind those of the chunk. False where it cannot.
    pub(crate) fn add(&self, spilled: &mut Spilled, unit: &[u8; UNIT_BYTES]) -> bool {
        let (Some(file), units) = (&self.file, spilled.units()) else { return false };
        if units == MAX_UNITS {
            return false;
        }
        let slot = if units > 0 { spilled.slot() } else { self.take() };
        let mut stored = [0; STORED_BYTES];
        stored[..UNIT_BYTES].copy_from_slice(unit);
        stored[UNIT_BYTES..].copy_from_slice(&crc32c(unit).to_le_bytes());
        let at = u64::from(slot) * SLOT_BYTES + u64::from(units) * STORED_BYTES as u64;
        if let Err(err) = file.write_at(&stored, at) {
            if !self.failing.swap(true, Ordering::Relaxed) {
                warn!(component = "tsdb", path = %self.path.display(), %err, "open chunks stay in memory");
            }
            if units == 0 {
                self.slots.lock().free.push(slot);
            }
            return false;
        }
        self.failing.store(false, Ordering::Relaxed);
        *spilled = Spilled(slot << 3 | (units + 1));
        true
    }

    /// Appends the chunk's units to `out`, their checksums verified.
    pub(crate) fn read(&self, spilled: Spilled, out: &mut Vec<u8>) -> Result<(), SpillLost> {
        let units = spilled.units() as usize;
        if units == 0 {
            return Ok(());
        }
        let file = self.file.as_ref().ok_or(SpillLost)?;
        let mut stored = [0; MAX_UNITS as usize * STORED_BYTES];
        let stored = &mut stored[..units * STORED_BYTES];
        let at = u64::from(spilled.slot()) * SLOT_BYTES;
        file.read_exact_at(stored, at).map_err(|_| SpillLost)?;
        for unit in stored.chunks_exact(STORED_BYTES) {
            let (bytes, sum) = unit.split_at(UNIT_BYTES);
            if crc32c(bytes).to_le_bytes() != *sum {
                return Err(SpillLost);
            }
            out.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Gives a chunk's slot free.
    pub(crate) fn free(&self, spilled: Spilled) {
        if spilled.units() > 0 {
            self.slots.lock().free.push(spilled.slot());
        }
    }

    /// Bytes of memory for the list of free slots, and of the file.
    pub(crate) fn size_bytes(&self) -> (usize, u64) {
        let slots = self.slots.lock();
        (slots.free.capacity() * 4, u64::from(slots.next) * SLOT_BYTES)
    }

    fn take(&self) -> u32 {
        let mut slots = self.slots.lock();
        slots.free.pop().unwrap_or_else(|| {
            slots.next += 1;
            slots.next - 1
        })
    }

    /// Slots in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        let slots = self.slots.lock();
        slots.next as usize - slots.free.len()
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = self.fs.remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use gauntlet_runtime::SystemFs;

    use super::*;

    #[test]
    fn a_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::new(SystemFs::shared(), dir.path());
        let mut spilled = Spilled::default();
        for n in 0..3 {
            assert!(spill.add(&mut spilled, &[n; UNIT_BYTES]));
        }
        let mut out = Vec::new();
        spill.read(spilled, &mut out).unwrap();
        assert_eq!((out.len(), out[0], out[UNIT_BYTES]), (3 * UNIT_BYTES, 0, 1));
        let path = dir.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[300] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(spill.read(spilled, &mut out), Err(SpillLost));
        drop(spill);
        assert!(!path.exists());
    }
}
