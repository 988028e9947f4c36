//! A file of records that grows at its end and is rewritten now and then: the alert journal and both snapshot files are such.
//!
//! Writers append to memory, which costs a copy, and get the position after their bytes; whoever must not answer before they
//! are on disk calls [`AppendFile::sync`] with it. One syncing thread writes and syncs for all that wait behind it (group
//! commit). A rewrite replaces the file by temp file and rename; what was appended meanwhile follows in the new file.
//! What the records are is the callers' business. A failed write is tried again with the next sync; nothing is skipped.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_runtime::fs::{File, Fs};
use parking_lot::Mutex;

/// Most bytes held back while the disk refuses them. Beyond, new ones are refused until a rewrite succeeds.
const MAX_UNWRITTEN_BYTES: usize = 64 << 20;

/// The file. All methods may be called from any thread; those that touch the disk block.
#[derive(Debug)]
pub struct AppendFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    pending: Mutex<Pending>,
    disk: Mutex<Disk>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Position after `bytes`, counted from the start of the process.
    end: u64,
    /// Bytes were dropped because the disk refused too many: only a rewrite makes the file whole again.
    overflowed: bool,
}

#[derive(Debug)]
struct Disk {
    file: Arc<dyn File>,
    size_bytes: u64,
    /// Taken from pending, not yet on disk.
    unwritten: Vec<u8>,
    /// Everything before this position is on disk.
    synced: u64,
}

/// Pending bytes taken by a rewrite whose content covers them.
#[derive(Debug)]
pub struct Drained {
    bytes: Vec<u8>,
    end: u64,
}

impl AppendFile {
    /// Replaces the file by `content`, synced, and opens it for appending.
    pub fn create(fs: Arc<dyn Fs>, path: &Path, content: &[u8]) -> io::Result<Self> {
        fs.replace(path, content)?;
        let file = fs.open_write(path)?;
        let size_bytes = content.len() as u64;
        let disk = Disk { file, size_bytes, unwritten: Vec::new(), synced: 0 };
        Ok(Self { fs, path: path.to_owned(), pending: Mutex::default(), disk: Mutex::new(disk) })
    }

    /// Opens the file as it is for appending; made empty if it is not there.
    pub fn open(fs: Arc<dyn Fs>, path: &Path) -> io::Result<Self> {
        if !fs.exists(path) {
            return Self::create(fs, path, b"");
        }
        let file = fs.open_write(path)?;
        let size_bytes = file.size_bytes()?;
        let disk = Disk { file, size_bytes, unwritten: Vec::new(), synced: 0 };
        Ok(Self { fs, path: path.to_owned(), pending: Mutex::default(), disk: Mutex::new(disk) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes and returns the position after them, for [`AppendFile::sync`].
    pub fn append(&self, bytes: &[u8]) -> u64 {
        let mut pending = self.pending.lock();
        if pending.bytes.len() + bytes.len() > MAX_UNWRITTEN_BYTES {
            pending.overflowed = true;
        } else {
            pending.bytes.extend_from_slice(bytes);
        }
        pending.end += bytes.len() as u64;
        pending.end
    }

    /// The position after all that was appended.
    pub fn end(&self) -> u64 {
        self.pending.lock().end
    }

    /// Size of the file in bytes, what waits to be written included.
    pub fn size_bytes(&self) -> u64 {
        let disk = self.disk.lock();
        disk.size_bytes + disk.unwritten.len() as u64 + self.pending.lock().bytes.len() as u64
    }

    /// Returns once everything before `upto` is on disk. Blocks.
    pub fn sync(&self, upto: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.synced >= upto {
            return Ok(());
        }
        let end = {
            let mut pending = self.pending.lock();
            if pending.overflowed {
                let text =
                    "records were dropped after repeated write errors; waiting for a rewrite";
                return Err(io::Error::other(text));
            }
            // Taken with its room: what a burst needed is not kept.
            let bytes = std::mem::take(&mut pending.bytes);
            match disk.unwritten.is_empty() {
                true => disk.unwritten = bytes,
                false => disk.unwritten.extend_from_slice(&bytes),
            }
            pending.end
        };
        if disk.unwritten.len() > MAX_UNWRITTEN_BYTES {
            self.pending.lock().overflowed = true;
        }
        disk.file.write_at(&disk.unwritten, disk.size_bytes)?;
        disk.file.sync_data()?;
        disk.size_bytes += disk.unwritten.len() as u64;
        disk.unwritten = Vec::new();
        disk.synced = end;
        Ok(())
    }

    /// Takes what is pending; only for the `make` of [`AppendFile::rewrite`], under the lock that guards the content.
    pub fn drain(&self) -> Drained {
        let mut pending = self.pending.lock();
        Drained { bytes: std::mem::take(&mut pending.bytes), end: pending.end }
    }

    /// Replaces the file by what `make` gives; its content must cover all that was appended before it called
    /// [`AppendFile::drain`]. Returns the new size in bytes. Blocks. On failure the old file goes on, nothing lost.
    pub fn rewrite(&self, make: impl FnOnce() -> (Vec<u8>, Drained)) -> io::Result<u64> {
        let mut disk = self.disk.lock();
        let (content, drained) = make();
        let replaced =
            self.fs.replace(&self.path, &content).and_then(|()| self.fs.open_write(&self.path));
        match replaced {
            Ok(file) => {
                disk.file = file;
                disk.size_bytes = content.len() as u64;
                disk.unwritten = Vec::new();
                disk.synced = drained.end;
                self.pending.lock().overflowed = false;
                Ok(disk.size_bytes)
            }
            Err(err) => {
                disk.unwritten.extend(drained.bytes);
                Err(err)
            }
        }
    }
}

/// Puts a damaged file aside under a name that says so and returns that name; an earlier one under it is overwritten.
pub(crate) fn set_aside(fs: &dyn Fs, path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".corrupt");
    let aside = PathBuf::from(aside);
    fs.rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_runtime::fs::SystemFs;

    fn open(dir: &tempfile::TempDir) -> AppendFile {
        AppendFile::create(SystemFs::shared(), &dir.path().join("log"), b"head").expect("create")
    }

    fn content(file: &AppendFile) -> String {
        String::from_utf8(std::fs::read(file.path()).expect("read")).expect("utf8")
    }

    #[test]
    fn what_is_synced_is_in_the_file() {
        let dir = tempfile::tempdir().expect("dir");
        let file = open(&dir);
        let first = file.append(b" one");
        file.append(b" two");
        assert_eq!(content(&file), "head");
        file.sync(first).expect("sync");
        assert_eq!((content(&file).as_str(), file.size_bytes()), ("head one two", 12));
        file.sync(file.end()).expect("nothing left");
    }

    #[test]
    fn a_rewrite_keeps_what_follows_it() {
        let dir = tempfile::tempdir().expect("dir");
        let file = open(&dir);
        file.append(b" one");
        let size = file.rewrite(|| (b"new".to_vec(), file.drain())).expect("rewrite");
        assert_eq!(size, 3);
        let end = file.append(b" two");
        file.sync(end).expect("sync");
        assert_eq!(content(&file), "new two");
    }

    #[test]
    fn a_failed_rewrite_loses_nothing() {
        let dir = tempfile::tempdir().expect("dir");
        let file = open(&dir);
        let end = file.append(b" one");
        std::fs::create_dir(dir.path().join("log.tmp")).expect("obstacle");
        file.rewrite(|| (b"new".to_vec(), file.drain())).expect_err("temp file cannot be made");
        file.sync(end).expect("sync");
        assert_eq!(content(&file), "head one");
    }
}
