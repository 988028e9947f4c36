//! The shape of a collector: a trait, and the row that describes it in the table of all collectors.

use crate::config::Settings;
use crate::env::Env;
use crate::error::{ConfigError, Failure};
use crate::exposition::Exposition;

/// Metric type, as the `# TYPE` line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Untyped,
    Summary,
    Histogram,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Untyped => "untyped",
            Kind::Summary => "summary",
            Kind::Histogram => "histogram",
        }
    }
}

/// One source of metrics. It is built once, keeps what it wants between scrapes (parsed static facts, sockets, last values) and
/// is driven by one worker at a time.
pub(crate) trait Collector: Send {
    /// Writes the current samples. What was written before an `Err` is still shown: a broken file costs its own families alone.
    /// A collector that can go on after a problem notes it with [`Exposition::problem`] and continues.
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure>;
}

/// Builds a collector from the settings; errors stop the start of the process.
pub(crate) type Make = fn(&Settings) -> Result<Box<dyn Collector>, ConfigError>;

/// One row of the table of collectors.
#[derive(Debug)]
pub struct CollectorInfo {
    /// As in `--collector.NAME` and `collect[]=NAME`.
    pub name: &'static str,
    /// Runs unless told otherwise.
    pub default_on: bool,
    /// The sources, for people.
    pub reads: &'static str,
    /// The metric families, for people; `*` stands for many.
    pub families: &'static str,
    pub(crate) make: Make,
}
