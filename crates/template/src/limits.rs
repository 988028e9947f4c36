//! What an execution may use up: a hostile template costs its limits, not more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::Clock;

/// Bounds of one execution, templates and functions called within it included.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest output, and largest string a function may give, in bytes.
    pub output_bytes: usize,
    /// Nodes visited, loop iterations and the steps functions count.
    pub steps: u64,
    /// Templates, blocks and loops within each other.
    pub depth: u32,
    /// A clock and the moment (its monotonic time) when to stop; looked at every 256 steps.
    pub deadline: Option<(Arc<dyn Clock>, Duration)>,
}

impl Default for Limits {
    /// 4 MiB, two million steps, 400 deep, no deadline: far beyond honest templates, and within a second.
    fn default() -> Self {
        Self { output_bytes: 4 << 20, steps: 2_000_000, depth: 400, deadline: None }
    }
}

impl Limits {
    /// Adds a deadline `timeout` from now.
    pub fn within(mut self, clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let end = clock.monotonic().saturating_add(timeout);
        self.deadline = Some((clock, end));
        self
    }
}

/// The limit that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Output(usize),
    Steps(u64),
    Depth(u32),
    Time,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(bytes) => write!(f, "output is larger than {bytes} bytes"),
            Self::Steps(steps) => write!(f, "took more than {steps} steps"),
            Self::Depth(depth) => write!(f, "exceeded maximum template depth ({depth})"),
            Self::Time => f.write_str("ran out of time"),
        }
    }
}
