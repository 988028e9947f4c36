//! Requests to Amazon's services: whose keys, and the signature made with them. What is asked is the caller's.

mod chain;
mod sigv4;

pub use chain::{Call, Choice, Environment, KeyChain, Transport, process_environment, region_of};
pub use sigv4::{Keys, Scope, Unsigned, canonical_query, sign};
