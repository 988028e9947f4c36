//! Runs the upstream's PromQL test scripts (`*.test`) against an engine: `clear`, `load`, `eval instant`, `eval range`.
//!
//! [`Script`] parses, [`MemoryStore`] holds what is loaded, [`TestEngine`] is what is under test (the real engine and the
//! slow reference both are), [`run_script`] evaluates and compares as upstream does: each instant query also with `@` put
//! on its selectors at five other times, and as the middle of a three-point range. Known gaps are a named list
//! ([`Gap`]); one that passes fails the run. Source of the format: upstream `promql/promqltest`.

mod at_modifier;
mod compare;
mod engine;
mod expand;
mod gaps;
mod nhcb;
mod report;
mod runner;
mod script;
mod store;

pub use compare::almost_equal;
pub use engine::EngineUnderTest;
pub use expand::{SequenceValue, expand};
pub use gaps::GAPS;
pub use report::{Failure, Gap, Report, run_all, run_engine};
pub use runner::run_script;
pub use script::{Command, Eval, Expected, Load, Script, ScriptError, Timing};
pub use store::MemoryStore;

use std::sync::Arc;

use gauntlet_model::{FloatHistogram, Labels, Timestamp};
use gauntlet_promql::Annotations;

/// A sample's value.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// What a query evaluates to.
#[derive(Clone, Debug)]
pub enum Value {
    Scalar(f64),
    String(String),
    /// In the order answered, which counts for `sort` and its kin.
    Vector(Vec<(Labels, SampleValue)>),
    /// Series ascending by label set; each point once, ascending by time.
    Matrix(Vec<(Labels, Vec<(Timestamp, SampleValue)>)>),
}

/// A value and what was remarked on the way.
#[derive(Clone, Debug)]
pub struct Answer {
    pub value: Value,
    pub annotations: Annotations,
}

/// What can evaluate queries. Settings are the scripts': lookback 5m, subqueries without a step take 1m, all features on,
/// names dropped late, start timestamps used, at most [`MAX_SAMPLES`] samples. An error is the text users see.
pub trait TestEngine {
    fn instant(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        at: Timestamp,
    ) -> Result<Answer, String>;

    fn range(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    ) -> Result<Answer, String>;
}

/// The limit of samples under which the scripts run.
pub const MAX_SAMPLES: usize = 10_000;
