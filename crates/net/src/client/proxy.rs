//! HTTP proxies: which requests go through one, and the tunnel for those that are TLS.
//!
//! Plain requests are sent to the proxy in absolute form, TLS ones through `CONNECT`. Left out: proxies that speak TLS or SOCKS
//! themselves; they are refused. Which hosts are left alone follows Go's `httpproxy`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::error::{ClientError, Stage, io_text};
use crate::config::ProxyConfig;

/// Upper bound of the head of a proxy's answer, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Where requests go.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    http: Option<Hop>,
    https: Option<Hop>,
    bypass: Bypass,
}

/// A proxy.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
    /// Header lines of CONNECT requests.
    connect_lines: Vec<(String, String)>,
}

/// Hosts that are asked directly.
#[derive(Clone, Debug, Default)]
struct Bypass {
    all: bool,
    /// Loopback is left alone, as Go does wherever a list may be given.
    loopback: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Net(IpAddr, u8),
    /// With the port it must have, if any; `false`: only names below it.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Address(IpAddr, Option<u16>),
}

impl Proxies {
    pub(super) fn new(config: &ProxyConfig) -> Result<Self, ClientError> {
        let lines: Vec<(String, String)> = config
            .proxy_connect_header
            .iter()
            .flat_map(|(name, values)| {
                values.iter().map(move |v| (name.clone(), v.expose().to_owned()))
            })
            .collect();
        for (name, value) in &lines {
            super::header(name, value)?;
        }
        if config.proxy_from_environment {
            let env = |names: [&str; 2]| {
                names.iter().find_map(|name| std::env::var(name).ok()).filter(|v| !v.is_empty())
            };
            let hop = |text: Option<String>| text.map(|t| Hop::parse(&t, &lines)).transpose();
            return Ok(Self {
                http: hop(env(["HTTP_PROXY", "http_proxy"]))?,
                https: hop(env(["HTTPS_PROXY", "https_proxy"]))?,
                bypass: Bypass::parse(&env(["NO_PROXY", "no_proxy"]).unwrap_or_default(), true),
            });
        }
        let Some(url) = config.proxy_url.as_ref().filter(|url| !url.as_str().is_empty()) else {
            return Ok(Self::default());
        };
        let hop = Hop::parse(url.as_str(), &lines)?;
        let bypass = Bypass::parse(&config.no_proxy, !config.no_proxy.is_empty());
        Ok(Self { http: Some(hop.clone()), https: Some(hop), bypass })
    }

    /// The proxy for a request; `None` if it goes straight.
    pub(super) fn hop(&self, uri: &Uri) -> Option<&Hop> {
        let secure = uri.scheme_str() == Some("https");
        let hop = if secure { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        (!self.bypass.covers(host, port)).then_some(hop)
    }
}

impl Hop {
    fn parse(text: &str, lines: &[(String, String)]) -> Result<Self, ClientError> {
        // The text may hold a password.
        let wrong = |reason: &str| ClientError::config(format!("proxy_url: {reason}"));
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|_| wrong("not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("only proxies that speak http:// are supported"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?.as_str();
        let authorization = match authority.rsplit_once('@') {
            None => None,
            Some((user_info, _)) => {
                let pair = percent_decode(user_info);
                let pair = if user_info.contains(':') { pair } else { format!("{pair}:") };
                let text = format!("Basic {}", STANDARD.encode(pair));
                let mut value = HeaderValue::try_from(text).map_err(|_| wrong("bad user"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authorization,
            connect_lines: lines.to_vec(),
        })
    }

    /// Asks the proxy for a tunnel to `host:port`.
    pub(super) async fn tunnel(
        &self,
        socket: &mut TcpStream,
        host: &str,
        port: u16,
    ) -> Result<(), ClientError> {
        let fail = |message: String| {
            ClientError::new(Stage::Connect, format!("proxyconnect tcp: {message}"))
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(value) = &self.authorization
            && let Ok(value) = value.to_str()
        {
            head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        for (name, value) in &self.connect_lines {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).await.map_err(|err| fail(io_text(&err)))?;
        // Byte by byte: what follows the head belongs to the tunnel.
        let mut answer = Vec::with_capacity(256);
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_HEAD_BYTES {
                return Err(fail("answer of the proxy is too long".into()));
            }
            let byte = socket.read_u8().await.map_err(|err| fail(io_text(&err)))?;
            answer.push(byte);
        }
        let answer = String::from_utf8_lossy(&answer);
        let line = answer.lines().next().unwrap_or_default();
        let mut parts = line.splitn(3, ' ');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(version), Some("200"), _) if version.starts_with("HTTP/1.") => Ok(()),
            (_, _, Some(reason)) => Err(fail(reason.to_owned())),
            _ => Err(fail(format!("malformed HTTP response {line:?}"))),
        }
    }
}

impl Bypass {
    fn parse(text: &str, loopback: bool) -> Self {
        let mut out = Self { loopback, ..Self::default() };
        for item in text.split(',').map(|item| item.trim().to_ascii_lowercase()) {
            if item == "*" {
                out.all = true;
            } else if let Some(rule) = Rule::parse(&item) {
                out.rules.push(rule);
            }
        }
        out
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let ip: Option<IpAddr> = host.parse().ok();
        let local = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        self.all
            || self.loopback && local
            || self.rules.iter().any(|rule| rule.covers(&host, ip, port))
    }
}

impl Rule {
    fn parse(item: &str) -> Option<Self> {
        if item.is_empty() {
            return None;
        }
        if let Some((net, bits)) = item.split_once('/') {
            return Some(Self::Net(net.parse().ok()?, bits.parse().ok()?));
        }
        if let Ok(ip) = item.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address(ip, None));
        }
        let (name, port) = match item.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (item, None),
        };
        if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address(ip, port));
        }
        let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        let itself = !name.starts_with('.');
        Some(Self::Domain { name: name.trim_start_matches('.').to_owned(), itself, port })
    }

    fn covers(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        match self {
            Self::Net(net, bits) => ip.is_some_and(|ip| in_net(ip, *net, *bits)),
            Self::Address(own, own_port) => {
                ip == Some(*own) && own_port.is_none_or(|own| own == port)
            }
            Self::Domain { name, itself, port: own_port } => {
                let below =
                    host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || *itself && host == name) && own_port.is_none_or(|own| own == port)
            }
        }
    }
}

fn in_net(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => {
            let shift = 32u32.saturating_sub(u32::from(bits));
            u32::from(ip).checked_shr(shift) == u32::from(net).checked_shr(shift)
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) => {
            let shift = 128u32.saturating_sub(u32::from(bits));
            u128::from(ip).checked_shr(shift) == u128::from(net).checked_shr(shift)
        }
        _ => false,
    }
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = (byte == b'%').then(|| (ahead.next(), ahead.next()));
        match digits {
            Some((Some(a), Some(b))) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |c: u8| char::from(c).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(a) << 4 | digit(b));
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_left_alone_as_go_leaves_them() {
        let bypass =
            Bypass::parse("a.com, .b.com, *.c.com, d.com:81, 10.1.0.0/16, 192.0.2.7", true);
        for (host, port, expect) in [
            ("a.com", 80, true),
            ("x.a.com", 80, true),
            ("xa.com", 80, false),
            ("b.com", 80, false),
            ("x.b.com", 80, true),
            ("x.c.com", 80, true),
            ("d.com", 81, true),
            ("d.com", 80, false),
            ("10.1.9.9", 80, true),
            ("10.2.0.1", 80, false),
            ("192.0.2.7", 80, true),
            ("localhost", 80, true),
            ("127.0.0.1", 80, true),
        ] {
            assert_eq!(bypass.covers(host, port), expect, "{host}:{port}");
        }
        assert!(Bypass::parse("*", true).covers("anything", 1));
        assert!(!Bypass::parse("", false).covers("127.0.0.1", 1));
    }

    #[test]
    fn proxies_have_users_and_one_scheme() {
        let hop = Hop::parse("http://me:p%40ss@proxy", &[]).unwrap();
        assert_eq!((hop.host.as_str(), hop.port), ("proxy", 80));
        assert_eq!(hop.authorization.unwrap(), "Basic bWU6cEBzcw==");
        for url in ["socks5://proxy:1", "https://proxy:1"] {
            let err = Hop::parse(url, &[]).unwrap_err().to_string();
            assert_eq!(err, "proxy_url: only proxies that speak http:// are supported");
        }
    }
}
