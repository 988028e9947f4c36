//! A file system in memory that fails on purpose: it tears writes, refuses them, runs full, and forgets at a crash what was not synced.
//!
//! Content lives twice: as written, and as durable. A sync makes a file's content durable, a folder sync its names. A crash at a
//! chosen operation makes that operation and all after it fail; [`FaultFs::after_crash`] gives the file system that a restart finds:
//! durable names with durable content, plus, by chance, some of what was written and not synced. One seed replays the whole run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gauntlet_runtime::fs::{DirEntry, Space};
use gauntlet_runtime::{File, FileLock, Fs};

/// What is lost at a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process dies: all that was written stays.
    Process,
    /// The machine dies: of what was not synced a random part stays.
    Machine,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    written: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// Files as they are, and as a crash would leave the names.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: std::collections::BTreeSet<PathBuf>,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    capacity: Option<u64>,
    random: u64,
}

/// The file system. Clones share it.
#[derive(Clone, Debug)]
pub struct FaultFs {
    state: Arc<Mutex<State>>,
}

fn dead() -> io::Error {
    io::Error::other("the machine is off")
}

impl FaultFs {
    pub fn new(seed: u64) -> Self {
        let state = State { random: seed.wrapping_mul(2) + 1, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Number of writing operations so far: writes, syncs, creations, renames, removals.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The writing operation with this number fails, half done, and all after it.
    pub fn crash_at(&self, operation: u64) {
        self.lock().crash_at = Some(operation);
    }

    pub fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Bounds the bytes of all files; writes beyond fail as on a full disk. `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Flips one bit of a file, as written and as durable.
    pub fn flip(&self, path: &Path, bit: u64) {
        let mut state = self.lock();
        if let Some(inode) = state.names.get(path).copied() {
            for bytes in [0, 1] {
                let inode = &mut state.inodes[inode];
                let content = if bytes == 0 { &mut inode.written } else { &mut inode.durable };
                if let Some(byte) = content.get_mut((bit / 8) as usize) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }

    /// The file system that a restart finds.
    pub fn after_crash(&self, loss: Loss) -> Self {
        let mut state = self.lock();
        let mut new =
            State { dirs: state.dirs.clone(), random: state.next_random(), ..State::default() };
        let names = match loss {
            Loss::Process => state.names.clone(),
            Loss::Machine => {
                // A name that was not synced may be there or not; one that was removed may be back.
                let (now, durable) = (state.names.clone(), state.durable_names.clone());
                let mut names = durable;
                for (path, inode) in now {
                    if names.get(&path) != Some(&inode) && state.next_random().is_multiple_of(2) {
                        names.insert(path, inode);
                    }
                }
                names
            }
        };
        for (path, inode) in names {
            let inode = state.inodes[inode].clone();
            let content = match loss {
                Loss::Process => inode.written,
                Loss::Machine => mix(&inode, state.next_random()),
            };
            new.names.insert(path.clone(), new.inodes.len());
            new.durable_names.insert(path, new.inodes.len());
            new.inodes.push(Inode { written: content.clone(), durable: content });
        }
        Self { state: Arc::new(Mutex::new(new)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a crash leaves of a file: durable content, with a part of the unsynced writes up to a random place.
fn mix(inode: &Inode, random: u64) -> Vec<u8> {
    let (written, durable) = (&inode.written, &inode.durable);
    if written == durable {
        return durable.clone();
    }
    let same = written.iter().zip(durable).take_while(|(a, b)| a == b).count();
    let longest = written.len().max(durable.len());
    let kept = same + (random % (longest - same + 1) as u64) as usize;
    let mut out = written[..kept.min(written.len())].to_vec();
    if out.len() < durable.len() {
        let from = out.len();
        out.extend_from_slice(&durable[from..]);
    } else if random & 1 << 40 != 0 {
        // The size was recorded, the data was not.
        let zeros = (random >> 48) as usize % 4096;
        out.resize((out.len() + zeros).min(longest.max(out.len())), 0);
    }
    out
}

impl State {
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Counts a writing operation. True: it is the last one and is done by half.
    fn step(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(dead());
        }
        self.operations += 1;
        self.crashed = self.crash_at == Some(self.operations);
        Ok(self.crashed)
    }

    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].written.len() as u64).sum()
    }
}

#[derive(Debug)]
struct FaultFile {
    fs: FaultFs,
    inode: usize,
}

impl File for FaultFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.fs.lock();
        let content = &state.inodes[self.inode].written;
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.fs.lock();
        let half = state.step()?;
        let mut taken =
            if half { state.next_random() as usize % (data.len() + 1) } else { data.len() };
        let end = offset as usize + data.len();
        let size = state.inodes[self.inode].written.len();
        let mut full = false;
        if let Some(capacity) = state.capacity {
            let free = capacity.saturating_sub(state.used()) as usize;
            let growth = end.saturating_sub(size);
            if growth > free {
                full = true;
                taken = taken.min(data.len() - (growth - free).min(data.len()));
            }
        }
        let content = &mut state.inodes[self.inode].written;
        let end = offset as usize + taken;
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(&data[..taken]);
        match (half, full) {
            (true, _) => Err(dead()),
            (_, true) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.fs.lock().inodes[self.inode].written.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.fs.lock();
        if state.step()? {
            return Err(dead());
        }
        let inode = &mut state.inodes[self.inode];
        inode.durable.clone_from(&inode.written);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, size_bytes: u64) -> io::Result<()> {
        let mut state = self.fs.lock();
        if state.step()? {
            return Err(dead());
        }
        state.inodes[self.inode].written.resize(size_bytes as usize, 0);
        Ok(())
    }

    fn preallocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Unlocked;

impl FileLock for Unlocked {}

impl Fs for FaultFs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        if state.step()? {
            return Err(dead());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(path.to_owned(), inode);
        Ok(Arc::new(FaultFile { fs: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = self.lock().names.get(path).copied();
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Arc::new(FaultFile { fs: self.clone(), inode }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? {
            return Err(dead());
        }
        if let Some(inode) = state.names.remove(from) {
            state.names.insert(to.to_owned(), inode);
            return Ok(());
        }
        if !state.dirs.contains(from) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        // Renaming a folder is one step: all names below move, the durable ones when the parent is synced.
        let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| to.join(rest));
        let dirs = state.dirs.iter().map(|dir| moved(dir).unwrap_or_else(|| dir.clone())).collect();
        state.dirs = dirs;
        let names = std::mem::take(&mut state.names);
        state.names = names.into_iter().map(|(p, i)| (moved(&p).unwrap_or(p), i)).collect();
        let durable = std::mem::take(&mut state.durable_names);
        state.durable_names =
            durable.into_iter().map(|(p, i)| (moved(&p).unwrap_or(p), i)).collect();
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? {
            return Err(dead());
        }
        let inode = state.names.get(from).copied();
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? {
            return Err(dead());
        }
        match state.names.remove(path) {
            Some(_) => Ok(()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let half = state.step()?;
        let doomed: Vec<PathBuf> =
            state.names.keys().filter(|name| name.starts_with(path)).cloned().collect();
        let count = if half { doomed.len() / 2 } else { doomed.len() };
        for name in &doomed[..count] {
            state.names.remove(name);
        }
        if half {
            return Err(dead());
        }
        state.dirs.retain(|dir| !dir.starts_with(path));
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.crashed {
            return Err(dead());
        }
        let mut dir = path.to_owned();
        loop {
            state.dirs.insert(dir.clone());
            if !dir.pop() || dir.as_os_str().is_empty() {
                return Ok(());
            }
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock();
        if !state.dirs.contains(path) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let name_in = |full: &Path| {
            let name = full.file_name()?.to_str()?.to_owned();
            (full.parent() == Some(path)).then_some(name)
        };
        let files = state.names.iter().filter_map(|(full, inode)| {
            let size_bytes = state.inodes[*inode].written.len() as u64;
            Some(DirEntry { name: name_in(full)?, is_dir: false, size_bytes })
        });
        let dirs = state.dirs.iter().filter_map(|full| {
            Some(DirEntry { name: name_in(full)?, is_dir: true, size_bytes: 0 })
        });
        let mut entries: Vec<DirEntry> = files.chain(dirs).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? {
            return Err(dead());
        }
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|name, _| name.parent() != Some(path) || names.contains_key(name));
        for (name, inode) in names.iter().filter(|(name, _)| name.parent() == Some(path)) {
            durable_names.insert(name.clone(), *inode);
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.lock();
        state.names.contains_key(path) || state.dirs.contains(path)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let state = self.lock();
        let total_bytes = state.capacity.unwrap_or(1 << 40);
        Ok(Space { total_bytes, free_bytes: total_bytes.saturating_sub(state.used()) })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn FileLock>> {
        Ok(Box::new(Unlocked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_crash_loses_what_was_not_synced_and_a_process_crash_nothing() {
        let fs = FaultFs::new(7);
        let dir = Path::new("/d");
        fs.create_dir_all(dir).unwrap();
        let file = fs.create(&dir.join("a")).unwrap();
        file.write_at(b"safe", 0).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir(dir).unwrap();
        file.write_at(b"lost", 4).unwrap();
        let next = fs.operations() + 1;
        fs.crash_at(next);
        assert!(file.write_at(b"torn", 8).is_err() && fs.has_crashed());
        assert!(file.sync_data().is_err());
        let process = fs.after_crash(Loss::Process);
        assert!(process.read(&dir.join("a"), 100).unwrap().starts_with(b"safelost"));
        let machine = fs.after_crash(Loss::Machine);
        assert!(machine.read(&dir.join("a"), 100).unwrap().starts_with(b"safe"));
    }

    #[test]
    fn a_full_disk_refuses_and_recovers() {
        let fs = FaultFs::new(1);
        fs.create_dir_all(Path::new("/")).unwrap();
        let file = fs.create(Path::new("/a")).unwrap();
        fs.set_capacity(Some(6));
        file.write_at(b"1234", 0).unwrap();
        assert_eq!(file.write_at(b"5678", 4).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.size_bytes().unwrap(), 6);
        fs.set_capacity(None);
        file.write_at(b"5678", 4).unwrap();
    }
}
