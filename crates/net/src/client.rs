//! The HTTP client: pooled connections that are kept alive, everything else from the `http client` block of configuration.
//!
//! One client serves one job or endpoint list; connections are pooled per scheme, host and port. Files that the configuration names (tokens,
//! passwords, certificates) are read again when they are needed, so that a rotated secret needs no reload. Errors say at which
//! stage a request failed, in the words of the peers. Left out: proxies that do not speak plain HTTP; they are refused when
//! the client is built.

mod assertion;
mod auth;
mod body;
mod connect;
mod error;
mod oauth2;
mod proxy;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::HttpClientConfig;

pub use body::{BodyReader, BufferPool, ReadBody};
pub(crate) use connect::{dial, handshake};
pub(crate) use error::io_text;
pub use error::{ClientError, Stage};
pub(crate) use tls::{ClientTls, certificates};

/// Redirects followed before giving up.
const MAX_REDIRECTS: usize = 10;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Unused connections kept per host and port.
const IDLE_PER_HOST: usize = 20;

/// A client built from configuration. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<connect::Connector, Full<Bytes>>,
    connector: connect::Connector,
    auth: auth::Auth,
    headers: Vec<auth::ExtraHeader>,
    follow_redirects: bool,
}

/// What of a client is not in its configuration.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Connect to this unix socket, whatever the URL's host says.
    pub unix_socket: Option<String>,
    /// Keep no connection between requests.
    pub no_keep_alive: bool,
    /// Each connection goes to the next of the addresses that the host has.
    pub round_robin: bool,
}

impl HttpClient {
    /// Checks the configuration and builds the client. No connection is made yet; files are read then.
    pub fn new(config: &HttpClientConfig, options: ClientOptions) -> Result<Self, ClientError> {
        let idle = if options.no_keep_alive { 0 } else { IDLE_PER_HOST };
        let connector = connect::Connector::new(config, options)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(idle);
        Ok(Self {
            client: builder.build(connector.clone()),
            connector,
            auth: auth::Auth::new(config)?,
            headers: auth::ExtraHeader::from_config(config)?,
            follow_redirects: config.follow_redirects,
        })
    }

    /// Sends a request and returns the response's head; its body is still on the wire. Redirects are followed as configured, with
    /// credentials only to the host first asked. `deadline` bounds everything up to the head.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Incoming>, ClientError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let sent = tokio::time::timeout(deadline, self.send_following(request));
        match sent.await {
            Ok(result) => result.map_err(|err| err.of_request(&method, &uri)),
            Err(_) => Err(ClientError::timeout().of_request(&method, &uri)),
        }
    }

    async fn send_following(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, ClientError> {
        let (mut parts, mut body) = request.into_parts();
        let origin = parts.uri.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut next = Request::new(Full::new(body.clone()));
            *next.method_mut() = parts.method.clone();
            *next.uri_mut() = parts.uri.clone();
            *next.headers_mut() = parts.headers.clone();
            let trusted = is_same_origin(&parts.uri, &origin);
            for extra in &self.headers {
                extra.apply(next.headers_mut(), trusted)?;
            }
            if let Some(value) = self.connector.proxy_authorization(&parts.uri) {
                next.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
            }
            if trusted {
                self.auth.apply(next.headers_mut()).await?;
            } else {
                drop_credentials(next.headers_mut());
            }
            let response = self.client.request(next).await.map_err(ClientError::from_hyper)?;
            if !self.follow_redirects {
                return Ok(response);
            }
            let Some(target) = redirect_target(&response, &parts.uri)? else {
                return Ok(response);
            };
            let keeps_body = matches!(
                response.status(),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            if !keeps_body && !matches!(parts.method, Method::GET | Method::HEAD) {
                parts.method = Method::GET;
                body = Bytes::new();
                parts.headers.remove(header::CONTENT_TYPE);
                parts.headers.remove(header::CONTENT_ENCODING);
            }
            parts.uri = target;
        }
        Err(ClientError::new(Stage::Redirect, format!("stopped after {MAX_REDIRECTS} redirects")))
    }
}

/// Whether credentials for `origin` may be sent to `uri`: the same host and port, and not from TLS to clear text.
fn is_same_origin(uri: &Uri, origin: &Uri) -> bool {
    uri.authority() == origin.authority()
        && (uri.scheme() == origin.scheme() || uri.scheme_str() == Some("https"))
}

/// Takes out what only the host first asked may see: the usual headers, and those that the caller marked as sensitive.
fn drop_credentials(headers: &mut http::HeaderMap) {
    let secret = |(name, value): (&HeaderName, &HeaderValue)| {
        let usual = [header::AUTHORIZATION, header::COOKIE, header::WWW_AUTHENTICATE];
        ((value.is_sensitive() && *name != header::PROXY_AUTHORIZATION) || usual.contains(name))
            .then(|| name.clone())
    };
    let names: Vec<HeaderName> = headers.iter().filter_map(secret).collect();
    for name in names {
        headers.remove(name);
    }
}

/// Where a redirect leads; `None` if the response is none.
fn redirect_target(response: &Response<Incoming>, base: &Uri) -> Result<Option<Uri>, ClientError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    // Some answer with a redirect's status and say nowhere where to; that is an answer as any other.
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
    let refuse = || {
        let shown = String::from_utf8_lossy(location.as_bytes());
        ClientError::new(Stage::Redirect, format!("failed to parse Location header {shown:?}"))
    };
    let text = location.to_str().map_err(|_| refuse())?;
    let target: Uri = text.parse().map_err(|_| refuse())?;
    if target.authority().is_some() && target.scheme().is_some() {
        return Ok(Some(target));
    }
    let (Some(scheme), Some(authority)) = (base.scheme_str(), base.authority()) else {
        return Err(refuse());
    };
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{text}")
    };
    Uri::builder()
        .scheme(scheme)
        .authority(authority.clone())
        .path_and_query(path)
        .build()
        .map(Some)
        .map_err(|_| refuse())
}

/// A header from configuration.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ClientError> {
    let name = HeaderName::try_from(name)
        .map_err(|_| ClientError::config(format!("invalid header name {name:?}")))?;
    // The value may be secret and stays out of the error.
    let value = HeaderValue::try_from(value)
        .map_err(|_| ClientError::config(format!("invalid value of header {name:?}")))?;
    Ok((name, value))
}
