//! Object storage: the bucket trait, its providers, and the wrappers around them.
//!
//! A bucket is a flat space of names with `/` as its only structure. Providers: a folder ([`Filesystem`]), S3 and its kin, and
//! memory ([`ObjectStoreBucket`]). Wrappers are buckets themselves: [`Prefixed`], [`Retrying`], [`Observed`]. What the peers
//! write as `--objstore.config` is read by [`config`]. Left out: caching of ranges, which belongs to the reader of blocks.

pub mod bucket;
pub mod config;
pub mod error;
pub mod filesystem;
pub mod object;
pub mod observe;
pub mod prefix;
pub mod retry;
pub mod s3;

pub use bucket::{Attributes, Bucket, Condition, Entry, Version};
pub use config::{BucketConfig, Provider};
pub use error::ObjstoreError;
pub use filesystem::Filesystem;
pub use object::ObjectStoreBucket;
pub use observe::{Observed, Observer, Operation};
pub use prefix::Prefixed;
pub use retry::{RetryPolicy, Retrying};
