//! The HTTP server: listeners, connections, an orderly end.
//!
//! An own accept loop around an `axum` router: connections are bounded, slow heads time out, TLS and basic auth follow the web config file
//! as it stands at each handshake and request. On shutdown no new connection is accepted, idle ones close, requests at work may end.

mod guard;
mod listen;
mod names;
mod web_config;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gauntlet_runtime::Shutdown;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

pub(crate) use web_config::{Material, ServerTls};
pub use web_config::{WebConfig, WebConfigError};

/// Bounds of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections open at once; further ones wait in the system's queue.
    pub max_connections: usize,
    /// How long a request's head may take, and an idle connection live.
    pub read_timeout: Duration,
    /// How long requests at work may take after the shutdown began.
    pub drain_timeout: Duration,
    /// `--web.config.file`; empty for none.
    pub web_config_file: String,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 512,
            read_timeout: Duration::from_secs(5 * 60),
            drain_timeout: Duration::from_secs(30),
            web_config_file: String::new(),
        }
    }
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {reason}")]
    Address { address: String, reason: String },
    #[error(
        "cannot listen on {0}: address already in use; stop the process that has it or choose another port"
    )]
    InUse(String),
    #[error(
        "cannot listen on {0}: permission denied; ports below 1024 need privileges, choose a higher one"
    )]
    Denied(String),
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    options: ServerOptions,
    guard: Arc<guard::Guard>,
}

impl Server {
    /// Binds all addresses (`host:port`, `:port`; port 0 takes a free one) and checks the web config file.
    pub async fn bind<S: AsRef<str>>(
        addresses: &[S],
        options: ServerOptions,
    ) -> Result<Self, ServeError> {
        let guard = Arc::new(guard::Guard::new(&options.web_config_file)?);
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            listeners.push(listen::bind(address.as_ref()).await?);
        }
        Ok(Self { listeners, options, guard })
    }

    /// Takes sockets that listen already, as a service manager hands them over.
    pub fn from_listeners(
        listeners: Vec<std::net::TcpListener>,
        options: ServerOptions,
    ) -> Result<Self, ServeError> {
        let guard = Arc::new(guard::Guard::new(&options.web_config_file)?);
        let wrong = |reason: std::io::Error| ServeError::Address {
            address: "inherited socket".to_owned(),
            reason: reason.to_string(),
        };
        let mut taken = Vec::with_capacity(listeners.len());
        for listener in listeners {
            listener.set_nonblocking(true).map_err(wrong)?;
            taken.push(TcpListener::from_std(listener).map_err(wrong)?);
        }
        Ok(Self { listeners: taken, options, guard })
    }

    /// The addresses bound, in the order given.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    }

    /// Whether connections are TLS.
    pub fn is_tls(&self) -> bool {
        self.guard.is_tls()
    }

    /// Serves until the shutdown, then drains.
    pub async fn run(self, router: Router, shutdown: Shutdown) {
        let permits = Arc::new(Semaphore::new(self.options.max_connections.max(1)));
        let graceful = GracefulShutdown::new();
        let router = guard::protect(router, Arc::clone(&self.guard));
        let mut accepting = tokio::task::JoinSet::new();
        let watchers = Arc::new(graceful);
        for listener in self.listeners {
            let acceptor = Acceptor {
                listener,
                router: router.clone(),
                permits: Arc::clone(&permits),
                watchers: Arc::clone(&watchers),
                guard: Arc::clone(&self.guard),
                read_timeout: self.options.read_timeout,
                shutdown: shutdown.clone(),
            };
            debug!(component = "web", address = ?acceptor.listener.local_addr().ok(), tls = self.guard.is_tls(), "listening");
            accepting.spawn(acceptor.run());
        }
        while accepting.join_next().await.is_some() {}
        drop(router);
        let Some(graceful) = Arc::into_inner(watchers) else { return };
        if tokio::time::timeout(self.options.drain_timeout, graceful.shutdown()).await.is_err() {
            warn!(component = "web", "requests still at work were cut off at shutdown");
        }
    }
}

/// One listener's loop.
struct Acceptor {
    listener: TcpListener,
    router: Router,
    permits: Arc<Semaphore>,
    watchers: Arc<GracefulShutdown>,
    guard: Arc<guard::Guard>,
    read_timeout: Duration,
    shutdown: Shutdown,
}

impl Acceptor {
    async fn run(self) {
        // Handshakes at work keep their end of the watchers only through what is watched.
        loop {
            let permit = tokio::select! {
                () = self.shutdown.wait() => return,
                permit = Arc::clone(&self.permits).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let accepted = tokio::select! {
                () = self.shutdown.wait() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(err) => {
                    // Out of file descriptors, say: give the others time to close.
                    warn!(component = "web", %err, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = socket.set_nodelay(true);
            let watcher = self.watchers.watcher();
            let connection = Connection {
                router: self.router.clone(),
                guard: Arc::clone(&self.guard),
                read_timeout: self.read_timeout,
            };
            tokio::spawn(async move {
                connection.serve(socket, peer, watcher).await;
                drop(permit);
            });
        }
    }
}

/// One connection's service.
struct Connection {
    router: Router,
    guard: Arc<guard::Guard>,
    read_timeout: Duration,
}

impl Connection {
    async fn serve(
        self,
        socket: TcpStream,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.read_timeout);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(self.read_timeout));
        let router = self.router.layer(axum::Extension(Peer(peer)));
        let service = TowerToHyperService::new(router);
        let acceptor = match self.guard.tls_acceptor() {
            Ok(acceptor) => acceptor,
            Err(err) => {
                warn!(component = "web", %err, "web config file is not usable; connection refused");
                return;
            }
        };
        let served = match acceptor {
            None => {
                let connection = builder.serve_connection(TokioIo::new(socket), service);
                watcher.watch(connection).await
            }
            Some(acceptor) => {
                let handshake = tokio::time::timeout(self.read_timeout, acceptor.accept(socket));
                let stream = match handshake.await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(err)) => {
                        debug!(component = "web", %peer, %err, "TLS handshake failed");
                        return;
                    }
                    Err(_) => return,
                };
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                watcher.watch(connection).await
            }
        };
        if let Err(err) = served {
            debug!(component = "web", %peer, %err, "connection ended");
        }
    }
}

/// Who sent a request; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);
