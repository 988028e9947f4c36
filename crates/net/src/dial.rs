//! Connections that are no HTTP: TCP to a host by name, and TLS begun on a connection that is open already.
//!
//! For protocols that start in clear and turn to TLS half way (SMTP's STARTTLS), or speak TLS from the first byte.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::{ClientError, ClientTls, handshake};
use crate::config::TlsConfig;

/// Tries a host's addresses in turn.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, ClientError> {
    crate::client::dial(host, port).await
}

/// TLS from configuration. Its files are read again for each connection.
#[derive(Debug)]
pub struct TlsDialer(ClientTls);

impl TlsDialer {
    /// Checks the configuration; files are read later.
    pub fn new(config: &TlsConfig) -> Result<Self, ClientError> {
        ClientTls::new(config, false).map(Self)
    }

    /// Shakes hands over an open connection. The certificate must be that of `host`, or of the configured server name.
    pub async fn start<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, ClientError> {
        handshake(&self.0, host, stream).await
    }
}
