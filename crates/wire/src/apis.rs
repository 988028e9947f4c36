//! Messages of the other APIs that Thanos components fan out to: Rules, Targets, Metadata, Exemplars, Status; package `thanos`.
//! Source: upstream `pkg/{rules/rulespb,targets/targetspb,metadata/metadatapb,exemplars/exemplarspb,status/statuspb}/rpc.proto`.
//! Names that would clash carry their service's name in front.

use std::collections::BTreeMap;

use crate::info::LabelSet;
use crate::prompb::LabelMatcher;
use crate::store::PartialResponseStrategy;

/// Full names of the methods.
pub mod path {
    pub const RULES: &str = "/thanos.Rules/Rules";
    pub const TARGETS: &str = "/thanos.Targets/Targets";
    pub const METRIC_METADATA: &str = "/thanos.Metadata/MetricMetadata";
    pub const EXEMPLARS: &str = "/thanos.Exemplars/Exemplars";
    pub const TSDB_STATISTICS: &str = "/thanos.Status/TSDBStatistics";
}

/// `google.protobuf.Timestamp`. Go's zero time is second -62135596800.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RulesRequest {
    /// 0 all, 1 alerting, 2 recording.
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    #[prost(enumeration = "PartialResponseStrategy", tag = "2")]
    pub partial_response_strategy: i32,
    #[prost(string, repeated, tag = "3")]
    pub matcher_string: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub rule_name: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub rule_group: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub file: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RulesResponse {
    #[prost(message, optional, tag = "1")]
    pub group: Option<RuleGroup>,
    #[prost(string, optional, tag = "2")]
    pub warning: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RuleGroup {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub file: String,
    #[prost(message, repeated, tag = "3")]
    pub rules: Vec<Rule>,
    #[prost(double, tag = "4")]
    pub interval: f64,
    #[prost(double, tag = "5")]
    pub evaluation_duration_seconds: f64,
    #[prost(message, optional, tag = "6")]
    pub last_evaluation: Option<Timestamp>,
    #[prost(enumeration = "PartialResponseStrategy", tag = "8")]
    pub partial_response_strategy: i32,
    #[prost(int64, tag = "9")]
    pub limit: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Rule {
    #[prost(message, optional, tag = "1")]
    pub recording: Option<RecordingRule>,
    #[prost(message, optional, tag = "2")]
    pub alert: Option<Alert>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum AlertState {
    Unknown = 0,
    Inactive = 1,
    Pending = 2,
    Firing = 3,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AlertInstance {
    #[prost(message, optional, tag = "1")]
    pub labels: Option<LabelSet>,
    #[prost(message, optional, tag = "2")]
    pub annotations: Option<LabelSet>,
    #[prost(enumeration = "AlertState", tag = "3")]
    pub state: i32,
    #[prost(message, optional, tag = "4")]
    pub active_at: Option<Timestamp>,
    #[prost(string, tag = "5")]
    pub value: String,
    #[prost(enumeration = "PartialResponseStrategy", tag = "6")]
    pub partial_response_strategy: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Alert {
    #[prost(enumeration = "AlertState", tag = "1")]
    pub state: i32,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub query: String,
    #[prost(double, tag = "4")]
    pub duration_seconds: f64,
    #[prost(message, optional, tag = "5")]
    pub labels: Option<LabelSet>,
    #[prost(message, optional, tag = "6")]
    pub annotations: Option<LabelSet>,
    #[prost(message, repeated, tag = "7")]
    pub alerts: Vec<AlertInstance>,
    #[prost(string, tag = "8")]
    pub health: String,
    #[prost(string, tag = "9")]
    pub last_error: String,
    #[prost(double, tag = "10")]
    pub evaluation_duration_seconds: f64,
    #[prost(message, optional, tag = "11")]
    pub last_evaluation: Option<Timestamp>,
    #[prost(double, tag = "12")]
    pub keep_firing_for_seconds: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RecordingRule {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub query: String,
    #[prost(message, optional, tag = "3")]
    pub labels: Option<LabelSet>,
    #[prost(string, tag = "4")]
    pub health: String,
    #[prost(string, tag = "5")]
    pub last_error: String,
    #[prost(double, tag = "6")]
    pub evaluation_duration_seconds: f64,
    #[prost(message, optional, tag = "7")]
    pub last_evaluation: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TargetsRequest {
    /// 0 any, 1 active, 2 dropped.
    #[prost(int32, tag = "1")]
    pub state: i32,
    #[prost(enumeration = "PartialResponseStrategy", tag = "2")]
    pub partial_response_strategy: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TargetsResponse {
    #[prost(message, optional, tag = "1")]
    pub targets: Option<TargetDiscovery>,
    #[prost(string, optional, tag = "2")]
    pub warning: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TargetDiscovery {
    #[prost(message, repeated, tag = "1")]
    pub active_targets: Vec<ActiveTarget>,
    #[prost(message, repeated, tag = "2")]
    pub dropped_targets: Vec<DroppedTarget>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActiveTarget {
    #[prost(message, optional, tag = "1")]
    pub discovered_labels: Option<LabelSet>,
    #[prost(message, optional, tag = "2")]
    pub labels: Option<LabelSet>,
    #[prost(string, tag = "3")]
    pub scrape_pool: String,
    #[prost(string, tag = "4")]
    pub scrape_url: String,
    #[prost(string, tag = "5")]
    pub global_url: String,
    #[prost(string, tag = "6")]
    pub last_error: String,
    #[prost(message, optional, tag = "7")]
    pub last_scrape: Option<Timestamp>,
    #[prost(double, tag = "8")]
    pub last_scrape_duration: f64,
    /// 0 down, 1 up, 2 unknown.
    #[prost(int32, tag = "9")]
    pub health: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DroppedTarget {
    #[prost(message, optional, tag = "1")]
    pub discovered_labels: Option<LabelSet>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadataRequest {
    #[prost(string, tag = "1")]
    pub metric: String,
    #[prost(int32, tag = "2")]
    pub limit: i32,
    #[prost(enumeration = "PartialResponseStrategy", tag = "3")]
    pub partial_response_strategy: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadataResponse {
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<MetricMetadata>,
    #[prost(string, optional, tag = "2")]
    pub warning: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadata {
    #[prost(btree_map = "string, message", tag = "1")]
    pub metadata: BTreeMap<String, MetricMetadataEntry>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricMetadataEntry {
    #[prost(message, repeated, tag = "2")]
    pub metas: Vec<Meta>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Meta {
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(string, tag = "2")]
    pub help: String,
    #[prost(string, tag = "3")]
    pub unit: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExemplarsRequest {
    #[prost(string, tag = "1")]
    pub query: String,
    #[prost(int64, tag = "2")]
    pub start: i64,
    #[prost(int64, tag = "3")]
    pub end: i64,
    #[prost(enumeration = "PartialResponseStrategy", tag = "4")]
    pub partial_response_strategy: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExemplarsResponse {
    #[prost(message, optional, tag = "1")]
    pub data: Option<ExemplarData>,
    #[prost(string, optional, tag = "2")]
    pub warning: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExemplarData {
    #[prost(message, optional, tag = "1")]
    pub series_labels: Option<LabelSet>,
    #[prost(message, repeated, tag = "2")]
    pub exemplars: Vec<ThanosExemplar>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ThanosExemplar {
    #[prost(message, optional, tag = "1")]
    pub labels: Option<LabelSet>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub ts: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TsdbStatisticsRequest {
    #[prost(string, tag = "1")]
    pub tenant: String,
    #[prost(int32, tag = "2")]
    pub limit: i32,
    #[prost(enumeration = "PartialResponseStrategy", tag = "3")]
    pub partial_response_strategy: i32,
    #[prost(message, repeated, tag = "4")]
    pub matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TsdbStatisticsResponse {
    #[prost(message, optional, tag = "1")]
    pub statistics: Option<TsdbStatistics>,
    #[prost(string, optional, tag = "2")]
    pub warning: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TsdbStatistics {
    #[prost(btree_map = "string, message", tag = "1")]
    pub statistics: BTreeMap<String, TsdbStatisticsEntry>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TsdbStatisticsEntry {
    #[prost(message, optional, tag = "1")]
    pub head_statistics: Option<HeadStatistics>,
    #[prost(message, repeated, tag = "2")]
    pub series_count_by_metric_name: Vec<Statistic>,
    #[prost(message, repeated, tag = "3")]
    pub label_value_count_by_label_name: Vec<Statistic>,
    #[prost(message, repeated, tag = "4")]
    pub memory_in_bytes_by_label_name: Vec<Statistic>,
    #[prost(message, repeated, tag = "5")]
    pub series_count_by_label_value_pair: Vec<Statistic>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HeadStatistics {
    #[prost(uint64, tag = "1")]
    pub num_series: u64,
    #[prost(int64, tag = "2")]
    pub num_label_pairs: i64,
    #[prost(int64, tag = "3")]
    pub chunk_count: i64,
    #[prost(int64, tag = "4")]
    pub min_time: i64,
    #[prost(int64, tag = "5")]
    pub max_time: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Statistic {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint64, tag = "2")]
    pub value: u64,
}
