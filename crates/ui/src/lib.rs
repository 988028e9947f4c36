//! The embedded web app, and a plain page for builds without it.
//!
//! Sources are in `ui/`; `make ui` builds `ui/dist`, which this crate embeds compressed. It knows no HTTP library: a role asks
//! for an [`Asset`] and sends it.

pub mod assets;
pub mod plain;

pub use assets::{Asset, asset, index, is_built};
pub use plain::{PlainPage, Section};
