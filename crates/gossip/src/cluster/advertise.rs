//! Which address others are told: the configured one, the bound one, or that of the default route.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::ClusterOptions;
use crate::error::GossipError;

pub(super) fn choose(
    options: &ClusterOptions,
    configured: Option<SocketAddr>,
    bound: SocketAddr,
    peers: &[SocketAddr],
) -> Result<SocketAddr, GossipError> {
    if let Some(address) = configured {
        // A port of 0 cannot be reached; as in the peer the bound one is meant.
        let port = if address.port() == 0 { bound.port() } else { address.port() };
        return Ok(warn_if_unreachable(SocketAddr::new(address.ip(), port), peers));
    }
    if !bound.ip().is_unspecified() {
        return Ok(warn_if_unreachable(bound, peers));
    }
    let ip = default_route_ip();
    match ip.filter(|ip| is_private(*ip) || options.allow_public_advertise) {
        Some(ip) => {
            tracing::info!(%ip, port = bound.port(), "setting advertise address explicitly");
            Ok(SocketAddr::new(ip, bound.port()))
        }
        None => Err(GossipError::Config(
            "no private IP found, explicit advertise addr not provided".to_owned(),
        )),
    }
}

fn warn_if_unreachable(address: SocketAddr, peers: &[SocketAddr]) -> SocketAddr {
    let unroutable = address.ip().is_loopback() || address.ip().is_unspecified();
    if unroutable && peers.iter().any(|peer| !peer.ip().is_loopback()) {
        tracing::warn!(%address, "this node advertises itself on an unroutable address");
    }
    address
}

/// The own address of the default route. Connecting a datagram socket only asks the routing table, nothing is sent.
fn default_route_ip() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// Private or shared (carrier) addresses, of those that other hosts can reach.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || (a == 100 && (64..128).contains(&b)) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn configured_then_bound() {
        let options = ClusterOptions::default();
        let choose = |configured, bound| choose(&options, configured, address(bound), &[]).unwrap();
        assert_eq!(choose(Some(address("10.0.0.1:5")), "0.0.0.0:9"), address("10.0.0.1:5"));
        assert_eq!(choose(Some(address("10.0.0.1:0")), "0.0.0.0:9"), address("10.0.0.1:9"));
        assert_eq!(choose(None, "127.0.0.1:9"), address("127.0.0.1:9"));
    }

    #[test]
    fn private_is_what_others_can_reach_inside() {
        for private in ["10.1.2.3", "172.31.0.1", "192.168.3.4", "100.64.0.1", "fd00::1"] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for other in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "169.254.1.1", "2001:db8::1"] {
            assert!(!is_private(other.parse().unwrap()), "{other}");
        }
    }
}
