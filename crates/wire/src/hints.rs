//! Payloads of the StoreAPI's `hints` fields, package `hintspb`. Source: upstream `pkg/store/hintspb/hints.proto`.

use bytes::Bytes;
use prost::Message;

use crate::prompb::LabelMatcher;
use crate::store::Any;

/// A payload and the name it travels under.
pub trait Hint: Message + Default {
    const TYPE_URL: &'static str;

    fn to_any(&self) -> Any {
        Any { type_url: Self::TYPE_URL.to_owned(), value: Bytes::from(self.encode_to_vec()) }
    }

    /// `None` where `any` is another payload or does not decode; hints are advice.
    fn from_any(any: &Any) -> Option<Self> {
        (any.type_url == Self::TYPE_URL).then(|| Self::decode(any.value.clone()).ok()).flatten()
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeriesRequestHints {
    /// Matched against `__block_id` and the block's labels.
    #[prost(message, repeated, tag = "1")]
    pub block_matchers: Vec<LabelMatcher>,
    #[prost(bool, tag = "2")]
    pub enable_query_stats: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SeriesResponseHints {
    #[prost(message, repeated, tag = "1")]
    pub queried_blocks: Vec<Block>,
    #[prost(message, optional, tag = "2")]
    pub query_stats: Option<QueryStats>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Block {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelRequestHints {
    #[prost(message, repeated, tag = "1")]
    pub block_matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelNamesResponseHints {
    #[prost(message, repeated, tag = "1")]
    pub queried_blocks: Vec<Block>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelValuesResponseHints {
    #[prost(message, repeated, tag = "1")]
    pub queried_blocks: Vec<Block>,
}

/// What a query read from the bucket. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct QueryStats {
    #[prost(int64, tag = "1")]
    pub blocks_queried: i64,
    #[prost(int64, tag = "2")]
    pub merged_series_count: i64,
    #[prost(int64, tag = "3")]
    pub merged_chunks_count: i64,
    #[prost(int64, tag = "4")]
    pub postings_touched: i64,
    #[prost(int64, tag = "5")]
    pub postings_touched_size_sum: i64,
    #[prost(int64, tag = "6")]
    pub postings_to_fetch: i64,
    #[prost(int64, tag = "7")]
    pub postings_fetched: i64,
    #[prost(int64, tag = "8")]
    pub postings_fetched_size_sum: i64,
    #[prost(int64, tag = "9")]
    pub postings_fetch_count: i64,
    #[prost(int64, tag = "10")]
    pub series_touched: i64,
    #[prost(int64, tag = "11")]
    pub series_touched_size_sum: i64,
    #[prost(int64, tag = "12")]
    pub series_fetched: i64,
    #[prost(int64, tag = "13")]
    pub series_fetched_size_sum: i64,
    #[prost(int64, tag = "14")]
    pub series_fetch_count: i64,
    #[prost(int64, tag = "15")]
    pub chunks_touched: i64,
    #[prost(int64, tag = "16")]
    pub chunks_touched_size_sum: i64,
    #[prost(int64, tag = "17")]
    pub chunks_fetched: i64,
    #[prost(int64, tag = "18")]
    pub chunks_fetched_size_sum: i64,
    #[prost(int64, tag = "19")]
    pub chunks_fetch_count: i64,
    #[prost(int64, tag = "20")]
    pub data_downloaded_size_sum: i64,
    #[prost(message, optional, tag = "21")]
    pub get_all_duration: Option<Duration>,
    #[prost(message, optional, tag = "22")]
    pub merge_duration: Option<Duration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Duration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Hint for SeriesRequestHints {
    const TYPE_URL: &'static str = "type.googleapis.com/hintspb.SeriesRequestHints";
}

impl Hint for SeriesResponseHints {
    const TYPE_URL: &'static str = "type.googleapis.com/hintspb.SeriesResponseHints";
}

impl Hint for LabelNamesResponseHints {
    const TYPE_URL: &'static str = "type.googleapis.com/hintspb.LabelNamesResponseHints";
}

impl Hint for LabelValuesResponseHints {
    const TYPE_URL: &'static str = "type.googleapis.com/hintspb.LabelValuesResponseHints";
}
