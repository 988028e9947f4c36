//! What the role says of itself to the web app: its pages, its parts, what needs attention, and the cluster as it sees it.
//!
//! Figures are read from the role's own metrics, so that a screen never says other than a graph.

use std::collections::HashSet;
use std::sync::Arc;

use gauntlet_alertmanager::Manager;
use gauntlet_alertmanager::ledger::{Event, Kind, LedgerQuery};
use gauntlet_telemetry::logs::RecentWarnings;
use gauntlet_telemetry::{MetricFamily, MetricValue, Registry};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::cluster::Seen;
use crate::roles::overview::{Part, overview_json};

/// Pages of the web app that this role fills; each is the last part of an address.
pub(super) const PAGES: [&str; 9] =
    ["alerts", "silences", "ledger", "routes", "overview", "cluster", "config", "build", "log"];
/// How far back a notification that failed counts as trouble.
const TROUBLE_NS: i64 = 60 * 60 * 1_000_000_000;
/// Most notifications looked at for trouble.
const TROUBLE_ENTRIES: usize = 1000;
/// Most receivers with trouble that are named one by one.
const MOST_NAMED: usize = 8;

/// Why the last reload was refused; `None` after one that was not.
pub(super) type Refused = Arc<Mutex<Option<String>>>;

/// Whom the overview asks.
pub(super) struct Overview {
    pub(super) manager: Arc<Manager>,
    pub(super) registry: Registry,
    pub(super) cluster: Option<Arc<Seen>>,
    pub(super) recent: RecentWarnings,
    pub(super) refused: Refused,
}

impl Overview {
    /// JSON of `/api/v1/status/overview`: as every role's, and `cluster` besides.
    pub(super) async fn json(&self) -> Value {
        let figures = Figures(self.registry.gather());
        let mut parts = vec![alerts(&figures), silences(&figures), self.configuration()];
        parts.extend(self.cluster(&figures));
        parts.extend(self.notifications().await);
        parts.extend(disk(&figures));
        let not_ready = self.settling().then_some("the cluster settles; until then nobody is told");
        let started_ms = self.manager.started_at().as_ms();
        let mut value =
            overview_json("alertmanager", &PAGES, not_ready, started_ms, &parts, &self.recent);
        value["cluster"] = self.cluster_json(&figures);
        value
    }

    fn settling(&self) -> bool {
        self.cluster.as_ref().is_some_and(|seen| !seen.view().is_ready())
    }

    fn configuration(&self) -> Part {
        if let Some(reason) = &*self.refused.lock() {
            return Part::failing(
                "Configuration",
                format!("the last reload was refused, the one before is in force: {reason}"),
                "mend the file, check it with gauntlet am check-config, reload again",
            )
            .link("config");
        }
        let receivers = self.manager.config().map_or(0, |config| config.receivers.len());
        Part::good("Configuration", format!("in force; {}", count(receivers, "receiver")))
            .link("config")
    }

    fn cluster(&self, figures: &Figures) -> Vec<Part> {
        let Some(seen) = &self.cluster else {
            return vec![Part::good("Cluster", "none: it works alone").link("cluster")];
        };
        let view = seen.view();
        let members = view.members().len();
        let failed = view.failed_peers();
        let turn = view.position() + 1;
        let text = format!("{}; this one speaks as number {turn}", count(members, "member"));
        let mut parts = Vec::new();
        parts.push(if failed > 0 {
            Part::degraded(
                "Cluster",
                format!("{text}; {} cannot be reached", count(failed, "member")),
                "check that they run and that the cluster port is open for TCP and UDP both ways",
            )
        } else if view.is_ready() {
            Part::good("Cluster", text)
        } else {
            Part::degraded(
                "Cluster",
                format!("{text}; settling"),
                "wait: it is done within a minute",
            )
        });
        let twice = figures.sum("alertmanager_notifications_duplicate_total", &[]);
        if twice > 0.0 {
            parts.push(Part::degraded(
                "Duplicates",
                format!("{} told of by a peer too since the start", count(twice as usize, "notification")),
                "none if members could not reach each other for a while; else compare their clocks and --cluster.peer-timeout",
            ));
        }
        parts.into_iter().map(|part| part.link("cluster")).collect()
    }

    /// Receivers whose last notification failed, one part each; one part for all if there is none.
    async fn notifications(&self) -> Vec<Part> {
        let query = LedgerQuery {
            kinds: vec![Kind::Failed, Kind::Attempt, Kind::Sent],
            from: Some(self.manager.now().plus_ns(-TROUBLE_NS)),
            limit: TROUBLE_ENTRIES,
            ..LedgerQuery::default()
        };
        let found = match self.manager.ledger(query).await {
            Ok(found) => found,
            Err(err) => {
                return vec![Part::failing(
                    "Notifications",
                    format!("the ledger cannot be read: {err}"),
                    "check the folder that --storage.path names",
                )];
            }
        };
        let mut told = 0;
        // By integration, in the order of their last word: whether it fails, and whether it gave up since it told last.
        let mut states: Vec<(&str, &str, Option<&str>, bool)> = Vec::new();
        let mut settled = HashSet::new();
        for entry in &found {
            let (receiver, integration, error, gave_up) = match &entry.event {
                Event::Failed { receiver, integration, error, .. } => {
                    (receiver, integration, Some(error), true)
                }
                Event::Attempt { receiver, integration, error, .. } => {
                    (receiver, integration, Some(error), false)
                }
                Event::Sent { receiver, integration, .. } => {
                    told += 1;
                    (receiver, integration, None, false)
                }
                _ => continue,
            };
            let key = (receiver.as_str(), integration.as_str());
            if settled.contains(&key) {
                continue;
            }
            if error.is_none() {
                settled.insert(key);
            }
            match states.iter_mut().find(|(r, i, ..)| (*r, *i) == key) {
                Some(state) => state.3 |= gave_up,
                None => states.push((key.0, key.1, error.map(String::as_str), gave_up)),
            }
        }
        let cure = "check its address and credentials in the configuration, and that it can be reached from this host";
        let mut parts = Vec::new();
        for (receiver, integration, error, gave_up) in states {
            let Some(error) = error else { continue };
            let name = format!("Receiver {receiver}");
            let text = if gave_up {
                format!("{integration} fails, and some were not told of: {error}")
            } else {
                format!("{integration} fails and is tried again: {error}")
            };
            let part = if gave_up {
                Part::failing(name, text, cure)
            } else {
                Part::degraded(name, text, cure)
            };
            parts.push(part.link("ledger"));
        }
        if parts.len() > MOST_NAMED {
            let rest = parts.len() - MOST_NAMED;
            parts.truncate(MOST_NAMED);
            parts.push(Part::failing(
                "More receivers",
                format!("{} fail too", count(rest, "integration")),
                "see the ledger for failed notifications",
            ));
        }
        if parts.is_empty() {
            let text = match told {
                0 => "none in the last hour".to_owned(),
                told if told >= TROUBLE_ENTRIES => {
                    format!("more than {told} in the last hour, none failed last")
                }
                told => format!("{} in the last hour, none failed last", count(told, "delivery")),
            };
            parts.push(Part::good("Notifications", text).link("ledger"));
        }
        parts
    }

    fn cluster_json(&self, figures: &Figures) -> Value {
        let Some(seen) = &self.cluster else { return json!({ "status": "disabled" }) };
        let view = seen.view();
        let members: Vec<Value> = view
            .members()
            .iter()
            .map(|member| json!({ "name": member.name, "address": member.address.to_string() }))
            .collect();
        json!({
            "status": if view.is_ready() { "ready" } else { "settling" },
            "name": view.name(),
            // From 0; the one at 0 speaks first.
            "position": view.position(),
            "members": members,
            "failedPeers": view.failed_peers(),
            "health": view.health(),
            "queued": view.queued(),
            "duplicates": figures.sum("alertmanager_notifications_duplicate_total", &[]),
            "merged": figures.sum("alertmanager_cluster_messages_received_total", &[]),
            "sent": figures.sum("alertmanager_cluster_messages_sent_total", &[]),
        })
    }
}

fn alerts(figures: &Figures) -> Part {
    let of = |state| figures.sum("alertmanager_alerts", &[("state", state)]) as usize;
    let (active, quiet, new) = (of("active"), of("suppressed"), of("unprocessed"));
    let text = match (active + quiet + new, quiet) {
        (0, _) => "none fires".to_owned(),
        (all, 0) => format!("{}, none silenced or inhibited", count(all, "alert")),
        (all, _) => format!("{}, {quiet} of them silenced or inhibited", count(all, "alert")),
    };
    Part::good("Alerts", text).link("alerts")
}

fn silences(figures: &Figures) -> Part {
    let of = |state| figures.sum("alertmanager_silences", &[("state", state)]) as usize;
    let (active, pending) = (of("active"), of("pending"));
    Part::good("Silences", format!("{active} active, {pending} to come")).link("silences")
}

/// What could not be written.
fn disk(figures: &Figures) -> Vec<Part> {
    let cure = "check space and rights of the folder that --storage.path names";
    [
        (
            "alertmanager_alerts_journal_errors_total",
            "Alerts on disk",
            "a restart would forget some",
        ),
        (
            "alertmanager_ledger_write_errors_total",
            "Ledger on disk",
            "a restart forgets some entries",
        ),
        ("alertmanager_silences_snapshot_errors_total", "Silences on disk", "snapshots failed"),
        (
            "alertmanager_nflog_snapshot_errors_total",
            "Notification log on disk",
            "snapshots failed",
        ),
    ]
    .into_iter()
    .filter_map(|(metric, name, harm)| {
        let errors = figures.sum(metric, &[]) as usize;
        (errors > 0).then(|| {
            Part::degraded(
                name,
                format!("{} since the start: {harm}", count(errors, "failed write")),
                cure,
            )
        })
    })
    .collect()
}

/// All metrics at one moment.
struct Figures(Vec<MetricFamily>);

impl Figures {
    /// Sum over all metrics of a name that have these labels; 0 where there is none.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.0.iter().find(|family| family.name == name);
        let metrics = family.iter().flat_map(|family| &family.metrics);
        metrics
            .filter(|metric| {
                labels
                    .iter()
                    .all(|(name, value)| metric.labels.iter().any(|(n, v)| n == name && v == value))
            })
            .map(|metric| match metric.value {
                MetricValue::Counter(value)
                | MetricValue::Gauge(value)
                | MetricValue::Untyped(value) => value,
                _ => 0.0,
            })
            .sum()
    }
}

/// A number with its noun.
fn count(n: usize, noun: &str) -> String {
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        _ => format!("{n} {noun}s"),
    }
}
