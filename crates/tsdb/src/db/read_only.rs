//! A database opened for reading alone, without the lock: for tools, beside a running server. Nothing on disk is changed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_block::{BlockReader, PageCache};
use gauntlet_model::Timestamp;
use gauntlet_runtime::fs::{DirEntry, Space};
use gauntlet_runtime::{File, FileLock, Fs};
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};

use super::query::View;
use super::{BadBlock, PAGE_CACHE_BYTES, end_of_ordered, load_blocks};
use crate::error::Result;
use crate::head::{Head, ReplayStats};
use crate::options::Options;

/// Head and blocks of a folder, as they were at opening.
#[derive(Debug)]
pub struct ReadOnlyDb {
    head: Arc<Head>,
    blocks: Arc<Vec<Arc<BlockReader>>>,
    bad: Arc<Vec<BadBlock>>,
    replay: ReplayStats,
}

impl ReadOnlyDb {
    /// Opens blocks and log. `options.out_of_order_window_ms` does not matter: late samples are read if there are any.
    pub fn open(dir: &Path, options: &Options, fs: Arc<dyn Fs>) -> Result<Self> {
        let cache = PageCache::new(PAGE_CACHE_BYTES);
        let blocks = load_blocks(&fs, dir, &cache, &[])?;
        let min_valid = end_of_ordered(&blocks.good).unwrap_or(Timestamp::MIN);
        let fs: Arc<dyn Fs> = Arc::new(ReadOnlyFs(fs));
        let (head, replay) = Head::open_read_only(dir, options, &fs, min_valid)?;
        Ok(Self { head: Arc::new(head), blocks: blocks.good, bad: blocks.bad, replay })
    }

    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    pub fn blocks(&self) -> &[Arc<BlockReader>] {
        &self.blocks
    }

    pub fn bad_blocks(&self) -> &[BadBlock] {
        &self.bad
    }

    pub fn replay_stats(&self) -> &ReplayStats {
        &self.replay
    }
}

impl Queryable for ReadOnlyDb {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, std::result::Result<SeriesSet, QueryError>> {
        async move { View::new(&self.head, &self.blocks, request.range).select(request) }.boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, std::result::Result<LabelAnswer, QueryError>> {
        async move { View::new(&self.head, &self.blocks, request.range).label_names(request) }
            .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, std::result::Result<LabelAnswer, QueryError>> {
        async move { View::new(&self.head, &self.blocks, request.range).label_values(name, request) }.boxed()
    }
}

/// Reads through, refuses to create, pretends to remove: the head then keeps in memory what it would have written.
#[derive(Debug)]
struct ReadOnlyFs(Arc<dyn Fs>);

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "opened for reading")
}

impl Fs for ReadOnlyFs {
    fn create(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(refused())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.0.open(path)
    }

    fn open_write(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(refused())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        match self.0.list(path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries,
        }
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.0.space(path)
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn FileLock>> {
        Err(refused())
    }
}
