//! The immutable block: meta.json, index, chunk segments, tombstones.
//!
//! A block is a folder with the samples of a range of time. This crate reads and writes its files byte for byte as upstream does,
//! selects series from it, and merges blocks into one. It knows files and byte ranges; it knows no bucket and no head.

mod block;
pub mod compact;
pub mod downsample;
mod error;
pub mod fuzz;
pub mod health;
pub mod index;
pub mod index_header;
pub mod meta;
pub mod segment;
pub mod source;
pub mod tombstones;
pub mod writer;

pub use block::{BlockQueryable, BlockReader};
pub use error::BlockError;
pub use index::{ChunkMeta, IndexReader, IndexSource, IndexWriter, postings_for_matchers};
pub use index_header::{IndexHeaderReader, build_index_header, write_index_header};
pub use meta::BlockMeta;
pub use segment::{RawChunk, SegmentReader, SegmentWriter};
pub use source::{ByteSource, FileSource, MemorySource, PageCache};
pub use tombstones::{Interval, Intervals, Tombstones};
pub use ulid::Ulid;
pub use writer::{BlockWriter, NewChunk, delete_block};
