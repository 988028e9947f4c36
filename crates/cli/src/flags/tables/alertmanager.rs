//! Flags of `alertmanager` 0.34.
//!
//! Names, types and defaults are the peer's; what is refused says why.

use crate::flags::spec::{Flag, Kind};

#[rustfmt::skip]
pub(crate) const ALERTMANAGER: &[Flag] = &[
    Flag::new("config.file", Kind::Text, "The configuration file.").default(&["alertmanager.yml"]),
    Flag::new("storage.path", Kind::Text, "Folder for silences, the notification log, alerts and the ledger.").default(&["data/"]),
    Flag::new("data.retention", Kind::GoDuration, "How long data is kept.").default(&["120h"]),
    Flag::new("data.maintenance-interval", Kind::GoDuration, "Time between snapshots of silences and the notification log.").default(&["15m"]),
    Flag::new("silences.max-silences", Kind::Int, "Most silences, expired ones included; 0 for no limit.").default(&["0"]),
    Flag::new("silences.max-silence-size-bytes", Kind::Int, "Largest silence; 0 for no limit.").default(&["0"]),
    Flag::new("log.silences", Kind::Bool, "Log each change of a silence."),
    Flag::new("alerts.gc-interval", Kind::GoDuration, "Time between removals of resolved alerts.").default(&["30m"]),
    Flag::new("alerts.per-alertname-limit", Kind::Int, "Most alerts of one name; 0 for no limit.").default(&["0"]),
    Flag::new("dispatch.maintenance-interval", Kind::GoDuration, "Time between removals of empty groups.").default(&["30s"]).accepted("empty groups are gone at once"),
    Flag::new("dispatch.start-delay", Kind::GoDuration, "How long after the start the first notifications wait.").default(&["0s"]),
    Flag::new("web.systemd-socket", Kind::Bool, "Listen on the sockets that systemd hands over, instead of addresses."),
    Flag::new("web.listen-address", Kind::Text, "Address of the HTTP listener: screens, API and metrics.").repeatable().default(&[":9093"]),
    Flag::new("web.config.file", Kind::Text, "File that turns on TLS or users.").default(&[""]),
    Flag::new("web.external-url", Kind::Text, "URL under which this process is reached from outside; links in notifications use it."),
    Flag::new("web.route-prefix", Kind::Text, "Prefix of all paths; by default the path of the external URL."),
    Flag::new("web.get-concurrency", Kind::Int, "Most GET requests at the same time; 0 for the number of processors, at least 8.").default(&["0"]),
    Flag::new("web.timeout", Kind::GoDuration, "Longest time for a request; 0 for no limit.").default(&["0"]),
    Flag::new("auto-gomemlimit.ratio", Kind::Float, "Accepted.").default(&["0.9"]).accepted("there is no Go runtime to tune"),
    Flag::new("cluster.listen-address", Kind::Text, "Address of the gossip listener, UDP and TCP; empty for no cluster.").default(&["0.0.0.0:9094"]),
    Flag::new("cluster.advertise-address", Kind::Text, "Address that peers are told."),
    Flag::new("cluster.peer-name", Kind::Text, "Name among the peers; random by default.").default(&[""]),
    Flag::new("cluster.peer", Kind::Text, "Peers to join first.").repeatable(),
    Flag::new("cluster.peer-timeout", Kind::GoDuration, "How long each peer waits for the one before it to have sent.").default(&["15s"]),
    Flag::new("cluster.peers-resolve-timeout", Kind::GoDuration, "Longest time for resolving the peers' names.").default(&["15s"]),
    Flag::new("cluster.gossip-interval", Kind::GoDuration, "Time between rounds of gossip.").default(&["200ms"]),
    Flag::new("cluster.pushpull-interval", Kind::GoDuration, "Time between exchanges of the whole state.").default(&["1m0s"]),
    Flag::new("cluster.tcp-timeout", Kind::GoDuration, "Longest time for a stream between peers.").default(&["10s"]),
    Flag::new("cluster.probe-timeout", Kind::GoDuration, "How long a probed peer may take to answer.").default(&["500ms"]),
    Flag::new("cluster.probe-interval", Kind::GoDuration, "Time between probes.").default(&["1s"]),
    Flag::new("cluster.settle-timeout", Kind::GoDuration, "Longest wait for the cluster to settle before notifications are sent.").default(&["1m0s"]),
    Flag::new("cluster.reconnect-interval", Kind::GoDuration, "Time between attempts to reach lost peers.").default(&["10s"]),
    Flag::new("cluster.reconnect-timeout", Kind::GoDuration, "How long lost peers are tried.").default(&["6h0m0s"]),
    Flag::new("cluster.tls-config", Kind::Text, "File with the TLS configuration of the gossip.").default(&[""]),
    Flag::new("cluster.allow-insecure-public-advertise-address-discovery", Kind::Bool, "A public address may be advertised."),
    Flag::new("cluster.label", Kind::Text, "Label that keeps clusters apart.").default(&[""]),
    Flag::new("enable-feature", Kind::Text, "Features to turn on, separated by commas.").default(&[""]),
    Flag::new("log.level", Kind::LogLevel, "Least severity that is logged.").default(&["info"]),
    Flag::new("log.format", Kind::LogFormat, "Shape of the log.").default(&["logfmt"]),
];
