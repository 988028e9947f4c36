//! The words of the field as types: label set, matcher, sample, native histogram, exemplar, metadata, timestamp.
//!
//! Everything above speaks these types. Nothing here does I/O, knows a wire format or depends on a clock.

pub mod duration;
pub mod exemplar;
pub mod float;
pub mod gomath;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod metadata;
pub mod regex;
pub mod relabel;
pub mod sample;
pub mod size;
pub mod target_group;

pub use exemplar::Exemplar;
pub use histogram::{FloatHistogram, Histogram};
pub use labels::{Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher};
pub use metadata::{Metadata, MetricType};
pub use sample::{STALE_NAN, SeriesRef, Timestamp, is_stale_nan};
pub use target_group::{ADDRESS_LABEL, TargetGroup, TargetSets};
