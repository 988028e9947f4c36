//! Binding an address, and saying what is wrong with it.

use std::io::ErrorKind;

use tokio::net::TcpListener;

use super::ServeError;

/// Binds `host:port`; an empty host is every address of the machine, of both families where it has them.
pub(super) async fn bind(address: &str) -> Result<TcpListener, ServeError> {
    let wrong = |reason: &str| ServeError::Address {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("missing port in address"))?;
    let port: u16 = port.parse().map_err(|_| wrong("invalid port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let bound = if host.is_empty() {
        match TcpListener::bind(("::", port)).await {
            // No IPv6 here.
            Err(err) if err.kind() != ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port)).await
            }
            bound => bound,
        }
    } else {
        TcpListener::bind((host, port)).await
    };
    bound.map_err(|err| match err.kind() {
        ErrorKind::AddrInUse => ServeError::InUse(address.to_owned()),
        ErrorKind::PermissionDenied => ServeError::Denied(address.to_owned()),
        _ => wrong(&crate::client::io_text(&err)),
    })
}
