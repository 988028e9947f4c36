//! Many stores asked as one: which of them may hold an answer, all at once, what is missing said.
//!
//! A store that cannot be asked, breaks off or is too slow costs its part of the answer: a warning, or the whole answer where the
//! request says ABORT. Texts follow upstream's.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_runtime::Cancel;
use gauntlet_storage::{
    Dedup, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
};

use crate::StoreError;
use crate::external::{may_match, remaining_matchers};
use crate::merge::merge;
use crate::query::into_series_set;
use crate::request::{LabelQuery, SeriesQuery};
use crate::source::{Answer, LabelList, OtherApis, SourceInfo, StoreSource};

/// How often a waiting request looks whether its caller has gone.
const CANCEL_CHECK: Duration = Duration::from_millis(50);

/// Stores as they are now: each with what it last said of itself.
pub trait SourceList: Debug + Send + Sync {
    fn sources(&self) -> Vec<(Arc<dyn StoreSource>, SourceInfo)>;
}

/// Settings of a proxy.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// Component name in Info; `query` if empty.
    pub component: String,
    /// `--selector-label`: labels that this proxy answers for, as external labels would.
    pub selector_labels: Labels,
    /// Longest wait for one store; zero waits as long as the request may.
    pub response_timeout: Duration,
    /// `--deduplication.func=chain` rather than `penalty`.
    pub chain_replicas: bool,
}

/// Asks all stores of a list.
#[derive(Clone, Debug)]
pub struct Proxy {
    stores: Arc<dyn SourceList>,
    options: ProxyOptions,
}

/// A fixed list: stores of this process.
impl SourceList for Vec<Arc<dyn StoreSource>> {
    fn sources(&self) -> Vec<(Arc<dyn StoreSource>, SourceInfo)> {
        let with_info = |s: &Arc<dyn StoreSource>| Some((Arc::clone(s), s.info().ok()?));
        self.iter().filter_map(with_info).collect()
    }
}

/// Those of a list that somebody named.
#[derive(Debug)]
struct ChosenStores {
    all: Arc<dyn SourceList>,
    selectors: Vec<Vec<Matcher>>,
}

impl SourceList for ChosenStores {
    fn sources(&self) -> Vec<(Arc<dyn StoreSource>, SourceInfo)> {
        let mut sources = self.all.sources();
        sources.retain(|(store, _)| {
            let labels = Labels::from_pairs([("__address__", store.name().as_str())]);
            let fits = |matchers: &Vec<Matcher>| matchers.iter().all(|m| m.matches_labels(&labels));
            self.selectors.iter().any(fits)
        });
        sources
    }
}

impl Proxy {
    pub fn new(stores: Arc<dyn SourceList>, options: ProxyOptions) -> Self {
        Self { stores, options }
    }

    /// The same proxy over those stores alone whose address fits one of the selectors, which see it as `__address__`.
    pub fn of_stores(&self, selectors: Vec<Vec<Matcher>>) -> Self {
        let stores = Arc::new(ChosenStores { all: Arc::clone(&self.stores), selectors });
        Self { stores, options: self.options.clone() }
    }

    /// Stores that may hold series of the question.
    fn chosen(
        &self,
        min_time: Timestamp,
        max_time: Timestamp,
        matchers: &[Matcher],
    ) -> Vec<(Arc<dyn StoreSource>, SourceInfo)> {
        let mut all = self.stores.sources();
        all.retain(|(_, info)| {
            min_time <= info.max_time
                && info.min_time <= max_time
                && may_match(&info.label_sets, matchers)
        });
        all
    }

    /// Runs one store's part of a request, no longer than it may take.
    async fn limited<T>(
        &self,
        name: &str,
        cancel: &Cancel,
        call: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let timeout = self.options.response_timeout;
        let watched = async {
            tokio::select! {
                done = call => done,
                reason = canceled(cancel) => Err(reason),
            }
        };
        if timeout.is_zero() {
            return watched.await;
        }
        tokio::time::timeout(timeout, watched).await.unwrap_or_else(|_| {
            let text = format!("failed to receive any data in {timeout:?} from {name}");
            Err(StoreError::Unavailable(text))
        })
    }

    async fn run_series(&self, query: &SeriesQuery) -> Result<Answer, StoreError> {
        let selector = &self.options.selector_labels;
        let Some(matchers) = remaining_matchers(selector, &query.matchers) else {
            return Ok(Answer::default());
        };
        if matchers.is_empty() {
            let text = "no matchers specified (excluding selector labels)";
            return Err(StoreError::InvalidArgument(text.to_owned()));
        }
        let query = &query.with_matchers(matchers);
        if query.abort && self.stores.sources().is_empty() {
            return Err(no_stores());
        }
        let chosen = self.chosen(query.min_time, query.max_time, &query.matchers);
        let parts = join_all(chosen.iter().map(|(store, info)| async move {
            let name = store.name();
            let part = self.limited(&name, &query.cancel, store.series(query)).await;
            part.map(|answer| finish(answer, info, query)).map_err(|err| explain(&name, info, err))
        }));
        let mut answer = Answer::default();
        let mut sets = Vec::with_capacity(chosen.len());
        let mut warnings = Vec::new();
        for part in parts.await {
            match part {
                Ok(part) if query.abort && !part.set.warnings.is_empty() => {
                    return Err(StoreError::Aborted(part.set.warnings[0].clone()));
                }
                Ok(mut part) => {
                    answer.charges.append(&mut part.charges);
                    sets.push(part.set);
                }
                // A caller who went, or a budget that is spent, concerns the whole request.
                Err((_, err @ (StoreError::Canceled(_) | StoreError::ResourceExhausted(_)))) => {
                    return Err(err);
                }
                Err((text, _)) if query.abort => return Err(StoreError::Aborted(text)),
                Err((text, _)) => warnings.push(text),
            }
        }
        answer.set = merge(sets);
        answer.set.warnings.append(&mut warnings);
        answer.set.truncate(query.limit);
        Ok(answer)
    }

    /// Asks all chosen stores for a label's values, or for names, and unites the lists.
    async fn run_labels(
        &self,
        label: Option<&str>,
        query: &LabelQuery,
    ) -> Result<LabelAnswer, StoreError> {
        let selector = &self.options.selector_labels;
        let Some(matchers) = remaining_matchers(selector, &query.matchers) else {
            return Ok(LabelAnswer::default());
        };
        let query = &LabelQuery { matchers: matchers.into(), ..query.clone() };
        if query.abort && self.stores.sources().is_empty() {
            return Err(no_stores());
        }
        let chosen = self.chosen(query.min_time, query.max_time, &query.matchers);
        let what = if label.is_some() { "label values" } else { "label names" };
        let parts = join_all(chosen.iter().map(|(store, _)| async move {
            let name = store.name();
            let ask = match label {
                Some(label) => store.label_values(label, query),
                None => store.label_names(query),
            };
            let part = self.limited(&name, &query.cancel, ask).await;
            (name, part)
        }));
        let mut answer = LabelAnswer::default();
        for (name, part) in parts.await {
            match part {
                Ok(part) if query.abort && !part.labels.warnings.is_empty() => {
                    return Err(StoreError::Aborted(part.labels.warnings[0].clone()));
                }
                Ok(part) => answer.merge(part.labels),
                Err(err @ StoreError::Canceled(_)) => return Err(err),
                Err(err) => {
                    let text = format!("fetch {what} from store {name}: {err}");
                    if query.abort {
                        return Err(StoreError::Aborted(text));
                    }
                    answer.warnings.push(text);
                }
            }
        }
        crate::local::limit(&mut answer, query.limit);
        Ok(answer)
    }
}

async fn canceled(cancel: &Cancel) -> StoreError {
    loop {
        if let Err(reason) = cancel.check() {
            return reason.into();
        }
        tokio::time::sleep(CANCEL_CHECK).await;
    }
}

fn no_stores() -> StoreError {
    StoreError::Unavailable("no StoreAPI endpoints available".to_owned())
}

fn explain(name: &str, info: &SourceInfo, err: StoreError) -> (String, StoreError) {
    let sets: Vec<String> = info.label_sets.iter().map(ToString::to_string).collect();
    let text = format!(
        "fetch series for {} Addr: {name} MinTime: {} MaxTime: {}: {err}",
        sets.join(","),
        info.min_time,
        info.max_time,
    );
    (text, err)
}

/// Does for a store what it said it cannot: parting by shard, removing replica labels. Order is checked of all.
fn finish(mut answer: Answer, info: &SourceInfo, query: &SeriesQuery) -> Answer {
    if !info.supports_sharding && query.shard.is_some() {
        answer.set.retain(|labels| query.in_shard(labels));
    }
    if !info.supports_without_replica_labels && !query.without_replica_labels.is_empty() {
        let without: Vec<&str> = query.without_replica_labels.iter().map(String::as_str).collect();
        answer.set.map_labels(|labels| labels.without(&without));
    }
    answer.set.sort();
    answer
}

impl StoreSource for Proxy {
    fn name(&self) -> String {
        "proxy".to_owned()
    }

    fn info(&self) -> Result<SourceInfo, StoreError> {
        let stores = self.stores.sources();
        let selector = &self.options.selector_labels;
        let mut label_sets: Vec<Labels> = Vec::new();
        for set in stores.iter().flat_map(|(_, info)| &info.label_sets) {
            let all = Labels::from_pairs(set.iter().chain(selector.iter()));
            if !label_sets.contains(&all) {
                label_sets.push(all);
            }
        }
        if label_sets.is_empty() && !selector.is_empty() {
            label_sets.push(selector.clone());
        }
        label_sets.sort();
        let component = &self.options.component;
        Ok(SourceInfo {
            component: if component.is_empty() { "query".to_owned() } else { component.clone() },
            label_sets,
            min_time: stores.iter().map(|(_, i)| i.min_time).min().unwrap_or(Timestamp::MAX),
            max_time: stores.iter().map(|(_, i)| i.max_time).max().unwrap_or(Timestamp::MIN),
            supports_sharding: true,
            supports_without_replica_labels: true,
            tsdb_infos: stores.iter().flat_map(|(_, i)| i.tsdb_infos.clone()).collect(),
            apis: OtherApis::default(),
        })
    }

    fn series<'a>(&'a self, query: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        self.run_series(query).boxed()
    }

    fn label_names<'a>(
        &'a self,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move { self.run_labels(None, query).await.map(Into::into) }.boxed()
    }

    fn label_values<'a>(
        &'a self,
        label: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move { self.run_labels(Some(label), query).await.map(Into::into) }.boxed()
    }
}

impl Queryable for Proxy {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            let answer = self.run_series(&SeriesQuery::from_select(request)).await?;
            let mut set = into_series_set(answer.set, answer.charges, &request.hints)?;
            if let Dedup::Penalty { counter } = set.dedup
                && self.options.chain_replicas
            {
                set.dedup = Dedup::Chain { counter };
            }
            Ok(set)
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let query = LabelQuery::from_request(request);
            Ok(StoreSource::label_names(self, &query).await?.labels)
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        async move {
            let query = LabelQuery::from_request(request);
            Ok(StoreSource::label_values(self, name, &query).await?.labels)
        }
        .boxed()
    }
}
