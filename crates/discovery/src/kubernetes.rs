//! `kubernetes_sd_configs`: nodes, pods, services, endpoints, endpoint slices and ingresses of an API server.
//!
//! Each namespace asked for is followed by a task of its own, so that one that may not be read stops no other. A task holds
//! subscriptions to watches, which other tasks and jobs share; it waits until all are synced, then turns changed objects into
//! groups, many at a time. Facts: upstream's `discovery/kubernetes`.

mod access;
mod endpoints;
mod labels;
mod objects;
mod queue;
mod single;
pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use gauntlet_model::TargetGroup;
use gauntlet_net::ClientOptions;
use gauntlet_runtime::{Clock, Shutdown};

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Discoverer, StartError, Updates};
use access::Access;
use objects::{
    EndpointSlice, Endpoints, Ingress, Job, Namespace, Node, Object, ObjectReference, Pod,
    ReplicaSet, Service, key,
};
use queue::{Counts, Input, Queue, QueueMetrics};
use watch::{SharedWatches, Source, Store};

/// Groups built before others get their turn.
const BATCH: usize = 64;

/// Extra metadata that is asked for.
#[derive(Clone, Copy, Debug)]
struct Attach {
    node: bool,
    namespace: bool,
    deployment: bool,
    job: bool,
    cronjob: bool,
}

/// Follows the objects of a role.
#[derive(Debug)]
pub(crate) struct KubernetesDiscoverer {
    source: Source,
    watches: SharedWatches,
    role: String,
    namespaces: Vec<String>,
    /// Label and field selector by role.
    selectors: BTreeMap<String, (String, String)>,
    attach: Attach,
}

impl KubernetesDiscoverer {
    pub(crate) fn new(fields: &Fields, deps: &Deps) -> Result<Self, StartError> {
        let kind = "kubernetes";
        let access = Access::new(fields).map_err(|reason| StartError::Refused { kind, reason })?;
        let client = deps
            .clients
            .client(&access.http, ClientOptions::default())
            .map_err(|source| StartError::Client { kind, source })?;
        let section = fields.section("namespaces");
        let names = section.map(|section| section.strings("names")).unwrap_or_default();
        let mut namespaces: BTreeSet<String> = names.iter().cloned().collect();
        namespaces.extend(access.own_namespace);
        if namespaces.is_empty() {
            namespaces.insert(String::new());
        }
        let attached = fields.section("attach_metadata");
        let wants = |key: &str| attached.is_some_and(|section| section.bool(key));
        let selectors = fields.sections("selectors").iter().map(|selector| {
            let pair = (selector.str("label").to_owned(), selector.str("field").to_owned());
            (selector.str("role").to_owned(), pair)
        });
        Ok(Self {
            source: Source {
                client,
                http: access.http,
                base: access.base,
                metrics: deps.metrics.kubernetes.clone(),
                clock: Arc::clone(&deps.clock),
            },
            watches: deps.watches.clone(),
            role: fields.str("role").to_owned(),
            namespaces: namespaces.into_iter().collect(),
            selectors: selectors.collect(),
            attach: Attach {
                node: wants("node"),
                namespace: wants("namespace"),
                deployment: wants("deployment"),
                job: wants("job"),
                cronjob: wants("cronjob"),
            },
        })
    }

    /// Subscribes to what the role needs in a namespace.
    fn view(&self, namespace: &str) -> View {
        let queue = self.source.metrics.queue(&self.role, &self.source.clock);
        let mut view = View {
            role: self.role.clone(),
            attach: self.attach,
            queue: Arc::clone(&queue),
            nodes: None,
            pods: None,
            services: None,
            endpoints: None,
            slices: None,
            ingresses: None,
            namespaces: None,
            replica_sets: None,
            jobs: None,
        };
        let main = (Input::Main, Counts::All);
        let role = self.role.as_str();
        match role {
            "node" => view.nodes = Some(self.subscribe("", &queue, main)),
            "pod" => view.pods = Some(self.subscribe(namespace, &queue, main)),
            "service" => view.services = Some(self.subscribe(namespace, &queue, main)),
            "ingress" => view.ingresses = Some(self.subscribe(namespace, &queue, main)),
            "endpoints" => view.endpoints = Some(self.subscribe(namespace, &queue, main)),
            _ => view.slices = Some(self.subscribe(namespace, &queue, main)),
        }
        let has_endpoints = matches!(role, "endpoints" | "endpointslice");
        if has_endpoints {
            let of_service = (Input::Service, Counts::All);
            view.services = Some(self.subscribe(namespace, &queue, of_service));
            let counts = if role == "endpoints" { Counts::Updates } else { Counts::Nothing };
            view.pods = Some(self.subscribe(namespace, &queue, (Input::Pod, counts)));
        }
        let silent = |input| (input, Counts::Nothing);
        if has_endpoints || role == "pod" {
            if self.attach.node {
                view.nodes = Some(self.subscribe("", &queue, silent(Input::Node)));
            }
            if self.attach.deployment {
                let input = silent(Input::ReplicaSet);
                view.replica_sets = Some(self.subscribe(namespace, &queue, input));
            }
            if self.attach.job || self.attach.cronjob {
                view.jobs = Some(self.subscribe(namespace, &queue, silent(Input::Job)));
            }
        }
        if self.attach.namespace && role != "node" {
            view.namespaces = Some(self.subscribe("", &queue, silent(Input::Namespace)));
        }
        view
    }

    fn subscribe<T: Object>(
        &self,
        namespace: &str,
        queue: &Arc<Queue>,
        input: (Input, Counts),
    ) -> Store<T> {
        let selectors = self.selectors.get(T::ROLE);
        let selectors = selectors.map_or(("", ""), |(label, field)| (label, field));
        self.watches.subscribe(&self.source, namespace, selectors, queue, input)
    }
}

impl Discoverer for KubernetesDiscoverer {
    fn run(self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let views = self.namespaces.iter().map(|namespace| {
                let view = self.view(if self.role == "node" { "" } else { namespace });
                view.run(updates.clone())
            });
            // Nodes are in no namespace.
            let views = views.take(if self.role == "node" { 1 } else { usize::MAX });
            tokio::select! {
                _ = futures::future::join_all(views) => {}
                () = shutdown.wait() => {}
            }
        })
    }
}

/// What a discovery sees of one namespace, or of all.
#[derive(Debug)]
struct View {
    role: String,
    attach: Attach,
    queue: Arc<Queue>,
    nodes: Option<Store<Node>>,
    pods: Option<Store<Pod>>,
    services: Option<Store<Service>>,
    endpoints: Option<Store<Endpoints>>,
    slices: Option<Store<EndpointSlice>>,
    ingresses: Option<Store<Ingress>>,
    namespaces: Option<Store<Namespace>>,
    replica_sets: Option<Store<ReplicaSet>>,
    jobs: Option<Store<Job>>,
}

fn is_synced<T>(store: &Option<Store<T>>) -> bool {
    store.as_ref().is_none_or(Store::is_synced)
}

impl View {
    fn is_synced(&self) -> bool {
        is_synced(&self.nodes)
            && is_synced(&self.pods)
            && is_synced(&self.services)
            && is_synced(&self.endpoints)
            && is_synced(&self.slices)
            && is_synced(&self.ingresses)
            && is_synced(&self.namespaces)
            && is_synced(&self.replica_sets)
            && is_synced(&self.jobs)
    }

    /// Reports until nobody listens.
    async fn run(self, updates: Updates) {
        let mut has_reported = false;
        loop {
            if let Some(reason) = self.queue.take_failure()
                && !updates.fail(reason).await
            {
                return;
            }
            if self.is_synced() {
                let changes = self.queue.take();
                let start = self.queue.now();
                let keys = self.touched(changes);
                if !keys.is_empty() || !has_reported {
                    let mut groups = Vec::with_capacity(keys.len());
                    for (at, key) in keys.iter().enumerate() {
                        groups.extend(self.group(key));
                        if at % BATCH == BATCH - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                    self.queue.metrics.work.observe((self.queue.now() - start).as_secs_f64());
                    if !updates.send(groups).await {
                        return;
                    }
                    has_reported = true;
                }
            }
            self.queue.woken().await;
        }
    }

    /// Keys of the objects whose groups a change may have touched.
    fn touched(&self, changes: BTreeSet<(Input, String)>) -> BTreeSet<String> {
        let mut by_input: BTreeMap<Input, BTreeSet<String>> = BTreeMap::new();
        for (input, key) in changes {
            by_input.entry(input).or_default().insert(key);
        }
        let mut keys = by_input.remove(&Input::Main).unwrap_or_default();
        if by_input.is_empty() {
            return keys;
        }
        let has = |input: Input, key: &str| by_input.get(&input).is_some_and(|k| k.contains(key));
        let owned = |pod: &Pod| {
            let meta = &pod.metadata;
            let owner = |input, kind| meta.controller_key(kind).is_some_and(|key| has(input, &key));
            owner(Input::ReplicaSet, "ReplicaSet") || owner(Input::Job, "Job")
        };
        let in_namespace = |namespace: &str| has(Input::Namespace, namespace);
        match self.role.as_str() {
            "pod" => keys.extend(keys_where(&self.pods, |_, pod: &Pod| {
                has(Input::Node, &pod.spec.node_name)
                    || in_namespace(&pod.metadata.namespace)
                    || owned(pod)
            })),
            "service" => keys.extend(keys_where(&self.services, |_, service: &Service| {
                in_namespace(&service.metadata.namespace)
            })),
            "ingress" => keys.extend(keys_where(&self.ingresses, |_, ingress: &Ingress| {
                in_namespace(&ingress.metadata.namespace)
            })),
            "endpoints" | "endpointslice" => {
                let pods: BTreeSet<String> =
                    keys_where(&self.pods, |_, pod| owned(pod)).into_iter().collect();
                let touches = |reference: &Option<ObjectReference>, node: &Option<String>| {
                    let to_pod = reference.as_ref().is_some_and(|r| {
                        let key = key(&r.namespace, &r.name);
                        r.kind == "Pod" && (has(Input::Pod, &key) || pods.contains(&key))
                            || r.kind == "Node" && has(Input::Node, &r.name)
                    });
                    to_pod || node.as_ref().is_some_and(|node| has(Input::Node, node))
                };
                keys.extend(keys_where(&self.endpoints, |key, endpoints: &Endpoints| {
                    let all = endpoints.subsets.iter();
                    let mut all =
                        all.flat_map(|s| s.addresses.iter().chain(&s.not_ready_addresses));
                    has(Input::Service, key)
                        || in_namespace(&endpoints.metadata.namespace)
                        || all.any(|address| touches(&address.target_ref, &address.node_name))
                }));
                keys.extend(keys_where(&self.slices, |_, slice: &EndpointSlice| {
                    let meta = &slice.metadata;
                    let service = meta.labels.get(endpoints::SERVICE_LABEL);
                    service.is_some_and(|name| has(Input::Service, &key(&meta.namespace, name)))
                        || in_namespace(&meta.namespace)
                        || slice.endpoints.iter().any(|e| touches(&e.target_ref, &e.node_name))
                }));
            }
            _ => {}
        }
        keys
    }

    /// The group of an object; without targets if the object is gone. `None`: there is nothing to say.
    fn group(&self, key: &str) -> Option<TargetGroup> {
        let role = self.role.as_str();
        let name = match role {
            "service" => "svc",
            role => role,
        };
        let source = format!("{name}/{key}");
        let gone = TargetGroup { source: source.clone(), ..TargetGroup::default() };
        let found = match role {
            "node" => match get(&self.nodes, key) {
                Some(node) => return self.node_group(source, &node),
                None => None,
            },
            "pod" => get(&self.pods, key).map(|pod| self.pod_group(source, &pod)),
            "service" => get(&self.services, key).map(|one| self.service_group(source, &one)),
            "ingress" => get(&self.ingresses, key).map(|one| self.ingress_group(source, &one)),
            "endpoints" => get(&self.endpoints, key).map(|one| self.endpoints_group(source, &one)),
            _ => get(&self.slices, key).map(|one| self.slice_group(source, &one)),
        };
        Some(found.unwrap_or(gone))
    }
}

fn get<T>(store: &Option<Store<T>>, key: &str) -> Option<Arc<T>> {
    store.as_ref()?.get(key)
}

fn keys_where<T>(store: &Option<Store<T>>, wanted: impl Fn(&str, &T) -> bool) -> Vec<String> {
    store.as_ref().map(|store| store.keys_where(wanted)).unwrap_or_default()
}

/// Reads bytes as every list and event.
pub(crate) fn fuzz(bytes: &[u8]) {
    fn read<T: Object>(bytes: &[u8]) {
        let _ = serde_json::from_slice::<objects::List<T>>(bytes);
        let _ = serde_json::from_slice::<objects::Event<T>>(bytes);
    }
    read::<Pod>(bytes);
    read::<Service>(bytes);
    read::<Node>(bytes);
    read::<Endpoints>(bytes);
    read::<EndpointSlice>(bytes);
    read::<Ingress>(bytes);
}

impl crate::deps::KubernetesMetrics {
    fn queue(&self, role: &str, clock: &Arc<dyn Clock>) -> Arc<Queue> {
        let metrics = QueueMetrics {
            added: self.queue_added.with(&[role]),
            depth: self.queue_depth.with(&[role]),
            latency: self.queue_latency.with(&[role]),
            work: self.queue_work.with(&[role]),
        };
        let _ = self.queue_unfinished.with(&[role]);
        let _ = self.queue_longest.with(&[role]);
        Queue::new(metrics, Arc::clone(clock))
    }
}
