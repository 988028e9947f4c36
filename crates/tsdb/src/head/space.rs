//! A floor under the free space of the disk. Below it nothing is taken, so that what was taken can still be synced, cut and
//! compacted; when there is space again, writing goes on without a restart.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gauntlet_runtime::Fs;
use gauntlet_storage::AppendError;
use tracing::{info, warn};

#[derive(Debug)]
pub(crate) struct Space {
    /// Bytes; 0 for no floor.
    floor: u64,
    is_short: AtomicBool,
    free: AtomicU64,
}

impl Space {
    pub(crate) fn new(floor: u64) -> Self {
        Self { floor, is_short: AtomicBool::new(false), free: AtomicU64::new(u64::MAX) }
    }

    /// Looks at the disk anew. Writing goes on only with a quarter more than the floor, so that it does not flutter.
    pub(crate) fn look(&self, fs: &dyn Fs, dir: &Path) {
        if self.floor == 0 {
            return;
        }
        let Ok(space) = fs.space(dir) else { return };
        self.free.store(space.free_bytes, Ordering::Release);
        let was_short = self.is_short.load(Ordering::Acquire);
        let wanted = if was_short { self.floor.saturating_add(self.floor / 4) } else { self.floor };
        let is_short = space.free_bytes < wanted;
        self.is_short.store(is_short, Ordering::Release);
        let (free, floor) = (space.free_bytes, self.floor);
        match (was_short, is_short) {
            (false, true) => {
                warn!(
                    component = "tsdb",
                    free, floor, "too little space is left: writes are refused"
                );
            }
            (true, false) => {
                info!(component = "tsdb", free, "there is space again: writes are taken")
            }
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        if self.is_short.load(Ordering::Relaxed) { Err(self.refusal()) } else { Ok(()) }
    }

    #[cold]
    fn refusal(&self) -> AppendError {
        let free = self.free.load(Ordering::Acquire);
        AppendError::ReadOnly(format!(
            "disk full: {free} bytes are left for the data folder, {} are kept free (--storage.tsdb.min-free-space); free space, \
             writing goes on by itself",
            self.floor
        ))
    }
}
