//! How far a destination has been served, durably: a place in the log before which everything was taken, refused or dropped.
//!
//! One small file, two slots written in turn, each with a sequence number and a checksum: a torn write leaves the other slot. A
//! slot is written after every batch that moves the place (a page in the cache: it survives the process), and synced once a second.
//! | magic "GRWC" | version u8 | clean u8 | 2 zero | sequence u64 le | segment u32 le | offset u64 le | crc32c u32 le of all before |

use std::io;
use std::path::Path;
use std::sync::Arc;

use gauntlet_encoding::crc32c;
use gauntlet_runtime::{File, Fs};
use gauntlet_tsdb::wal::Position;

const MAGIC: &[u8; 4] = b"GRWC";
const VERSION: u8 = 1;
const SLOT_BYTES: usize = 32;
const SLOT_DISTANCE: u64 = 64;

/// A place, and whether it is certain that nothing behind it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) clean: bool,
}

/// The file of one destination.
#[derive(Debug)]
pub(super) struct Cursor {
    file: Arc<dyn File>,
    sequence: u64,
    place: Option<Place>,
    synced: bool,
}

impl Cursor {
    /// Opens the file, made if missing.
    pub(super) fn open(fs: &dyn Fs, path: &Path) -> io::Result<Self> {
        if !fs.exists(path) {
            if let Some(dir) = path.parent() {
                fs.create_dir_all(dir)?;
            }
            let file = fs.create(path)?;
            if let Some(dir) = path.parent() {
                fs.sync_dir(dir)?;
            }
            return Ok(Self { file, sequence: 0, place: None, synced: true });
        }
        let file = fs.open_write(path)?;
        let mut newest: Option<(u64, Place)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            if file.read_at(&mut bytes, slot * SLOT_DISTANCE)? == SLOT_BYTES
                && let Some(found) = decode(&bytes)
                && newest.is_none_or(|newest| newest.0 < found.0)
            {
                newest = Some(found);
            }
        }
        let (sequence, place) =
            newest.map_or((0, None), |(sequence, place)| (sequence, Some(place)));
        Ok(Self { file, sequence, place, synced: true })
    }

    /// The last place written; `None` in a new file, or one that is damaged.
    pub(super) fn place(&self) -> Option<Place> {
        self.place
    }

    /// Writes a place, unless it is there already.
    pub(super) fn write(&mut self, place: Place) -> io::Result<()> {
        if self.place == Some(place) {
            return Ok(());
        }
        let sequence = self.sequence + 1;
        self.file.write_at(&encode(sequence, place), sequence % 2 * SLOT_DISTANCE)?;
        (self.sequence, self.place, self.synced) = (sequence, Some(place), false);
        Ok(())
    }

    /// Makes the last place durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data()?;
            self.synced = true;
        }
        Ok(())
    }
}

fn encode(sequence: u64, place: Place) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    out[..4].copy_from_slice(MAGIC);
    out[4] = VERSION;
    out[5] = u8::from(place.clean);
    out[8..16].copy_from_slice(&sequence.to_le_bytes());
    out[16..20].copy_from_slice(&place.position.segment.to_le_bytes());
    out[20..28].copy_from_slice(&place.position.offset.to_le_bytes());
    let crc = crc32c(&out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Place)> {
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte))
    };
    let whole = u64::from(crc32c(&bytes[..28])) == number(28..32);
    if !whole || &bytes[..4] != MAGIC || bytes[4] != VERSION {
        return None;
    }
    let position = Position { segment: number(16..20) as u32, offset: number(20..28) };
    Some((number(8..16), Place { position, clean: bytes[5] == 1 }))
}

#[cfg(test)]
mod tests {
    use gauntlet_runtime::fs::SystemFs;

    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_place_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remote_write/a.cursor");
        let place = |offset, clean| Place { position: Position { segment: 3, offset }, clean };
        let mut cursor = Cursor::open(&SystemFs, &path).unwrap();
        assert_eq!(cursor.place(), None);
        for offset in 1..=4 {
            cursor.write(place(offset, offset == 3)).unwrap();
        }
        cursor.sync().unwrap();
        assert_eq!(Cursor::open(&SystemFs, &path).unwrap().place(), Some(place(4, false)));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Cursor::open(&SystemFs, &path).unwrap().place(), Some(place(3, true)));
        std::fs::write(&path, [7; 40]).unwrap();
        assert_eq!(Cursor::open(&SystemFs, &path).unwrap().place(), None);
    }
}
