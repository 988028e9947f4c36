//! What both ends of TLS share.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::config::TlsVersion;

/// The versions between two bounds, both included; by default 1.2 and later. Older versions are not spoken.
pub(crate) fn tls_versions(
    min: Option<TlsVersion>,
    max: Option<TlsVersion>,
) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let min = min.unwrap_or(TlsVersion::Tls12);
    let max = max.unwrap_or(TlsVersion::Tls13);
    let known = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)];
    let versions: Vec<_> =
        known.into_iter().filter(|(v, _)| (min..=max).contains(v)).map(|(_, v)| v).collect();
    if versions.is_empty() {
        return Err("max_version is below TLS12; TLS 1.0 and 1.1 are not supported".into());
    }
    Ok(versions)
}
