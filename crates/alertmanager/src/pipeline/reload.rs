//! A new configuration: new routes, receivers, rules and intervals over the alerts, silences and log that stay.
//!
//! Groups are made anew from all alerts that are known, those included whose end has not been told yet; the notification log
//! keeps them from telling twice. Attempts under way go on to their end and are noted: the group that takes the place of
//! theirs waits for them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::core::Core;
use super::send::State;
use super::{FailureReason, NotifyError, ReceiverPipeline};
use crate::alert::GroupIds;
use crate::config::Config;
use crate::dispatch::{RouteId, RouteTree};
use crate::inhibit::Inhibitor;
use crate::intervals::Intervals;
use crate::time::Time;

/// The receivers of a configuration, built.
pub type Pipelines = Vec<ReceiverPipeline>;

/// What belongs to one configuration.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) config: Arc<Config>,
    pub(super) tree: RouteTree,
    /// Sets of routes that alerts go to.
    pub(super) route_sets: HashSet<Arc<[RouteId]>>,
    pub(super) receivers: BTreeMap<Arc<str>, ReceiverPipeline>,
    pub(super) intervals: Intervals,
    pub(super) inhibitor: Inhibitor,
}

impl Core {
    /// Takes a configuration. `pipelines` holds at least the receivers that routes name; cannot fail.
    pub fn apply(&mut self, config: Arc<Config>, pipelines: Pipelines, now: Time) {
        self.generation += 1;
        let tree = RouteTree::new(&config.route);
        self.warn_of_intervals(&tree);
        let mut receivers: BTreeMap<Arc<str>, ReceiverPipeline> =
            pipelines.into_iter().map(|p| (Arc::clone(&p.name), p)).collect();
        receivers.retain(|name, _| tree.iter().any(|route| route.receiver == *name));
        for route in tree.iter() {
            receivers.entry(Arc::clone(&route.receiver)).or_insert_with(|| ReceiverPipeline {
                name: Arc::clone(&route.receiver),
                integrations: Vec::new(),
            });
        }
        self.set_config_metrics(&config, &receivers, now);
        self.active = Some(Active {
            tree,
            route_sets: HashSet::new(),
            receivers,
            intervals: config.intervals(),
            inhibitor: Inhibitor::new(&config.inhibit_rules, self.generation),
            config,
        });
        self.orphan_flushes(now);
        self.groups.clear();
        let ids = self.store.ids();
        for id in &ids {
            let slot = self.store.slot_mut(*id);
            slot.groups = GroupIds::default();
            slot.routes = Arc::default();
            slot.routed = false;
        }
        // All sources are known before anything is told.
        for id in &ids {
            if let Some(active) = &mut self.active {
                active.inhibitor.learn(&mut self.store, *id);
            }
        }
        ids.into_iter().for_each(|id| self.route(id, now));
        self.metrics.dispatch.groups.set(self.groups.len() as f64);
    }

    /// Detaches flushes from the groups that go: attempts under way stay, all else ends here.
    fn orphan_flushes(&mut self, now: Time) {
        let cancelled = NotifyError {
            message: "context canceled".to_owned(),
            retry: false,
            reason: FailureReason::ContextCanceled,
        };
        let mut ids: Vec<_> = self.flushes.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(flush) = self.flushes.get_mut(&id) else { continue };
            let first_time = flush.group.take().is_some();
            flush.settling = false;
            if !flush.steps.iter().any(|step| matches!(step.state, State::Sending(..))) {
                self.flushes.remove(&id);
                continue;
            }
            let mut busy = Vec::new();
            for step in &mut flush.steps {
                match step.state {
                    State::Sending(..) if first_time => {
                        busy.push((Arc::clone(&flush.key), step.integration.log.clone()));
                    }
                    State::Sending(..) | State::Done { .. } => {}
                    _ => step.state = State::Done { failed: true },
                }
            }
            for key in busy {
                *self.busy.entry(key).or_default() += 1;
            }
            tracing::debug!(component = "dispatcher", flush = id.0, %cancelled, at = %now, "flush goes on without its group");
        }
    }

    fn set_config_metrics(
        &self,
        config: &Config,
        receivers: &BTreeMap<Arc<str>, ReceiverPipeline>,
        now: Time,
    ) {
        let metrics = &self.metrics.config;
        metrics.hash.set(config.hash());
        metrics.reload_successful.set(1.0);
        metrics.reload_timestamp.set(now.as_ms() as f64 / 1000.0);
        metrics.receivers.set(receivers.len() as f64);
        let integrations: usize = receivers.values().map(|r| r.integrations.len()).sum();
        metrics.integrations.set(integrations as f64);
        metrics.inhibition_rules.set(config.inhibit_rules.len() as f64);
        if self.metrics.features.receiver_name_in_metrics {
            for receiver in receivers.values() {
                for integration in &receiver.integrations {
                    let kind = integration.log.integration.as_ref();
                    self.metrics.notify.initialize(&[kind, receiver.name.as_ref()]);
                }
            }
        }
    }

    /// Intervals that do not do what one may think.
    fn warn_of_intervals(&self, tree: &RouteTree) {
        for route in tree.walk() {
            let (repeat, retention) = (route.repeat_interval_ns, self.options.retention_ns);
            if repeat > retention {
                tracing::warn!(
                    component = "configuration",
                    route = %route.key,
                    "repeat_interval is greater than the data retention period. It can lead to notifications being repeated more often than expected."
                );
            }
            if repeat < route.group_interval_ns {
                tracing::warn!(
                    component = "configuration",
                    route = %route.key,
                    "repeat_interval is less than group_interval. Notifications will not repeat until the next group_interval."
                );
            }
        }
    }

    pub(super) fn resolve_timeout_ns(&self) -> i64 {
        const DEFAULT_NS: i64 = 300_000_000_000;
        self.active.as_ref().map_or(DEFAULT_NS, |a| a.config.global.resolve_timeout.as_ns())
    }
}
