//! What the role says of itself to the web app: its pages, its parts, what needs attention, and the cluster as it sees it.
//!
//! Figures are read from the role's own metrics, so that a screen never says other than a graph.

use std::sync::Arc;

use gauntlet_alertmanager::Manager;
use gauntlet_alertmanager::ledger::{Delivery, Failure};
use gauntlet_telemetry::logs::RecentWarnings;
use gauntlet_telemetry::{MetricFamily, MetricValue, Registry};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::cluster::Seen;
use crate::roles::overview::{Part, overview_json};

/// Pages of the web app that this role fills; each is the last part of an address.
pub(super) const PAGES: [&str; 9] =
    ["alerts", "silences", "ledger", "routes", "overview", "cluster", "config", "build", "log"];
/// How long something that was told twice needs attention.
const TWICE_NS: i64 = 3_600_000_000_000;
/// Most receivers with trouble that are named one by one.
const MOST_NAMED: usize = 8;

const DUPLICATES: &str = "alertmanager_notifications_duplicate_total";

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
    pub(super) fn json(&self) -> Value {
        let figures = Figures(self.registry.gather());
        let mut parts = vec![alerts(&figures), silences(&figures), self.configuration()];
        parts.extend(self.cluster(&figures));
        parts.extend(self.notifications());
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
        let now = self.manager.now();
        let deliveries = self.manager.deliveries();
        let times = deliveries.iter().filter_map(|delivery| delivery.twice_at);
        if let Some(at) = times.max().filter(|at| now.since_ns(*at) < TWICE_NS) {
            let all = figures.sum(DUPLICATES, &[]) as usize;
            parts.push(Part::degraded(
                "Duplicates",
                format!(
                    "{} told of by a peer too since the start, the last {}",
                    count(all, "notification"),
                    ago(now.since_ns(at))
                ),
                "nothing if members could not reach each other for a while; else compare their clocks and --cluster.peer-timeout",
            ));
        }
        parts.into_iter().map(|part| part.link("cluster")).collect()
    }

    /// Integrations that fail, one part each, the worst first; one part for all if none does.
    fn notifications(&self) -> Vec<Part> {
        let Some(config) = self.manager.config() else { return Vec::new() };
        // What a reload took out fails no more.
        let known = |receiver: &str| config.receivers.iter().any(|one| one.name == receiver);
        let deliveries = self.manager.deliveries();
        let mut failing: Vec<(&Delivery, &Failure)> = deliveries
            .iter()
            .filter(|delivery| known(&delivery.receiver))
            .filter_map(|delivery| Some((delivery, delivery.failure.as_ref()?)))
            .collect();
        failing.sort_by_key(|(_, failure)| !failure.gave_up);
        if failing.is_empty() {
            let told = deliveries.iter().filter_map(|delivery| delivery.told_at).max();
            let text = match told {
                None => "none since the start".to_owned(),
                Some(at) => {
                    format!("the last one was told {}", ago(self.manager.now().since_ns(at)))
                }
            };
            return vec![Part::good("Notifications", text).link("ledger")];
        }
        let cure = "check its address and credentials in the configuration, and that it can be reached from this host";
        let part = |(delivery, failure): &(&Delivery, &Failure)| {
            let name = format!("Receiver {}", delivery.receiver);
            let (integration, error) = (&delivery.integration, &failure.error);
            let since = ago(self.manager.now().since_ns(failure.since));
            let part = if failure.gave_up {
                let text = format!(
                    "{integration} fails, first {since}, and some were not told of: {error}"
                );
                Part::failing(name, text, cure)
            } else {
                let text =
                    format!("{integration} fails, first {since}, and is tried again: {error}");
                Part::degraded(name, text, cure)
            };
            part.link("ledger")
        };
        let mut parts: Vec<Part> = failing.iter().take(MOST_NAMED).map(part).collect();
        if failing.len() > MOST_NAMED {
            let text = format!("{} fail too", count(failing.len() - MOST_NAMED, "integration"));
            parts.push(Part::failing("More receivers", text, cure).link("ledger"));
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
            "duplicates": figures.sum(DUPLICATES, &[]),
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

/// Counters of what could not be written, what it is about, and what that means.
const WRITES: [(&str, &str, &str); 4] = [
    ("alertmanager_alerts_journal_errors_total", "Alerts on disk", "a restart would forget some"),
    ("alertmanager_ledger_write_errors_total", "Ledger on disk", "a restart forgets some entries"),
    (
        "alertmanager_silences_maintenance_errors_total",
        "Silences on disk",
        "the snapshot is older than it should be",
    ),
    (
        "alertmanager_nflog_maintenance_errors_total",
        "Notification log on disk",
        "after a restart some may be told again",
    ),
];

/// What could not be written.
fn disk(figures: &Figures) -> Vec<Part> {
    let cure = "check space and rights of the folder that --storage.path names";
    let part = |(metric, name, harm): (&str, &str, &str)| {
        let errors = figures.sum(metric, &[]) as usize;
        let text = format!("{} since the start: {harm}", count(errors, "failed write"));
        (errors > 0).then(|| Part::degraded(name, text, cure))
    };
    WRITES.into_iter().filter_map(part).collect()
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

/// How long ago, in its largest unit.
fn ago(ns: i64) -> String {
    let seconds = (ns / 1_000_000_000).max(0);
    let (n, noun) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{} ago", count(n as usize, noun))
}

/// A number with its noun.
fn count(n: usize, noun: &str) -> String {
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with('a') => format!("{n} {stem}ies"),
        _ => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use gauntlet_alertmanager::ManagerOptions;
    use gauntlet_runtime::SystemClock;

    use super::*;

    #[test]
    fn figures_add_up_over_labels() {
        let registry = Registry::new();
        let family = registry.gauge_vec("alertmanager_alerts", "", &["receiver", "state"]);
        for (receiver, state, n) in [("a", "active", 1.0), ("b", "active", 2.0), ("a", "new", 4.0)]
        {
            family.with(&[receiver, state]).set(n);
        }
        let figures = Figures(registry.gather());
        assert_eq!(figures.sum("alertmanager_alerts", &[("state", "active")]), 3.0);
        assert_eq!(
            figures.sum("alertmanager_alerts", &[("state", "active"), ("receiver", "b")]),
            2.0
        );
        assert_eq!(figures.sum("alertmanager_alerts", &[]), 7.0);
        assert_eq!(figures.sum("alertmanager", &[]), 0.0);
    }

    /// A misspelt name would be silent for ever.
    #[test]
    fn every_figure_has_its_metric() {
        let registry = Registry::new();
        let options = ManagerOptions::new(None, Arc::new(SystemClock));
        let _manager = Manager::open(options, &registry).unwrap();
        let families = registry.gather();
        let writes = WRITES.map(|(metric, ..)| metric);
        let more = ["alertmanager_alerts", "alertmanager_silences", DUPLICATES];
        for name in writes.into_iter().chain(more) {
            assert!(families.iter().any(|family| family.name == name), "{name}");
        }
    }

    #[test]
    fn what_fails_to_be_written_is_named() {
        let registry = Registry::new();
        let errors = registry.counter("alertmanager_alerts_journal_errors_total", "");
        assert!(disk(&Figures(registry.gather())).is_empty());
        errors.inc();
        let parts = disk(&Figures(registry.gather()));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].name, "Alerts on disk");
        assert!(parts[0].text.starts_with("1 failed write since"), "{}", parts[0].text);
    }

    #[test]
    fn numbers_agree_with_their_nouns() {
        let texts =
            [count(0, "alert"), count(1, "alert"), count(2, "delivery"), count(1, "delivery")];
        assert_eq!(texts, ["0 alerts", "1 alert", "2 deliveries", "1 delivery"]);
    }
}
