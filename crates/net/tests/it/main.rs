//! Integration tests: the client against the server, both on loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod proxy;
mod server;

use std::net::SocketAddr;

use axum::Router;
use gauntlet_net::{Server, ServerOptions};
use gauntlet_runtime::{Shutdown, ShutdownTrigger};

/// A server that ends when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) trigger: ShutdownTrigger,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

pub(crate) async fn serve(router: Router, options: ServerOptions) -> Running {
    let server = Server::bind(&["127.0.0.1:0"], options).await.unwrap();
    let address = server.addresses()[0];
    let (trigger, shutdown) = Shutdown::new();
    let task = tokio::spawn(server.run(router, shutdown));
    Running { address, trigger, task }
}

pub(crate) fn testdata(name: &str) -> String {
    format!("{}/tests/it/testdata/{name}", env!("CARGO_MANIFEST_DIR"))
}
