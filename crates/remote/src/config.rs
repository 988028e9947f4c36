//! Configuration of remote write, remote read and OTLP ingestion. Facts: upstream's `config/config.go`.

mod azuread;
mod otlp;
mod read;
mod write;

use std::collections::BTreeMap;

use gauntlet_yaml::{Context, Mapping};

pub(crate) use azuread::TOKEN_FILE as AZURE_TOKEN_FILE;
pub use azuread::{AzureAdConfig, AzureCredential};
pub use otlp::{OtlpConfig, TranslationStrategy};
pub use read::RemoteReadConfig;
pub use write::{
    GoogleIamConfig, MetadataConfig, ProtobufMessage, QueueConfig, RemoteWriteConfig,
    UnknownMessage,
};

/// Headers that `headers` may not set, in lower case.
const RESERVED_HEADERS: [&str; 17] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "authorization",
];

/// Whether a header is set by the protocol itself and must not be configured.
pub fn is_reserved_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED_HEADERS.contains(&name.as_str())
}

/// Reads `headers`, refusing reserved names.
fn read_headers(map: &mut Mapping<'_>, cx: &mut Context) -> BTreeMap<String, String> {
    let headers: BTreeMap<String, String> = map.take_default(cx, "headers");
    for name in headers.keys() {
        if name.eq_ignore_ascii_case("authorization") {
            let reason = "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter";
            map.problem(cx, "headers", reason);
        } else if is_reserved_header(name) {
            let reason = format!("{name} is a reserved header. It must not be changed");
            map.problem(cx, "headers", reason);
        }
    }
    headers
}
