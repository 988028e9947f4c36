//! Metrics that are counted when they are asked for.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use gauntlet_telemetry::{Collect, Metric, MetricFamily, MetricKind, MetricValue, Registry};

use super::Manager;
use crate::silence::SilenceState;

/// Counts alerts and silences by state.
struct States {
    manager: Weak<Manager>,
    by_group: bool,
}

pub(super) fn register(manager: &Arc<Manager>, registry: &Registry) {
    let by_group = manager.metrics.features.group_key_in_metrics;
    registry.register(Arc::new(States { manager: Arc::downgrade(manager), by_group }));
}

const ALERT_STATES: [&str; 3] = ["active", "suppressed", "unprocessed"];

impl Collect for States {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        let Some(manager) = self.manager.upgrade() else { return };
        let now = manager.now();
        let core = manager.core.lock();
        let mut alerts = Vec::new();
        if self.by_group {
            for (key, counts) in core.count_states_by_group(now) {
                for (state, count) in ALERT_STATES.iter().zip(counts) {
                    alerts.push(gauge(&[("group_key", &key), ("state", state)], count));
                }
            }
        } else {
            for (state, count) in ALERT_STATES.iter().zip(core.count_states(now)) {
                alerts.push(gauge(&[("state", state)], count));
            }
        }
        let silences = SilenceState::ALL
            .map(|state| gauge(&[("state", state.as_str())], core.silences().count(state, now)));
        drop(core);
        out.push(family("alertmanager_alerts", "How many alerts by state.", alerts));
        out.push(family("alertmanager_silences", "How many silences by state.", silences.into()));
    }
}

fn gauge(labels: &[(&'static str, &str)], count: usize) -> Metric {
    let labels = labels.iter().map(|(n, v)| (Cow::Borrowed(*n), (*v).to_owned())).collect();
    Metric { labels, value: MetricValue::Gauge(count as f64) }
}

fn family(name: &'static str, help: &'static str, metrics: Vec<Metric>) -> MetricFamily {
    MetricFamily { name: name.into(), help: help.into(), kind: MetricKind::Gauge, metrics }
}
