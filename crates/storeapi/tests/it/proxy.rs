//! The proxy's own cases: which stores are asked, what is said of those that fail, how shards, limits and deadlines hold.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Labels, Matcher};
use gauntlet_runtime::Budget;
use gauntlet_storage::LabelAnswer;
use gauntlet_storeapi::source::LabelList;
use gauntlet_storeapi::{
    Answer, LabelQuery, Proxy, ProxyOptions, SeriesQuery, SourceInfo, StoreError, StoreSource,
};
use gauntlet_wire::frame::StoreSet;
use gauntlet_wire::store::ShardInfo;

use crate::naive::{Naive, local, parse, query, series};

/// A store that does as it is told.
#[derive(Debug)]
struct Told {
    info: SourceInfo,
    series: Vec<Labels>,
    warning: Option<&'static str>,
    error: Option<&'static str>,
    stalls: bool,
}

fn told(external: &str, range: (i64, i64), series: &[&str]) -> Told {
    let info = SourceInfo {
        component: "store".to_owned(),
        label_sets: if external.is_empty() { Vec::new() } else { vec![parse(external)] },
        min_time: range.0,
        max_time: range.1,
        ..SourceInfo::default()
    };
    let series = series.iter().map(|l| parse(l)).collect();
    Told { info, series, warning: None, error: None, stalls: false }
}

impl StoreSource for Told {
    fn name(&self) -> String {
        "told".to_owned()
    }
    fn info(&self) -> Result<SourceInfo, StoreError> {
        Ok(self.info.clone())
    }
    fn series<'a>(&'a self, _: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        async move {
            if self.stalls {
                std::future::pending::<()>().await;
            }
            if let Some(error) = self.error {
                return Err(StoreError::Unavailable(error.to_owned()));
            }
            let mut set = StoreSet::new();
            self.series.iter().for_each(|labels| set.push_series(labels.clone()));
            set.warnings.extend(self.warning.map(str::to_owned));
            Ok(Answer { set, charges: Vec::new() })
        }
        .boxed()
    }
    fn label_names<'a>(
        &'a self,
        _: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move {
            match self.error {
                Some(error) => Err(StoreError::Unavailable(error.to_owned())),
                None => Ok(LabelAnswer::default().into()),
            }
        }
        .boxed()
    }
    fn label_values<'a>(
        &'a self,
        _: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        self.label_names(query)
    }
}

fn proxy(stores: Vec<Told>, options: ProxyOptions) -> Proxy {
    let stores: Vec<Arc<dyn StoreSource>> =
        stores.into_iter().map(|store| Arc::new(store) as Arc<dyn StoreSource>).collect();
    Proxy::new(Arc::new(stores), options)
}

fn found(answer: &Answer) -> Vec<String> {
    answer.set.iter().map(|(labels, _)| labels.value("a").to_owned()).collect()
}

fn any() -> SeriesQuery {
    SeriesQuery { min_time: 1, max_time: 300, ..query(vec![Matcher::equal("b", "")]) }
}

#[tokio::test]
async fn stores_that_cannot_hold_an_answer_are_not_asked() {
    let mut far = told("", (301, 400), &["a=far"]);
    far.error = Some("must not be asked");
    let mut other = told("ext=2", (1, 300), &["a=other"]);
    other.error = Some("must not be asked");
    let asked = told("ext=1", (1, 300), &["a=1"]);
    let proxy = proxy(vec![far, other, asked], ProxyOptions::default());
    let query = SeriesQuery { matchers: [Matcher::equal("ext", "1")].into(), ..any() };
    let answer = proxy.series(&query).await.unwrap();
    assert_eq!((found(&answer), answer.set.warnings.len()), (vec!["1".to_owned()], 0));
}

#[tokio::test]
async fn no_stores_are_nothing_or_an_error() {
    let empty = proxy(Vec::new(), ProxyOptions::default());
    assert!(empty.series(&any()).await.unwrap().set.is_empty());
    let err = empty.series(&SeriesQuery { abort: true, ..any() }).await.unwrap_err();
    assert_eq!(err.to_string(), "no StoreAPI endpoints available");
    let selector_labels = parse("ext=2");
    let proxy = proxy(
        vec![told("", (1, 300), &["a=1"])],
        ProxyOptions { selector_labels, ..ProxyOptions::default() },
    );
    let of = |value| SeriesQuery { matchers: [Matcher::equal("ext", value)].into(), ..any() };
    assert!(proxy.series(&of("1")).await.unwrap().set.is_empty());
    let err = proxy.series(&of("2")).await.unwrap_err().to_string();
    assert_eq!(err, "no matchers specified (excluding selector labels)");
}

#[tokio::test]
async fn a_failed_store_is_a_warning_or_an_error() {
    let make = || {
        let mut warns = told("ext=1", (1, 300), &["a=1"]);
        warns.warning = Some("careful");
        let mut fails = told("ext=1", (1, 300), &["a=2"]);
        fails.error = Some("error!");
        (warns, fails)
    };
    let (warns, fails) = make();
    let proxy_of = |stores| proxy(stores, ProxyOptions::default());
    let answer = proxy_of(vec![warns, fails]).series(&any()).await.unwrap();
    assert_eq!(found(&answer), ["1"]);
    assert_eq!(answer.set.warnings.len(), 2);
    assert!(answer.set.warnings[1].starts_with("fetch series for {ext=\"1\"} Addr: told"));
    assert!(answer.set.warnings[1].ends_with(": error!"));
    let (warns, fails) = make();
    let abort = SeriesQuery { abort: true, ..any() };
    let err = proxy_of(vec![fails]).series(&abort).await.unwrap_err();
    assert!(matches!(&err, StoreError::Aborted(text) if text.ends_with("error!")), "{err}");
    let err = proxy_of(vec![warns]).series(&abort).await.unwrap_err();
    assert_eq!(err.to_string(), "careful", "a warning is a missing part");
    let (_, fails) = make();
    let names = LabelQuery {
        min_time: 1,
        max_time: 300,
        matchers: Arc::from([]),
        without_replica_labels: Vec::new(),
        abort: false,
        limit: 0,
        hints: None,
        cancel: Default::default(),
    };
    let answer = proxy_of(vec![fails]).label_names(&names).await.unwrap();
    assert_eq!(answer.labels.warnings, ["fetch label names from store told: error!"]);
}

#[tokio::test]
async fn a_slow_store_costs_its_part_alone() {
    let mut stalls = told("", (1, 300), &["a=1"]);
    stalls.stalls = true;
    let response_timeout = Duration::from_millis(50);
    let options = ProxyOptions { response_timeout, ..ProxyOptions::default() };
    let answer =
        proxy(vec![stalls, told("", (1, 300), &["a=2"])], options).series(&any()).await.unwrap();
    assert_eq!(found(&answer), ["2"]);
    assert!(answer.set.warnings[0].contains("failed to receive any data in 50ms from told"));
}

#[tokio::test]
async fn a_canceled_request_ends() {
    let mut stalls = told("", (1, 300), &["a=1"]);
    stalls.stalls = true;
    let query = any();
    query.cancel.cancel();
    let err = proxy(vec![stalls], ProxyOptions::default()).series(&query).await.unwrap_err();
    assert!(matches!(err, StoreError::Canceled(_)), "{err}");
}

#[tokio::test]
async fn what_a_store_cannot_do_the_proxy_does() {
    let store = told("", (1, 300), &["a=b,r=2", "a=a,r=1", "a=c,r=1"]);
    let proxy = proxy(vec![store], ProxyOptions::default());
    let shard = |shard_index| {
        let shard =
            ShardInfo { shard_index, total_shards: 2, by: true, labels: vec!["a".to_owned()] };
        SeriesQuery { shard: Some(shard), without_replica_labels: vec!["r".to_owned()], ..any() }
    };
    let answer = proxy.series(&shard(0)).await.unwrap();
    assert_eq!(found(&answer), ["a", "b"]);
    assert!(answer.set.iter().all(|(labels, _)| labels.get("r").is_none()));
    assert_eq!(found(&proxy.series(&shard(1)).await.unwrap()), ["c"]);
}

#[tokio::test]
async fn limits_count_merged_series() {
    let stores = vec![told("", (1, 300), &["a=3", "a=4"]), told("", (1, 300), &["a=1", "a=2"])];
    let proxy = proxy(stores, ProxyOptions::default());
    let answer = proxy.series(&SeriesQuery { limit: 2, ..any() }).await.unwrap();
    assert_eq!(found(&answer), ["1", "2"]);
}

#[tokio::test]
async fn a_spent_budget_fails_the_query_alone() {
    let content = (0..1000).map(|i| series(&format!("a={i}"), i)).collect();
    let store: Arc<dyn StoreSource> = Arc::new(local(Arc::new(Naive(content)), "ext=1"));
    let proxy = Proxy::new(Arc::new(vec![store]), ProxyOptions::default());
    let budget = Budget::new(1000);
    let poor = SeriesQuery { budget: Arc::clone(&budget), ..query(vec![Matcher::equal("b", "")]) };
    let err = proxy.series(&poor).await.unwrap_err();
    assert!(matches!(err, StoreError::ResourceExhausted(_)), "{err}");
    assert_eq!(budget.used_bytes(), 0, "all is given back");
    assert_eq!(proxy.series(&query(vec![Matcher::equal("b", "")])).await.unwrap().set.len(), 1000);
}
