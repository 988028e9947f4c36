//! Who a destination in a cloud is told that we are: signatures for Amazon, tokens of Microsoft's identity platform and of Google.
//!
//! What the HTTP client block knows (basic, bearer, OAuth 2.0, client certificates) is the client's own work. Keys and tokens are
//! found when the first request needs them, and kept while they are good; failing to find them is a reason to try again later.

mod azure;
mod google;
mod jwt;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_model::Timestamp;
use gauntlet_net::aws::{
    Choice, Environment, KeyChain, Scope, Transport, Unsigned, process_environment, sign,
};
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_net::{ClientOptions, HttpClient};
use gauntlet_runtime::Clock;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Uri};
use serde_json::Value;

use self::azure::AzureTokens;
use self::google::GoogleTokens;
use crate::config::RemoteWriteConfig;

/// How long whoever has keys or tokens may take.
const KEYS_TIME: Duration = Duration::from_secs(10);
/// The service that signatures are for, unless configured.
const SERVICE: &str = "aps";
/// How much of an error's body is shown, in bytes.
const SHOWN_BYTES: usize = 300;

/// What finding keys and tokens needs: tests put fakes here.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) environment: Environment,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Means {
    /// The environment of the process and a client of its own: the block of the destination is for the destination.
    pub(super) fn of_process(clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut http = HttpClientConfig::default();
        http.proxy.proxy_from_environment = true;
        let transport = HttpClient::new(&http, ClientOptions::default());
        let transport = Arc::new(transport.map_err(|err| err.to_string())?);
        Ok(Self { environment: process_environment(), transport, clock })
    }

    fn var(&self, name: &str) -> String {
        (self.environment)(name)
    }
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// How the requests of one destination are authorised.
#[derive(Debug)]
pub(super) enum CloudAuth {
    None,
    Amazon { chain: KeyChain, service: String, clock: Arc<dyn Clock> },
    Azure(AzureTokens),
    Google(GoogleTokens),
}

impl CloudAuth {
    /// Checks what can be checked without asking anybody.
    pub(super) fn new(config: &RemoteWriteConfig, means: Means) -> Result<Self, String> {
        if let Some(sigv4) = &config.sigv4 {
            let Means { environment, transport, clock } = means;
            let chain = KeyChain::new(
                Choice::from(sigv4),
                environment,
                transport,
                Arc::clone(&clock),
                KEYS_TIME,
            );
            let service = match sigv4.service_name.as_str() {
                "" => SERVICE.to_owned(),
                name => name.to_owned(),
            };
            return Ok(Self::Amazon { chain, service, clock });
        }
        if let Some(azure) = &config.azuread {
            return Ok(Self::Azure(AzureTokens::new(azure, means)));
        }
        if let Some(google) = &config.google_iam {
            return Ok(Self::Google(GoogleTokens::new(google, means)?));
        }
        Ok(Self::None)
    }

    /// Whether paths are sent without empty and dotted parts: a signature is over such a path.
    pub(super) fn cleans_path(&self) -> bool {
        matches!(self, Self::Amazon { .. })
    }

    /// Puts the headers on a request that is whole but for them.
    pub(super) async fn apply(&self, request: &mut Request<Bytes>) -> Result<(), String> {
        let bearer = match self {
            Self::None => return Ok(()),
            Self::Amazon { chain, service, clock } => {
                let region = chain.region().await.map_err(|err| {
                    format!("region not configured in sigv4 or in default credentials chain: {err}")
                })?;
                let keys = chain.keys(&region).await;
                let keys = keys.map_err(|err| format!("could not get SigV4 credentials: {err}"))?;
                let scope = Scope { region: &region, service };
                let uri = request.uri();
                let mut headers = Vec::new();
                if let Some(kind) = request.headers().get(CONTENT_TYPE) {
                    headers.push(("content-type", kind.to_str().unwrap_or_default().to_owned()));
                }
                let unsigned = Unsigned {
                    method: request.method().as_str(),
                    host: &host(uri),
                    path: uri.path(),
                    query: &pairs(uri.query().unwrap_or_default()),
                    headers: &headers,
                    body: request.body(),
                };
                for (name, value) in sign(&unsigned, &keys, scope, clock.now_ms()) {
                    put(request, HeaderName::from_static(name), &value)?;
                }
                return Ok(());
            }
            Self::Azure(tokens) => tokens.bearer().await?,
            Self::Google(tokens) => tokens.bearer().await?,
        };
        put(request, AUTHORIZATION, &bearer)
    }

    /// A receiver did not let us in: what is known may be void.
    pub(super) fn forget(&self) {
        if let Self::Amazon { chain, .. } = self {
            chain.forget();
        }
    }
}

fn put(request: &mut Request<Bytes>, name: HeaderName, value: &str) -> Result<(), String> {
    let mut value = HeaderValue::try_from(value).map_err(|_| format!("invalid header {name}"))?;
    // No redirect may carry it elsewhere.
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

/// The `host` header that the client sends.
fn host(uri: &Uri) -> String {
    let name = uri.host().unwrap_or_default();
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match uri.port_u16() {
        Some(port) if port != usual => format!("{name}:{port}"),
        _ => name.to_owned(),
    }
}

/// The pairs of a query, not escaped.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (unescape(name), unescape(value)))
        .collect()
}

fn unescape(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) if *byte == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A path without empty and dotted parts, as Go's `path.Clean` makes it of an absolute one.
pub(super) fn clean_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

/// A token and when it expires.
type Token = (Secret, Timestamp);

/// A token as long as it is good for `early_ms` more; one request for the next at a time.
#[derive(Debug, Default)]
struct Kept(tokio::sync::Mutex<Option<Token>>);

impl Kept {
    async fn bearer<F>(
        &self,
        clock: &dyn Clock,
        early_ms: i64,
        ask: impl FnOnce() -> F,
    ) -> Result<String, String>
    where
        F: Future<Output = Result<Value, String>>,
    {
        let mut known = self.0.lock().await;
        let now = clock.now_ms();
        if let Some((token, expires)) = &*known
            && now < expires - early_ms
        {
            return Ok(format!("Bearer {}", token.expose()));
        }
        let answer = ask().await?;
        let Some(token) = answer["access_token"].as_str().filter(|token| !token.is_empty()) else {
            return Err("the answer has no access_token".to_owned());
        };
        // A number, or a text with one.
        let expires_in = &answer["expires_in"];
        let seconds = expires_in.as_i64().or_else(|| expires_in.as_str()?.parse().ok());
        let expires = now.saturating_add(seconds.unwrap_or(0).saturating_mul(1000));
        *known = Some((Secret::new(token), expires));
        Ok(format!("Bearer {token}"))
    }
}

/// The JSON of an answer with a good status.
async fn json(transport: &dyn Transport, call: gauntlet_net::aws::Call) -> Result<Value, String> {
    let url = call.url.split('?').next().unwrap_or_default().to_owned();
    let (status, body) = transport.call(call).await?;
    if !(200..300).contains(&status) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
        return Err(format!("{url}: server returned HTTP status {status}: {}", shown.trim()));
    }
    serde_json::from_slice(&body).map_err(|err| format!("{url}: {err}"))
}

/// A form that is posted.
fn form(url: String, pairs: &[(&str, &str)]) -> gauntlet_net::aws::Call {
    gauntlet_net::aws::Call {
        method: http::Method::POST,
        url,
        headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
        body: gauntlet_net::percent::query(pairs.iter().copied()).into_bytes(),
        timeout: KEYS_TIME,
    }
}

fn get(url: String, header: (&'static str, String)) -> gauntlet_net::aws::Call {
    gauntlet_net::aws::Call {
        method: http::Method::GET,
        url,
        headers: vec![header],
        body: Vec::new(),
        timeout: KEYS_TIME,
    }
}

#[cfg(test)]
mod tests;
