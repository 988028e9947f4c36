//! The file seam: what a storage needs of a file system, as trait objects, so that a test can tear, refuse and forget writes.
//!
//! Reads and writes name their offset; there is no cursor. A write is durable after [`File::sync_data`] alone, a new, renamed
//! or removed name after [`Fs::sync_dir`] of its folder alone: callers rely on nothing else. Leaves out async and mapping.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
    /// 0 for folders.
    pub size_bytes: u64,
}

/// Space of the file system that holds a path, in bytes. `free_bytes` is what an ordinary user may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    pub free_bytes: u64,
}

/// An open file.
pub trait File: Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `data` at `offset`. After an error any part of it may have been written.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    fn size_bytes(&self) -> io::Result<u64>;
    /// Makes content and size durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    fn sync_all(&self) -> io::Result<()>;
    fn truncate(&self, size_bytes: u64) -> io::Result<()>;
    /// Reserves space up to `size_bytes` without changing the file's size. Fails for want of space; does nothing where the file
    /// system cannot reserve.
    fn preallocate(&self, size_bytes: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset`; an early end is an error.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at(buffer, offset)? == buffer.len() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file ends early"))
    }
}

/// Keeps a lock file locked until dropped.
pub trait FileLock: Debug + Send + Sync {}

/// A file system.
pub trait Fs: Debug + Send + Sync {
    /// Creates an empty file, or empties an existing one; read and write.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it. A missing folder is no error.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder, sorted. A missing folder gives `NotFound`.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes names in the folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn exists(&self, path: &Path) -> bool;
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes an exclusive lock on a file, made if missing. `WouldBlock` where another process (or holder) has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>>;

    /// The whole content of a file of at most `limit_bytes`.
    fn read(&self, path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let size = file.size_bytes()?;
        if size > limit_bytes {
            let text =
                format!("{} has {size} bytes, over the limit of {limit_bytes}", path.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut content = vec![0; size as usize];
        let read = file.read_at(&mut content, 0)?;
        content.truncate(read);
        Ok(content)
    }

    /// Replaces a file by `content` as a whole: written beside it, synced, renamed over it, folder synced.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let file = self.create(&beside)?;
        file.write_at(content, 0)?;
        file.sync_all()?;
        drop(file);
        self.rename(&beside, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

/// The machine's file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFs;

impl SystemFs {
    /// The system's files as a shared trait object.
    pub fn shared() -> Arc<dyn Fs> {
        Arc::new(Self)
    }
}

#[derive(Debug)]
struct SystemFile(std::fs::File);

impl File for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(read)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        self.0.write_all_at(data, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn truncate(&self, size_bytes: u64) -> io::Result<()> {
        self.0.set_len(size_bytes)
    }

    fn preallocate(&self, size_bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, size_bytes) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }
}

#[derive(Debug)]
struct SystemLock(#[expect(dead_code, reason = "holds the lock")] std::fs::File);

impl FileLock for SystemLock {}

impl Fs for SystemFs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(SystemFile(std::fs::File::open(path)?)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // A name that is no UTF-8 is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            // The entry may have gone since; links count as what they lead to.
            let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
            let size_bytes = if meta.is_dir() { 0 } else { meta.len() };
            entries.push(DirEntry { name, is_dir: meta.is_dir(), size_bytes });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(SystemLock(file))),
            Err(std::fs::TryLockError::WouldBlock) => {
                let text = format!("{} is locked by another process", path.display());
                Err(io::Error::new(io::ErrorKind::WouldBlock, text))
            }
            Err(std::fs::TryLockError::Error(err)) => Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_read_replaced_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let fs = SystemFs;
        let path = dir.path().join("a");
        let file = fs.create(&path).unwrap();
        file.preallocate(1 << 16).unwrap();
        file.write_at(b"world", 6).unwrap();
        file.write_at(b"hello ", 0).unwrap();
        file.sync_data().unwrap();
        assert_eq!(fs.read(&path, 100).unwrap(), b"hello world");
        assert_eq!(fs.read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let mut buffer = [0; 20];
        assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 5);
        assert!(file.read_exact_at(&mut buffer, 6).is_err());
        fs.replace(&path, b"new").unwrap();
        fs.create_dir_all(&dir.path().join("b/c")).unwrap();
        let entry =
            |name: &str, is_dir, size_bytes| DirEntry { name: name.into(), is_dir, size_bytes };
        assert_eq!(fs.list(dir.path()).unwrap(), [entry("a", false, 3), entry("b", true, 0)]);
        fs.remove_dir_all(&dir.path().join("b")).unwrap();
        fs.remove_dir_all(&dir.path().join("b")).unwrap();
        assert!(fs.space(dir.path()).unwrap().total_bytes > 0);
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = SystemFs.lock(&path).unwrap();
        assert_eq!(SystemFs.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        SystemFs.lock(&path).unwrap();
    }
}
