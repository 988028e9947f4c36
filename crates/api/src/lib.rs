//! The HTTP API and its JSON.
