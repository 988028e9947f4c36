//! Options of a cluster node; the defaults are those of Alertmanager's `--cluster.*` flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::GossipError;

/// Longest label, as its length is one byte.
const MAX_LABEL_BYTES: usize = 255;

#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// `--cluster.peer-name`; a fresh ULID if `None`. Unique in the cluster.
    pub name: Option<String>,
    /// `--cluster.listen-address`: an IP (or nothing, for all) and a port; UDP and TCP alike.
    pub bind: String,
    /// `--cluster.advertise-address`: an IP and a port.
    pub advertise: Option<String>,
    /// `--cluster.peer`: hosts (names or IPs) and ports.
    pub peers: Vec<String>,
    /// `--cluster.label`: nodes of another label are not heard.
    pub label: String,
    /// `--cluster.pushpull-interval`
    pub push_pull_interval: Duration,
    /// `--cluster.gossip-interval`
    pub gossip_interval: Duration,
    /// `--cluster.tcp-timeout`
    pub stream_timeout: Duration,
    /// `--cluster.probe-timeout`
    pub probe_timeout: Duration,
    /// `--cluster.probe-interval`
    pub probe_interval: Duration,
    /// `--cluster.peers-resolve-timeout`
    pub resolve_timeout: Duration,
    /// `--cluster.reconnect-interval`; zero for never.
    pub reconnect_interval: Duration,
    /// `--cluster.reconnect-timeout`; zero for never giving up.
    pub reconnect_timeout: Duration,
    /// `--cluster.allow-insecure-public-advertise-address-discovery`
    pub allow_public_advertise: bool,
    /// `--cluster.tls-config`: a file; with it all goes over TLS.
    pub tls_config_file: Option<PathBuf>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            name: None,
            bind: "0.0.0.0:9094".to_owned(),
            advertise: None,
            peers: Vec::new(),
            label: String::new(),
            push_pull_interval: Duration::from_secs(60),
            gossip_interval: Duration::from_millis(200),
            stream_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_millis(500),
            probe_interval: Duration::from_secs(1),
            resolve_timeout: Duration::from_secs(15),
            reconnect_interval: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(6 * 3600),
            allow_public_advertise: false,
            tls_config_file: None,
        }
    }
}

/// What the options' addresses say.
pub(super) struct Checked {
    pub(super) bind: SocketAddr,
    pub(super) advertise: Option<SocketAddr>,
}

impl ClusterOptions {
    pub(super) fn check(&self) -> Result<Checked, GossipError> {
        let fail = |reason: String| Err(GossipError::Config(reason));
        if self.label.len() > MAX_LABEL_BYTES {
            return fail(format!("label is longer than {MAX_LABEL_BYTES} bytes"));
        }
        let name_len = self.name.as_ref().map(String::len);
        if name_len.is_some_and(|len| len == 0 || len > crate::codec::MAX_NAME_BYTES) {
            let limit = crate::codec::MAX_NAME_BYTES;
            return fail(format!("peer name must have 1 to {limit} bytes"));
        }
        let positive = [
            ("probe interval", self.probe_interval),
            ("probe timeout", self.probe_timeout),
            ("gossip interval", self.gossip_interval),
            ("TCP timeout", self.stream_timeout),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, duration)| duration.is_zero()) {
            return fail(format!("{name} must be above zero"));
        }
        let bind = parse(&self.bind, "listen address", true)?;
        let advertise = match self.advertise.as_deref() {
            None | Some("") => None,
            Some(text) => Some(parse(text, "advertise address", false)?),
        };
        Ok(Checked { bind, advertise })
    }
}

fn parse(text: &str, what: &str, may_be_any: bool) -> Result<SocketAddr, GossipError> {
    let fail = |reason: &str| GossipError::Config(format!("{what} {text:?}: {reason}"));
    if may_be_any && let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| fail("invalid port"))?;
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let address: SocketAddr = text.parse().map_err(|_| fail("not an IP address and a port"))?;
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let default = ClusterOptions::default;
        assert_eq!(default().check().map(|c| c.bind).unwrap(), "0.0.0.0:9094".parse().unwrap());
        let any = ClusterOptions { bind: ":77".to_owned(), ..default() };
        assert_eq!(any.check().map(|c| c.bind).unwrap(), "0.0.0.0:77".parse().unwrap());
        for bad in [
            ClusterOptions { bind: "localhost".to_owned(), ..default() },
            ClusterOptions { bind: ":x".to_owned(), ..default() },
            ClusterOptions { advertise: Some("host:1".to_owned()), ..default() },
            ClusterOptions { advertise: Some(":1".to_owned()), ..default() },
            ClusterOptions { label: "x".repeat(256), ..default() },
            ClusterOptions { name: Some(String::new()), ..default() },
            ClusterOptions { gossip_interval: Duration::ZERO, ..default() },
        ] {
            assert!(matches!(bad.check(), Err(GossipError::Config(_))), "{bad:?}");
        }
    }
}
