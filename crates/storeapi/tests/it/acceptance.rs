//! The acceptance table, run against every kind of store.

use std::sync::Arc;

use gauntlet_model::{Labels, MatchOp, Matcher};
use gauntlet_runtime::Cancel;
use gauntlet_storeapi::grpc::ServerOptions;
use gauntlet_storeapi::remote::Compression;
use gauntlet_storeapi::{LabelQuery, Proxy, ProxyOptions, RemoteStore, StoreSource};

use crate::naive::{Naive, local, query, series};

const NOW: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

/// The kinds of store over one content, each with a name.
async fn stores(content: &[&str]) -> Vec<(&'static str, Arc<dyn StoreSource>)> {
    let storage = Arc::new(Naive(content.iter().map(|labels| series(labels, NOW)).collect()));
    let one: Arc<dyn StoreSource> = Arc::new(local(storage.clone(), "region=eu-west"));
    let replica = |name: &str| -> Arc<dyn StoreSource> {
        Arc::new(local(storage.clone(), &format!("region=eu-west,replica={name}")))
    };
    let two: Vec<Arc<dyn StoreSource>> = vec![replica("r1"), replica("r2")];
    let proxy = Arc::new(Proxy::new(Arc::new(two), ProxyOptions::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = ServerOptions::default();
    let server =
        gauntlet_storeapi::grpc::serve(listener, proxy.clone(), options, std::future::pending());
    tokio::spawn(server);
    let remote = RemoteStore::connect(&address, Compression::Snappy, None).unwrap();
    remote.refresh_info(std::time::Duration::from_secs(5)).await.unwrap();
    vec![("local", one), ("proxy", proxy), ("remote", Arc::new(remote))]
}

fn matchers(text: &str) -> Vec<Matcher> {
    let one = |part: &str| {
        let ops = [
            ("!=", MatchOp::NotEqual),
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("=", MatchOp::Equal),
        ];
        let (at, sign, op) = ops
            .iter()
            .filter_map(|(sign, op)| Some((part.find(sign)?, *sign, *op)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))
            .unwrap();
        Matcher::new(op, &part[..at], &part[at + sign.len()..]).unwrap()
    };
    text.split(',').filter(|part| !part.is_empty()).map(one).collect()
}

fn label_query(text: &str, end: i64) -> LabelQuery {
    LabelQuery {
        min_time: i64::MIN,
        max_time: end,
        matchers: matchers(text).into(),
        without_replica_labels: vec!["replica".to_owned()],
        abort: true,
        limit: 0,
        hints: None,
        cancel: Cancel::new(),
    }
}

struct Table {
    stores: Vec<(&'static str, Arc<dyn StoreSource>)>,
}

impl Table {
    async fn over(content: &[&str]) -> Self {
        Self { stores: stores(content).await }
    }

    async fn names(&self, matchers: &str, end: i64, expect: &[&str]) {
        for (name, store) in &self.stores {
            let query = label_query(matchers, end);
            let found = store.label_names(&query).await.unwrap().labels;
            assert_eq!(found.values, expect, "{name}: names|{matchers}");
            assert!(found.warnings.is_empty());
        }
    }

    async fn values(&self, label: &str, matchers: &str, end: i64, expect: &[&str]) {
        for (name, store) in &self.stores {
            let query = label_query(matchers, end);
            let found = store.label_values(label, &query).await.unwrap().labels;
            assert_eq!(found.values, expect, "{name}: values of {label}|{matchers}");
        }
    }

    async fn select(&self, text: &str, expect: &[&str]) {
        for (name, store) in &self.stores {
            let mut query = query(matchers(text));
            query.without_replica_labels = vec!["replica".to_owned()];
            query.skip_chunks = true;
            query.abort = true;
            let mut set = store.series(&query).await.unwrap().set;
            set = gauntlet_storeapi::merge::merge(vec![set]);
            let found: Vec<&Labels> = set.iter().map(|(labels, _)| labels).collect();
            let mut expect: Vec<Labels> = expect.iter().map(|l| crate::naive::parse(l)).collect();
            expect.sort();
            assert_eq!(found, expect.iter().collect::<Vec<_>>(), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn labels_of_an_empty_store() {
    let table = Table::over(&[]).await;
    table.names("", NOW, &[]).await;
    table.values("foo", "", NOW, &[]).await;
    table.values("region", "", NOW, &["eu-west"]).await;
    for (name, store) in &table.stores {
        let err = store.label_values("", &label_query("", NOW)).await.unwrap_err().to_string();
        assert!(err.contains("label name parameter cannot be empty"), "{name}: {err}");
    }
}

#[tokio::test]
async fn labels_by_matchers_and_time() {
    let table =
        Table::over(&["foo=foovalue1", "foo=foovalue2", "bar=barvalue1,foo=foovalue1"]).await;
    table.names("", NOW, &["bar", "foo", "region"]).await;
    table.names("", NOW - 4 * HOUR, &[]).await;
    table.names("bar=barvalue1", NOW, &["bar", "foo", "region"]).await;
    table.names("foo=foovalue2", NOW, &["foo", "region"]).await;
    table.names("bar=different", NOW, &[]).await;
    table.names("region=eu-west", NOW, &["bar", "foo", "region"]).await;
    table.names("region=different", NOW, &[]).await;
    table.values("foo", "", NOW, &["foovalue1", "foovalue2"]).await;
    table.values("bar", "", NOW, &["barvalue1"]).await;
    table.values("replica", "", NOW, &[]).await;
    table.values("foo", "", NOW - 4 * HOUR, &[]).await;
    table.values("foo", "bar=barvalue1", NOW, &["foovalue1"]).await;
    table.values("foo", "bar=different", NOW, &[]).await;
    table.values("region", "__name__=nonexistent", NOW, &[]).await;
    table.values("region", "region=eu-east", NOW, &[]).await;
    table.values("foo", "region=eu-west", NOW, &["foovalue1", "foovalue2"]).await;
    table.values("bar", "region=eu-west", NOW, &["barvalue1"]).await;
    table.values("bar", "region=different", NOW, &[]).await;
}

#[tokio::test]
async fn external_labels_win() {
    let table = Table::over(&["foo=bar,region=somewhere"]).await;
    table.select("foo=bar", &["foo=bar,region=eu-west"]).await;
    let table = Table::over(&["__name__=up,foo=bar,job=C", "__name__=up,foo=baz,job=C"]).await;
    table.values("region", "__name__=up,job=C", NOW, &["eu-west"]).await;
    table.names("__name__=up,region=~.*", NOW, &["__name__", "foo", "job", "region"]).await;
}

#[tokio::test]
async fn every_matcher_kind() {
    let (a, b, c, d, e) = ("i=a,n=1", "i=b,n=1", "n=1", "n=2", "n=2.5");
    let table = Table::over(&[a, b, c, d, e]).await;
    let all: [(&str, &[&str]); 38] = [
        ("n=1", &[a, b, c]),
        ("n=1,i=a", &[a]),
        ("n=1,i=missing", &[]),
        ("missing=", &[a, b, c, d, e]),
        ("n!=1", &[d, e]),
        ("i=~.+", &[a, b]),
        ("i=~.*", &[a, b, c, d, e]),
        ("i=", &[c, d, e]),
        ("i!=", &[a, b]),
        ("missing!=", &[]),
        ("n=1,i!=a", &[b, c]),
        ("n=~^1$", &[a, b, c]),
        ("n=1,i=~^a$", &[a]),
        ("n=1,i=~^a?$", &[a, c]),
        ("i=~^$", &[c, d, e]),
        ("n=1,i=~^$", &[c]),
        ("n=1,i=~^.*$", &[a, b, c]),
        ("n=1,i=~^.+$", &[a, b]),
        ("n!~^1$", &[d, e]),
        ("n!~1", &[d, e]),
        ("n!~1|2.5", &[d]),
        ("n!~(1|2.5)", &[d]),
        ("n=1,i!~^a$", &[b, c]),
        ("n=1,i!~^a?$", &[b]),
        ("n=1,i!~^$", &[a, b]),
        ("n=1,i!~^.*$", &[]),
        ("n=1,i!~^.+$", &[c]),
        ("n=1,i!=,i=a", &[a]),
        ("n=1,i!=b,i=~^(b|a).*$", &[a]),
        ("n=~(1|2)", &[a, b, c, d]),
        ("i=~a|b", &[a, b]),
        ("i=~(a|b)", &[a, b]),
        ("n=~x1|2", &[d]),
        ("n=~2|2\\.5", &[d, e]),
        ("i=~c||d", &[c, d, e]),
        ("i=~(c||d)", &[c, d, e]),
        ("n=2", &[d]),
        ("n=2.5", &[e]),
    ];
    for (text, expect) in all {
        let with_region: Vec<String> =
            expect.iter().map(|l| format!("{l},region=eu-west")).collect();
        let with_region: Vec<&str> = with_region.iter().map(String::as_str).collect();
        table.select(text, &with_region).await;
    }
}

#[tokio::test]
async fn a_long_series_keeps_all_of_its_chunks() {
    let samples = (0..131_075).map(|i| (i, f64::from(i as i32))).collect();
    let storage = Arc::new(Naive(vec![(Labels::from_pairs([("a", "b")]), samples)]));
    let store = local(storage, "region=eu-west");
    let set = store.series(&query(matchers("a=b"))).await.unwrap().set;
    assert_eq!((set.len(), set.chunks(0).len()), (1, 1093));
    assert_eq!(set.chunks(0)[1092].min_time, 131_040);
}
