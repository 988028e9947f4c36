//! The bucket trait: what every provider and wrapper does.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::ObjstoreError;

/// Separates the parts of a name.
pub const DELIMITER: char = '/';

/// What is known of an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub size_bytes: u64,
    /// Milliseconds since the epoch; what the bucket's own clock says.
    pub last_modified_ms: i64,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A common prefix, ending in `/`.
    Dir(String),
    Object {
        name: String,
        attributes: Attributes,
    },
}

impl Entry {
    pub fn name(&self) -> &str {
        match self {
            Self::Dir(name) | Self::Object { name, .. } => name,
        }
    }

    pub fn is_dir(&self) -> bool {
        matches!(self, Self::Dir(_))
    }
}

/// What tells two contents of one name apart; opaque, and of one bucket only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// When a conditional put may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such object.
    Absent,
    /// The object is still the one that was read.
    Unchanged(Version),
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ObjstoreError>>;

/// A bucket. Names have no leading slash. All calls run inside a tokio runtime.
pub trait Bucket: Debug + Send + Sync {
    /// Names the bucket in metrics and messages.
    fn name(&self) -> &str;

    /// A whole object with its version. Meant for small ones; blocks are read by range.
    fn get_versioned<'a>(&'a self, name: &'a str) -> Answer<'a, (Bytes, Version)>;

    /// The bytes of a range. A range that goes past the end gives what is there; one that starts at or past it is an error.
    fn get_range<'a>(&'a self, name: &'a str, range: Range<u64>) -> Answer<'a, Bytes>;

    fn attributes<'a>(&'a self, name: &'a str) -> Answer<'a, Attributes>;

    /// What lies in a folder, in ascending order of name, names in full. `dir` is empty for the root; a trailing slash does not
    /// matter. Folders without objects are not listed. Recursive listings have objects only.
    fn list<'a>(&'a self, dir: &'a str, recursive: bool) -> Answer<'a, Vec<Entry>>;

    /// Replaces an object. Readers see the old or the new content, never a mixture.
    fn upload<'a>(&'a self, name: &'a str, content: Bytes) -> Answer<'a, ()>;

    /// Replaces an object by a local file's content, without holding all of it in memory.
    fn upload_file<'a>(&'a self, name: &'a str, file: &'a Path) -> Answer<'a, ()>;

    /// Replaces an object if the condition holds, else [`ObjstoreError::Precondition`].
    fn upload_if<'a>(
        &'a self,
        name: &'a str,
        content: Bytes,
        condition: Condition,
    ) -> Answer<'a, Version>;

    /// Removes an object; a missing one is [`ObjstoreError::NotFound`] where the provider can tell (S3 cannot).
    fn delete<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// A whole object.
    fn get<'a>(&'a self, name: &'a str) -> Answer<'a, Bytes> {
        async move { Ok(self.get_versioned(name).await?.0) }.boxed()
    }

    fn exists<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        async move {
            match self.attributes(name).await {
                Ok(_) => Ok(true),
                Err(err) if err.is_not_found() => Ok(false),
                Err(err) => Err(err),
            }
        }
        .boxed()
    }
}

/// Refuses names that leave the bucket or that providers would rewrite.
pub(crate) fn check_name(name: &str) -> Result<(), ObjstoreError> {
    let bad = |reason: &str| {
        Err(ObjstoreError::BadName { name: name.to_owned(), reason: reason.to_owned() })
    };
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.contains('\0') || name.contains('\\') {
        return bad("it holds a character that file systems reserve");
    }
    if name.split(DELIMITER).any(|part| matches!(part, "" | "." | "..")) {
        return bad("a part of it is empty, \".\" or \"..\"");
    }
    Ok(())
}

/// The folder's name with one slash at its end, or empty for the root.
pub(crate) fn dir_prefix(dir: &str) -> String {
    let trimmed = dir.trim_matches(DELIMITER);
    if trimmed.is_empty() { String::new() } else { format!("{trimmed}{DELIMITER}") }
}
