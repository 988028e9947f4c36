//! The traits at which producers and readers of samples meet; merging, replica dedup and fan-out.
//!
//! Writers speak [`Appender`]: a batch that is committed or rolled back whole. Readers speak [`Queryable`]: a selection gives a
//! [`SeriesSet`], label sets with *encoded* chunks, fetched asynchronously and decoded later by whoever computes. Local and
//! global queries are one path: head, blocks, remote stores and merges of them all answer with the same set.

pub mod append;
pub mod decode;
pub mod dedup;
pub mod fanout;
pub mod merge;
pub mod query;
pub mod series_set;

pub use append::{
    AppendError, AppendOptions, Appendable, Appender, zero_float_histogram, zero_histogram,
};
pub use decode::DecodeScratch;
pub use fanout::Fanout;
pub use merge::merge_sets;
pub use query::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectHints, SelectRequest, TimeRange,
};
pub use series_set::{
    Chunk, ChunkData, ChunkReader, Dedup, DeferredSeries, SeriesSet, SeriesSetBuilder,
};
