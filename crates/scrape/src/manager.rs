//! The manager: configuration and target groups in, pools out.
//!
//! One task owns the pools. Target groups are a value of which the latest counts; they are acted upon at most once in
//! [`ManagerOptions::reload_interval`], but the first targets of a job at once. Every pool is a task of its own, so that a slow
//! one holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::{Labels, TargetSets};
use gauntlet_net::{BufferPool, ClientError};
use gauntlet_runtime::{Clock, Shutdown};
use gauntlet_storage::Appendable;
use gauntlet_telemetry::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::error;

use crate::config::ScrapeConfig;
use crate::failure_log::FailureLogs;
use crate::ingest::IngestOptions;
use crate::metrics::Metrics;
use crate::pool::{Command, Pool, is_same};
use crate::status::Status;
use crate::target::Fnv;
use crate::target_loop::Surroundings;

/// What of scraping is not in the jobs' configuration.
#[derive(Clone, Copy, Debug)]
pub struct ManagerOptions {
    /// Least time between two looks at target groups.
    pub reload_interval: Duration,
    /// `--enable-feature=type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// `--enable-feature=metadata-wal-records`.
    pub append_metadata: bool,
    /// `--enable-feature=created-timestamp-zero-ingestion`: a zero where a counter, summary or histogram says it began.
    pub start_zeros: bool,
    /// `--enable-feature=st-storage`: storage keeps start timestamps.
    pub store_starts: bool,
    /// How far a timestamp may be moved to its planned time; zero moves none. At most a hundredth of the interval counts.
    pub timestamp_tolerance: Duration,
    /// Seed of the hashes that series caches go by; best a new one per process.
    pub hash_seed: u64,
}

impl Default for ManagerOptions {
    fn default() -> Self {
        Self {
            reload_interval: Duration::from_secs(5),
            type_and_unit_labels: false,
            append_metadata: false,
            start_zeros: false,
            store_starts: false,
            timestamp_tolerance: Duration::from_millis(2),
            hash_seed: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

/// Where targets lie in their intervals, by this server's name and external labels, so that two servers of a pair scrape at different moments.
pub fn offset_seed(hostname: &str, external_labels: &Labels) -> u64 {
    let mut hash = Fnv::new();
    hash.write(hostname.as_bytes());
    hash.write(external_labels.to_string().as_bytes());
    hash.0
}

type ApplyReply = oneshot::Sender<Vec<(String, ClientError)>>;

enum Request {
    Apply { configs: Vec<Arc<ScrapeConfig>>, offset_seed: u64, reply: ApplyReply },
    HandOff { job: String, targets: Vec<u64> },
}

/// The caller's end of a manager. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ManagerHandle {
    requests: mpsc::Sender<Request>,
    targets: watch::Sender<Arc<TargetSets>>,
    status: Status,
}

impl ManagerHandle {
    /// Puts a configuration into effect. Returns the jobs that could not be set up and why; the others run. Empty, too, if the manager has ended.
    pub async fn apply(
        &self,
        configs: Vec<Arc<ScrapeConfig>>,
        offset_seed: u64,
    ) -> Vec<(String, ClientError)> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Apply { configs, offset_seed, reply }).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// Says what discovery has found, of all jobs; replaces what was said before.
    pub fn set_targets(&self, sets: Arc<TargetSets>) {
        self.targets.send_replace(sets);
    }

    /// No stale markers when these targets of a job go, by [`crate::Target::hash`]: another server scrapes them on.
    pub async fn hand_off(&self, job: &str, targets: Vec<u64>) {
        // A manager that has ended writes no markers anyway.
        let _ = self.requests.send(Request::HandOff { job: job.to_owned(), targets }).await;
    }

    pub fn status(&self) -> &Status {
        &self.status
    }
}

/// Owns the pools.
#[derive(Debug)]
pub struct Manager {
    options: ManagerOptions,
    appendable: Arc<dyn Appendable>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    offset_seed: u64,
    requests: mpsc::Receiver<Request>,
    targets: watch::Receiver<Arc<TargetSets>>,
    status: Status,
    pools: BTreeMap<String, RunningPool>,
    /// Jobs whose pools have had targets.
    begun: BTreeSet<String>,
    tasks: JoinSet<()>,
    buffers: Arc<BufferPool>,
    failures: Arc<FailureLogs>,
}

#[derive(Debug)]
struct RunningPool {
    config: Arc<ScrapeConfig>,
    commands: mpsc::Sender<Command>,
}

impl Manager {
    pub fn new(
        options: ManagerOptions,
        appendable: Arc<dyn Appendable>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> (Self, ManagerHandle) {
        let (request_sender, requests) = mpsc::channel(8);
        let (target_sender, targets) = watch::channel(Arc::default());
        let status = Status::default();
        registry.register(Arc::new(status.clone()));
        let manager = Self {
            options,
            appendable,
            clock,
            metrics: Arc::new(Metrics::new(registry)),
            offset_seed: 0,
            requests,
            targets,
            status: status.clone(),
            pools: BTreeMap::new(),
            begun: BTreeSet::new(),
            tasks: JoinSet::new(),
            buffers: Arc::default(),
            failures: Arc::default(),
        };
        (manager, ManagerHandle { requests: request_sender, targets: target_sender, status })
    }

    /// Runs until the shutdown, or until all handles are gone; then waits for scrapes to end. No stale markers are written at shutdown.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut due: Option<Instant> = None;
        let mut last_look: Option<Instant> = None;
        loop {
            let wait = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.wait() => break,
                request = self.requests.recv() => match request {
                    Some(Request::Apply { configs, offset_seed, reply }) => {
                        self.offset_seed = offset_seed;
                        let problems = self.apply(configs, &shutdown).await;
                        self.sync_all().await;
                        let _ = reply.send(problems);
                    }
                    Some(Request::HandOff { job, targets }) => {
                        self.tell(&job, Command::HandOff(targets)).await;
                    }
                    None => break,
                },
                () = wait => {
                    due = None;
                    last_look = Some(Instant::now());
                    self.sync_all().await;
                }
                changed = self.targets.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = Instant::now();
                    let at = match last_look {
                        Some(last) if !self.has_first_targets() => {
                            now.max(last + self.options.reload_interval)
                        }
                        _ => now,
                    };
                    due = Some(due.map_or(at, |due| due.min(at)));
                }
            }
        }
        // Without their commands, pools end as at shutdown or as if stopped.
        self.pools.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    async fn apply(
        &mut self,
        configs: Vec<Arc<ScrapeConfig>>,
        shutdown: &Shutdown,
    ) -> Vec<(String, ClientError)> {
        self.failures.reopen();
        let mut wanted: BTreeMap<String, Arc<ScrapeConfig>> =
            configs.into_iter().map(|config| (config.job_name.clone(), config)).collect();
        let gone: Vec<String> =
            self.pools.keys().filter(|job| !wanted.contains_key(*job)).cloned().collect();
        for job in gone {
            self.tell(&job, Command::Stop).await;
            self.pools.remove(&job);
            self.begun.remove(&job);
            self.status.remove(&job);
        }
        let mut problems = Vec::new();
        let mut reloading = Vec::new();
        for (job, pool) in &mut self.pools {
            let Some(config) = wanted.remove(job) else { continue };
            if is_same(&pool.config, &config) {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            if pool.commands.send(Command::Reload(Arc::clone(&config), reply)).await.is_ok() {
                reloading.push((job.clone(), config, answer));
            }
        }
        for (job, config, answer) in reloading {
            match answer.await {
                Ok(Ok(())) => {
                    if let Some(pool) = self.pools.get_mut(&job) {
                        pool.config = config;
                    }
                }
                Ok(Err(err)) => problems.push((job, err)),
                Err(_) => {}
            }
        }
        for (job, config) in wanted {
            if let Err(err) = self.start_pool(&job, config, shutdown) {
                problems.push((job, err));
            }
        }
        for (job, err) in &problems {
            error!(component = "scrape", job, %err, "scrape job could not be set up");
        }
        problems
    }

    fn start_pool(
        &mut self,
        job: &str,
        config: Arc<ScrapeConfig>,
        shutdown: &Shutdown,
    ) -> Result<(), ClientError> {
        self.metrics.pools.inc();
        let around = Surroundings {
            appendable: Arc::clone(&self.appendable),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            shutdown: shutdown.clone(),
            offset_seed: self.offset_seed,
            append_metadata: self.options.append_metadata,
            timestamp_tolerance: self.options.timestamp_tolerance,
            buffers: Arc::clone(&self.buffers),
            failures: Arc::clone(&self.failures),
        };
        let options = IngestOptions {
            type_and_unit_labels: self.options.type_and_unit_labels,
            append_metadata: self.options.append_metadata,
            parse_starts: self.options.start_zeros || self.options.store_starts,
            start_zeros: self.options.start_zeros,
            hash_seed: self.options.hash_seed,
        };
        let pool = Pool::new(Arc::clone(&config), around, options)
            .inspect_err(|_| self.metrics.pools_failed.inc())?;
        self.status.insert(job, Arc::clone(&pool.state));
        let (commands, run) = pool.start();
        self.tasks.spawn(run);
        self.pools.insert(job.to_owned(), RunningPool { config, commands });
        Ok(())
    }

    /// Whether a job that has never had targets has some now.
    fn has_first_targets(&self) -> bool {
        let sets = self.targets.borrow();
        self.pools.keys().any(|job| {
            !self.begun.contains(job) && sets.get(job).is_some_and(|groups| !groups.is_empty())
        })
    }

    /// Hands every pool its groups. A job that discovery does not name has none.
    async fn sync_all(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        let sets = Arc::clone(&self.targets.borrow_and_update());
        let jobs: Vec<String> = self.pools.keys().cloned().collect();
        for job in jobs {
            let groups = sets.get(&job).cloned().unwrap_or_default();
            if !groups.is_empty() {
                self.begun.insert(job.clone());
            }
            self.tell(&job, Command::Sync(groups)).await;
        }
    }

    async fn tell(&self, job: &str, command: Command) {
        if let Some(pool) = self.pools.get(job) {
            // A pool that has ended is at shutdown.
            let _ = pool.commands.send(command).await;
        }
    }
}
