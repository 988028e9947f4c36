//! The StoreAPI over gRPC: codecs, the server's services, snappy.

pub mod apis;
pub mod codec;
pub mod health;
pub mod server;
pub mod snappy;
pub mod tls;

pub use apis::ApiSource;
pub use server::{InfoService, ServerOptions, StoreService, routes, serve};
pub use tls::{ClientTls, ServerTls};
