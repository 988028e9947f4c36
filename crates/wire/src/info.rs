//! Messages of `thanos.info.Info`. Source: upstream `pkg/info/infopb/rpc.proto`.

use crate::prompb::Label;

/// Full name of the method.
pub mod path {
    pub const SERVICE: &str = "thanos.info.Info";
    pub const INFO: &str = "/thanos.info.Info/Info";
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InfoRequest {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelSet {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
}

/// What a component serves. An absent sub-message says that its API is not served.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InfoResponse {
    #[prost(message, repeated, tag = "1")]
    pub label_sets: Vec<LabelSet>,
    #[prost(string, tag = "2")]
    pub component_type: String,
    #[prost(message, optional, tag = "3")]
    pub store: Option<StoreInfo>,
    #[prost(message, optional, tag = "4")]
    pub rules: Option<Served>,
    #[prost(message, optional, tag = "5")]
    pub metric_metadata: Option<Served>,
    #[prost(message, optional, tag = "6")]
    pub targets: Option<Served>,
    #[prost(message, optional, tag = "7")]
    pub exemplars: Option<ExemplarsInfo>,
    #[prost(message, optional, tag = "8")]
    pub query: Option<Served>,
    #[prost(message, optional, tag = "9")]
    pub status: Option<Served>,
}

/// An API that is served and has nothing more to say.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Served {}

/// Times in milliseconds.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StoreInfo {
    #[prost(int64, tag = "1")]
    pub min_time: i64,
    #[prost(int64, tag = "2")]
    pub max_time: i64,
    #[prost(bool, tag = "3")]
    pub supports_sharding: bool,
    #[prost(bool, tag = "5")]
    pub supports_without_replica_labels: bool,
    #[prost(message, repeated, tag = "6")]
    pub tsdb_infos: Vec<TsdbInfo>,
    #[prost(bool, tag = "7")]
    pub supports_projections: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TsdbInfo {
    #[prost(message, optional, tag = "1")]
    pub labels: Option<LabelSet>,
    #[prost(int64, tag = "2")]
    pub min_time: i64,
    #[prost(int64, tag = "3")]
    pub max_time: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ExemplarsInfo {
    #[prost(int64, tag = "1")]
    pub min_time: i64,
    #[prost(int64, tag = "2")]
    pub max_time: i64,
}
