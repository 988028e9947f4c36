//! What a store says of itself, and the trait by which it answers.

use std::fmt::Debug;

use futures::future::BoxFuture;
use gauntlet_model::{Labels, Timestamp};
use gauntlet_runtime::Charge;
use gauntlet_storage::LabelAnswer;
use gauntlet_wire::frame::StoreSet;
use gauntlet_wire::store::Any;
use gauntlet_wire::{convert, info};

use crate::StoreError;
use crate::request::{LabelQuery, SeriesQuery};

/// Label set and time range of one database behind a store. Both ends in, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsdbInfo {
    pub labels: Labels,
    pub min_time: Timestamp,
    pub max_time: Timestamp,
}

/// What a store says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceInfo {
    /// `sidecar`, `store`, `receive`, `rule`, `query`.
    pub component: String,
    /// External label sets; a store without any may hold anything.
    pub label_sets: Vec<Labels>,
    /// Both ends in, milliseconds.
    pub min_time: Timestamp,
    pub max_time: Timestamp,
    pub supports_sharding: bool,
    pub supports_without_replica_labels: bool,
    pub tsdb_infos: Vec<TsdbInfo>,
    /// Further APIs served at the same address.
    pub apis: OtherApis,
}

/// Which APIs besides Store a component serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherApis {
    pub rules: bool,
    pub metric_metadata: bool,
    pub targets: bool,
    /// Time range of exemplars.
    pub exemplars: Option<(Timestamp, Timestamp)>,
    pub query: bool,
    pub status: bool,
}

impl SourceInfo {
    /// From the message of a peer; `None` where it serves no store.
    pub fn from_proto(message: &info::InfoResponse) -> Option<Self> {
        let store = message.store.as_ref()?;
        let labels = |set: &info::LabelSet| convert::labels_from_proto(&set.labels).ok();
        let tsdb = |tsdb: &info::TsdbInfo| {
            let (min_time, max_time) = (tsdb.min_time, tsdb.max_time);
            Some(TsdbInfo { labels: labels(tsdb.labels.as_ref()?)?, min_time, max_time })
        };
        Some(Self {
            component: message.component_type.clone(),
            label_sets: message.label_sets.iter().filter_map(labels).collect(),
            min_time: store.min_time,
            max_time: store.max_time,
            supports_sharding: store.supports_sharding,
            supports_without_replica_labels: store.supports_without_replica_labels,
            tsdb_infos: store.tsdb_infos.iter().filter_map(tsdb).collect(),
            apis: OtherApis {
                rules: message.rules.is_some(),
                metric_metadata: message.metric_metadata.is_some(),
                targets: message.targets.is_some(),
                exemplars: message.exemplars.map(|e| (e.min_time, e.max_time)),
                query: message.query.is_some(),
                status: message.status.is_some(),
            },
        })
    }

    pub fn to_proto(&self) -> info::InfoResponse {
        let set = |labels: &Labels| info::LabelSet { labels: convert::labels_to_proto(labels) };
        let served = |yes: bool| yes.then_some(info::Served {});
        let tsdb = |tsdb: &TsdbInfo| info::TsdbInfo {
            labels: Some(set(&tsdb.labels)),
            min_time: tsdb.min_time,
            max_time: tsdb.max_time,
        };
        let exemplars = |(min_time, max_time)| info::ExemplarsInfo { min_time, max_time };
        info::InfoResponse {
            label_sets: self.label_sets.iter().map(set).collect(),
            component_type: self.component.clone(),
            store: Some(info::StoreInfo {
                min_time: self.min_time,
                max_time: self.max_time,
                supports_sharding: self.supports_sharding,
                supports_without_replica_labels: self.supports_without_replica_labels,
                tsdb_infos: self.tsdb_infos.iter().map(tsdb).collect(),
                supports_projections: false,
            }),
            rules: served(self.apis.rules),
            metric_metadata: served(self.apis.metric_metadata),
            targets: served(self.apis.targets),
            exemplars: self.apis.exemplars.map(exemplars),
            query: served(self.apis.query),
            status: served(self.apis.status),
        }
    }
}

/// Series with what their memory was charged to.
#[derive(Debug, Default)]
pub struct Answer {
    /// Ascending by label set; equal label sets may follow each other, their chunks are one series.
    pub set: StoreSet,
    pub charges: Vec<Charge>,
}

/// Names or values, and a store's hints about how it found them.
#[derive(Debug, Default)]
pub struct LabelList {
    pub labels: LabelAnswer,
    pub hints: Option<Any>,
}

impl From<LabelAnswer> for LabelList {
    fn from(labels: LabelAnswer) -> Self {
        Self { labels, hints: None }
    }
}

/// A store. Warnings come with answers; an error means that nothing of the answer is there.
pub trait StoreSource: Debug + Send + Sync {
    /// How messages and `storeMatch` name the store: an address, or a word for one of this process.
    fn name(&self) -> String;

    /// Errs while the store cannot answer, with the reason.
    fn info(&self) -> Result<SourceInfo, StoreError>;

    fn series<'a>(&'a self, query: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>>;

    fn label_names<'a>(
        &'a self,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>>;

    fn label_values<'a>(
        &'a self,
        label: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>>;
}
