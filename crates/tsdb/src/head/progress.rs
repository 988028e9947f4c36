//! How far a replay is, and what may not be done before its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gauntlet_storage::AppendError;
use parking_lot::{Condvar, Mutex};

/// Segments of the log: the first and the last that are replayed, and the one that is being read. Without a log all are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    pub first: u64,
    pub last: u64,
    pub current: u64,
    pub is_done: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    first: AtomicU64,
    last: AtomicU64,
    current: AtomicU64,
    running: AtomicBool,
    stopped: AtomicBool,
    /// Not all series of the log are known: nothing is taken.
    scanning: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    pub(crate) fn begin(&self) {
        self.scanning.store(true, Ordering::Release);
        self.running.store(true, Ordering::Release);
    }

    pub(crate) fn set_range(&self, first: u64, last: u64) {
        self.first.store(first, Ordering::Release);
        self.last.store(last, Ordering::Release);
        self.current.store(first, Ordering::Release);
    }

    pub(crate) fn set_current(&self, segment: u64) {
        self.current.store(segment, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.current.store(self.last.load(Ordering::Acquire), Ordering::Release);
        self.running.store(false, Ordering::Release);
    }

    /// All series of the log are known.
    pub(crate) fn set_writable(&self) {
        self.scanning.store(false, Ordering::Release);
        drop(self.lock.lock());
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        drop(self.lock.lock());
        self.changed.notify_all();
    }

    pub(crate) fn wait_writable(&self) {
        let mut lock = self.lock.lock();
        while !self.is_writable() && !self.is_stopped() {
            self.changed.wait(&mut lock);
        }
    }

    /// Errs while the series of the log are not known.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        if self.is_writable() {
            return Ok(());
        }
        let why = "the series of the log are being read; send it again";
        Err(AppendError::ReadOnly(why.to_owned()))
    }

    fn is_writable(&self) -> bool {
        !self.scanning.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> ReplayProgress {
        ReplayProgress {
            first: self.first.load(Ordering::Acquire),
            last: self.last.load(Ordering::Acquire),
            current: self.current.load(Ordering::Acquire),
            is_done: !self.is_running(),
        }
    }
}
