//! Seeing every call: the hook that metrics hang on.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_runtime::Clock;

use crate::ObjstoreError;
use crate::bucket::{Attributes, Bucket, Condition, Entry, Version};

/// What was called; the names are upstream's `operation` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Iter,
    Get,
    GetRange,
    Exists,
    Upload,
    Delete,
    Attributes,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iter => "iter",
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::Exists => "exists",
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Attributes => "attributes",
        }
    }

    pub const ALL: [Self; 7] = [
        Self::Iter,
        Self::Get,
        Self::GetRange,
        Self::Exists,
        Self::Upload,
        Self::Delete,
        Self::Attributes,
    ];
}

/// Told of every call after it. A missing object is an error here too; upstream's failure counters leave it out.
pub trait Observer: Debug + Send + Sync {
    fn done(
        &self,
        bucket: &str,
        operation: Operation,
        took: Duration,
        bytes: u64,
        error: Option<&ObjstoreError>,
    );
}

/// A bucket that tells an observer.
#[derive(Clone, Debug)]
pub struct Observed {
    inner: Arc<dyn Bucket>,
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

impl Observed {
    pub fn new(inner: Arc<dyn Bucket>, observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, observer, clock }
    }

    fn run<'a, T: Send + 'a>(
        &'a self,
        operation: Operation,
        call: Answer<'a, T>,
        bytes: impl FnOnce(&T) -> u64 + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            let start = self.clock.monotonic();
            let outcome = call.await;
            let took = self.clock.monotonic().saturating_sub(start);
            let size = outcome.as_ref().map_or(0, bytes);
            self.observer.done(self.inner.name(), operation, took, size, outcome.as_ref().err());
            outcome
        }
        .boxed()
    }
}

impl Bucket for Observed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)> {
        self.run(Operation::Get, self.inner.get_versioned(name), |(bytes, _)| bytes.len() as u64)
    }

    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes> {
        let call = self.inner.get_range(name, range);
        self.run(Operation::GetRange, call, |bytes| bytes.len() as u64)
    }

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes> {
        self.run(Operation::Attributes, self.inner.attributes(name), |_| 0)
    }

    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>> {
        self.run(Operation::Iter, self.inner.list(dir, recursive), |_| 0)
    }

    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()> {
        let size = content.len() as u64;
        self.run(Operation::Upload, self.inner.upload(name, content), move |()| size)
    }

    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()> {
        let call = async move {
            self.inner.upload_file(name, file).await?;
            Ok(tokio::fs::metadata(file).await.map_or(0, |m| m.len()))
        };
        let call = self.run(Operation::Upload, call.boxed(), |size| *size);
        async move { call.await.map(|_| ()) }.boxed()
    }

    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version> {
        let size = content.len() as u64;
        let call = self.inner.upload_if(name, content, condition);
        self.run(Operation::Upload, call, move |_| size)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.run(Operation::Delete, self.inner.delete(name), |()| 0)
    }

    fn exists<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.run(Operation::Exists, self.inner.exists(name), |_| 0)
    }
}
