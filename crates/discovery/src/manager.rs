//! Runs the discoverers of all jobs and hands out what they found, not too often.
//!
//! One task owns the state: it learns of new configurations and of updates over channels. Equal discoveries of several jobs
//! run once. A new configuration leaves running what it still has, so that its targets stay. Consumers see whole sets, at
//! once when it has been quiet, else no more often than the update interval.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::{Shutdown, ShutdownTrigger};
use tokio::sync::{mpsc, watch};

use crate::config::{SdConfig, SdConfigs};
use crate::deps::Deps;
use crate::discoverer::{Updates, build};
use crate::group::TargetGroup;

/// The groups of each job. A job without any is there with an empty list.
pub type TargetSets = BTreeMap<String, Vec<Arc<TargetGroup>>>;

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
    updates: mpsc::Receiver<(u64, Vec<TargetGroup>)>,
    update_sender: mpsc::Sender<(u64, Vec<TargetGroup>)>,
    output: watch::Sender<Arc<TargetSets>>,
    providers: Vec<Provider>,
    jobs: Vec<String>,
    next_id: u64,
}

/// Gives a running manager its configuration.
#[derive(Clone, Debug)]
pub struct ManagerHandle {
    commands: mpsc::Sender<BTreeMap<String, SdConfigs>>,
}

impl ManagerHandle {
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
            providers: Vec::new(),
            jobs: Vec::new(),
            next_id: 0,
        };
        (manager, ManagerHandle { commands: command_sender }, sets)
    }

    /// Runs until the shutdown; discoverers end with it.
    pub async fn run(mut self, shutdown: Shutdown) {
        let name = self.options.name;
        let received = self.deps.metrics.received_updates.with(&[name]);
        let delayed = self.deps.metrics.updates_delayed.with(&[name]);
        let (mut dirty, mut wait) = (false, FIRST_WAIT);
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
                configs = self.commands.recv() => {
                    let Some(configs) = configs else {
                        // Nobody can change the configuration any more; what runs goes on.
                        return self.drain(shutdown).await;
                    };
                    self.adopt(configs);
                    dirty = true;
                }
                update = self.updates.recv() => {
                    let Some((id, groups)) = update else { return };
                    received.inc();
                    self.take_in(id, groups);
                    if quiet_at.is_some() {
                        delayed.inc();
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

    /// As [`Self::run`] without a configuration to come.
    async fn drain(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.wait() => return,
                update = self.updates.recv() => {
                    let Some((id, groups)) = update else { return };
                    self.take_in(id, groups);
                    self.publish();
                }
            }
        }
    }

    /// Ends what is no longer configured, keeps what still is, starts what is new.
    fn adopt(&mut self, configs: BTreeMap<String, SdConfigs>) {
        for provider in &mut self.providers {
            provider.jobs.clear();
        }
        let mut failed = 0;
        self.jobs = configs.keys().cloned().collect();
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
        let jobs: HashSet<&str> = self.jobs.iter().map(String::as_str).collect();
        metrics.discovered_targets.retain(|l| l[1] != name || jobs.contains(l[0].as_str()));
        metrics.last_update_timestamp.retain(|l| l[1] != name || jobs.contains(l[0].as_str()));
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
        self.providers.push(Provider { id, config, jobs, groups: BTreeMap::new(), _stop: stop });
        true
    }

    /// Updates of a provider that was ended in between find nobody.
    fn take_in(&mut self, id: u64, groups: Vec<TargetGroup>) {
        let Some(provider) = self.providers.iter_mut().find(|p| p.id == id) else { return };
        for group in groups {
            if group.targets.is_empty() {
                provider.groups.remove(&group.source);
            } else {
                provider.groups.insert(group.source.clone(), Arc::new(group));
            }
        }
    }

    fn publish(&self) {
        let mut sets: TargetSets = self.jobs.iter().map(|job| (job.clone(), Vec::new())).collect();
        for provider in &self.providers {
            for job in &provider.jobs {
                if let Some(groups) = sets.get_mut(job) {
                    groups.extend(provider.groups.values().cloned());
                }
            }
        }
        let (metrics, name) = (&self.deps.metrics, self.options.name);
        let now = self.deps.clock.now_ms() as f64 / 1000.0;
        for (job, groups) in &sets {
            let count: usize = groups.iter().map(|group| group.targets.len()).sum();
            metrics.discovered_targets.with(&[job, name]).set(count as f64);
            metrics.last_update_timestamp.with(&[job, name]).set(now);
        }
        metrics.updates.with(&[name]).inc();
        self.output.send_replace(Arc::new(sets));
    }
}

#[cfg(test)]
mod tests;
