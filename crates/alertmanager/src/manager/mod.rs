//! [`Manager`]: the state machine in a process, with its files, its clock and its senders.
//!
//! Everything goes through one lock that is held for as long as a call to the machine takes and never across an await. What
//! must be on disk before somebody is told is waited for outside of it ([`durable`]); timers and sends are run by [`driver`];
//! files are kept small by [`maintenance`].

mod driver;
mod durable;
mod maintenance;
mod metrics;
mod open;
mod senders;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gauntlet_runtime::{Clock, Fs, SystemFs};
use gauntlet_telemetry::Registry;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use crate::alert::{AlertJournal, PostedAlert};
use crate::config::Config;
use crate::dispatch::Route;
use crate::durable::AppendFile;
use crate::labels::Fingerprint;
use crate::ledger::{Delivery, LedgerEntry, LedgerFiles, LedgerQuery};
use crate::metrics::{Features, Metrics};
use crate::pipeline::{
    Action, AlertInfo, AlertQuery, Core, CoreOptions, GroupInfo, Peer, Pipelines, Posted,
};
use crate::silence::{Silence, SilenceError};
use crate::time::Time;

/// What a manager is made with. Durations are in nanoseconds.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    pub core: CoreOptions,
    pub features: Features,
    /// Where state is kept; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    pub fs: Arc<dyn Fs>,
    pub clock: Arc<dyn Clock>,
    /// How often state files are rewritten and what has expired is dropped.
    pub maintenance_interval_ns: i64,
    /// Bound of the ledger on disk.
    pub ledger_bytes: u64,
    /// Most attempts to tell at the same time; more wait within their deadlines.
    pub max_sends: usize,
    /// Log each change of a silence.
    pub log_silences: bool,
}

impl ManagerOptions {
    /// Upstream's defaults.
    pub fn new(data_dir: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            core: CoreOptions::default(),
            features: Features::default(),
            data_dir,
            fs: SystemFs::shared(),
            clock,
            maintenance_interval_ns: 15 * 60_000_000_000,
            ledger_bytes: 64 << 20,
            max_sends: 256,
            log_silences: false,
        }
    }
}

/// Why a manager could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

pub use senders::{build_pipelines, rendered_route_labels};

/// More than so many bytes of the ledger are written at once, by whoever brought them.
const MAX_UNWRITTEN_LEDGER_BYTES: usize = 1 << 20;

type Broadcast = Box<dyn Fn(&'static str, Vec<u8>) + Send + Sync>;

/// One Alertmanager's state. Shared by the API, the cluster and the task that [`Manager::run`]s it.
pub struct Manager {
    core: Mutex<Core>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    journal: Option<AlertJournal>,
    silence_file: Option<Arc<AppendFile>>,
    log_file: Option<Arc<AppendFile>>,
    ledger_files: Option<Arc<Mutex<LedgerFiles>>>,
    broadcast: Mutex<Option<Arc<Broadcast>>>,
    /// Sends not yet taken by the driver.
    sends: Mutex<Vec<Action>>,
    wake: Notify,
    permits: Arc<Semaphore>,
    maintenance_interval_ns: i64,
    /// Something was asked since the last look; and for how many looks that has been so.
    is_busy: AtomicBool,
    busy_looks: AtomicU32,
    /// When the journal was last told that we live.
    alive_at: Mutex<Time>,
    started_at: Time,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}

/// What a sender of alerts is told.
#[derive(Clone, Debug)]
pub struct PostOutcome {
    pub posted: Posted,
    /// The alerts are known and will be told of, but the disk refused them: the sender should send them again.
    pub durable: Result<(), String>,
}

impl Manager {
    /// Reads state files and makes the manager. What was wrong with them is logged, set aside and made up for by the cluster.
    pub fn open(options: ManagerOptions, registry: &Registry) -> Result<Arc<Self>, ManagerError> {
        open::open(options, registry)
    }

    /// Takes a configuration with its receivers built: the first one, and each that follows.
    pub fn apply(&self, config: Arc<Config>, pipelines: Pipelines) {
        self.with(|core, now| core.apply(config, pipelines, now));
    }

    /// Notes that a new configuration was refused; the old one stays in force.
    pub fn reload_failed(&self) {
        self.metrics.config.reload_successful.set(0.0);
    }

    /// Tells of one's place in a cluster; without, one is alone and ready.
    pub fn set_peer(&self, peer: Arc<dyn Peer>) {
        self.with(|core, _| core.set_peer(Some(peer)));
    }

    /// Who spreads changes to the cluster: is called with `sil` or `nfl` and the message, and must not block.
    pub fn set_broadcast(&self, broadcast: impl Fn(&'static str, Vec<u8>) + Send + Sync + 'static) {
        *self.broadcast.lock() = Some(Arc::new(Box::new(broadcast)));
    }

    /// Takes in a message of the cluster or a peer's whole state; `channel` is `sil` or `nfl`.
    pub fn merge(&self, channel: &str, bytes: &[u8]) -> Result<(), String> {
        self.with(|core, now| core.merge(channel, bytes, now))
    }

    /// The whole state of a channel, for a peer that joins.
    pub fn full_state(&self, channel: &str) -> Vec<u8> {
        self.core.lock().full_state(channel)
    }

    /// Takes in reported alerts; returns once what changed is on disk.
    pub async fn post_alerts(
        self: &Arc<Self>,
        alerts: Vec<PostedAlert<'_>>,
        from: &str,
    ) -> PostOutcome {
        let (count, start) = (alerts.len(), self.clock.monotonic());
        let posted = self.with(|core, now| core.post(alerts, from, now));
        let each_secs = (self.clock.monotonic() - start).as_secs_f64() / count.max(1) as f64;
        (0..count).for_each(|_| self.metrics.dispatch.processing.observe(each_secs));
        let mut durable = Ok(());
        if let Some(journal) = self.journal.as_ref().filter(|_| posted.changed) {
            durable = durable::synced(journal.file(), posted.journal_end).await;
            if let Err(reason) = &durable {
                self.metrics.alerts.journal_errors.inc();
                tracing::error!(component = "provider", err = %reason, "alerts could not be written to disk");
            }
        }
        // A flood of news waits for its ledger: memory has a bound.
        if self.core.lock().ledger().unwritten_bytes() > MAX_UNWRITTEN_LEDGER_BYTES {
            let manager = Arc::clone(self);
            // Whether it worked is counted and logged there.
            let _ = tokio::task::spawn_blocking(move || manager.write_ledger()).await;
        }
        PostOutcome { posted, durable }
    }

    /// Alerts that are not over, ascending by fingerprint.
    pub fn alerts(&self, query: AlertQuery<'_>) -> Vec<AlertInfo> {
        let now = self.now();
        self.core.lock().alerts(query, now)
    }

    /// One alert, as long as it is known.
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<AlertInfo> {
        let now = self.now();
        self.core.lock().alert(fingerprint, now)
    }

    /// Groups of wanted routes with their wanted alerts.
    pub fn groups(&self, wanted: &dyn Fn(&Route) -> bool, query: AlertQuery<'_>) -> Vec<GroupInfo> {
        let now = self.now();
        self.core.lock().groups(wanted, query, now)
    }

    /// Makes or changes a silence; returns its id once it is on disk.
    pub async fn set_silence(&self, silence: Silence) -> Result<String, SilenceError> {
        let id = self.with(|core, now| core.set_silence(silence, now))?;
        self.silences_synced().await?;
        Ok(id)
    }

    /// Ends a silence; returns once that is on disk.
    pub async fn expire_silence(&self, id: &str) -> Result<(), SilenceError> {
        self.with(|core, now| core.expire_silence(id, now))?;
        self.silences_synced().await
    }

    async fn silences_synced(&self) -> Result<(), SilenceError> {
        let Some(file) = &self.silence_file else { return Ok(()) };
        durable::synced(file, file.end()).await.map_err(SilenceError::NotDurable)
    }

    /// Silences that pass, in the order they came to be known.
    pub fn silences(&self, pass: impl FnMut(&Silence) -> bool) -> Vec<Arc<Silence>> {
        let start = self.clock.monotonic();
        let found = self.core.lock().silences().query(pass);
        let took = self.clock.monotonic() - start;
        self.metrics.silences.query_duration.observe(took.as_secs_f64());
        found
    }

    pub fn silence(&self, id: &str) -> Option<Arc<Silence>> {
        self.core.lock().silences().get(id).cloned()
    }

    /// What the ledger knows, newest first; looks on disk where memory does not reach back far enough.
    pub async fn ledger(self: &Arc<Self>, query: LedgerQuery) -> std::io::Result<Vec<LedgerEntry>> {
        let manager = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let labels = |fingerprint| manager.core.lock().labels(fingerprint);
            let chunks = manager.core.lock().ledger_mut().recent();
            let first = chunks.first().map_or(u64::MAX, |chunk| chunk.first);
            let mut found = query.recent(&chunks, &labels);
            if found.len() < query.limit
                && first > 1
                && let Some(files) = &manager.ledger_files
            {
                query.older(&files.lock(), first, &labels, &mut found)?;
            }
            Ok(found)
        });
        asked.await.map_err(std::io::Error::other)?
    }

    /// How telling goes now, by receiver and integration; of the time since the start. Costs no look at the ledger.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.core.lock().ledger().deliveries().cloned().collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.core.lock().config().cloned()
    }

    pub fn started_at(&self) -> Time {
        self.started_at
    }

    /// The clock's now.
    pub fn now(&self) -> Time {
        Time::now(self.clock.as_ref())
    }

    /// Runs `act` on the machine, passes on what it wants done, and wakes the driver: there may be something due earlier.
    fn with<T>(&self, act: impl FnOnce(&mut Core, Time) -> T) -> T {
        let out = self.run_once(act);
        self.is_busy.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        out
    }

    /// The same for the driver itself, which is awake.
    fn run_once<T>(&self, act: impl FnOnce(&mut Core, Time) -> T) -> T {
        let now = self.now();
        let (out, actions) = {
            let mut core = self.core.lock();
            (act(&mut core, now), core.take_actions())
        };
        let mut sends = Vec::new();
        for action in actions {
            match action {
                Action::Broadcast { channel, message } => {
                    let broadcast = self.broadcast.lock().clone();
                    if let Some(broadcast) = broadcast {
                        broadcast(channel, message);
                    }
                }
                send @ Action::Send { .. } => sends.push(send),
            }
        }
        self.sends.lock().append(&mut sends);
        out
    }
}

#[cfg(test)]
mod tests;
