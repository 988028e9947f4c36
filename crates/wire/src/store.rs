//! Messages of the StoreAPI, package `thanos`, service `thanos.Store`. Page: docs/formats/storeapi.md.
//! Source: upstream `pkg/store/storepb/{rpc,types}.proto`. A stream's series frames are read by [`crate::frame`], not by the
//! structs here, which serve requests, unary answers and tests.

use bytes::Bytes;

pub use crate::prompb::{Label, LabelMatcher, MatcherType};

/// Full names of the methods, as they stand in the HTTP/2 path.
pub mod path {
    pub const SERVICE: &str = "thanos.Store";
    pub const SERIES: &str = "/thanos.Store/Series";
    pub const LABEL_NAMES: &str = "/thanos.Store/LabelNames";
    pub const LABEL_VALUES: &str = "/thanos.Store/LabelValues";
}

/// Which aggregate of a downsampled chunk is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Aggr {
    Raw = 0,
    Count = 1,
    Sum = 2,
    Min = 3,
    Max = 4,
    Counter = 5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum PartialResponseStrategy {
    Warn = 0,
    Abort = 1,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Both ends of the time range are in; times in milliseconds.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeriesRequest {
    #[prost(int64, tag = "1")]
    pub min_time: i64,
    #[prost(int64, tag = "2")]
    pub max_time: i64,
    #[prost(message, repeated, tag = "3")]
    pub matchers: Vec<LabelMatcher>,
    /// Coarsest resolution wanted, ms; 0 is raw.
    #[prost(int64, tag = "4")]
    pub max_resolution_window: i64,
    #[prost(enumeration = "Aggr", repeated, tag = "5")]
    pub aggregates: Vec<i32>,
    #[prost(bool, tag = "6")]
    pub partial_response_disabled: bool,
    #[prost(enumeration = "PartialResponseStrategy", tag = "7")]
    pub partial_response_strategy: i32,
    #[prost(bool, tag = "8")]
    pub skip_chunks: bool,
    #[prost(message, optional, tag = "9")]
    pub hints: Option<Any>,
    #[prost(int64, tag = "10")]
    pub step: i64,
    #[prost(int64, tag = "11")]
    pub range: i64,
    #[prost(message, optional, tag = "12")]
    pub query_hints: Option<QueryHints>,
    #[prost(message, optional, tag = "13")]
    pub shard_info: Option<ShardInfo>,
    #[prost(string, repeated, tag = "14")]
    pub without_replica_labels: Vec<String>,
    /// Most series wanted; 0 is all.
    #[prost(int64, tag = "15")]
    pub limit: i64,
    /// Series per `batch` frame; 0 and 1 mean plain `series` frames.
    #[prost(int64, tag = "16")]
    pub response_batch_size: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct QueryHints {
    #[prost(int64, tag = "1")]
    pub step_millis: i64,
    #[prost(message, optional, tag = "2")]
    pub func: Option<Func>,
    #[prost(message, optional, tag = "4")]
    pub grouping: Option<Grouping>,
    #[prost(message, optional, tag = "5")]
    pub range: Option<Range>,
    #[prost(string, repeated, tag = "6")]
    pub projection_labels: Vec<String>,
    #[prost(bool, tag = "7")]
    pub projection_include: bool,
    #[prost(string, tag = "8")]
    pub series_hash_label_name: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Func {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Grouping {
    #[prost(bool, tag = "1")]
    pub by: bool,
    #[prost(string, repeated, tag = "3")]
    pub labels: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Range {
    #[prost(int64, tag = "1")]
    pub millis: i64,
}

/// Which part of all series is wanted; `total_shards < 1` is all of them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShardInfo {
    #[prost(int64, tag = "1")]
    pub shard_index: i64,
    #[prost(int64, tag = "2")]
    pub total_shards: i64,
    #[prost(bool, tag = "3")]
    pub by: bool,
    #[prost(string, repeated, tag = "4")]
    pub labels: Vec<String>,
}

/// One frame of a Series stream.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeriesResponse {
    #[prost(oneof = "series_response::Result", tags = "1, 2, 3, 4")]
    pub result: Option<series_response::Result>,
}

pub mod series_response {
    //! The oneof of [`super::SeriesResponse`].

    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Result {
        #[prost(message, tag = "1")]
        Series(super::Series),
        #[prost(string, tag = "2")]
        Warning(String),
        #[prost(message, tag = "3")]
        Hints(super::Any),
        #[prost(message, tag = "4")]
        Batch(super::SeriesBatch),
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeriesBatch {
    #[prost(message, repeated, tag = "1")]
    pub series: Vec<Series>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Series {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub chunks: Vec<AggrChunk>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AggrChunk {
    #[prost(int64, tag = "1")]
    pub min_time: i64,
    #[prost(int64, tag = "2")]
    pub max_time: i64,
    #[prost(message, optional, tag = "3")]
    pub raw: Option<Chunk>,
    #[prost(message, optional, tag = "4")]
    pub count: Option<Chunk>,
    #[prost(message, optional, tag = "5")]
    pub sum: Option<Chunk>,
    #[prost(message, optional, tag = "6")]
    pub min: Option<Chunk>,
    #[prost(message, optional, tag = "7")]
    pub max: Option<Chunk>,
    #[prost(message, optional, tag = "8")]
    pub counter: Option<Chunk>,
}

/// `type` is 0 for XOR, 1 for histogram, 2 for float histogram: one less than on disk.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Chunk {
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
    /// xxh64 of `data`; 0 where the sender gave none.
    #[prost(uint64, tag = "3")]
    pub hash: u64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelNamesRequest {
    #[prost(bool, tag = "1")]
    pub partial_response_disabled: bool,
    #[prost(enumeration = "PartialResponseStrategy", tag = "2")]
    pub partial_response_strategy: i32,
    #[prost(int64, tag = "3")]
    pub start: i64,
    #[prost(int64, tag = "4")]
    pub end: i64,
    #[prost(message, optional, tag = "5")]
    pub hints: Option<Any>,
    #[prost(message, repeated, tag = "6")]
    pub matchers: Vec<LabelMatcher>,
    #[prost(string, repeated, tag = "7")]
    pub without_replica_labels: Vec<String>,
    #[prost(int64, tag = "8")]
    pub limit: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelNamesResponse {
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub warnings: Vec<String>,
    #[prost(message, optional, tag = "3")]
    pub hints: Option<Any>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelValuesRequest {
    #[prost(string, tag = "1")]
    pub label: String,
    #[prost(bool, tag = "2")]
    pub partial_response_disabled: bool,
    #[prost(enumeration = "PartialResponseStrategy", tag = "3")]
    pub partial_response_strategy: i32,
    #[prost(int64, tag = "4")]
    pub start: i64,
    #[prost(int64, tag = "5")]
    pub end: i64,
    #[prost(message, optional, tag = "6")]
    pub hints: Option<Any>,
    #[prost(message, repeated, tag = "7")]
    pub matchers: Vec<LabelMatcher>,
    #[prost(string, repeated, tag = "8")]
    pub without_replica_labels: Vec<String>,
    #[prost(int64, tag = "9")]
    pub limit: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelValuesResponse {
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub warnings: Vec<String>,
    #[prost(message, optional, tag = "3")]
    pub hints: Option<Any>,
}

/// Request of `thanos.WriteableStore/RemoteWrite`, the hop between receivers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<crate::prompb::TimeSeries>,
    #[prost(string, tag = "2")]
    pub tenant: String,
    /// Ordinal of the replica from 1 for forwarded requests; 0 for one not replicated yet.
    #[prost(int64, tag = "3")]
    pub replica: i64,
    #[prost(message, repeated, tag = "4")]
    pub timeseries_tenant_data: Vec<TimeSeriesTenantTuple>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeriesTenantTuple {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<crate::prompb::TimeSeries>,
    #[prost(string, tag = "2")]
    pub tenant: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteResponse {}
