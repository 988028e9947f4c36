//! Discoveries against fakes over loopback HTTP, in the shapes that the services' pages document.
#![allow(clippy::unwrap_used, reason = "a test says what it wants")]

mod fake;
mod found;
mod kinds;
mod kubernetes;
mod peer;
