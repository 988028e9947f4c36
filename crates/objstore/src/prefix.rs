//! A part of a bucket as a bucket: every name gets a prefix.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::ObjstoreError;
use crate::bucket::{Attributes, Bucket, Condition, Entry, Version, dir_prefix};

/// Adds `prefix/` on the way in and takes it off on the way out.
#[derive(Clone, Debug)]
pub struct Prefixed {
    inner: Arc<dyn Bucket>,
    /// With its slash at the end.
    prefix: String,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

impl Prefixed {
    /// Slashes around the prefix do not matter; an empty one gives the bucket back as it is.
    pub fn wrap(inner: Arc<dyn Bucket>, prefix: &str) -> Arc<dyn Bucket> {
        let prefix = dir_prefix(prefix);
        if prefix.is_empty() { inner } else { Arc::new(Self { inner, prefix }) }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn strip(&self, name: String) -> String {
        name.strip_prefix(&self.prefix).map_or(name.clone(), str::to_owned)
    }
}

impl Bucket for Prefixed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        async move { self.inner.get_versioned(&self.full(name)).await }.boxed()
    }

    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        async move { self.inner.get_range(&self.full(name), range).await }.boxed()
    }

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        async move { self.inner.attributes(&self.full(name)).await }.boxed()
    }

    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        async move {
            let entries = self.inner.list(&self.full(dir), recursive).await?;
            let strip = |entry| match entry {
                Entry::Dir(name) => Entry::Dir(self.strip(name)),
                Entry::Object { name, attributes } => {
                    Entry::Object { name: self.strip(name), attributes }
                }
            };
            Ok(entries.into_iter().map(strip).collect())
        }
        .boxed()
    }

    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        async move { self.inner.upload(&self.full(name), content).await }.boxed()
    }

    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        async move { self.inner.upload_file(&self.full(name), file).await }.boxed()
    }

    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        async move { self.inner.upload_if(&self.full(name), content, condition).await }.boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move { self.inner.delete(&self.full(name)).await }.boxed()
    }
}
