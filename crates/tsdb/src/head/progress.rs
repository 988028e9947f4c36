//! How far a replay is, and what may not be done before its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// References in use are not known: no series can be born.
    closed_to_new: AtomicBool,
}

impl Progress {
    pub(crate) fn begin(&self, may_create: bool) {
        self.closed_to_new.store(!may_create, Ordering::Release);
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

    pub(crate) fn open_to_new(&self) {
        self.closed_to_new.store(false, Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub(crate) fn may_create(&self) -> bool {
        !self.closed_to_new.load(Ordering::Acquire)
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
