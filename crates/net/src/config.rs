//! The HTTP client block that scraping, discovery, remote endpoints and notifiers share in configuration: read, checked, echoed.
//!
//! Clients are built from these types elsewhere in this crate. Left out: the `*_ref` fields of secret managers, which upstream
//! itself cannot use without one; they are refused.

mod auth;
mod http;
mod secret;
mod sigv4;
mod tls;
mod url;

pub(crate) use auth::JWT_BEARER;
pub use auth::{Authorization, BasicAuth, OAuth2};
pub use http::{Header, HttpClientConfig, ProxyConfig, RESERVED_HEADERS, canonical_header};
pub use secret::Secret;
pub use sigv4::SigV4Config;
pub use tls::{TlsConfig, TlsVersion};
pub use url::{Url, UrlError};

/// Joins a relative path of a file named in configuration to the configuration's folder. Empty and absolute paths stay.
pub fn join_dir(dir: &str, path: &mut String) {
    if path.is_empty() || path.starts_with('/') {
        return;
    }
    *path = clean(&format!("{dir}/{path}"));
}

/// A path without `.` and empty parts, `..` resolved where it can be.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests;
