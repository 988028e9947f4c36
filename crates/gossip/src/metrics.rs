//! The cluster's metrics, in the peer's names and help; those the peer has not begin with `gauntlet_`.

use std::sync::Arc;

use gauntlet_telemetry::{Counter, Family, Histogram, Registry};

use crate::machine::view::View;

const PING_BOUNDS: [f64; 7] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5];
const OVERSIZE_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
    pub(crate) pruned: Counter,
    pub(crate) alive_messages: Family<Counter>,
    pub(crate) pings: Family<Histogram>,
    pub(crate) name_conflicts: Counter,
    pub(crate) joined: Counter,
    pub(crate) left: Counter,
    pub(crate) updated: Counter,
    pub(crate) reconnections: Counter,
    pub(crate) reconnections_failed: Counter,
    pub(crate) refreshed: Counter,
    pub(crate) refresh_failed: Counter,
    pub(crate) oversize_sent: Family<Counter>,
    pub(crate) oversize_dropped: Family<Counter>,
    pub(crate) oversize_failed: Family<Counter>,
    pub(crate) oversize_duration: Family<Histogram>,
    pub(crate) refused_packets: Counter,
    pub(crate) refused_nodes: Counter,
    pub(crate) dropped_inbound: Counter,
}

/// Messages and bytes, of whole states and of updates.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) full_state: Counter,
    pub(crate) full_state_bytes: Counter,
    pub(crate) update: Counter,
    pub(crate) update_bytes: Counter,
}

impl Traffic {
    fn new(count: &Family<Counter>, bytes: &Family<Counter>) -> Self {
        Self {
            full_state: count.with(&["full_state"]),
            full_state_bytes: bytes.with(&["full_state"]),
            update: count.with(&["update"]),
            update_bytes: bytes.with(&["update"]),
        }
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, name: &str, view: &Arc<View>) -> Self {
        registry
            .gauge_vec(
                "alertmanager_cluster_peer_info",
                "A metric with a constant '1' value labeled by peer name.",
                &["peer"],
            )
            .with(&[name])
            .set(1.0);
        Self::register_view(registry, view);
        let kind: &[&str] = &["msg_type"];
        let received = registry.counter_vec(
            "alertmanager_cluster_messages_received_total",
            "Total number of cluster messages received.",
            kind,
        );
        let received_size = registry.counter_vec(
            "alertmanager_cluster_messages_received_size_total",
            "Total size of cluster messages received.",
            kind,
        );
        let sent = registry.counter_vec(
            "alertmanager_cluster_messages_sent_total",
            "Total number of cluster messages sent.",
            kind,
        );
        let sent_size = registry.counter_vec(
            "alertmanager_cluster_messages_sent_size_total",
            "Total size of cluster messages sent.",
            kind,
        );
        Self {
            received: Traffic::new(&received, &received_size),
            sent: Traffic::new(&sent, &sent_size),
            pruned: registry.counter(
                "alertmanager_cluster_messages_pruned_total",
                "Total number of cluster messages pruned.",
            ),
            alive_messages: registry.counter_vec(
                "alertmanager_cluster_alive_messages_total",
                "Total number of received alive messages.",
                &["peer"],
            ),
            pings: registry.histogram_vec(
                "alertmanager_cluster_pings_seconds",
                "Histogram of latencies for ping messages.",
                &["peer"],
                &PING_BOUNDS,
            ),
            name_conflicts: registry.counter(
                "alertmanager_cluster_peer_name_conflicts_total",
                "Total number of times memberlist has noticed conflicting peer names",
            ),
            joined: registry.counter(
                "alertmanager_cluster_peers_joined_total",
                "A counter of the number of peers that have joined.",
            ),
            left: registry.counter(
                "alertmanager_cluster_peers_left_total",
                "A counter of the number of peers that have left.",
            ),
            updated: registry.counter(
                "alertmanager_cluster_peers_update_total",
                "A counter of the number of peers that have updated metadata.",
            ),
            reconnections: registry.counter(
                "alertmanager_cluster_reconnections_total",
                "A counter of the number of cluster peer reconnections.",
            ),
            reconnections_failed: registry.counter(
                "alertmanager_cluster_reconnections_failed_total",
                "A counter of the number of failed cluster peer reconnection attempts.",
            ),
            refreshed: registry.counter(
                "alertmanager_cluster_refresh_join_total",
                "A counter of the number of cluster peer joined via refresh.",
            ),
            refresh_failed: registry.counter(
                "alertmanager_cluster_refresh_join_failed_total",
                "A counter of the number of failed cluster peer joined attempts via refresh.",
            ),
            oversize_sent: registry.counter_vec(
                "alertmanager_oversized_gossip_message_sent_total",
                "Number of oversized gossip message sent.",
                &["key"],
            ),
            oversize_dropped: registry.counter_vec(
                "alertmanager_oversized_gossip_message_dropped_total",
                "Number of oversized gossip messages that were dropped due to a full message queue.",
                &["key"],
            ),
            oversize_failed: registry.counter_vec(
                "alertmanager_oversized_gossip_message_failure_total",
                "Number of oversized gossip message sends that failed.",
                &["key"],
            ),
            oversize_duration: registry.histogram_vec(
                "alertmanager_oversize_gossip_message_duration_seconds",
                "Duration of oversized gossip message requests.",
                &["key"],
                &OVERSIZE_BOUNDS,
            ),
            refused_packets: registry.counter(
                "gauntlet_gossip_packets_refused_total",
                "Number of packets dropped, whole or in part, for what was in them.",
            ),
            refused_nodes: registry.counter(
                "gauntlet_gossip_nodes_refused_total",
                "Number of times a node was not taken up because the table of nodes is full.",
            ),
            dropped_inbound: registry.counter(
                "gauntlet_gossip_inbound_dropped_total",
                "Number of packets and connections dropped because too many were waiting.",
            ),
        }
    }

    fn register_view(registry: &Registry, view: &Arc<View>) {
        let gauge = |name, help, value: fn(&View) -> usize| {
            let view = Arc::clone(view);
            registry.gauge_fn(name, help, move || value(&view) as f64);
        };
        gauge(
            "alertmanager_cluster_failed_peers",
            "Number indicating the current number of failed peers in the cluster.",
            View::failed_peers,
        );
        gauge(
            "alertmanager_cluster_members",
            "Number indicating current number of members in cluster.",
            |view| view.members().len(),
        );
        gauge(
            "alertmanager_peer_position",
            "Position the Alertmanager instance believes it's in. The position determines a peer's behavior in the cluster.",
            View::position,
        );
        gauge(
            "alertmanager_cluster_health_score",
            "Health score of the cluster. Lower values are better and zero means 'totally healthy'.",
            View::health,
        );
        gauge(
            "alertmanager_cluster_messages_queued",
            "Number of cluster messages which are queued.",
            View::queued,
        );
    }

    /// The counters of a channel, at zero from the start as in the peer.
    pub(crate) fn touch_key(&self, key: &str) {
        for family in [&self.oversize_sent, &self.oversize_dropped, &self.oversize_failed] {
            family.with(&[key]);
        }
        self.oversize_duration.with(&[key]);
    }

    /// Forgets what was counted per name of a node that is no longer known.
    pub(crate) fn forget(&self, name: &str) {
        self.alive_messages.remove(&[name]);
        self.pings.remove(&[name]);
    }
}
