//! Static, file, HTTP and DNS discoveries through a manager.

use std::path::Path;

use futures::future::BoxFuture;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::ManualClock;
use gauntlet_telemetry::Registry;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};

use super::*;
use crate::deps::{Clients, Metrics};
use crate::dns::{DnsRecord, Lookup};
use crate::fetch::{Answer, Ask, Fetch, FetchError, Lines};

/// Answers each request by its URL: `good`, `bad`, `html`.
#[derive(Debug)]
struct Canned;

impl Clients for Canned {
    fn client(
        &self,
        _: &HttpClientConfig,
        _: gauntlet_net::ClientOptions,
    ) -> Result<Arc<dyn Fetch>, FetchError> {
        Ok(Arc::new(Self))
    }
}

impl Fetch for Canned {
    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Lines, FetchError>> {
        Box::pin(async move { Ok(Lines::of_answer(self.send(ask).await?)) })
    }

    fn send(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, FetchError>> {
        let url = ask.url;
        let kind =
            if url.contains("html") { "text/html" } else { "application/json; charset=utf-8" };
        let answer = Answer {
            status: if url.contains("bad") { 500 } else { 200 },
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: br#"[{"targets": ["h:1"], "labels": {"x": "y"}}]"#.to_vec(),
        };
        Box::pin(async { Ok(answer) })
    }
}

impl Lookup for Canned {
    fn lookup<'a>(
        &'a self,
        name: &'a str,
        kind: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DnsRecord>, String>> {
        let answer = match (name, kind) {
            ("broken", _) => Err("timed out".to_owned()),
            (_, "SRV") => Ok(vec![DnsRecord::Srv { target: "a.example.".to_owned(), port: 9 }]),
            (_, "MX") => Ok(vec![DnsRecord::Mx("mail.example.".to_owned())]),
            _ => Ok(vec![DnsRecord::Ip("::1".parse().unwrap())]),
        };
        Box::pin(async { answer })
    }
}

fn deps(registry: &Registry) -> Deps {
    Deps {
        clock: Arc::new(ManualClock::new(7000)),
        metrics: Metrics::new(registry),
        clients: Arc::new(Canned),
        resolver: Arc::new(Canned),
        watches: Default::default(),
    }
}

fn configs(text: &str) -> BTreeMap<String, SdConfigs> {
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = Context::new();
    let jobs = document.root().unwrap().pairs().map(|(name, node)| {
        let mut map = Mapping::read(node, "job", &mut cx).unwrap();
        let configs = SdConfigs::read(&mut map, &mut cx);
        map.finish(&mut cx);
        (name.text().unwrap().to_owned(), configs)
    });
    let jobs = jobs.collect();
    cx.finish(Some(jobs)).unwrap()
}

fn shown(sets: &TargetSets) -> String {
    let mut text = String::new();
    for (job, groups) in sets {
        let targets: Vec<String> = groups
            .iter()
            .flat_map(|g| g.targets.iter().map(|t| format!("{t}{}", g.labels)))
            .collect();
        text.push_str(&format!("{job}: {}\n", targets.join(" ")));
    }
    text
}

/// Runs a manager until `done` says what it shows is what was waited for.
fn until(text: &str, done: impl Fn(&str) -> bool) -> String {
    let registry = Registry::new();
    run(async {
        let (mut sets, _handle, _stop) = start(text, &registry).await;
        wait_for(&mut sets, done).await
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn start(
    text: &str,
    registry: &Registry,
) -> (watch::Receiver<Arc<TargetSets>>, ManagerHandle, ShutdownTrigger) {
    let options = ManagerOptions { name: "scrape", update_interval: Duration::from_millis(1) };
    let (manager, handle, sets) = Manager::new(options, deps(registry));
    let (stop, shutdown) = Shutdown::new();
    tokio::spawn(manager.run(shutdown));
    handle.apply(configs(text)).await;
    (sets, handle, stop)
}

async fn wait_for(
    sets: &mut watch::Receiver<Arc<TargetSets>>,
    done: impl Fn(&str) -> bool,
) -> String {
    let wait = async {
        loop {
            sets.changed().await.unwrap();
            let text = shown(&sets.borrow_and_update());
            if done(&text) {
                return text;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(8), wait).await.expect("in time")
}

#[test]
fn kinds_find_their_targets() {
    let check = |text: &str, want: &str| {
        assert_eq!(until(text, |shown| shown.contains("__address__")), want, "{text}");
    };
    check(
        "a: {static_configs: [{targets: ['x:1'], labels: {l: v}}]}\n",
        "a: {__address__=\"x:1\"}{l=\"v\"}\n",
    );
    check(
        "a: {http_sd_configs: [{url: 'http://good'}, {url: 'http://bad'}, {url: 'http://html'}]}\n",
        "a: {__address__=\"h:1\"}{__meta_url=\"http://good\", x=\"y\"}\n",
    );
    check(
        "a: {dns_sd_configs: [{names: [s, broken]}]}\n",
        "a: {__address__=\"a.example:9\", __meta_dns_name=\"s\", __meta_dns_srv_record_port=\"9\", __meta_dns_srv_record_target=\"a.example.\"}{}\n",
    );
    check(
        "a: {dns_sd_configs: [{names: [n], type: AAAA, port: 80}]}\n",
        "a: {__address__=\"[::1]:80\", __meta_dns_name=\"n\"}{}\n",
    );
}

#[test]
fn jobs_share_equal_discoveries_and_failures_are_counted() {
    let registry = Registry::new();
    let text = "a: &j {static_configs: [{targets: ['x:1']}]}\nb: *j\nc: {eureka_sd_configs: [{server: 'http://e'}]}\n";
    run(async {
        let (mut sets, handle, _stop) = start(text, &registry).await;
        let shown = wait_for(&mut sets, |text| text.contains("b: {")).await;
        assert_eq!(shown, "a: {__address__=\"x:1\"}{}\nb: {__address__=\"x:1\"}{}\nc: \n");
        // What stays configured keeps its targets without being found anew.
        handle.apply(configs("b: {static_configs: [{targets: ['x:1']}]}\n")).await;
        let shown = wait_for(&mut sets, |text| !text.contains("a:")).await;
        assert_eq!(shown, "b: {__address__=\"x:1\"}{}\n");
    });
    let value = |name: &str| {
        let family = registry.gather().into_iter().find(|f| f.name == name).unwrap();
        format!("{:?}", family.metrics.iter().map(|m| &m.value).collect::<Vec<_>>())
    };
    assert!(
        value("prometheus_sd_failed_configs").contains("0"),
        "{}",
        value("prometheus_sd_failed_configs")
    );
    assert!(value("prometheus_sd_discovered_targets").contains("1"));
}

#[test]
fn files_are_followed_and_bad_ones_keep_their_groups() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("a.yml", "- targets: ['a:1']\n- targets: ['a:2']\n");
    write("b.json", "[{\"targets\": [\"b:1\"]}]");
    let text = format!(
        "j: {{file_sd_configs: [{{files: ['{0}/*.yml', '{0}/b.json'], refresh_interval: 1ms}}]}}\n",
        dir.path().display()
    );
    let addresses = |text: &str| -> Vec<String> {
        let parts = text.split("__address__=\"").skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let path = |name: &str| -> String { Path::new(dir.path()).join(name).display().to_string() };
    run(async {
        let (mut sets, _handle, _stop) = start(&text, &Registry::new()).await;
        let shown = wait_for(&mut sets, |text| addresses(text).len() == 3).await;
        assert_eq!(addresses(&shown), ["a:1", "a:2", "b:1"]);
        assert!(shown.contains(&format!("__meta_filepath=\"{}\"", path("b.json"))), "{shown}");
        write("a.yml", "- targets: ['a:3']\n");
        write("b.json", "[broken");
        let shown = wait_for(&mut sets, |text| text.contains("a:3") && !text.contains("a:2")).await;
        assert_eq!(addresses(&shown), ["a:3", "b:1"]);
        std::fs::remove_file(path("a.yml")).unwrap();
        let shown = wait_for(&mut sets, |text| !text.contains("a:3")).await;
        assert_eq!(addresses(&shown), ["b:1"]);
    });
}

#[test]
fn first_results_wait_for_no_interval_and_failures_leave_the_last_ones() {
    let registry = Registry::new();
    let options = ManagerOptions { name: "scrape", update_interval: Duration::from_secs(3600) };
    run(async {
        let (manager, handle, mut sets) = Manager::new(options, deps(&registry));
        let (_stop, shutdown) = Shutdown::new();
        tokio::spawn(manager.run(shutdown));
        // One job after the other, so that each comes while updates are held back.
        let mut text = String::new();
        for (job, host) in [("a", "x:1"), ("b", "y:1"), ("c", "z:1"), ("d", "w:1"), ("e", "v:1")] {
            text.push_str(&format!("{job}: {{static_configs: [{{targets: ['{host}']}}]}}\n"));
            handle.apply(configs(&text)).await;
            wait_for(&mut sets, |shown| shown.contains(host)).await;
        }
        text.push_str("f: {http_sd_configs: [{url: 'http://bad'}]}\n");
        handle.apply(configs(&text)).await;
        let failing = async {
            loop {
                let status = handle.status();
                if let Some(last) = status.last()
                    && last.failing.is_some()
                {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(8), failing).await.unwrap();
        let first = &status[0];
        assert_eq!((first.kind, first.targets, first.last_good_ms), ("static", 1, Some(7000)));
        let last = &status[5];
        assert_eq!((last.kind, last.targets, last.last_good_ms), ("http", 0, None));
        let (at, reason) = last.failing.clone().unwrap();
        assert_eq!((at, reason.as_str()), (7000, "server returned HTTP status 500"));
    });
}

#[test]
fn lists_that_did_not_change_are_the_same() {
    let registry = Registry::new();
    run(async {
        let text = "a: {static_configs: [{targets: ['x:1']}]}\nb: {http_sd_configs: [{url: 'http://good', refresh_interval: 5ms}]}\n";
        let (mut sets, _handle, _stop) = start(text, &registry).await;
        wait_for(&mut sets, |shown| shown.contains("x:1") && shown.contains("h:1")).await;
        let before = Arc::clone(&sets.borrow_and_update());
        sets.changed().await.unwrap();
        let after = Arc::clone(&sets.borrow_and_update());
        assert!(Arc::ptr_eq(&before["a"], &after["a"]));
        // Found again, and found the same.
        assert!(Arc::ptr_eq(&before["b"], &after["b"]));
    });
}
