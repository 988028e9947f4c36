//! How collectors reach the host: paths, and files that stay open between scrapes. Kernel files give fresh content at offset
//! zero, so a scrape costs one `pread` per file instead of open, read, read, close.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config::Paths;
use crate::error::Failure;
use crate::scan;

/// Files that all collectors together keep open; further ones are opened and closed each time.
const MAX_OPEN: usize = 512;
/// A kernel file larger than this is refused.
const MAX_FILE: usize = 64 << 20;
/// Files that no scrape in this many has read are closed: their devices went away.
const UNUSED_SCRAPES: u32 = 8;
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// One collector's access to the host.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) paths: Arc<Paths>,
    buffer: Vec<u8>,
    kept: HashMap<Box<str>, Kept, foldhash::fast::FixedState>,
    scrape: u32,
}

#[derive(Debug)]
struct Kept {
    file: OwnedFd,
    /// The scrape that read it last.
    used: u32,
}

impl Drop for Kept {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Env {
    pub(crate) fn new(paths: Arc<Paths>) -> Env {
        Env { paths, buffer: Vec::new(), kept: HashMap::default(), scrape: 0 }
    }

    /// Starts a scrape; now and then closes the files that are not read any more.
    pub(crate) fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        if self.scrape.is_multiple_of(UNUSED_SCRAPES) {
            let now = self.scrape;
            self.kept.retain(|_, kept| now.wrapping_sub(kept.used) <= UNUSED_SCRAPES);
        }
    }

    pub(crate) fn proc(&self, name: &str) -> String {
        join(&self.paths.procfs, name)
    }

    pub(crate) fn sys(&self, name: &str) -> String {
        join(&self.paths.sysfs, name)
    }

    /// Whole content of a kernel file (until end of file), the file staying open for the next time.
    pub(crate) fn read(&mut self, path: &str) -> io::Result<&[u8]> {
        self.read_kept(path, false)
    }

    /// Like [`Env::read`] for files that give everything in one go (sysfs attributes, `/proc/sys`, `/proc/stat` and other
    /// single-record files): one system call.
    pub(crate) fn read_one(&mut self, path: &str) -> io::Result<&[u8]> {
        self.read_kept(path, true)
    }

    /// Whole content of an ordinary file, which may be replaced at any time.
    pub(crate) fn read_plain(&mut self, path: &str) -> io::Result<&[u8]> {
        let file = open(path)?;
        fill(&file, &mut self.buffer, false).map(|size| &self.buffer[..size])
    }

    fn read_kept(&mut self, path: &str, single: bool) -> io::Result<&[u8]> {
        if let Some(kept) = self.kept.get_mut(path) {
            kept.used = self.scrape;
            match fill(&kept.file, &mut self.buffer, single) {
                Ok(size) => return Ok(&self.buffer[..size]),
                Err(e) if is_gone(&e) => {
                    self.kept.remove(path);
                }
                Err(e) => return Err(e),
            }
        }
        let file = open(path)?;
        let size = fill(&file, &mut self.buffer, single);
        let keep = size.is_ok() || size.as_ref().is_err_and(|e| !is_gone(e));
        if keep && OPEN.fetch_add(1, Ordering::Relaxed) < MAX_OPEN {
            self.kept.insert(path.into(), Kept { file, used: self.scrape });
        } else if keep {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
        size.map(|size| &self.buffer[..size])
    }

    /// Trimmed text of an attribute; `None` when it is absent or unreadable.
    pub(crate) fn attr(&mut self, path: &str) -> Option<String> {
        self.read_one(path).ok().map(|bytes| scan::text(bytes).trim().to_owned())
    }

    /// A number of an attribute; `None` when absent, unreadable or no number.
    pub(crate) fn attr_u64(&mut self, path: &str) -> Option<u64> {
        self.read_one(path).ok().and_then(|bytes| scan::text(bytes).trim().parse().ok())
    }

    /// A number that must be there.
    pub(crate) fn need_u64(&mut self, path: &str) -> Result<u64, Failure> {
        let bytes = self.read_one(path).map_err(|e| Failure::io(path, e))?;
        scan::u64(scan::text(bytes).trim()).map_err(|e| e.at(path))
    }

    /// Names in a directory, sorted. Names that are not UTF-8 are left out.
    pub(crate) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        list(dir)
    }

    /// Names in a directory that have a prefix followed by digits only, ordered by that number.
    pub(crate) fn numbered(&self, dir: &str, prefix: &str) -> io::Result<Vec<(u32, String)>> {
        numbered(dir, prefix)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        fs::metadata(path).is_ok()
    }
}

/// Names in a directory, sorted; see [`Env::list`].
fn list(dir: &str) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        fs::read_dir(dir)?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// See [`Env::numbered`].
pub(crate) fn numbered(dir: &str, prefix: &str) -> io::Result<Vec<(u32, String)>> {
    Ok(numbered_of(&list(dir)?, prefix))
}

/// Those of a directory's names that are a prefix followed by digits only, ordered by that number.
pub(crate) fn numbered_of(names: &[String], prefix: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = names
        .iter()
        .filter_map(|name| {
            let digits = name.strip_prefix(prefix)?;
            let number = digits.parse().ok()?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| (number, name.clone()))
        })
        .collect();
    found.sort_unstable();
    found
}

/// Joins a mount point and a relative name.
pub(crate) fn join(base: &str, name: &str) -> String {
    let mut path = String::with_capacity(base.len() + name.len() + 1);
    path.push_str(base.trim_end_matches('/'));
    path.push('/');
    path.push_str(name);
    path
}

fn open(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?)
}

/// The object behind an open file vanished (a device was removed, a process ended): opening again may find a new one.
fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::NODEV, Errno::NXIO, Errno::STALE, Errno::SRCH, Errno::NOENT]
        .iter()
        .any(|e| code == Some(e.raw_os_error()))
}

fn fill(file: &OwnedFd, buffer: &mut Vec<u8>, single: bool) -> io::Result<usize> {
    if buffer.is_empty() {
        buffer.resize(4096, 0);
    }
    let mut size = 0;
    loop {
        if size == buffer.len() {
            if size >= MAX_FILE {
                return Err(io::Error::other("file is larger than 64 MiB"));
            }
            buffer.resize(size * 2, 0);
        }
        let read = match rustix::io::pread(file, &mut buffer[size..], size as u64) {
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        size += read;
        if read == 0 || (single && size < buffer.len()) {
            return Ok(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(root: &str) -> Env {
        Env::new(Arc::new(Paths {
            procfs: root.to_owned(),
            sysfs: root.to_owned(),
            rootfs: "/".to_owned(),
            udev_data: root.to_owned(),
        }))
    }

    #[test]
    fn kept_files_show_new_content_and_long_files_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        let mut env = env(root);
        let path = env.proc("x");
        assert!(env.read(&path).is_err());
        fs::write(&path, "one").unwrap();
        assert_eq!(env.read(&path).unwrap(), b"one");
        let long = vec![b'y'; 100_000];
        fs::write(&path, &long).unwrap();
        assert_eq!(env.read(&path).unwrap(), &long[..]);
        assert_eq!(env.read_one(&path).unwrap(), &long[..]);
    }

    #[test]
    fn files_that_nobody_reads_any_more_are_closed() {
        let dir = tempfile::tempdir().unwrap();
        let mut env = env(dir.path().to_str().unwrap());
        let (old, new) = (env.proc("old"), env.proc("new"));
        fs::write(&old, "1").unwrap();
        fs::write(&new, "1").unwrap();
        env.begin();
        assert_eq!((env.attr_u64(&old), env.attr_u64(&new)), (Some(1), Some(1)));
        for _ in 0..2 * UNUSED_SCRAPES {
            env.begin();
            assert_eq!(env.attr_u64(&new), Some(1));
        }
        assert_eq!(env.kept.keys().map(|k| &**k).collect::<Vec<_>>(), [new.as_str()]);
    }

    #[test]
    fn numbered_names_come_in_numeric_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cpu10", "cpu2", "cpu1", "cpufreq", "cpu"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let env = env(dir.path().to_str().unwrap());
        let names: Vec<u32> =
            env.numbered(&env.sys(""), "cpu").unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, [1, 2, 10]);
    }
}
