//! The CPU pool: where work over about half a millisecond runs, off the async threads.

use std::fmt;
use std::sync::Arc;

use futures::channel::oneshot;

/// A fixed set of threads for computing. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
}

/// The work panicked or the pool is gone; the panic has been printed where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the computation ended without a result")]
pub struct Lost;

impl CpuPool {
    /// A pool of `threads` threads; 0 takes one per core.
    pub fn new(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("cpu-{i}"))
            .build()
            .expect("BUG: the process may start threads");
        Self { pool: Arc::new(pool) }
    }

    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the pool. Work whose future was dropped before it began is never run.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (sender, receiver) = oneshot::channel();
        self.pool.spawn(move || {
            if sender.is_canceled() {
                return;
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            if let Ok(value) = result {
                let _ = sender.send(value);
            }
        });
        receiver.await.map_err(|_| Lost)
    }

    /// Runs `work` with the pool as the current one, so that `rayon`'s parallel calls inside use its threads. Blocks.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}

impl fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuPool").field("threads", &self.threads()).finish()
    }
}
