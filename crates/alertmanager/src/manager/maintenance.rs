//! Housekeeping off the machine's lock: what was appended is synced every second, files are rewritten small now and then, what
//! has expired is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Manager;
use crate::durable::AppendFile;
use crate::pipeline::Core;
use crate::time::Time;

/// How often the journal is told that the process lives: what runs out in between may be taken for unheard after a crash.
const ALIVE_EVERY_NS: i64 = 10_000_000_000;

/// Looks, a second apart, between two times that memory is given back while there is always something to do.
const BUSY_LOOKS: u32 = 30;

impl Manager {
    /// Syncs what nobody waits for and takes the ledger's entries to disk. Blocks.
    pub(super) fn sync_all(&self) {
        self.write_ledger();
        self.note_alive();
        let journal = self.journal.as_ref().map(|journal| journal.file());
        for file in [journal, self.silence_file.as_ref(), self.log_file.as_ref()] {
            let Some(file) = file else { continue };
            if let Err(err) = file.sync(file.end()) {
                tracing::error!(file = %file.path().display(), %err, "state could not be written");
            }
        }
        if let Some(journal) = &self.journal {
            self.metrics.alerts.journal_size.set(journal.file().size_bytes() as f64);
        }
    }

    /// Gives memory that a burst has left back to the system: once it is over, or now and then while it lasts. Blocks for a few
    /// milliseconds.
    pub(super) fn give_back(&self) {
        let looks = match self.is_busy.swap(false, Ordering::Relaxed) {
            true => self.busy_looks.fetch_add(1, Ordering::Relaxed) + 1,
            false => BUSY_LOOKS * u32::from(self.busy_looks.load(Ordering::Relaxed) > 0),
        };
        if looks >= BUSY_LOOKS {
            self.busy_looks.store(0, Ordering::Relaxed);
            gauntlet_sys::heap::give_back();
        }
    }

    /// Takes the ledger's entries to disk. Blocks.
    pub(super) fn write_ledger(&self) {
        let Some(files) = &self.ledger_files else { return };
        // Locked first, so that entries are written in the order of their numbers.
        let mut files = files.lock();
        let entries = self.core.lock().ledger_mut().take_unwritten();
        if let Err(err) = files.append(&entries) {
            tracing::error!(component = "ledger", %err, "entries could not be written");
        }
    }

    fn note_alive(&self) {
        let (Some(journal), now) = (&self.journal, self.now()) else { return };
        let mut alive_at = self.alive_at.lock();
        if now.since_ns(*alive_at) >= ALIVE_EVERY_NS {
            journal.alive(now);
            *alive_at = now;
        }
    }

    /// Drops what has expired and rewrites the state files. Blocks.
    pub(super) fn maintain(&self) {
        let silences = &self.metrics.silences;
        silences.maintenance.inc();
        self.timed(&silences.gc_duration, |core, now| core.silences_mut().collect(now));
        if let Some(file) = &self.silence_file {
            let size = self.timed_write(&silences.snapshot_duration, file, |core| {
                core.silences_mut().encode()
            });
            match size {
                Some(size) => silences.snapshot_size.set(size as f64),
                None => silences.maintenance_errors.inc(),
            }
        }
        let log = &self.metrics.log;
        log.maintenance.inc();
        self.timed(&log.gc_duration, |core, now| core.log_mut().collect(now));
        if let Some(file) = &self.log_file {
            let size =
                self.timed_write(&log.snapshot_duration, file, |core| core.log_mut().encode());
            match size {
                Some(size) => log.snapshot_size.set(size as f64),
                None => log.maintenance_errors.inc(),
            }
        }
    }

    /// Rewrites the journal of alerts if most of it is out of date. Blocks.
    pub(super) fn shrink_journal(&self) {
        let Some(journal) = &self.journal else { return };
        let live_bytes = self.core.lock().journal_bytes();
        if !journal.wants_rewrite(live_bytes) {
            return;
        }
        let rewritten = journal.rewrite(|| {
            let core = self.core.lock();
            (core.journal_snapshot(), journal.file().drain())
        });
        // The new file does not say so yet.
        *self.alive_at.lock() = Time::ZERO;
        if let Err(err) = rewritten {
            self.metrics.alerts.journal_errors.inc();
            tracing::error!(component = "provider", %err, "the journal of alerts could not be rewritten");
        }
    }

    fn timed<T>(
        &self,
        duration: &gauntlet_telemetry::Summary,
        act: impl FnOnce(&mut Core, Time) -> T,
    ) -> T {
        let start = self.clock.monotonic();
        let now = self.now();
        let out = act(&mut self.core.lock(), now);
        duration.observe((self.clock.monotonic() - start).as_secs_f64());
        out
    }

    /// Rewrites a file from the machine's state; `None`, after logging why, if that failed.
    fn timed_write(
        &self,
        duration: &gauntlet_telemetry::Summary,
        file: &Arc<AppendFile>,
        encode: impl FnOnce(&mut Core) -> Vec<u8>,
    ) -> Option<u64> {
        let start = self.clock.monotonic();
        let written = file.rewrite(|| {
            let mut core = self.core.lock();
            (encode(&mut core), file.drain())
        });
        duration.observe((self.clock.monotonic() - start).as_secs_f64());
        match written {
            Ok(size) => Some(size),
            Err(err) => {
                tracing::error!(file = %file.path().display(), %err, "snapshot could not be written");
                None
            }
        }
    }
}
