//! Blocks in a bucket: who puts them there and who answers queries from them.
//!
//! [`Shipper`] uploads the blocks of a data folder. [`BlockFetcher`] finds a bucket's blocks and decides which count.
//! [`BucketStore`] answers from all of them, reading ranges; it is a `StoreSource`, so it serves the StoreAPI and, through
//! `SourceQueryable`, the engine of this process. [`Sidecar`] stands beside a Prometheus. Left out: compaction and downsampling.

pub mod block;
pub mod block_set;
pub mod error;
pub mod fetcher;
pub mod header;
pub mod postings;
pub mod ranges;
pub mod roles;
pub mod shipper;
pub mod spans;
pub mod store;

pub use block::BucketBlock;
pub use error::BucketError;
pub use fetcher::{BlockFetcher, FetchOptions, Fetched, Verdict};
pub use roles::{QueryNode, Sidecar, SidecarFacts, SidecarOptions, StoreGateway};
pub use shipper::{Shipper, ShipperOptions, SyncReport};
pub use store::{BlockStatus, BucketStore, StoreOptions, StoreState};
