//! Runs the discoverers of all jobs and hands out what they found, not too often.
//!
//! One task owns the state: it learns of new configurations and of updates over channels. Equal discoveries of several jobs
//! run once. A new configuration leaves running what it still has, so that its targets stay. Consumers see whole sets, at
//! once when it has been quiet, else no more often than the update interval; first results of a discovery are held back for
//! no longer than a tenth of a second. What a discovery found last stays while it fails; [`ManagerHandle::status`] says how old it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::{TargetGroup, TargetSets};
use gauntlet_runtime::{Shutdown, ShutdownTrigger};
use tokio::sync::{mpsc, watch};

use crate::config::{SdConfig, SdConfigs};
use crate::deps::Deps;
use crate::discoverer::{Report, Updates, build};

/// Updates that wait to be taken in; discoverers wait beyond.
const QUEUE: usize = 64;
/// First wait after an update; doubles up to the update interval while updates keep coming.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How a manager behaves.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    /// `scrape` or `notify`, for metrics.
    pub name: &'static str,
    /// Longest time a change is held back.
    pub update_interval: Duration,
}

impl Default for ManagerOptions {
    fn default() -> Self {
        Self { name: "scrape", update_interval: Duration::from_secs(5) }
    }
}

/// Runs discoveries; see [`Manager::run`].
#[derive(Debug)]
pub struct Manager {
    options: ManagerOptions,
    deps: Deps,
    commands: mpsc::Receiver<BTreeMap<String, SdConfigs>>,
    updates: mpsc::Receiver<(u64, Report)>,
    update_sender: mpsc::Sender<(u64, Report)>,
    output: watch::Sender<Arc<TargetSets>>,
    status: watch::Sender<Vec<ProviderStatus>>,
    providers: Vec<Provider>,
    /// What each job was given last; `None` where it changed since.
    jobs: BTreeMap<String, Option<Arc<Vec<Arc<TargetGroup>>>>>,
    next_id: u64,
}

/// Gives a running manager its configuration.
#[derive(Clone, Debug)]
pub struct ManagerHandle {
    commands: mpsc::Sender<BTreeMap<String, SdConfigs>>,
    status: watch::Receiver<Vec<ProviderStatus>>,
}

/// How a running discovery is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    pub kind: &'static str,
    /// Jobs that take its targets.
    pub jobs: Vec<String>,
    /// When it last found something out, in milliseconds since the epoch: the age of its targets. `None`: never.
    pub last_good_ms: Option<i64>,
    /// When and why it failed, if that was the last thing it said.
    pub failing: Option<(i64, String)>,
    /// Targets that it has.
    pub targets: usize,
}

impl ManagerHandle {
    /// Every running discovery, in the order they were started.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.status.borrow().clone()
    }

    /// Replaces the configuration: discoveries by job.
    pub async fn apply(&self, configs: BTreeMap<String, SdConfigs>) {
        // Fails only after the manager has ended.
        let _ = self.commands.send(configs).await;
    }
}

/// A running discovery and what it found last, by source.
#[derive(Debug)]
struct Provider {
    id: u64,
    config: SdConfig,
    jobs: BTreeSet<String>,
    groups: BTreeMap<String, Arc<TargetGroup>>,
    last_good_ms: Option<i64>,
    failing: Option<(i64, String)>,
    /// Ends the task when dropped.
    _stop: ShutdownTrigger,
}

impl Manager {
    /// The manager, the handle for its configuration, and where to see the sets.
    pub fn new(
        options: ManagerOptions,
        deps: Deps,
    ) -> (Self, ManagerHandle, watch::Receiver<Arc<TargetSets>>) {
        let (command_sender, commands) = mpsc::channel(1);
        let (update_sender, updates) = mpsc::channel(QUEUE);
        let (output, sets) = watch::channel(Arc::default());
        let (status_sender, status) = watch::channel(Vec::new());
        let _ = deps.metrics.failed_configs.with(&[options.name]);
        let _ = deps.metrics.received_updates.with(&[options.name]);
        let _ = deps.metrics.updates_delayed.with(&[options.name]);
        let _ = deps.metrics.updates.with(&[options.name]);
        let manager = Self {
            options,
            deps,
            commands,
            updates,
            update_sender,
            output,
            status: status_sender,
            providers: Vec::new(),
            jobs: BTreeMap::new(),
            next_id: 0,
        };
        (manager, ManagerHandle { commands: command_sender, status }, sets)
    }

    /// Runs until the shutdown; discoverers end with it.
    pub async fn run(mut self, shutdown: Shutdown) {
        let name = self.options.name;
        let received = self.deps.metrics.received_updates.with(&[name]);
        let delayed = self.deps.metrics.updates_delayed.with(&[name]);
        let (mut dirty, mut is_open, mut wait) = (false, true, FIRST_WAIT);
        // Until when nothing is sent; `None`: it has been quiet.
        let mut quiet_at: Option<tokio::time::Instant> = None;
        loop {
            let timer = async {
                match quiet_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.wait() => return,
                configs = self.commands.recv(), if is_open => {
                    // Without a handle nobody can change the configuration any more; what runs goes on.
                    match configs {
                        Some(configs) => {
                            self.adopt(configs);
                            dirty = true;
                        }
                        None => is_open = false,
                    }
                }
                update = self.updates.recv() => {
                    let Some((id, report)) = update else { return };
                    let groups = match report {
                        Report::Found(groups) => groups,
                        Report::Failed(reason) => {
                            self.note_failure(id, reason);
                            continue;
                        }
                    };
                    received.inc();
                    let is_first = self.take_in(id, groups);
                    if let Some(at) = &mut quiet_at {
                        delayed.inc();
                        if is_first {
                            *at = (*at).min(tokio::time::Instant::now() + FIRST_WAIT);
                        }
                    }
                    dirty = true;
                }
                () = timer => {
                    quiet_at = None;
                    if !dirty {
                        wait = FIRST_WAIT;
                    }
                }
            }
            if dirty && quiet_at.is_none() {
                self.publish();
                dirty = false;
                quiet_at =
                    Some(tokio::time::Instant::now() + wait.min(self.options.update_interval));
                wait = wait.saturating_mul(2).min(self.options.update_interval);
            }
        }
    }

    /// Ends what is no longer configured, keeps what still is, starts what is new.
    fn adopt(&mut self, configs: BTreeMap<String, SdConfigs>) {
        for provider in &mut self.providers {
            provider.jobs.clear();
        }
        let mut failed = 0;
        self.jobs = configs.keys().map(|job| (job.clone(), None)).collect();
        for (job, configs) in configs {
            for config in configs.0 {
                match self.providers.iter_mut().find(|p| p.config == config) {
                    Some(provider) => {
                        provider.jobs.insert(job.clone());
                    }
                    None => failed += usize::from(!self.start(&job, config)),
                }
            }
        }
        self.providers.retain(|provider| !provider.jobs.is_empty());
        let metrics = &self.deps.metrics;
        let name = self.options.name;
        metrics.failed_configs.with(&[name]).set(failed as f64);
        let jobs = &self.jobs;
        metrics.discovered_targets.retain(|l| l[1] != name || jobs.contains_key(&l[0]));
        metrics.last_update_timestamp.retain(|l| l[1] != name || jobs.contains_key(&l[0]));
        self.show_status();
    }

    /// Starts a discovery. `false`: it cannot be started, which is logged.
    fn start(&mut self, job: &str, config: SdConfig) -> bool {
        let discoverer = match build(&config, job, &self.deps) {
            Ok(discoverer) => discoverer,
            Err(err) => {
                tracing::error!(config = job, %err, "cannot create service discovery");
                return false;
            }
        };
        let id = self.next_id;
        self.next_id += 1;
        let (stop, stopped) = Shutdown::new();
        let updates = Updates { provider: id, sender: self.update_sender.clone() };
        tokio::spawn(discoverer.run(updates, stopped));
        let jobs = BTreeSet::from([job.to_owned()]);
        self.providers.push(Provider {
            id,
            config,
            jobs,
            groups: BTreeMap::new(),
            last_good_ms: None,
            failing: None,
            _stop: stop,
        });
        true
    }

    /// Updates of a provider that was ended in between find nobody. `true`: it was the provider's first.
    fn take_in(&mut self, id: u64, groups: Vec<TargetGroup>) -> bool {
        let Some(provider) = self.providers.iter_mut().find(|p| p.id == id) else { return false };
        let mut has_changed = false;
        for group in groups {
            if group.targets.is_empty() {
                has_changed |= provider.groups.remove(&group.source).is_some();
            } else if provider.groups.get(&group.source).is_none_or(|last| **last != group) {
                provider.groups.insert(group.source.clone(), Arc::new(group));
                has_changed = true;
            }
        }
        for job in provider.jobs.iter().filter(|_| has_changed) {
            if let Some(published) = self.jobs.get_mut(job) {
                *published = None;
            }
        }
        provider.failing = None;
        provider.last_good_ms.replace(self.deps.clock.now_ms()).is_none()
    }

    fn note_failure(&mut self, id: u64, reason: String) {
        let now = self.deps.clock.now_ms();
        if let Some(provider) = self.providers.iter_mut().find(|p| p.id == id) {
            provider.failing = Some((now, reason));
            self.show_status();
        }
    }

    fn show_status(&self) {
        let status = self.providers.iter().map(|provider| ProviderStatus {
            kind: provider.config.kind(),
            jobs: provider.jobs.iter().cloned().collect(),
            last_good_ms: provider.last_good_ms,
            failing: provider.failing.clone(),
            targets: provider.groups.values().map(|group| group.targets.len()).sum(),
        });
        self.status.send_replace(status.collect());
    }

    fn publish(&mut self) {
        for (job, published) in self.jobs.iter_mut().filter(|(_, list)| list.is_none()) {
            let of_job = self.providers.iter().filter(|provider| provider.jobs.contains(job));
            let groups = of_job.flat_map(|provider| provider.groups.values().cloned());
            *published = Some(Arc::new(groups.collect()));
        }
        let lists = self.jobs.iter();
        let sets: TargetSets = lists
            .map(|(job, list)| (job.clone(), list.as_ref().map(Arc::clone).unwrap_or_default()))
            .collect();
        let (metrics, name) = (&self.deps.metrics, self.options.name);
        let now = self.deps.clock.now_ms() as f64 / 1000.0;
        for (job, groups) in &sets {
            let count: usize = groups.iter().map(|group| group.targets.len()).sum();
            metrics.discovered_targets.with(&[job, name]).set(count as f64);
            metrics.last_update_timestamp.with(&[job, name]).set(now);
        }
        metrics.updates.with(&[name]).inc();
        self.output.send_replace(Arc::new(sets));
        self.show_status();
    }
}

#[cfg(test)]
mod tests;
