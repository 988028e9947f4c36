//! A storage that looks at everything, and stores that fail or stall.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use gauntlet_chunk::{Encoding, XorAppender};
use gauntlet_model::{Labels, Matcher};
use gauntlet_storage::{
    Chunk, ChunkData, LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet,
    SeriesSetBuilder, TimeRange,
};
use gauntlet_storeapi::local::LocalState;
use gauntlet_storeapi::{LocalSource, SeriesQuery};

/// Series with their samples.
#[derive(Debug, Default)]
pub(crate) struct Naive(pub Vec<(Labels, Vec<(i64, f64)>)>);

/// A series at one moment, from `name=value,...`.
pub(crate) fn series(labels: &str, t: i64) -> (Labels, Vec<(i64, f64)>) {
    (parse(labels), vec![(t, 1.0)])
}

pub(crate) fn parse(labels: &str) -> Labels {
    Labels::from_pairs(labels.split(',').filter_map(|pair| pair.split_once('=')))
}

impl Naive {
    fn found<'a>(
        &'a self,
        matchers: &'a [Matcher],
        range: TimeRange,
    ) -> impl Iterator<Item = &'a (Labels, Vec<(i64, f64)>)> {
        self.0.iter().filter(move |(labels, samples)| {
            matchers.iter().all(|m| m.matches_labels(labels))
                && samples.iter().any(|(t, _)| range.overlaps(*t, *t))
        })
    }
}

impl Queryable for Naive {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        let mut builder = SeriesSetBuilder::new();
        for (labels, samples) in self.found(&request.matchers, request.range) {
            builder.push_series(labels.clone());
            for part in samples.chunks(120) {
                let mut appender = XorAppender::new();
                part.iter().for_each(|(t, v)| assert!(appender.append(*t, *v)));
                builder.push_chunk(Chunk {
                    min_time: part[0].0,
                    max_time: part[part.len() - 1].0,
                    replica: 0,
                    data: ChunkData::Encoded {
                        encoding: Encoding::Xor,
                        bytes: appender.into_bytes().into(),
                    },
                });
            }
        }
        ready(Ok(builder.build_sorted())).boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let found = self.found(&request.matchers, request.range);
        let mut values: Vec<String> =
            found.flat_map(|(labels, _)| labels.iter().map(|(n, _)| n.to_owned())).collect();
        values.sort();
        values.dedup();
        ready(Ok(LabelAnswer { values, warnings: Vec::new() })).boxed()
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        let found = self.found(&request.matchers, request.range);
        let mut values: Vec<String> =
            found.filter_map(|(labels, _)| labels.get(name).map(str::to_owned)).collect();
        values.sort();
        values.dedup();
        ready(Ok(LabelAnswer { values, warnings: Vec::new() })).boxed()
    }
}

/// A store over a naive storage.
pub(crate) fn local(storage: Arc<dyn Queryable>, external: &str) -> LocalSource {
    let source = LocalSource::new("local", "sidecar", storage);
    source.set_state(Some(LocalState { external_labels: parse(external), min_time: i64::MIN }));
    source
}

/// A Series question over all time.
pub(crate) fn query(matchers: Vec<Matcher>) -> SeriesQuery {
    let mut select = SelectRequest::new(matchers, TimeRange::all());
    select.hints.partial_response = true;
    SeriesQuery::from_select(&select)
}
