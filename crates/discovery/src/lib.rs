//! Finding targets: what a configuration says to find, the discoverers that find it, and the manager that runs them.

pub mod config;
pub mod glob;
pub mod group;

pub use config::{SdConfig, SdConfigs};
pub use group::{ADDRESS_LABEL, TargetGroup};
