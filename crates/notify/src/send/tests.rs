//! What senders send, against recordings of what the peer sent for the same configuration and alerts.

mod bodies;
mod failures;
mod limits;
mod mail;
mod server;
