//! A folder as a bucket: provider FILESYSTEM. Objects are files; an upload is written beside its place, synced and renamed.
//!
//! Conditional puts hold a lock on the folder itself, so they exclude each other across processes on one machine. Removing an
//! object removes the folders that it leaves empty, as the peer does. Unfinished uploads have names that listings leave out.

use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::fs::FlockOperation;

use crate::ObjstoreError;
use crate::bucket::{Attributes, Bucket, Condition, Entry, Version, check_name, dir_prefix};

/// Begin of the names of files that are being written.
const UNFINISHED: &str = ".gauntlet-upload-";

/// A bucket in a folder, which is made when first written to.
#[derive(Clone, Debug)]
pub struct Filesystem {
    name: String,
    root: Arc<PathBuf>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

impl Filesystem {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { name: root.display().to_string(), root: Arc::new(root) }
    }

    /// Runs blocking work on the runtime's threads for it.
    fn run<'a, T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &'a str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Answer<'a, T> {
        let root = Arc::clone(&self.root);
        async move {
            check_name(name)?;
            let path = root.join(name);
            let done = tokio::task::spawn_blocking(move || work(&path)).await;
            let done = done.unwrap_or_else(|err| Err(io::Error::other(err)));
            done.map_err(|err| translate(operation, name, &err))
        }
        .boxed()
    }
}

impl Bucket for Filesystem {
    fn name(&self) -> &str {
        &self.name
    }

    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        self.run("get", name, |path| {
            let content = fs::read(path)?;
            let version = version(&content);
            Ok((Bytes::from(content), version))
        })
    }

    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        if range.is_empty() {
            return async { Ok(Bytes::new()) }.boxed();
        }
        let start = range.start;
        async move {
            let read = self.run("get_range", name, move |path| read_range(path, range)).await?;
            read.map_err(|size| ObjstoreError::Range { name: name.to_owned(), start, size })
        }
        .boxed()
    }

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        self.run("attributes", name, |path| attributes(&fs::metadata(path)?))
    }

    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        let root = Arc::clone(&self.root);
        async move {
            let prefix = dir_prefix(dir);
            if !prefix.is_empty() {
                check_name(prefix.trim_end_matches('/'))?;
            }
            let work = move || {
                let mut entries = Vec::new();
                walk(&root.join(&prefix), &prefix, recursive, &mut entries)?;
                entries.sort_by(|a, b| a.name().cmp(b.name()));
                Ok(entries)
            };
            let done = tokio::task::spawn_blocking(work).await;
            let done = done.unwrap_or_else(|err| Err(io::Error::other(err)));
            done.map_err(|err: io::Error| translate("iter", dir, &err))
        }
        .boxed()
    }

    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        self.run("upload", name, move |path| replace(path, |file| file.write_all(&content)))
    }

    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        let source = file.to_owned();
        self.run("upload", name, move |path| {
            let mut source = fs::File::open(&source)
                .map_err(|err| io::Error::other(format!("{}: {err}", source.display())))?;
            replace(path, |file| io::copy(&mut source, file).map(|_| ()))
        })
    }

    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        let root = Arc::clone(&self.root);
        async move {
            let write = self.run("upload", name, move |path| {
                fs::create_dir_all(&*root)?;
                let lock = fs::File::open(&*root)?;
                rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
                let found = match fs::read(path) {
                    Ok(found) => Some(version(&found)),
                    Err(err) if err.kind() == io::ErrorKind::NotFound => None,
                    Err(err) => return Err(err),
                };
                let holds = match condition {
                    Condition::Absent => found.is_none(),
                    Condition::Unchanged(version) => found == Some(version),
                };
                if holds {
                    replace(path, |file| file.write_all(&content))?;
                }
                Ok(holds.then(|| version(&content)))
            });
            write.await?.ok_or_else(|| ObjstoreError::Precondition { name: name.to_owned() })
        }
        .boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        let root = Arc::clone(&self.root);
        self.run("delete", name, move |path| {
            fs::remove_file(path)?;
            let mut dir = path.parent();
            while let Some(at) = dir
                && at != *root
                && fs::remove_dir(at).is_ok()
            {
                dir = at.parent();
            }
            Ok(())
        })
    }
}

/// The bytes of a range, or the file's size where the range starts past it.
fn read_range(path: &Path, range: Range<u64>) -> io::Result<Result<Bytes, u64>> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    if range.start >= size {
        return Ok(Err(size));
    }
    let wanted = usize::try_from(range.end.min(size) - range.start).map_err(io::Error::other)?;
    let mut buffer = vec![0; wanted];
    file.read_exact_at(&mut buffer, range.start)?;
    Ok(Ok(Bytes::from(buffer)))
}

fn attributes(metadata: &fs::Metadata) -> io::Result<Attributes> {
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let last_modified_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Ok(Attributes { size_bytes: metadata.len(), last_modified_ms })
}

/// Appends what lies in `dir`; a folder that is missing or vanishes meanwhile has nothing in it.
fn walk(dir: &Path, prefix: &str, recursive: bool, out: &mut Vec<Entry>) -> io::Result<()> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(err)
            if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(());
        }
        Err(err) => return Err(err),
    };
    for entry in listing {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        if file.starts_with(UNFINISHED) {
            continue;
        }
        let name = format!("{prefix}{file}");
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err),
        };
        if metadata.is_file() {
            out.push(Entry::Object { name, attributes: attributes(&metadata)? });
        } else if metadata.is_dir() {
            let inner = format!("{name}/");
            if recursive {
                walk(&entry.path(), &inner, true, out)?;
            } else if has_object(&entry.path())? {
                out.push(Entry::Dir(inner));
            }
        }
    }
    Ok(())
}

fn has_object(dir: &Path) -> io::Result<bool> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        } else if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            return Ok(true);
        }
    }
    for dir in found {
        if has_object(&dir)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn replace(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(dir)?;
    let mut unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)?;
    write(unfinished.as_file_mut())?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path).map_err(|err| err.error)?;
    fs::File::open(dir)?.sync_all()
}

/// Small objects only are put on a condition, so their content is their version.
fn version(content: &[u8]) -> Version {
    Version(format!("{:016x}-{}", xxhash_rust::xxh64::xxh64(content, 0), content.len()))
}

fn translate(operation: &'static str, name: &str, err: &io::Error) -> ObjstoreError {
    let name = name.to_owned();
    let reason = err.to_string();
    match err.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            ObjstoreError::NotFound { name }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ObjstoreError::Denied { name, reason }
        }
        _ => ObjstoreError::Temporary { operation, name, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_that_breaks_leaves_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        let broken = replace(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(broken.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }
}
