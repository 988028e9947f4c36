//! The HTTP API and its JSON: the only crate that knows it.
//!
//! [`router::serve`] answers `/api/v1/*`, `/-/*` and `/version` for whichever role hands it an [`state::ApiState`]. Pages and
//! `/metrics` are the role's own.

mod admin;
mod compress;
pub mod envelope;
mod explain;
mod federate;
mod labels;
pub mod params;
mod query;
mod query_log;
mod remote_read;
mod remote_write;
mod results;
pub mod router;
pub mod state;
mod status;
mod system;

pub use envelope::{Answer, ApiError, ErrorKind};
pub use params::Params;
pub use query_log::QueryLog;
pub use state::{ApiLimits, ApiState, BuildInfo, Receivers, RoleStatus, ThanosDefaults};
