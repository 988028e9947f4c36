//! Hosts and ports: Go's `net.SplitHostPort` and `net.JoinHostPort`.

use std::net::IpAddr;

/// Host and port, or `None` where Go has an error.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, after_open, after_close);
    if text.starts_with('[') {
        let end = text.find(']')?;
        if end + 1 != colon {
            return None;
        }
        (host, after_open, after_close) = (&text[1..end], 1, end + 1);
    } else {
        host = &text[..colon];
        if host.contains(':') {
            return None;
        }
        (after_open, after_close) = (0, 0);
    }
    if text[after_open..].contains('[') || text[after_close..].contains(']') {
        return None;
    }
    Some((host, &text[colon + 1..]))
}

pub(super) fn strip_port(text: &str) -> &str {
    split(text).map_or(text, |(host, _)| host)
}

pub(super) fn strip_domain(text: &str) -> String {
    let (host, port) = split(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or("");
    match port {
        "" => host.to_owned(),
        port if host.contains(':') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    }
}
