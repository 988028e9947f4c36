//! A Series stream over loopback, served and read in one process: 20,000 series of ten labels with a chunk of 180 bytes each.
//! Budget: 3 us a series for both ends together (measured 1.8 on two busy cores).

use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Labels, Matcher};
use gauntlet_storage::{SelectRequest, TimeRange};
use gauntlet_storeapi::grpc::ServerOptions;
use gauntlet_storeapi::remote::Compression;
use gauntlet_storeapi::source::LabelList;
use gauntlet_storeapi::{
    Answer, LabelQuery, RemoteStore, SeriesQuery, SourceInfo, StoreError, StoreSource,
};
use gauntlet_wire::frame::{AggrChunk, ChunkBytes, StoreSet};

const SERIES: usize = 20_000;

#[derive(Debug)]
struct Fixed(Vec<(Labels, AggrChunk)>);

impl StoreSource for Fixed {
    fn name(&self) -> String {
        "fixed".to_owned()
    }
    fn info(&self) -> Result<SourceInfo, StoreError> {
        Ok(SourceInfo::default())
    }
    fn series<'a>(&'a self, _: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        let mut set = StoreSet::new();
        for (labels, chunk) in &self.0 {
            set.push_series(labels.clone());
            set.push_chunk(chunk.clone());
        }
        futures::future::ready(Ok(Answer { set, charges: Vec::new() })).boxed()
    }
    fn label_names<'a>(
        &'a self,
        _: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        futures::future::ready(Ok(LabelList::default())).boxed()
    }
    fn label_values<'a>(
        &'a self,
        _: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        self.label_names(query)
    }
}

fn stream(c: &mut Criterion) {
    let series = (0..SERIES).map(|i| {
        let pairs = (0..9).map(|n| (format!("label_{n}"), format!("value-{n}-{i:05}")));
        let name = [("__name__".to_owned(), "http_requests_total".to_owned())];
        let chunk = ChunkBytes { encoding: 1, data: Bytes::from(vec![i as u8; 180]), hash: 7 };
        (Labels::from_pairs(name.into_iter().chain(pairs)), AggrChunk::raw(1, 2, chunk))
    });
    let mut series: Vec<_> = series.collect();
    series.sort_by(|a, b| a.0.cmp(&b.0));
    let runtime = tokio::runtime::Runtime::new().expect("BUG: threads may be started");
    let remote = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("BUG: loopback");
        let address = listener.local_addr().expect("BUG: bound").to_string();
        let (store, options) = (Arc::new(Fixed(series)), ServerOptions::default());
        tokio::spawn(gauntlet_storeapi::grpc::serve(
            listener,
            store,
            options,
            std::future::pending(),
        ));
        RemoteStore::connect(&address, Compression::None, None).expect("BUG: own address")
    });
    let select = SelectRequest::new([Matcher::equal("a", "b")], TimeRange::all());
    let query = SeriesQuery::from_select(&select);
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Elements(SERIES as u64)).sample_size(20);
    group.bench_function("loopback", |b| {
        b.iter(|| {
            let answer = runtime.block_on(remote.series(&query)).expect("BUG: own server");
            assert_eq!(answer.set.len(), SERIES);
            answer
        });
    });
    group.finish();
}

criterion_group!(benches, stream);
criterion_main!(benches);
