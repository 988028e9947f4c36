//! Making connections: addresses, TCP or a unix socket, through a proxy or straight, TLS.

use std::future::Future;
use std::hash::BuildHasher as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::Uri;
use http::header::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ClientOptions;
use super::error::{ClientError, Stage, io_text};
use super::proxy::Proxies;
use super::tls::ClientTls;
use crate::config::HttpClientConfig;

/// Makes the connections of one client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tls: Arc<ClientTls>,
    proxies: Arc<Proxies>,
    unix_socket: Option<Arc<str>>,
    /// Counts the connections, where each takes the next of a host's addresses.
    turns: Option<Arc<AtomicUsize>>,
}

/// A connection of any kind.
pub(super) enum Stream {
    Tcp(TokioIo<TcpStream>),
    /// To a proxy, which wants to see whole URLs.
    Proxied(TokioIo<TcpStream>),
    Unix(TokioIo<UnixStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
    UnixTls(Box<TokioIo<TlsStream<UnixStream>>>),
}

impl Connector {
    pub(super) fn new(
        config: &HttpClientConfig,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let tls = ClientTls::new(&config.tls_config, config.enable_http2)?;
        let proxies = Proxies::new(&config.proxy)?;
        let unix_socket = options.unix_socket.map(Arc::from);
        // From one process to the next it begins elsewhere.
        let first = || std::hash::RandomState::new().hash_one(0u8) as usize;
        let turns = options.round_robin.then(|| Arc::new(AtomicUsize::new(first())));
        Ok(Self { tls: Arc::new(tls), proxies: Arc::new(proxies), unix_socket, turns })
    }

    /// What a request through a proxy must show it, if it is not a tunnel.
    pub(super) fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() == Some("https") || self.unix_socket.is_some() {
            return None;
        }
        self.proxies.hop(uri)?.authorization.clone()
    }

    async fn connect(self, uri: Uri) -> Result<Stream, ClientError> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => {
                let scheme = other.unwrap_or_default();
                let message = format!("unsupported protocol scheme \"{scheme}\"");
                return Err(ClientError::config(message));
            }
        };
        if let Some(path) = &self.unix_socket {
            let socket = UnixStream::connect(&**path).await.map_err(|err| {
                let message = format!("dial unix {path}: connect: {}", io_text(&err));
                ClientError::new(Stage::Connect, message)
            })?;
            if !secure {
                return Ok(Stream::Unix(TokioIo::new(socket)));
            }
            let stream = handshake(&self.tls, host, socket).await?;
            return Ok(Stream::UnixTls(Box::new(TokioIo::new(stream))));
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let hop = self.proxies.hop(&uri);
        let mut socket = match hop {
            None => {
                let turn = self.turns.map(|turns| turns.fetch_add(1, Ordering::Relaxed));
                dial_from(host, port, turn.unwrap_or(0)).await?
            }
            Some(hop) => dial(&hop.host, hop.port).await.map_err(ClientError::of_proxy)?,
        };
        if !secure {
            let socket = TokioIo::new(socket);
            return Ok(if hop.is_some() { Stream::Proxied(socket) } else { Stream::Tcp(socket) });
        }
        if let Some(hop) = hop {
            hop.tunnel(&mut socket, host, port).await?;
        }
        let stream = handshake(&self.tls, host, socket).await?;
        Ok(Stream::Tls(Box::new(TokioIo::new(stream))))
    }
}

/// Shakes hands over an open connection.
pub(crate) async fn handshake<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    tls: &ClientTls,
    host: &str,
    socket: S,
) -> Result<TlsStream<S>, ClientError> {
    let fail = |message: String| ClientError::new(Stage::Tls, format!("tls: {message}"));
    let name = tls.server_name().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| fail(format!("invalid server name {name:?}")))?;
    let config = tls.config().await?;
    TlsConnector::from(config).connect(name, socket).await.map_err(|err| fail(tls_text(&err)))
}

/// Tries a host's addresses in turn.
pub(crate) async fn dial(host: &str, port: u16) -> Result<TcpStream, ClientError> {
    dial_from(host, port, 0).await
}

/// As [`dial`], beginning with another address at each turn.
async fn dial_from(host: &str, port: u16, turn: usize) -> Result<TcpStream, ClientError> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|err| {
        let text = err.to_string();
        let reason = if text.contains("failed to lookup") { "no such host".into() } else { text };
        ClientError::new(Stage::Resolve, format!("dial tcp: lookup {host}: {reason}"))
    })?;
    let mut last =
        ClientError::new(Stage::Resolve, format!("dial tcp: lookup {host}: no such host"));
    for address in rotated(found.collect(), turn) {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // Requests are single small writes; waiting to fill a segment only delays them.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(err) => {
                let message = format!("dial tcp {address}: connect: {}", io_text(&err));
                last = ClientError::new(Stage::Connect, message);
            }
        }
    }
    Err(last)
}

fn rotated(mut addresses: Vec<std::net::SocketAddr>, turn: usize) -> Vec<std::net::SocketAddr> {
    let count = addresses.len().max(1);
    if turn > 0 {
        // Resolvers give them in any order.
        addresses.sort_unstable();
        addresses.rotate_left(turn % count);
    }
    addresses
}

/// The verifier's words for what went wrong, as the peers put the common cases.
fn tls_text(err: &io::Error) -> String {
    let inner = err.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            let reason = match reason {
                rustls::CertificateError::UnknownIssuer => {
                    "x509: certificate signed by unknown authority".to_owned()
                }
                rustls::CertificateError::Expired
                | rustls::CertificateError::ExpiredContext { .. } => {
                    "x509: certificate has expired or is not yet valid".to_owned()
                }
                other => format!("x509: {other}"),
            };
            format!("failed to verify certificate: {reason}")
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "first record does not look like a TLS handshake".to_owned()
        }
        Some(other) => other.to_string(),
        None => io_text(err),
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let protocol = match self {
            Self::Proxied(_) => return Connected::new().proxy(true),
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Tls(stream) => stream.inner().get_ref().1.alpn_protocol(),
            Self::UnixTls(stream) => stream.inner().get_ref().1.alpn_protocol(),
        };
        let connected = Connected::new();
        if protocol == Some(b"h2") { connected.negotiated_h2() } else { connected }
    }
}

/// Passes a call on to whichever stream it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp(stream) | Stream::Proxied(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
            Stream::UnixTls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(cx, buf))
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_begins_with_another_address() {
        let own = |text: &str| text.parse().unwrap();
        let all = [own("10.0.0.2:1"), own("10.0.0.1:1"), own("10.0.0.3:1")];
        assert_eq!(rotated(all.to_vec(), 0), all);
        let firsts: Vec<_> =
            (1..5).map(|turn| rotated(all.to_vec(), turn)[0].to_string()).collect();
        assert_eq!(firsts, ["10.0.0.2:1", "10.0.0.3:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert!(rotated(Vec::new(), 7).is_empty());
    }
}
