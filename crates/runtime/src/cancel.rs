//! Cancellation of one piece of work: a flag and a deadline that long loops look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::Clock;

/// Why work must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelReason {
    #[error("canceled by its caller")]
    Canceled,
    #[error("timed out")]
    TimedOut,
}

/// Shared by the caller, who cancels, and the workers, who check. A check without deadline costs one relaxed load.
#[derive(Clone, Debug)]
pub struct Cancel {
    state: Arc<AtomicU8>,
    deadline: Option<(Arc<dyn Clock>, Duration)>,
}

impl Cancel {
    /// Never times out by itself.
    pub fn new() -> Self {
        Self { state: Arc::new(AtomicU8::new(0)), deadline: None }
    }

    /// Times out `timeout` from now on `clock`'s monotonic time.
    pub fn with_timeout(clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let at = clock.monotonic().saturating_add(timeout);
        Self { state: Arc::new(AtomicU8::new(0)), deadline: Some((clock, at)) }
    }

    pub fn cancel(&self) {
        let _ = self.state.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Errs once the work should stop. Reads the clock where there is a deadline: call it every few thousand samples.
    pub fn check(&self) -> Result<(), CancelReason> {
        match self.state.load(Ordering::Relaxed) {
            0 => {}
            1 => return Err(CancelReason::Canceled),
            _ => return Err(CancelReason::TimedOut),
        }
        if let Some((clock, at)) = &self.deadline
            && clock.monotonic() >= *at
        {
            let _ = self.state.compare_exchange(0, 2, Ordering::Relaxed, Ordering::Relaxed);
            return Err(CancelReason::TimedOut);
        }
        Ok(())
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}
