//! Answering from the blocks: which of them, all at once, damage noted on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use gauntlet_model::{Labels, MatchOp, Matcher, Timestamp};
use gauntlet_runtime::{Budget, Charge};
use gauntlet_storage::LabelAnswer;
use gauntlet_storeapi::external::{Extension, remaining_matchers};
use gauntlet_storeapi::merge::merge;
use gauntlet_storeapi::{Answer, LabelQuery, SeriesQuery, StoreError};
use gauntlet_wire::frame::StoreSet;
use gauntlet_wire::hints::{Block as HintBlock, Hint as _, SeriesRequestHints};
use ulid::Ulid;

use super::{BucketStore, Loaded};
use crate::block::BlockQuery;
use crate::{BucketBlock, BucketError};

/// What finding the names or values of one block by its series may take; such questions carry no budget of their own.
const LABELS_BUDGET_BYTES: u64 = 1 << 30;

impl BucketStore {
    pub(super) async fn run_series(&self, query: &SeriesQuery) -> Result<Answer, StoreError> {
        let loaded = self.ready()?;
        if query.matchers.is_empty() {
            // As upstream: a question about everything is not answered. One about external labels alone is.
            return Ok(Answer::default());
        }
        let _turn =
            self.gate.acquire().await.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let hints = query.hints.as_ref().and_then(SeriesRequestHints::from_any).unwrap_or_default();
        let wanted = gauntlet_wire::convert::matchers_from_proto(&hints.block_matchers)
            .map_err(|err| StoreError::InvalidArgument(err.to_string()))?;
        let mut jobs = Vec::new();
        for set in &loaded.sets {
            let Some(matchers) = remaining_matchers(&set.labels, &query.matchers) else { continue };
            let matchers: Arc<[Matcher]> = matchers.into();
            let extension = Arc::new(Extension::new(&set.labels, &query.without_replica_labels));
            let blocks = set.blocks_for(query.min_time, query.max_time, query.max_resolution_ms);
            for block in blocks.into_iter().filter(|b| matches_block(b, &wanted)) {
                jobs.push(self.ask(block, query, Arc::clone(&matchers), Arc::clone(&extension)));
            }
        }
        let mut answer = Answer::default();
        let mut sets = Vec::with_capacity(jobs.len());
        let mut warnings = warnings_of(&loaded, query.min_time, query.max_time, &query.matchers);
        for (id, outcome) in join_all(jobs).await {
            match outcome {
                Ok((set, charge)) => {
                    sets.push(set);
                    answer.charges.push(charge);
                }
                Err(err) if err.is_corruption() => {
                    self.set_aside(id, &err);
                    warnings.push(format!("block {id} is damaged and left out: {err}"));
                }
                Err(err) => return Err(err.into()),
            }
        }
        answer.set = merge(sets);
        answer.set.warnings.append(&mut warnings);
        answer.set.truncate(query.limit);
        Ok(answer)
    }

    /// One block's part, in a task of its own so that blocks are decoded in parallel.
    fn ask(
        &self,
        block: Arc<BucketBlock>,
        query: &SeriesQuery,
        matchers: Arc<[Matcher]>,
        extension: Arc<Extension>,
    ) -> impl Future<Output = (Ulid, Result<(StoreSet, Charge), BucketError>)> + use<> {
        let query = query.clone();
        let (max_series, max_chunks) = (self.options.max_series, self.options.max_samples / 120);
        let id = block.id();
        let task = tokio::spawn(async move {
            let mut charge = query.budget.charge(0)?;
            let request = BlockQuery {
                query: &query,
                matchers: &matchers,
                extension: &extension,
                max_series,
                max_chunks,
            };
            let set = block.select(request, &mut charge).await?;
            Ok((set, charge))
        });
        async move {
            let outcome = task.await.unwrap_or_else(|err| Err(BucketError::Io(err.to_string())));
            (id, outcome)
        }
    }

    /// Names or values of one block.
    async fn labels_of(
        &self,
        block: &Arc<BucketBlock>,
        label: Option<&str>,
        query: &LabelQuery,
        mut matchers: Vec<Matcher>,
    ) -> Result<Vec<String>, BucketError> {
        if matchers.is_empty() {
            return match label {
                // The peer's header has the list of all series under the empty name.
                Some("") => Ok(vec![String::new()]),
                Some(label) => {
                    let mut values = block.header().label_values(label)?;
                    values.extend(block.labels().get(label).map(str::to_owned));
                    Ok(values)
                }
                None => {
                    let own = block.header().label_names().filter(|name| !name.is_empty());
                    let external = block.labels().iter().map(|(name, _)| name);
                    Ok(own.chain(external).map(str::to_owned).collect())
                }
            };
        }
        let named = matchers.iter().any(|m| m.op == MatchOp::Equal && m.name == "__name__");
        if let Some(label) = label
            && !named
            && block.labels().get(label).is_none()
            && let Ok(present) = Matcher::new(MatchOp::NotEqual, label, "")
        {
            matchers.push(present);
        }
        let extension = Extension::new(block.labels(), &[]);
        let series = SeriesQuery {
            min_time: query.min_time,
            max_time: query.max_time,
            matchers: Arc::from([]),
            max_resolution_ms: 0,
            aggregates: Vec::new(),
            abort: query.abort,
            skip_chunks: true,
            without_replica_labels: Vec::new(),
            shard: None,
            limit: 0,
            hints: None,
            query_hints: None,
            budget: Budget::new(LABELS_BUDGET_BYTES),
            cancel: query.cancel.clone(),
        };
        let mut charge = series.budget.charge(0)?;
        let request = BlockQuery {
            query: &series,
            matchers: &matchers,
            extension: &extension,
            max_series: self.options.max_series,
            max_chunks: 0,
        };
        let set = block.select(request, &mut charge).await?;
        let mut out = BTreeSet::new();
        for (labels, _) in set.iter() {
            match label {
                Some(label) => out.extend(labels.get(label).map(str::to_owned)),
                None => out.extend(labels.iter().map(|(name, _)| name.to_owned())),
            }
        }
        Ok(out.into_iter().collect())
    }

    pub(super) async fn run_labels(
        &self,
        label: Option<&str>,
        query: &LabelQuery,
    ) -> Result<(LabelAnswer, Vec<HintBlock>), StoreError> {
        let loaded = self.ready()?;
        if label.is_some_and(|label| query.without_replica_labels.iter().any(|w| w == label)) {
            return Ok(Default::default());
        }
        let mut jobs = Vec::new();
        for set in &loaded.sets {
            let Some(matchers) = remaining_matchers(&set.labels, &query.matchers) else { continue };
            for block in set.overlapping(query.min_time, query.max_time) {
                let matchers = matchers.clone();
                jobs.push(async move {
                    (block.id(), self.labels_of(block, label, query, matchers).await)
                });
            }
        }
        let mut answer = LabelAnswer {
            values: Vec::new(),
            warnings: warnings_of(&loaded, query.min_time, query.max_time, &query.matchers),
        };
        let mut asked = Vec::new();
        for (id, outcome) in join_all(jobs).await {
            asked.push(HintBlock { id: id.to_string() });
            match outcome {
                Ok(values) => answer.values.extend(values),
                Err(err) if err.is_corruption() => {
                    self.set_aside(id, &err);
                    answer.warnings.push(format!("block {id} is damaged and left out: {err}"));
                }
                Err(err) => return Err(err.into()),
            }
        }
        if label.is_none() {
            answer.values.retain(|name| !query.without_replica_labels.contains(name));
        }
        answer.values.sort_unstable();
        answer.values.dedup();
        if query.limit > 0 {
            answer.values.truncate(query.limit);
        }
        Ok((answer, asked))
    }
}

/// What a range's answer lacks because blocks are set aside.
fn warnings_of(
    loaded: &Loaded,
    min: Timestamp,
    max: Timestamp,
    matchers: &[Matcher],
) -> Vec<String> {
    let concerned = loaded.damaged.iter().filter(|(_, (meta, _))| {
        let thanos = meta.thanos.clone().unwrap_or_default();
        let labels = Labels::from_pairs(&thanos.labels);
        meta.overlaps(min, max) && remaining_matchers(&labels, matchers).is_some()
    });
    concerned.map(|(id, (_, text))| format!("block {id} is damaged and left out: {text}")).collect()
}

fn matches_block(block: &BucketBlock, matchers: &[Matcher]) -> bool {
    let id = block.id().to_string();
    matchers.iter().all(|m| match m.name.as_str() {
        "__block_id" => m.matches(&id),
        name => m.matches(block.labels().value(name)),
    })
}
