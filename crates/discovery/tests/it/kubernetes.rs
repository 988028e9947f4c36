//! Kubernetes against a fake API server: lists in pages, watches with events, bookmarks, versions that grow too old.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use gauntlet_net::{Server, ServerOptions};
use gauntlet_runtime::{Shutdown, ShutdownTrigger};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::found::Running;

/// Objects a page, whatever is asked for.
const PAGE: usize = 2;

#[derive(Debug, Default)]
struct Cluster {
    /// By plural and key.
    objects: BTreeMap<(String, String), Value>,
    /// Version, plural, namespace, event line.
    events: Vec<(u64, String, String, String)>,
    version: u64,
    /// Watches from before this version are refused.
    oldest: u64,
    log: Vec<String>,
    /// Plurals that may not be read.
    forbidden: Vec<String>,
}

/// A running API server.
#[derive(Debug)]
pub(crate) struct ApiServer {
    pub(crate) address: String,
    shared: Arc<Shared>,
    _stop: ShutdownTrigger,
}

#[derive(Debug)]
struct Shared {
    cluster: Mutex<Cluster>,
    /// The version, and how often all watches were cut.
    now: watch::Sender<(u64, u64)>,
}

impl ApiServer {
    pub(crate) async fn start(objects: &[(&str, Value)]) -> Self {
        let (now, _) = watch::channel((0, 0));
        let shared = Arc::new(Shared { cluster: Mutex::default(), now });
        let server = Server::bind(&["127.0.0.1:0"], ServerOptions::default()).await.unwrap();
        let address = server.addresses()[0].to_string();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (stop, shutdown) = Shutdown::new();
        tokio::spawn(server.run(router, shutdown));
        let this = Self { address, shared, _stop: stop };
        for (plural, object) in objects {
            this.put(plural, object.clone());
        }
        this
    }

    pub(crate) fn put(&self, plural: &str, mut object: Value) {
        let mut cluster = self.shared.cluster.lock();
        cluster.version += 1;
        object["metadata"]["resourceVersion"] = cluster.version.to_string().into();
        let (namespace, key) = key(&object);
        let old = cluster.objects.insert((plural.to_owned(), key), object.clone());
        cluster.note(if old.is_some() { "MODIFIED" } else { "ADDED" }, plural, namespace, &object);
        self.tell(&cluster);
    }

    fn delete(&self, plural: &str, key: &str) {
        let mut cluster = self.shared.cluster.lock();
        cluster.version += 1;
        let mut object = cluster.objects.remove(&(plural.to_owned(), key.to_owned())).unwrap();
        object["metadata"]["resourceVersion"] = cluster.version.to_string().into();
        let namespace = key.split_once('/').map_or("", |(ns, _)| ns).to_owned();
        cluster.note("DELETED", plural, namespace, &object);
        self.tell(&cluster);
    }

    fn tell(&self, cluster: &Cluster) {
        let version = cluster.version;
        self.shared.now.send_modify(|now| now.0 = version);
    }

    /// Ends all watches. With `forget`, their versions are too old from now on, and what happens until then is never told.
    fn cut(&self, forget: bool, meanwhile: impl FnOnce(&Self)) {
        if forget {
            // Events that no watch will see: those that run now end first.
            self.shared.now.send_modify(|now| now.1 += 1);
        }
        meanwhile(self);
        if forget {
            let mut cluster = self.shared.cluster.lock();
            cluster.version += 1;
            cluster.oldest = cluster.version;
        } else {
            self.shared.now.send_modify(|now| now.1 += 1);
        }
    }

    fn log(&self) -> Vec<String> {
        self.shared.cluster.lock().log.clone()
    }
}

impl Cluster {
    fn note(&mut self, kind: &str, plural: &str, namespace: String, object: &Value) {
        let line = json!({"type": kind, "object": object}).to_string() + "\n";
        self.events.push((self.version, plural.to_owned(), namespace, line));
    }
}

fn key(object: &Value) -> (String, String) {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap();
    match meta["namespace"].as_str() {
        Some(namespace) => (namespace.to_owned(), format!("{namespace}/{name}")),
        None => (String::new(), name.to_owned()),
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query: BTreeMap<String, String> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = match parts.as_slice() {
        ["api", "v1", rest @ ..] => rest,
        ["apis", _, _, rest @ ..] => rest,
        _ => &[],
    };
    shared.cluster.lock().log.push(request.uri().to_string());
    let (namespace, plural) = match rest {
        ["namespaces", namespace, plural] => (*namespace, *plural),
        [plural] => ("", *plural),
        _ => return status(404, "not found"),
    };
    let cluster = shared.cluster.lock();
    if cluster.forbidden.iter().any(|f| *f == format!("{namespace}/{plural}")) {
        return status(403, &format!("{plural} is forbidden"));
    }
    let is_here = |ns: &str| namespace.is_empty() || ns == namespace;
    let found: Vec<Value> = cluster
        .objects
        .iter()
        .filter(|((p, key), _)| p == plural && is_here(key.split_once('/').map_or("", |k| k.0)))
        .map(|(_, object)| object.clone())
        .collect();
    let version = cluster.version;
    if query.get("watch").is_none_or(|w| w == "false") {
        let from: usize = query.get("continue").and_then(|c| c.parse().ok()).unwrap_or(0);
        let to = (from + PAGE).min(found.len());
        let next = if to < found.len() { to.to_string() } else { String::new() };
        let list = json!({
            "kind": "List", "apiVersion": "v1",
            "metadata": {"resourceVersion": version.to_string(), "continue": next},
            "items": found[from..to],
        });
        // The peer's client wants to know the kind of what is listed.
        let mut list = list;
        let kinds = kind_of(plural);
        list["kind"] = format!("{}List", kinds.0).into();
        list["apiVersion"] = kinds.1.into();
        return json_response(200, list.to_string());
    }
    let mut seen: u64 = query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
    let mut first = String::new();
    let (kind, api) = kind_of(plural);
    let bookmark = |version: u64, ends: bool| {
        let mut object = json!({"kind": kind, "apiVersion": api, "metadata": {"resourceVersion": version.to_string()}});
        if ends {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        json!({"type": "BOOKMARK", "object": object}).to_string() + "\n"
    };
    if query.get("sendInitialEvents").is_some_and(|v| v == "true") {
        for object in &found {
            first += &(json!({"type": "ADDED", "object": object}).to_string() + "\n");
        }
        seen = version;
        first += &bookmark(version, true);
    } else if seen < cluster.oldest {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"});
        return json_response(200, json!({"type": "ERROR", "object": status}).to_string() + "\n");
    }
    drop(cluster);
    let mut now = shared.now.subscribe();
    let cuts = now.borrow_and_update().1;
    let (namespace, plural) = (namespace.to_owned(), plural.to_owned());
    let pull = Arc::clone(&shared);
    let events = futures::stream::unfold((seen, now), move |(seen, mut now)| {
        let (pull, namespace, plural) = (Arc::clone(&pull), namespace.clone(), plural.clone());
        let bookmark = json!({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api, "metadata": {}}});
        async move {
            loop {
                if now.borrow_and_update().1 != cuts {
                    return None;
                }
                let (text, version) = {
                    let cluster = pull.cluster.lock();
                    let new = cluster.events.iter().filter(|(v, p, ns, _)| {
                        *v > seen && *p == plural && (namespace.is_empty() || *ns == namespace)
                    });
                    let lines: String = new.map(|(_, _, _, line)| line.as_str()).collect();
                    (lines, cluster.version)
                };
                if version > seen {
                    // A bookmark after each change, also of other resources.
                    let mut bookmark = bookmark.clone();
                    bookmark["object"]["metadata"]["resourceVersion"] = version.to_string().into();
                    let text = format!("{text}{bookmark}\n");
                    return Some((Ok::<_, std::io::Error>(Bytes::from(text)), (version, now)));
                }
                if now.changed().await.is_err() {
                    return None;
                }
            }
        }
    });
    let first = futures::stream::iter((!first.is_empty()).then(|| Ok(Bytes::from(first))));
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(first.chain(events)))
        .unwrap()
}

fn kind_of(plural: &str) -> (&'static str, &'static str) {
    match plural {
        "pods" => ("Pod", "v1"),
        "services" => ("Service", "v1"),
        "endpoints" => ("Endpoints", "v1"),
        "nodes" => ("Node", "v1"),
        "namespaces" => ("Namespace", "v1"),
        "endpointslices" => ("EndpointSlice", "discovery.k8s.io/v1"),
        "ingresses" => ("Ingress", "networking.k8s.io/v1"),
        "replicasets" => ("ReplicaSet", "apps/v1"),
        _ => ("Job", "batch/v1"),
    }
}

fn json_response(status: u16, body: String) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body)).unwrap()
}

fn status(code: u16, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "message": message});
    json_response(code, body.to_string())
}

/// A small cluster with something of everything.
pub(crate) fn world() -> Vec<(&'static str, Value)> {
    let kind = |plural: &str, mut object: Value| {
        let (kind, api) = kind_of(plural);
        object["kind"] = kind.into();
        object["apiVersion"] = api.into();
        object
    };
    let objects = vec![
        (
            "namespaces",
            json!({"metadata": {"name": "shop", "labels": {"team": "a"}, "annotations": {"note/x": "y"}}}),
        ),
        ("namespaces", json!({"metadata": {"name": "other"}})),
        (
            "nodes",
            json!({
                "metadata": {"name": "n1", "labels": {"kubernetes.io/arch": "amd64"}, "annotations": {"a.b/c": "d"}},
                "spec": {"providerID": "aws:///z/i-1"},
                "status": {
                    "addresses": [
                        {"type": "Hostname", "address": "n1.local"},
                        {"type": "ExternalIP", "address": "9.9.9.9"},
                        {"type": "InternalIP", "address": "10.1.0.1"},
                        {"type": "InternalIP", "address": "fd00::1"},
                    ],
                    "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}],
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                },
            }),
        ),
        (
            "nodes",
            json!({"metadata": {"name": "n2"}, "status": {
                "addresses": [{"type": "Hostname", "address": "n2.local"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}),
        ),
        ("nodes", json!({"metadata": {"name": "nowhere"}, "status": {}})),
        (
            "replicasets",
            json!({"metadata": {"name": "web-1", "namespace": "shop", "ownerReferences": [
                {"apiVersion": "apps/v1", "uid": "u", "kind": "Deployment", "name": "web", "controller": true}]}}),
        ),
        (
            "jobs",
            json!({"metadata": {"name": "batch-1", "namespace": "shop", "ownerReferences": [
                {"apiVersion": "batch/v1", "uid": "u", "kind": "CronJob", "name": "batch", "controller": true}]}}),
        ),
        (
            "pods",
            json!({
                "metadata": {"name": "web-1-x", "namespace": "shop", "uid": "uid-1", "labels": {"app": "web"},
                    "annotations": {"prometheus.io/scrape": "true"},
                    "ownerReferences": [{"apiVersion": "apps/v1", "uid": "u", "kind": "ReplicaSet", "name": "web-1", "controller": true}]},
                "spec": {
                    "nodeName": "n1",
                    "containers": [
                        {"name": "app", "image": "app:1", "ports": [
                            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                            {"name": "admin", "containerPort": 9000, "protocol": "TCP"}]},
                        {"name": "side", "image": "side:2"},
                    ],
                    "initContainers": [{"name": "init", "image": "init:3", "ports": [{"containerPort": 7000, "protocol": "UDP"}]}],
                },
                "status": {
                    "phase": "Running", "podIP": "10.2.0.5", "hostIP": "10.1.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "containerStatuses": [{"name": "app", "containerID": "docker://a", "image": "", "imageID": "", "ready": true, "restartCount": 0}],
                    "initContainerStatuses": [{"name": "init", "containerID": "docker://i", "image": "", "imageID": "", "ready": true, "restartCount": 0}],
                },
            }),
        ),
        (
            "pods",
            json!({
                "metadata": {"name": "batch-1-x", "namespace": "shop", "uid": "uid-2",
                    "ownerReferences": [{"apiVersion": "batch/v1", "uid": "u", "kind": "Job", "name": "batch-1", "controller": true}]},
                "spec": {"nodeName": "n2", "containers": [{"name": "run", "image": "run"}]},
                "status": {"phase": "Pending", "podIP": "fd00::9"},
            }),
        ),
        (
            "pods",
            json!({"metadata": {"name": "starting", "namespace": "shop"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"}}),
        ),
        (
            "services",
            json!({
                "metadata": {"name": "web", "namespace": "shop", "labels": {"svc": "web"}},
                "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "loadBalancerIP": "1.1.1.1", "ports": [
                    {"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]},
                "status": {"loadBalancer": {"ingress": [{"ip": "5.5.5.5"}, {"hostname": "h"}, {"ip": "6.6.6.6"}]}},
            }),
        ),
        (
            "services",
            json!({"metadata": {"name": "ext", "namespace": "other"},
                "spec": {"type": "ExternalName", "externalName": "db.example.com", "ports": [{"port": 5432, "protocol": "TCP"}]}}),
        ),
        (
            "endpoints",
            json!({
                "metadata": {"name": "web", "namespace": "shop", "labels": {"e": "p"}},
                "subsets": [{
                    "addresses": [
                        {"ip": "10.2.0.5", "nodeName": "n1", "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1-x"}},
                        {"ip": "10.9.9.9", "hostname": "h9", "targetRef": {"kind": "Node", "name": "n2"}},
                    ],
                    "notReadyAddresses": [{"ip": "10.2.0.6"}],
                    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                }],
            }),
        ),
        (
            "endpointslices",
            json!({
                "metadata": {"name": "web-abc", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "endpoints": [
                    {"addresses": ["10.2.0.5"], "conditions": {"ready": true, "serving": true, "terminating": false}, "nodeName": "n1", "zone": "z1",
                        "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1-x"}, "deprecatedTopology": {"topology/zone": "z"}},
                    {"addresses": ["10.9.9.8", "10.9.9.9"], "conditions": {}, "hostname": "h9"},
                ],
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "h2c"}, {"name": "any"}],
            }),
        ),
        (
            "endpointslices",
            json!({"metadata": {"name": "empty", "namespace": "other"}, "addressType": "IPv6", "endpoints": null, "ports": null}),
        ),
        (
            "services",
            json!({"metadata": {"name": "dual", "namespace": "other"}, "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.7", "loadBalancerIP": "", "ports": [{"port": 1}],
                "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}}),
        ),
        (
            "endpointslices",
            json!({"metadata": {"name": "dual-4", "namespace": "other", "labels": {"kubernetes.io/service-name": "dual"}}, "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.5.5.5"], "targetRef": {"kind": "Node", "name": "n1"}}], "ports": [{"port": 1}]}),
        ),
        (
            "endpointslices",
            json!({"metadata": {"name": "dual-6", "namespace": "other", "labels": {"kubernetes.io/service-name": "dual"}}, "addressType": "IPv6",
                "endpoints": [{"addresses": ["fd00::5"]}], "ports": [{"port": 1}]}),
        ),
        (
            "ingresses",
            json!({
                "metadata": {"name": "front", "namespace": "shop"},
                "spec": {
                    "ingressClassName": "nginx",
                    "tls": [{"hosts": ["*.example.com"]}],
                    "rules": [
                        {"host": "a.example.com", "http": {"paths": [
                            {"path": "/x", "pathType": "Prefix", "backend": {}}, {"pathType": "Prefix", "backend": {}}]}},
                        {"host": "plain.org"},
                    ],
                },
            }),
        ),
    ];
    objects.into_iter().map(|(plural, object)| (plural, kind(plural, object))).collect()
}

/// Configurations over [`world`] and how many targets each finds; `FAKE` is the server's address.
pub(crate) const ROLES: &[(&str, &str, usize)] = &[
    ("node", "role: node", 2),
    (
        "pod",
        "role: pod, attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}",
        5,
    ),
    ("pod-plain", "role: pod, namespaces: {names: [shop, other]}", 5),
    ("service", "role: service, attach_metadata: {namespace: true}", 4),
    (
        "endpoints",
        "role: endpoints, attach_metadata: {node: true, namespace: true, deployment: true}",
        5,
    ),
    (
        "endpointslice",
        "role: endpointslice, attach_metadata: {node: true, namespace: true, job: true}",
        9,
    ),
    ("ingress", "role: ingress, namespaces: {names: [shop]}", 3),
];

pub(crate) fn roles(address: &str) -> String {
    ROLES
        .iter()
        .map(|(job, role, _)| {
            format!("k8s-{job}: {{kubernetes_sd_configs: [{{api_server: 'http://{address}', {role}}}]}}\n")
        })
        .collect()
}

#[tokio::test]
async fn every_role_finds_its_targets() {
    let server = ApiServer::start(&world()).await;
    let mut running = Running::start(&roles(&server.address), "").await;
    let mut all = String::new();
    for (job, _, count) in ROLES {
        let lines = running.until(&format!("k8s-{job}"), |lines| lines.len() >= *count).await;
        for line in lines {
            all.push_str(&format!("{job} {line}\n"));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/kubernetes.txt");
    crate::kinds::check_golden(path, &all);
    // Nodes, namespaces, services of all namespaces, and pods of all and of one each are watched once, whoever needs them.
    let log = server.log();
    let lists = |path: &str| {
        log.iter()
            .filter(|l| l.starts_with(path) && !l.contains("watch=") && !l.contains("continue="))
            .count()
    };
    assert_eq!(
        (lists("/api/v1/nodes?"), lists("/api/v1/pods?"), lists("/api/v1/services?")),
        (1, 1, 1)
    );
    assert_eq!(running.watches.count(), 11);
    assert!(
        running.metric("prometheus_sd_kubernetes_http_request_total", &["200"]).contains("Counter")
    );
}

fn pod(name: &str, ip: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "a"}, "spec": {"containers": [{"name": "c"}]}, "status": {"podIP": ip}})
}

#[tokio::test]
async fn changes_are_followed_over_cuts_and_lost_versions() {
    let server =
        ApiServer::start(&[("pods", pod("one", "1.1.1.1")), ("pods", pod("two", "2.2.2.2"))]).await;
    let config = format!(
        "j: {{kubernetes_sd_configs: [{{api_server: 'http://{}', role: pod}}]}}\n",
        server.address
    );
    let mut running = Running::start(&config, "").await;
    let has = |lines: &std::collections::BTreeSet<String>, want: &[&str]| {
        let found: Vec<&str> = lines
            .iter()
            .map(|l| l.split("__address__=").nth(1).unwrap().split(' ').next().unwrap())
            .collect();
        found == want
    };
    running.until("j", |lines| has(lines, &["1.1.1.1", "2.2.2.2"])).await;
    server.put("pods", pod("three", "3.3.3.3"));
    running.until("j", |lines| has(lines, &["1.1.1.1", "2.2.2.2", "3.3.3.3"])).await;
    server.put("pods", pod("one", "9.1.1.1"));
    running.until("j", |lines| has(lines, &["2.2.2.2", "3.3.3.3", "9.1.1.1"])).await;
    server.delete("pods", "a/two");
    running.until("j", |lines| has(lines, &["3.3.3.3", "9.1.1.1"])).await;
    // The connection goes, the version stays.
    server.cut(false, |server| server.put("pods", pod("four", "4.4.4.4")));
    running.until("j", |lines| has(lines, &["3.3.3.3", "4.4.4.4", "9.1.1.1"])).await;
    let lists = |server: &ApiServer| server.log().iter().filter(|l| !l.contains("watch=")).count();
    let before = lists(&server);
    // The version is too old: what went and came in between is found by listing.
    server.cut(true, |server| {
        server.delete("pods", "a/three");
        server.put("pods", pod("five", "5.5.5.5"));
    });
    running.until("j", |lines| has(lines, &["4.4.4.4", "5.5.5.5", "9.1.1.1"])).await;
    assert!(lists(&server) > before);
    let events = |event| running.metric("prometheus_sd_kubernetes_events_total", &["pod", event]);
    assert_eq!(
        (events("add"), events("update"), events("delete")),
        ("Counter(5.0)".into(), "Counter(1.0)".into(), "Counter(2.0)".into())
    );
    let watches = running.watches.clone();
    assert_eq!(watches.count(), 1);
    running.handle.apply(Default::default()).await;
    running.until("j", |lines| lines.is_empty()).await;
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while watches.count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("watches end with their last user");
}

#[tokio::test]
async fn a_forbidden_namespace_stops_no_other() {
    let server = ApiServer::start(&[("pods", pod("one", "1.1.1.1"))]).await;
    server.shared.cluster.lock().forbidden.push("b/pods".to_owned());
    let config = format!(
        "j: {{kubernetes_sd_configs: [{{api_server: 'http://{}', role: pod, namespaces: {{names: [a, b]}}}}]}}\n",
        server.address
    );
    let mut running = Running::start(&config, "").await;
    running.until("j", |lines| lines.len() == 1).await;
    let failing = async {
        loop {
            let status = running.handle.status();
            if let Some((_, reason)) = status.first().and_then(|s| s.failing.clone()) {
                return reason;
            }
            tokio::task::yield_now().await;
        }
    };
    let reason = tokio::time::timeout(std::time::Duration::from_secs(5), failing).await.unwrap();
    assert!(reason.contains("pods is forbidden (HTTP status 403)"), "{reason}");
    assert_eq!(running.handle.status()[0].targets, 1);
    assert!(!running.metric("prometheus_sd_kubernetes_failures_total", &[]).contains("(0"));
}

#[tokio::test]
async fn selectors_are_asked_for() {
    let server = ApiServer::start(&[]).await;
    let config = format!(
        "j: {{kubernetes_sd_configs: [{{api_server: 'http://{}/sub/', role: endpoints, selectors: [{{role: pod, label: 'a in (b, c)', field: 'spec.nodeName=n'}}, {{role: service, label: x=y}}]}}]}}\n",
        server.address
    );
    let _running = Running::start(&config, "").await;
    let asked = async {
        loop {
            let log = server.log();
            if log.len() >= 3 {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut log = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await.unwrap();
    log.truncate(3);
    log.sort();
    assert_eq!(log[0], "/sub/api/v1/endpoints?limit=500");
    assert_eq!(
        log[1],
        "/sub/api/v1/pods?labelSelector=a%20in%20%28b%2C%20c%29&fieldSelector=spec.nodeName%3Dn&limit=500"
    );
    assert_eq!(log[2], "/sub/api/v1/services?labelSelector=x%3Dy&limit=500");
}
