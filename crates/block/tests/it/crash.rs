//! A disk that fails for good at each operation in turn: a block is there whole or not at all.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gauntlet_block::{
    BlockError, BlockMeta, BlockReader, BlockWriter, NewChunk, PageCache, Tombstones, Ulid,
};
use gauntlet_chunk::XorAppender;
use gauntlet_model::Labels;
use gauntlet_runtime::fs::{DirEntry, Space};
use gauntlet_runtime::{File, FileLock, Fs, SystemFs};

/// Lets some changing operations through, then none.
#[derive(Debug)]
struct FailingFs {
    left: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FailingFile {
    file: Arc<dyn File>,
    left: Arc<AtomicUsize>,
}

fn take(left: &AtomicUsize) -> io::Result<()> {
    let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    taken.map(|_| ()).map_err(|_| io::Error::other("disk is gone"))
}

impl FailingFs {
    fn shared(operations: usize) -> Arc<dyn Fs> {
        Arc::new(Self { left: Arc::new(AtomicUsize::new(operations)) })
    }

    fn wrap(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FailingFile { file, left: Arc::clone(&self.left) })
    }
}

impl File for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        if let Err(err) = take(&self.left) {
            // A torn write: half of it lands.
            let _ = self.file.write_at(&data[..data.len() / 2], offset);
            return Err(err);
        }
        self.file.write_at(data, offset)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.file.size_bytes()
    }

    fn sync_data(&self) -> io::Result<()> {
        take(&self.left)
    }

    fn sync_all(&self) -> io::Result<()> {
        take(&self.left)
    }

    fn truncate(&self, size_bytes: u64) -> io::Result<()> {
        take(&self.left)?;
        self.file.truncate(size_bytes)
    }

    fn preallocate(&self, size_bytes: u64) -> io::Result<()> {
        self.file.preallocate(size_bytes)
    }
}

impl Fs for FailingFs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        take(&self.left)?;
        Ok(self.wrap(SystemFs.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        SystemFs.open(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(SystemFs.open_write(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        take(&self.left)?;
        SystemFs.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        take(&self.left)?;
        SystemFs.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        take(&self.left)?;
        SystemFs.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        take(&self.left)?;
        SystemFs.remove_dir_all(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        take(&self.left)?;
        SystemFs.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        SystemFs.list(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        take(&self.left)
    }

    fn exists(&self, path: &Path) -> bool {
        SystemFs.exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemFs.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        SystemFs.lock(path)
    }
}

fn write(fs: &Arc<dyn Fs>, parent: &Path) -> Result<BlockMeta, BlockError> {
    let meta = BlockMeta::new(Ulid::from_parts(7, 7), 0, 1000);
    let mut writer = BlockWriter::create(fs, parent, meta, ["a", "b", "c"])?;
    let mut appender = XorAppender::new();
    (0..100).for_each(|t| assert!(appender.append(t, t as f64)));
    for value in ["b", "c"] {
        let chunk = NewChunk { min_time: 0, max_time: 99, encoding: 1, data: appender.bytes() };
        writer.add_series(&Labels::from_pairs([("a", value)]), &[chunk])?;
    }
    Ok(writer.finish()?.unwrap())
}

#[test]
fn a_block_is_there_whole_or_not_at_all() {
    let mut failures = 0;
    for operations in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let written = write(&FailingFs::shared(operations), dir.path());
        let folder = dir.path().join(Ulid::from_parts(7, 7).to_string());
        if folder.exists() {
            let block =
                BlockReader::open(&SystemFs::shared(), &folder, &PageCache::new(1 << 20)).unwrap();
            let mut samples = 0;
            block
                .for_each_series(&[], |_, _, entry| {
                    block.raw_chunk(entry.chunks[0].chunk_ref)?;
                    samples += 100;
                    Ok(())
                })
                .unwrap();
            assert_eq!(samples, block.meta().stats.num_samples);
        }
        if written.is_ok() {
            assert!(folder.exists());
            break;
        }
        failures += 1;
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn tombstones_and_meta_are_old_or_new() {
    for operations in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let meta = write(&SystemFs::shared(), dir.path()).unwrap();
        let folder = dir.path().join(meta.ulid.to_string());
        let block =
            BlockReader::open(&FailingFs::shared(operations), &folder, &PageCache::new(1 << 20))
                .unwrap();
        let deleted = block.delete(&[], 10, 20);
        let on_disk = Tombstones::read(&SystemFs, &folder).unwrap().total();
        assert!(on_disk == 0 || on_disk == 2, "{operations}");
        BlockMeta::read(&SystemFs, &folder).unwrap();
        if deleted.is_ok() {
            assert_eq!((on_disk, block.tombstones().total()), (2, 2));
        }
    }
}
