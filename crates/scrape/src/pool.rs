//! A job's scrape pool: target groups in, running loops out.
//!
//! A task that owns its loops and reads commands. Targets are told apart by the hash of their labels and URL; one that stays keeps
//! its loop, one that goes gets stale markers, one that comes begins at its place in the interval.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::TargetGroup;
use gauntlet_model::duration::GoDuration;
use gauntlet_model::relabel::Scratch;
use gauntlet_net::{ClientError, ClientOptions, HttpClient};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::error;

use crate::config::ScrapeConfig;
use crate::error::ScrapeError;
use crate::fetch::HttpFetch;
use crate::ingest::{Ingest, IngestOptions};
use crate::report::SyntheticSeries;
use crate::status::{DroppedTarget, PoolState};
use crate::target::{Outcome, Target};
use crate::target_loop::{Carried, LoopHandle, Stop, Surroundings, TargetLoop};

/// What a pool is told to do.
pub(crate) enum Command {
    Sync(Arc<Vec<Arc<TargetGroup>>>),
    Reload(Arc<ScrapeConfig>, oneshot::Sender<Result<(), ClientError>>),
    /// No stale markers for these targets when they go: another server scrapes them on.
    HandOff(Vec<u64>),
    /// Ends all loops, as for targets that are gone.
    Stop,
}

/// Commands that wait while a pool is busy.
const QUEUE: usize = 16;

pub(crate) struct Pool {
    config: Arc<ScrapeConfig>,
    around: Surroundings,
    options: IngestOptions,
    client: HttpClient,
    tasks: JoinSet<()>,
    loops: BTreeMap<u64, LoopHandle>,
    pub(crate) state: Arc<RwLock<PoolState>>,
}

impl Pool {
    pub(crate) fn new(
        config: Arc<ScrapeConfig>,
        around: Surroundings,
        options: IngestOptions,
    ) -> Result<Self, ClientError> {
        let client = HttpClient::new(&config.http, ClientOptions::default())?;
        let pool = Self {
            state: Arc::new(RwLock::new(PoolState::new(Arc::clone(&config)))),
            config,
            around,
            options,
            client,
            tasks: JoinSet::new(),
            loops: BTreeMap::new(),
        };
        pool.set_limit_gauge();
        Ok(pool)
    }

    /// The end to send commands to, and the future that is the pool.
    pub(crate) fn start(self) -> (mpsc::Sender<Command>, impl Future<Output = ()> + Send) {
        let (sender, commands) = mpsc::channel(QUEUE);
        (sender, self.run(commands))
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let shutdown = self.around.shutdown.clone();
        loop {
            let command = tokio::select! {
                biased;
                () = shutdown.wait() => break,
                command = commands.recv() => command,
            };
            // Loops that have ended are forgotten as we go.
            while self.tasks.try_join_next().is_some() {}
            match command {
                Some(Command::Sync(groups)) => self.sync(&groups).await,
                Some(Command::Reload(config, reply)) => {
                    let _ = reply.send(self.reload(config).await);
                }
                Some(Command::HandOff(hashes)) => self.hand_off(&hashes),
                Some(Command::Stop) | None => {
                    self.stop_all(Stop::Gone).await;
                    self.around.metrics.remove_job(&self.config.job_name);
                    break;
                }
            }
        }
        // Loops end by themselves at shutdown, or once their stale markers are written.
        while self.tasks.join_next().await.is_some() {}
    }

    /// Stops loops, all at once: each may be in the middle of a scrape. What they carried comes back.
    async fn stop_loops(
        handles: Vec<LoopHandle>,
        how: Stop,
    ) -> Vec<(Arc<Target>, Option<Box<Carried>>)> {
        let mut stopping = JoinSet::new();
        for handle in handles {
            stopping.spawn(async move {
                let target = Arc::clone(&handle.target);
                (target, handle.stop(how).await)
            });
        }
        stopping.join_all().await
    }

    async fn stop_all(&mut self, how: Stop) -> Vec<(Arc<Target>, Option<Box<Carried>>)> {
        let handles = std::mem::take(&mut self.loops).into_values().collect();
        Self::stop_loops(handles, how).await
    }

    fn set_limit_gauge(&self) {
        let gauge = self.around.metrics.target_limit.with(&[&self.config.job_name]);
        gauge.set(self.config.limits.target_limit as f64);
    }

    /// Goes on under another configuration: every loop is replaced by one that knows the same series, if they stay the same.
    async fn reload(&mut self, config: Arc<ScrapeConfig>) -> Result<(), ClientError> {
        self.around.metrics.reloads.inc();
        let started = self.around.clock.monotonic();
        let client = HttpClient::new(&config.http, ClientOptions::default())
            .inspect_err(|_| self.around.metrics.reloads_failed.inc())?;
        let keeps_series = makes_same_series(&self.config, &config);
        self.config = config;
        self.client = client;
        self.set_limit_gauge();
        self.state.write().config = Arc::clone(&self.config);
        let how = if keeps_series { Stop::HandOver } else { Stop::Gone };
        for (target, carried) in self.stop_all(how).await {
            self.start_loop(target, carried);
        }
        self.force_target_limit();
        let took = self.around.clock.monotonic().saturating_sub(started);
        let interval = GoDuration::from_ns(self.config.scrape_interval.as_ns()).to_string();
        self.around.metrics.reload_length.with(&[&interval]).observe(took.as_secs_f64());
        Ok(())
    }

    /// Brings the loops in line with what discovery says now.
    async fn sync(&mut self, groups: &[Arc<TargetGroup>]) {
        let metrics = Arc::clone(&self.around.metrics);
        let started = self.around.clock.monotonic();
        let job = self.config.job_name.clone();
        let (wanted, dropped, dropped_count, failed) = self.targets(groups);
        metrics.sync_failed.with(&[&job]).add(failed);
        let gone: Vec<LoopHandle> = self
            .loops
            .extract_if(.., |hash, _| !wanted.contains_key(hash))
            .map(|(_, handle)| handle)
            .collect();
        let mut fresh = Vec::new();
        let mut active = Vec::with_capacity(wanted.len());
        for (hash, target) in wanted {
            match self.loops.get(&hash) {
                Some(running) => {
                    running.target.set_discovered(target.discovered());
                    active.push(Arc::clone(&running.target));
                }
                None => {
                    active.push(Arc::clone(&target));
                    fresh.push(target);
                }
            }
        }
        active.sort_by(|a, b| a.url().cmp(b.url()).then_with(|| a.labels().cmp(b.labels())));
        metrics.targets.with(&[&job]).set(active.len() as f64);
        {
            let mut state = self.state.write();
            state.active = active;
            state.dropped = dropped;
            state.dropped_count = dropped_count;
        }
        for target in fresh {
            self.start_loop(target, None);
        }
        self.force_target_limit();
        // A target that comes back must not meet its old loop in the middle of a scrape.
        Self::stop_loops(gone, Stop::Gone).await;
        let took = self.around.clock.monotonic().saturating_sub(started).as_secs_f64();
        metrics.sync_length.with(&[&job]).observe(took);
        metrics.sync_length_histogram.with(&[&job]).observe(took);
        metrics.syncs.with(&[&job]).inc();
    }

    /// Relabels everything discovered.
    fn targets(
        &self,
        groups: &[Arc<TargetGroup>],
    ) -> (BTreeMap<u64, Arc<Target>>, Vec<DroppedTarget>, usize, u64) {
        let mut wanted = BTreeMap::new();
        let mut dropped = Vec::new();
        let (mut dropped_count, mut failed) = (0usize, 0u64);
        let mut scratch = Scratch::default();
        let keep = self.config.limits.keep_dropped_targets;
        for group in groups {
            for (index, own) in group.targets.iter().enumerate() {
                match Target::discover(&self.config, group, own, &mut scratch) {
                    Ok(Outcome::Keep(target)) => {
                        wanted.entry(target.hash()).or_insert_with(|| Arc::from(target));
                    }
                    Ok(Outcome::Drop { discovered, rule }) => {
                        dropped_count += 1;
                        if keep == 0 || (dropped.len() as u64) < keep {
                            dropped.push(DroppedTarget { discovered, rule });
                        }
                    }
                    Err(err) => {
                        failed += 1;
                        let (job, source) = (&self.config.job_name, &group.source);
                        error!(
                            component = "scrape",
                            job,
                            "creating target failed: instance {index} in group {source}: {err}"
                        );
                    }
                }
            }
        }
        (wanted, dropped, dropped_count, failed)
    }

    fn start_loop(&mut self, target: Arc<Target>, carried: Option<Box<Carried>>) {
        let hash = target.hash();
        let config = Arc::clone(&self.config);
        let carried = match carried {
            Some(mut carried) => {
                carried.ingest.reconfigure(Arc::clone(&target), Arc::clone(&config));
                carried
            }
            None => Box::new(Carried {
                ingest: Ingest::new(
                    Arc::clone(&target),
                    Arc::clone(&config),
                    self.options,
                    Arc::clone(&self.around.metrics),
                ),
                synthetic: SyntheticSeries::new(config.extra_scrape_metrics),
            }),
        };
        let client = match target.unix_socket() {
            None => self.client.clone(),
            Some(path) => {
                let options = ClientOptions {
                    unix_socket: Some(path.to_owned()),
                    ..ClientOptions::default()
                };
                // The configuration was good for the pool's own client.
                HttpClient::new(&config.http, options).unwrap_or_else(|_| self.client.clone())
            }
        };
        let fetch = HttpFetch::new(client, &target, &config, Arc::clone(&self.around.buffers));
        let looping = TargetLoop::new(self.around.clone(), target, config, fetch, carried);
        let (handle, run) = looping.start();
        self.tasks.spawn(run);
        self.loops.insert(hash, handle);
    }

    /// Fails all scrapes of a job that has more targets than it may.
    fn force_target_limit(&self) {
        let (targets, limit) = (self.loops.len(), self.config.limits.target_limit);
        let forced = (limit > 0 && targets as u64 > limit).then(|| {
            self.around.metrics.exceeded_target_limit.inc();
            ScrapeError::TargetLimit { targets, limit }
        });
        for running in self.loops.values() {
            running.control.forced.lock().clone_from(&forced);
        }
    }

    fn hand_off(&self, hashes: &[u64]) {
        for running in hashes.iter().filter_map(|hash| self.loops.get(hash)) {
            running.control.no_stale.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// Whether nothing differs between two configurations.
pub(crate) fn is_same(a: &ScrapeConfig, b: &ScrapeConfig) -> bool {
    // The printed form hides secrets; the client's block is compared as it is.
    a.http == b.http && text(a) == text(b)
}

/// Whether both make the same series of the same body.
fn makes_same_series(a: &ScrapeConfig, b: &ScrapeConfig) -> bool {
    let mut like_a = b.clone();
    like_a.scrape_interval = a.scrape_interval;
    like_a.scrape_timeout = a.scrape_timeout;
    like_a.limits.sample_limit = a.limits.sample_limit;
    like_a.http.clone_from(&a.http);
    text(a) == text(&like_a)
}

fn text(config: &ScrapeConfig) -> String {
    gauntlet_yaml::to_string(&gauntlet_yaml::ToYaml::to_yaml(config))
}
