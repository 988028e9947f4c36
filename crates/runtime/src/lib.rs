//! Seams for time, chance, files and shutdown; the CPU pool and byte budgets.
//!
//! Code that asks for the time, a random number or a file takes it from here, so that a test can hand it another. Waiting in
//! async code is `tokio::time`'s, which tests pause; this crate itself needs no async runtime.

pub mod budget;
pub mod cancel;
pub mod chance;
pub mod clock;
pub mod fs;
pub mod pool;
pub mod shutdown;

pub use budget::{Budget, BudgetError, Charge};
pub use cancel::{Cancel, CancelReason};
pub use chance::Chance;
pub use clock::{Clock, ManualClock, SystemClock};
pub use fs::{File, FileLock, Fs, SystemFs};
pub use pool::CpuPool;
pub use shutdown::{Shutdown, ShutdownTrigger};
