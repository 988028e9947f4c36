//! What the server keeps its samples in: the database, or in agent mode the log alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::Timestamp;
use gauntlet_remote::send::LogSource;
use gauntlet_runtime::{Clock, Shutdown};
use gauntlet_storage::Appendable;
use gauntlet_tsdb::wal::Position;
use gauntlet_tsdb::{AgentDb, Db};
use tracing::warn;

use super::remote::Remote;

/// How often the agent's log is made durable: the wait of a commit that does not ask for more.
const SYNC_EVERY: Duration = Duration::from_millis(100);

/// An open store.
#[derive(Clone, Debug)]
pub(super) enum Store {
    Tsdb(Arc<Db>),
    Agent(Arc<AgentDb>),
}

impl Store {
    pub(super) fn appendable(&self) -> Arc<dyn Appendable> {
        match self {
            Self::Tsdb(db) => db.clone(),
            Self::Agent(db) => db.clone(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Tsdb(db) => db.dir(),
            Self::Agent(db) => db.dir(),
        }
    }

    /// Makes everything durable and gives the folder up. Blocks.
    pub(super) fn close(&self) -> gauntlet_tsdb::Result<()> {
        match self {
            Self::Tsdb(db) => db.close(),
            Self::Agent(db) => db.close(),
        }
    }
}

impl LogSource for Store {
    fn dir(&self) -> PathBuf {
        self.folder().join("wal")
    }

    fn end(&self) -> Position {
        match self {
            Self::Tsdb(db) => db.head().wal().map_or(Position::default(), |wal| wal.end()),
            Self::Agent(db) => db.wal().end(),
        }
    }

    fn newest_ms(&self) -> Option<Timestamp> {
        let newest = match self {
            Self::Tsdb(db) => db.head().max_time(),
            Self::Agent(db) => db.newest_time(),
        };
        Some(newest).filter(|t| *t > Timestamp::MIN)
    }
}

/// Makes the agent's log durable and cuts it, until the shutdown.
pub(super) async fn maintain_agent(
    db: &Arc<AgentDb>,
    remote: &Remote,
    clock: &dyn Clock,
    shutdown: &Shutdown,
) {
    let every = Duration::from_millis(u64::try_from(db.options().truncate_every_ms).unwrap_or(0));
    let mut next = clock.monotonic() + every;
    loop {
        tokio::select! {
            () = tokio::time::sleep(SYNC_EVERY) => {}
            () = shutdown.wait() => return,
        }
        let due = clock.monotonic() >= next;
        let (min_t, needed) = if due { bounds(db, remote, clock) } else { (0, None) };
        let worker = Arc::clone(db);
        let work = tokio::task::spawn_blocking(move || {
            worker.sync()?;
            if due { worker.truncate(min_t, needed) } else { Ok(()) }
        });
        match work.await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => warn!(component = "agent", %err, "failed to truncate WAL"),
            Err(_) => warn!(component = "agent", "truncating the WAL ended without a result"),
        }
        if due {
            next = clock.monotonic() + every;
        }
    }
}

/// From when on samples are kept, and from which segment on: what was not sent stays, up to the longest time.
fn bounds(db: &AgentDb, remote: &Remote, clock: &dyn Clock) -> (Timestamp, Option<u32>) {
    let sent = remote.lowest_sent_ms().unwrap_or(0).max(0);
    let kept = (sent - db.options().min_time_ms).max(0);
    let oldest = clock.now_ms() - db.options().max_time_ms;
    if kept < oldest { (oldest, None) } else { (kept, remote.first_needed_segment()) }
}
