//! Names of peers to addresses, at the start and again and again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::GossipError;

/// Pause between tries while a name gives no address.
const RETRY: Duration = Duration::from_secs(2);
/// Most addresses taken of one name.
const MAX_ADDRESSES: usize = 256;

/// What the names gave.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) errors: Vec<String>,
    /// A name is known, but has no address.
    empty: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    peers: Vec<(String, u16)>,
    own: Option<SocketAddr>,
}

impl Resolver {
    /// # Errors
    /// When a peer is not a host and a port.
    pub(super) fn new(peers: &[String], own: Option<SocketAddr>) -> Result<Self, GossipError> {
        let split = |peer: &String| {
            let fail = |reason| GossipError::Resolve(format!("peer {peer:?}: {reason}"));
            // memberlist's way of naming the node an address belongs to.
            let address = peer.split_once('/').map_or(peer.as_str(), |(_, address)| address);
            let (host, port) = address.rsplit_once(':').ok_or_else(|| fail("missing port"))?;
            let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            let port = port.parse().map_err(|_| fail("invalid port"))?;
            if host.is_empty() {
                return Err(fail("missing host"));
            }
            Ok((host.to_owned(), port))
        };
        Ok(Self { peers: peers.iter().map(split).collect::<Result<_, _>>()?, own })
    }

    /// All addresses of all peers but the own one, each once.
    pub(super) async fn once(&self) -> Resolved {
        let mut resolved = Resolved::default();
        for (host, port) in &self.peers {
            if let Ok(ip) = host.parse::<IpAddr>() {
                self.add(&mut resolved.addresses, SocketAddr::new(ip.to_canonical(), *port));
                continue;
            }
            match tokio::net::lookup_host((host.as_str(), *port)).await {
                Ok(addresses) => {
                    let mut addresses = addresses.take(MAX_ADDRESSES).peekable();
                    resolved.empty |= addresses.peek().is_none();
                    for address in addresses {
                        let ip = address.ip().to_canonical();
                        self.add(&mut resolved.addresses, SocketAddr::new(ip, *port));
                    }
                }
                Err(err) => resolved.errors.push(format!("{host}: {err}")),
            }
        }
        resolved
    }

    /// As [`Self::once`], tried again while a name has no address, for at most `timeout`. Names that cannot be looked up are
    /// not waited for, as in the peer: refreshing finds them later.
    pub(super) async fn wait(&self, timeout: Duration) -> Vec<SocketAddr> {
        let mut last = Vec::new();
        let tries = async {
            loop {
                let resolved = self.once().await;
                for err in &resolved.errors {
                    tracing::warn!(err, "could not resolve a peer; tried again later");
                }
                last = resolved.addresses;
                if !resolved.empty {
                    break;
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(timeout, tries).await.is_err() {
            tracing::warn!(?timeout, "resolving the peers took too long; tried again later");
        }
        last
    }

    fn add(&self, found: &mut Vec<SocketAddr>, address: SocketAddr) {
        if self.own != Some(address) && !found.contains(&address) {
            found.push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_stay_and_the_own_address_goes() {
        let own = "127.0.0.1:2".parse().unwrap();
        let peers = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3", "name/127.0.0.1:1"];
        let peers: Vec<String> = peers.map(str::to_owned).to_vec();
        let resolver = Resolver::new(&peers, Some(own)).unwrap();
        let resolved = resolver.once().await;
        assert_eq!(
            resolved.addresses,
            ["127.0.0.1:1".parse().unwrap(), "[::1]:3".parse().unwrap()]
        );
        assert!(resolved.errors.is_empty() && !resolved.empty);
        for bad in ["host", "host:", ":1", "host:99999"] {
            assert!(Resolver::new(&[bad.to_owned()], None).is_err(), "{bad}");
        }
    }
}
