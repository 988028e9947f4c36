//! Buckets of the `object_store` crate: S3 and its kin, and memory.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    Attributes as ObjectAttributes, Error, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, UpdateVersion,
    WriteMultipart,
};
use tokio::io::AsyncReadExt as _;

use crate::ObjstoreError;
use crate::bucket::{Attributes, Bucket, Condition, Entry, Version, check_name, dir_prefix};

/// Size of the parts of a multipart upload and the largest object sent in one, as the peer has it.
pub const PART_SIZE_BYTES: usize = 64 << 20;
/// Parts of one object in flight.
const PARTS_IN_FLIGHT: usize = 4;

/// A bucket behind an [`ObjectStore`].
pub struct ObjectStoreBucket {
    name: String,
    store: Arc<dyn ObjectStore>,
    part_size_bytes: usize,
    multipart: bool,
    attributes: ObjectAttributes,
}

impl ObjectStoreBucket {
    pub fn new(name: impl Into<String>, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            name: name.into(),
            store,
            part_size_bytes: PART_SIZE_BYTES,
            multipart: true,
            attributes: ObjectAttributes::new(),
        }
    }

    /// A bucket in memory, gone with the value.
    pub fn in_memory() -> Self {
        Self::new("memory", Arc::new(InMemory::new()))
    }

    /// Sets the size of upload parts, and whether there may be several.
    pub fn with_parts(mut self, part_size_bytes: usize, multipart: bool) -> Self {
        self.part_size_bytes = part_size_bytes.max(5 << 20);
        self.multipart = multipart;
        self
    }

    /// Attributes that every upload carries: user metadata, storage class.
    pub fn with_attributes(mut self, attributes: ObjectAttributes) -> Self {
        self.attributes = attributes;
        self
    }

    async fn put(
        &self,
        name: &str,
        content: Bytes,
        mode: PutMode,
    ) -> Result<Version, ObjstoreError> {
        let options =
            PutOptions { mode, attributes: self.attributes.clone(), ..Default::default() };
        let payload = PutPayload::from_bytes(content);
        let done = self.store.put_opts(&path(name)?, payload, options).await;
        let done = done.map_err(|err| translate("upload", name, err))?;
        Ok(version(done.e_tag, done.version))
    }

    async fn put_file(&self, name: &str, file: &Path) -> Result<(), ObjstoreError> {
        let local = |err: std::io::Error| ObjstoreError::Failed {
            operation: "upload",
            name: name.to_owned(),
            reason: format!("{}: {err}", file.display()),
        };
        let mut reader = tokio::fs::File::open(file).await.map_err(local)?;
        let size = reader.metadata().await.map_err(local)?.len();
        if !self.multipart || size <= self.part_size_bytes as u64 {
            let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            reader.read_to_end(&mut content).await.map_err(local)?;
            return self.put(name, Bytes::from(content), PutMode::Overwrite).await.map(|_| ());
        }
        let options =
            PutMultipartOptions { attributes: self.attributes.clone(), ..Default::default() };
        let upload = self.store.put_multipart_opts(&path(name)?, options).await;
        let upload = upload.map_err(|err| translate("upload", name, err))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, self.part_size_bytes);
        let sent = async {
            loop {
                let mut part = Vec::with_capacity(self.part_size_bytes);
                let taken = (&mut reader).take(self.part_size_bytes as u64);
                let read = { taken }.read_to_end(&mut part).await.map_err(local)?;
                if read == 0 {
                    return Ok(());
                }
                writer
                    .wait_for_capacity(PARTS_IN_FLIGHT)
                    .await
                    .map_err(|err| translate("upload", name, err))?;
                writer.put(Bytes::from(part));
            }
        }
        .await;
        if let Err(err) = sent {
            let _ = writer.abort().await;
            return Err(err);
        }
        writer.finish().await.map_err(|err| translate("upload", name, err))?;
        Ok(())
    }
}

impl fmt::Debug for ObjectStoreBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreBucket").field("name", &self.name).finish_non_exhaustive()
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

impl Bucket for ObjectStoreBucket {
    fn name(&self) -> &str {
        &self.name
    }

    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        async move {
            let result = self.store.get(&path(name)?).await;
            let result = result.map_err(|err| translate("get", name, err))?;
            let version = version(result.meta.e_tag.clone(), result.meta.version.clone());
            let bytes = result.bytes().await.map_err(|err| translate("get", name, err))?;
            Ok((bytes, version))
        }
        .boxed()
    }

    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        async move {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            let start = range.start;
            let wanted = Some(GetRange::Bounded(range));
            let options = GetOptions { range: wanted, ..Default::default() };
            let path = path(name)?;
            match self.store.get_opts(&path, options).await {
                Ok(result) => result.bytes().await.map_err(|err| translate("get_range", name, err)),
                Err(err @ (Error::Generic { .. } | Error::NotSupported { .. })) => {
                    // Providers word a start past the end in their own ways: ask for the size.
                    let size = self.attributes(name).await.map_or(u64::MAX, |a| a.size_bytes);
                    if start >= size {
                        return Err(ObjstoreError::Range { name: name.to_owned(), start, size });
                    }
                    Err(translate("get_range", name, err))
                }
                Err(err) => Err(translate("get_range", name, err)),
            }
        }
        .boxed()
    }

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        async move {
            let meta = self.store.head(&path(name)?).await;
            Ok(attributes(&meta.map_err(|err| translate("attributes", name, err))?))
        }
        .boxed()
    }

    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        async move {
            let prefix = dir_prefix(dir);
            let at =
                if prefix.is_empty() { None } else { Some(path(prefix.trim_end_matches('/'))?) };
            let failed = |err| translate("iter", dir, err);
            let object = |meta: &ObjectMeta| Entry::Object {
                name: meta.location.to_string(),
                attributes: attributes(meta),
            };
            let mut entries: Vec<Entry> = if recursive {
                let found = self.store.list(at.as_ref()).try_collect::<Vec<_>>().await;
                found.map_err(failed)?.iter().map(object).collect()
            } else {
                let found = self.store.list_with_delimiter(at.as_ref()).await.map_err(failed)?;
                let dirs = found.common_prefixes.iter().map(|dir| Entry::Dir(format!("{dir}/")));
                dirs.chain(found.objects.iter().map(object)).collect()
            };
            entries.sort_by(|a, b| a.name().cmp(b.name()));
            Ok(entries)
        }
        .boxed()
    }

    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        async move { self.put(name, content, PutMode::Overwrite).await.map(|_| ()) }.boxed()
    }

    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        self.put_file(name, file).boxed()
    }

    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        async move {
            let mode = match condition {
                Condition::Absent => PutMode::Create,
                Condition::Unchanged(version) => {
                    PutMode::Update(UpdateVersion { e_tag: Some(version.0), version: None })
                }
            };
            match self.put(name, content, mode).await {
                // A put that hangs on an object which is gone.
                Err(ObjstoreError::NotFound { name }) => Err(ObjstoreError::Precondition { name }),
                other => other,
            }
        }
        .boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move {
            self.store.delete(&path(name)?).await.map_err(|err| translate("delete", name, err))
        }
        .boxed()
    }
}

fn path(name: &str) -> Result<ObjectPath, ObjstoreError> {
    check_name(name)?;
    ObjectPath::parse(name)
        .map_err(|err| ObjstoreError::BadName { name: name.to_owned(), reason: err.to_string() })
}

fn attributes(meta: &ObjectMeta) -> Attributes {
    Attributes { size_bytes: meta.size, last_modified_ms: meta.last_modified.timestamp_millis() }
}

fn version(e_tag: Option<String>, version: Option<String>) -> Version {
    Version(e_tag.or(version).unwrap_or_default())
}

fn translate(operation: &'static str, name: &str, err: Error) -> ObjstoreError {
    let name = name.to_owned();
    match err {
        Error::NotFound { .. } => ObjstoreError::NotFound { name },
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            ObjstoreError::Precondition { name }
        }
        Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. } => {
            ObjstoreError::Denied { name, reason: chain(source.as_ref()) }
        }
        Error::InvalidPath { source } => {
            ObjstoreError::BadName { name, reason: source.to_string() }
        }
        Error::Generic { source, .. } => {
            ObjstoreError::Temporary { operation, name, reason: chain(source.as_ref()) }
        }
        Error::JoinError { source } => {
            ObjstoreError::Temporary { operation, name, reason: source.to_string() }
        }
        other => ObjstoreError::Failed { operation, name, reason: other.to_string() },
    }
}

/// An error with all of its causes, each said once.
fn chain(err: &(dyn std::error::Error + 'static)) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(next) = cause {
        let part = next.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = next.source();
    }
    text
}
