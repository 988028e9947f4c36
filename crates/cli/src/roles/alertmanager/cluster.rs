//! The cluster between Alertmanagers: silences and the notification log go around, and the order of speaking comes of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_alertmanager::Manager;
use gauntlet_alertmanager::api::ClusterView;
use gauntlet_alertmanager::pipeline::Peer;
use gauntlet_gossip::{Channel, Cluster, ClusterOptions, MergeError, State, View};
use gauntlet_runtime::{Chance, Clock};
use gauntlet_telemetry::Registry;
use tracing::warn;

use crate::flags::values::Values;
use crate::roles::Failure;

/// This process's node.
pub(super) struct Node {
    cluster: Cluster,
    view: Arc<Seen>,
}

/// The view of the cluster in the words of those who ask.
#[derive(Debug)]
pub(super) struct Seen(Arc<View>);

impl Seen {
    pub(super) fn view(&self) -> &View {
        &self.0
    }
}

/// One kind of state of the manager.
struct ManagerState {
    manager: Arc<Manager>,
    key: &'static str,
}

/// Makes the node and lets it listen; `None` where no cluster is wanted.
pub(super) async fn create(
    values: &Values,
    registry: &Registry,
    clock: Arc<dyn Clock>,
) -> Result<Option<Node>, Failure> {
    let enabled = registry.gauge(
        "alertmanager_cluster_enabled",
        "Indicates whether the clustering is enabled or not.",
    );
    let bind = values.text("cluster.listen-address");
    if bind.is_empty() {
        enabled.set(0.0);
        return Ok(None);
    }
    enabled.set(1.0);
    let given = |name: &str| Some(values.text(name)).filter(|text| !text.is_empty());
    let time = |name: &str| super::millis(values, name);
    let options = ClusterOptions {
        name: given("cluster.peer-name"),
        bind,
        advertise: given("cluster.advertise-address"),
        peers: values.texts("cluster.peer"),
        label: values.text("cluster.label"),
        push_pull_interval: time("cluster.pushpull-interval"),
        gossip_interval: time("cluster.gossip-interval"),
        stream_timeout: time("cluster.tcp-timeout"),
        probe_timeout: time("cluster.probe-timeout"),
        probe_interval: time("cluster.probe-interval"),
        resolve_timeout: time("cluster.peers-resolve-timeout"),
        reconnect_interval: time("cluster.reconnect-interval"),
        reconnect_timeout: time("cluster.reconnect-timeout"),
        allow_public_advertise: values
            .bool("cluster.allow-insecure-public-advertise-address-discovery"),
        tls_config_file: given("cluster.tls-config").map(PathBuf::from),
    };
    let cluster = Cluster::create(options, registry, clock, Chance::from_system())
        .await
        .map_err(|err| Failure::new(format!("unable to initialize gossip mesh: {err}")))?;
    let view = Arc::new(Seen(cluster.view()));
    Ok(Some(Node { cluster, view }))
}

impl Node {
    /// Connects the manager's state with the others'.
    pub(super) fn attach(&self, manager: &Arc<Manager>) {
        let add = |key: &'static str| {
            let state = ManagerState { manager: Arc::clone(manager), key };
            self.cluster.add_state(key, Arc::new(state))
        };
        let channels: [(&str, Channel); 2] = [("sil", add("sil")), ("nfl", add("nfl"))];
        manager.set_broadcast(move |key, message| {
            if let Some((_, channel)) = channels.iter().find(|(name, _)| *name == key) {
                channel.broadcast(message);
            }
        });
        manager.set_peer(self.view.clone());
    }

    /// Joins the others and begins to settle. That nobody answers yet is no failure.
    pub(super) async fn join(&self, settle_timeout: Duration) {
        if let Err(err) = self.cluster.join().await {
            warn!(%err, "unable to join gossip mesh");
        }
        if let Err(err) = self.cluster.settle(settle_timeout).await {
            warn!(%err, "the cluster does not settle");
        }
    }

    pub(super) fn view(&self) -> Arc<Seen> {
        Arc::clone(&self.view)
    }

    pub(super) async fn leave(self, timeout: Duration) {
        if let Err(err) = self.cluster.leave(timeout).await {
            warn!(%err, "unable to leave gossip mesh");
        }
    }
}

impl Peer for Seen {
    fn position(&self) -> usize {
        self.0.position()
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }
}

impl ClusterView for Seen {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn status(&self) -> &'static str {
        if self.0.is_ready() { "ready" } else { "settling" }
    }

    fn peers(&self) -> Vec<(String, String)> {
        let members = self.0.members();
        members.iter().map(|m| (m.name.clone(), m.address.to_string())).collect()
    }
}

impl State for ManagerState {
    fn marshal(&self) -> bytes::Bytes {
        self.manager.full_state(self.key).into()
    }

    fn merge(&self, data: &[u8]) -> Result<(), MergeError> {
        self.manager.merge(self.key, data).map_err(MergeError)
    }
}
