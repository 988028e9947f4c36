//! Metric registry and logs.
//!
//! A component's metrics are one struct that its constructor makes from a [`Registry`]; nothing is global. Rendering is
//! `expfmt`'s: [`Registry::gather`] gives plain [`MetricFamily`] values. Logs go through `tracing` and are printed by
//! [`logs`] in the peers' line shapes.

pub mod family;
pub mod logs;
pub mod metric;
pub mod process;
pub mod registry;
pub mod summary;

pub use family::{Metric, MetricFamily, MetricKind, MetricValue};
pub use metric::{Counter, Gauge, Histogram};
pub use registry::{Collect, Family, Registry};
pub use summary::Summary;
