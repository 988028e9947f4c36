//! Finding targets: what a configuration says to find, the discoverers that find it, and the manager that runs them.
//!
//! The way: [`SdConfigs`] are read from YAML; [`Manager`] turns them into running [`Discoverer`]s and publishes
//! [`TargetSets`]. Relabelling and scraping of what is found are the scraper's. All 37 kinds are read and checked; those
//! that cannot run are refused by name.

pub mod config;
pub mod deps;
pub mod discoverer;
pub mod fetch;
#[doc(hidden)]
pub mod fuzz;
pub mod glob;
pub mod manager;
pub mod metrics;
pub mod parse;

mod answer;
mod aws;
mod consul;
pub mod dns;
mod file;
mod fixed;
mod http;
mod kinds;
mod kubernetes;
mod meta;
mod rest;
mod xml;

pub use config::{SdConfig, SdConfigs};
pub use deps::{Clients, Deps, Metrics, NetworkClients, SharedWatches};
pub use discoverer::{Discoverer, StartError, Updates};
pub use gauntlet_model::{ADDRESS_LABEL, TargetGroup, TargetSets};
pub use manager::{Manager, ManagerHandle, ManagerOptions, ProviderStatus};
