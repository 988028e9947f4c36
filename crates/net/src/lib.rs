//! HTTP and gRPC clients and listeners built from configuration.
//!
//! [`client`] sends requests over pooled connections with the auth and TLS of the peers' client block; [`server`] binds addresses and serves a
//! router, with the peers' web config file; [`aws`] finds keys for Amazon's services and signs with them. Nothing here knows what is asked or served.

pub mod aws;
pub mod client;
pub mod config;
mod dial;
pub mod jwt;
mod peer_tls;
pub mod percent;
pub mod server;
pub mod time;
mod tls;

pub use client::{BodyReader, BufferPool, ClientError, ClientOptions, HttpClient, Stage};
pub use dial::{TlsDialer, dial};
pub use peer_tls::PeerTls;
pub use server::{ServeError, Server, ServerOptions};
pub(crate) use tls::tls_versions;
