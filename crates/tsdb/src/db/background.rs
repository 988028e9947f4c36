//! The database's threads: one that replays the log while the rest serves, and one that syncs behind commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use gauntlet_runtime::Clock;
use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use crate::error::{Result, TsdbError};
use crate::head::{Head, LogToReplay, ReplayStats};
use crate::options::{Durability, GROUP_DELAY_MS, Options};

/// A replay under way, and its outcome.
#[derive(Debug)]
pub(super) struct Replay {
    outcome: Arc<Outcome>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Outcome {
    done: Mutex<Option<std::result::Result<ReplayStats, String>>>,
    took: Mutex<Duration>,
    changed: Condvar,
}

impl Replay {
    /// Begins to replay on a thread of its own.
    pub(super) fn start(head: &Arc<Head>, log: LogToReplay, clock: Arc<dyn Clock>) -> Result<Self> {
        let outcome = Arc::new(Outcome::default());
        let (head, told) = (Arc::clone(head), Arc::clone(&outcome));
        let run = move || {
            let started = clock.monotonic();
            let replayed = head.replay(log);
            *told.took.lock() = clock.monotonic().saturating_sub(started);
            match &replayed {
                Ok(stats) => info!(
                    component = "tsdb",
                    series = stats.series,
                    samples = stats.samples,
                    damages = stats.damages,
                    "replayed the log"
                ),
                Err(TsdbError::Closing) => {}
                Err(err) => warn!(component = "tsdb", %err, "replaying the log failed"),
            }
            *told.done.lock() = Some(replayed.map_err(|err| err.to_string()));
            told.changed.notify_all();
        };
        let thread = Builder::new().name("replay".to_owned()).spawn(run).map_err(|source| {
            TsdbError::Io { action: "starting the replay of", path: "the log".into(), source }
        })?;
        Ok(Self { outcome, thread: Mutex::new(Some(thread)) })
    }

    /// Waits for the end.
    pub(super) fn wait(&self) -> Result<ReplayStats> {
        let mut done = self.outcome.done.lock();
        loop {
            match &*done {
                Some(Ok(stats)) => return Ok(stats.clone()),
                Some(Err(reason)) => return Err(TsdbError::Replay(reason.clone())),
                None => self.outcome.changed.wait(&mut done),
            }
        }
    }

    /// How long it took; zero while it runs.
    pub(super) fn took(&self) -> Duration {
        *self.outcome.took.lock()
    }

    /// What was found, once that is known.
    pub(super) fn stats(&self) -> Option<ReplayStats> {
        self.outcome.done.lock().as_ref().and_then(|done| done.clone().ok())
    }

    /// Ends the thread; whoever waits is told.
    pub(super) fn stop(&self, head: &Head) {
        head.stop_replay();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            warn!(component = "tsdb", "the replaying thread panicked");
        }
    }
}

/// Ticks between two looks at the free space.
const SPACE_TICKS: u32 = 20;

/// Syncs the log behind commits that did not wait for it, and watches the free space. Ends with its sender.
#[derive(Debug)]
pub(super) struct Syncer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// None where nothing asks for it.
    pub(super) fn start(head: &Arc<Head>, dir: &Path, options: &Options) -> Option<Self> {
        let syncs = options.durability == Durability::Group;
        if !syncs && options.min_free_bytes == 0 {
            return None;
        }
        let (stop, stopped) = channel::<()>();
        let (head, dir) = (Arc::downgrade(head), dir.to_owned());
        let delay = Duration::from_millis(GROUP_DELAY_MS / 2);
        let run = move || {
            let (mut tick, mut failed) = (0u32, false);
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(delay) {
                let Some(head) = head.upgrade() else { return };
                tick = (tick + 1) % SPACE_TICKS;
                if tick == 0 {
                    head.check_space(&dir);
                }
                if !syncs || failed {
                    continue;
                }
                if let Err(err) = head.sync_logs() {
                    warn!(component = "tsdb", %err, "syncing the log failed; no more writes are taken");
                    failed = true;
                }
            }
        };
        let thread = Builder::new().name("wal-sync".to_owned()).spawn(run);
        Some(Self { stop: Some(stop), thread: thread.ok() })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!(component = "tsdb", "the syncing thread panicked");
        }
    }
}
