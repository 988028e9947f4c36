//! What all senders over HTTP share: requests with bounds, answers read to a bound, the rule of what is tried again.
//!
//! Bodies are read only as far as they are needed: a receiver that streams without end costs a connection, not memory. URLs are
//! mostly secrets and stay out of errors. Left out: connections, TLS and auth of `http_config`, which are the client's.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gauntlet_model::duration::GoDuration;
use gauntlet_net::config::{HttpClientConfig, Url};
use gauntlet_net::{ClientError, ClientOptions, HttpClient, Stage};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;

use crate::json;
use crate::notifier::{NotifyError, Reason};

/// How notifications introduce themselves: as the version that is taken over from.
const AGENT: &str = "Alertmanager/0.34.0";
/// Longest wait for the head of an answer where nothing shorter is configured; flushes end long before.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How long and how far a body is read that says nothing we need.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 64 << 10;
/// How long a body is waited for that is needed, where nothing shorter is configured.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Upper bound of a body that is needed.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// How much of a body goes into an error.
const MAX_DETAIL: usize = 4 << 10;

/// A client for one integration.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: HttpClient,
    timeout: Option<(Duration, String)>,
}

/// An answer, its body read to a bound.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// Why the body ended early, if it did.
    pub(crate) broken: Option<String>,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body of a good answer is needed.
    pub(crate) wants_body: bool,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: &'a str) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method, url, content_type: "", headers, body, wants_body: false }
    }

    /// A POST of JSON.
    pub(crate) fn post_json<T: Serialize + ?Sized>(
        url: &'a str,
        body: &T,
    ) -> Result<Self, NotifyError> {
        Self::json(Method::POST, url, body)
    }

    pub(crate) fn json<T: Serialize + ?Sized>(
        method: Method,
        url: &'a str,
        body: &T,
    ) -> Result<Self, NotifyError> {
        let body = json::encode(body).map_err(NotifyError::fatal)?;
        Ok(Self { content_type: "application/json", body, ..Self::new(method, url) })
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn wanting_body(mut self) -> Self {
        self.wants_body = true;
        self
    }
}

impl Http {
    /// The client beneath, for requests that are no notifications.
    pub(crate) fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Builds the client; errs in words for whoever wrote the configuration.
    pub(crate) fn new(config: Option<&HttpClientConfig>) -> Result<Self, String> {
        let default = HttpClientConfig::default();
        let client = HttpClient::new(config.unwrap_or(&default), ClientOptions::default())
            .map_err(|err| err.to_string())?;
        Ok(Self { client, timeout: None })
    }

    /// Bounds each request; zero does not. `what` names the integration in the error.
    pub(crate) fn with_timeout(mut self, timeout: GoDuration, what: &str) -> Self {
        if timeout.as_ns() > 0 {
            let cause = format!("configured {what} timeout reached ({timeout})");
            self.timeout = Some((timeout.to_std(), cause));
        }
        self
    }

    /// Sends a request. Whatever keeps an answer from coming may be over at the next try.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, NotifyError> {
        let verb = verb(&call.method);
        let fail = |text: &str| NotifyError::temporary(format!("{verb} \"<redacted>\": {text}"));
        let uri = to_uri(call.url).map_err(|err| fail(&err))?;
        let wants_body = call.wants_body;
        let request = self.request(call, uri.clone()).map_err(|err| fail(&err))?;
        let limit = self.timeout.as_ref().map_or(LONGEST, |(limit, _)| *limit);
        let work = async {
            let response = self.client.send(request, limit).await;
            let response = response.map_err(|err| fail(&bare_text(&err, &verb, &uri)))?;
            Ok::<_, NotifyError>(read(response, wants_body).await)
        };
        match (tokio::time::timeout(limit, work).await, &self.timeout) {
            (Ok(Err(err)), Some((_, cause))) if err.message.ends_with(DEADLINE) => {
                Err(NotifyError { message: format!("{}: {cause}", err.message), ..err })
            }
            (Ok(result), _) => result,
            (Err(_), Some((_, cause))) => Err(fail(&format!("{DEADLINE}: {cause}"))),
            (Err(_), None) => Err(fail(DEADLINE)),
        }
    }

    fn request(&self, call: Call<'_>, uri: Uri) -> Result<Request<Bytes>, String> {
        let mut request = Request::new(Bytes::from(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if !call.content_type.is_empty() {
            let value = HeaderValue::from_str(call.content_type).map_err(|err| err.to_string())?;
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(value) = basic_auth(call.url) {
            headers.insert(AUTHORIZATION, value);
        }
        for (name, text) in call.headers {
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| format!("net/http: invalid header field value for {name:?}"))?;
            // What senders add is mostly credentials: it leaves with them when a redirect leads elsewhere.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }
}

/// What Go says when a deadline passed.
const DEADLINE: &str = "context deadline exceeded";

async fn read(response: Response<Incoming>, wants_body: bool) -> Answer {
    let status = response.status().as_u16();
    let good = response.status().is_success();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let (time, limit) = match (good, wants_body) {
        (_, true) => (BODY_TIME, MAX_BODY),
        (false, false) => (BODY_TIME, DRAIN_BYTES),
        (true, false) => (DRAIN_TIME, DRAIN_BYTES),
    };
    let mut answer = Answer { status, content_type, body: Vec::new(), broken: None };
    let mut body = response.into_body();
    let filled = tokio::time::timeout(time, fill(&mut body, &mut answer.body, limit)).await;
    answer.broken = match filled {
        Ok(Ok(())) => None,
        Ok(Err(reason)) => Some(reason),
        Err(_) => Some(DEADLINE.to_owned()),
    };
    answer
}

/// Reads to the end or to the limit.
async fn fill(body: &mut Incoming, out: &mut Vec<u8>, limit: usize) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| err.to_string())?;
        let Some(data) = frame.data_ref() else { continue };
        if out.len() + data.len() > limit {
            out.extend_from_slice(&data[..limit - out.len()]);
            return Err(format!("answer is larger than {limit} bytes"));
        }
        out.extend_from_slice(data);
    }
    Ok(())
}

impl Answer {
    /// The start of the body as text, for errors.
    pub(crate) fn text(&self) -> String {
        let end = self.body.len().min(MAX_DETAIL);
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }

    /// Accepts 2xx. 5xx and `retry_codes` may be tried again.
    pub(crate) fn check(&self, retry_codes: &[u16]) -> Result<(), NotifyError> {
        self.check_with(retry_codes, |answer| answer.text())
    }

    /// The same with other words for what is wrong.
    pub(crate) fn check_with(
        &self,
        retry_codes: &[u16],
        details: impl FnOnce(&Self) -> String,
    ) -> Result<(), NotifyError> {
        let status = self.status;
        if status / 100 == 2 {
            return Ok(());
        }
        let mut message = format!("unexpected status code {status}");
        let details = details(self);
        if !details.is_empty() {
            message = format!("{message}: {details}");
        }
        let retry = status / 100 == 5 || retry_codes.contains(&status);
        Err(NotifyError { retry, reason: Reason::of_status(status), message })
    }
}

/// `Post`, as Go's errors begin.
fn verb(method: &Method) -> String {
    let mut verb = method.as_str().to_ascii_lowercase();
    if let Some(first) = verb.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    verb
}

/// The error without the URL that the client puts in front.
fn bare_text(err: &ClientError, verb: &str, uri: &Uri) -> String {
    if err.stage == Stage::Timeout {
        return DEADLINE.to_owned();
    }
    let text = err.to_string();
    let prefix = format!("{verb} \"{uri}\": ");
    match text.strip_prefix(&prefix) {
        Some(bare) => bare.to_owned(),
        None => text.replace(&uri.to_string(), "<redacted>"),
    }
}

/// User and password of a URL as a header.
fn basic_auth(text: &str) -> Option<HeaderValue> {
    let url: Url = text.parse().ok()?;
    let (user, password) = url.user_info()?;
    let pair = format!("{}:{}", unescape(user), unescape(password.unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Percent-decodes; what is no escape stays.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A URL as Go would ask for it: without user and fragment, what may not stand in a request escaped.
fn to_uri(text: &str) -> Result<Uri, String> {
    let url: Url = text.parse().map_err(|_| "invalid URL".to_owned())?;
    let scheme = url.scheme();
    if scheme != "http" && scheme != "https" {
        return Err(format!("unsupported protocol scheme \"{scheme}\""));
    }
    if url.host().is_empty() {
        return Err("http: no Host in request URL".to_owned());
    }
    let path = url.path();
    let query = text.split('#').next().and_then(|text| text.split_once('?')).map(|(_, q)| q);
    let path = if path.is_empty() { "/" } else { path };
    let mut target = escape(path);
    if let Some(query) = query {
        target.push('?');
        target.push_str(&escape(query));
    }
    let text = format!("{scheme}://{}{target}", url.host());
    text.parse().map_err(|_| "invalid URL".to_owned())
}

/// Escapes what Go escapes in a path that came unescaped. Escapes that are there stay.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                out.push_str(&format!("%{byte:02X}"));
            }
            0x21..0x7F => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Escapes what is to be path, `?` and `%` included, as Go prints an unescaped path.
pub(crate) fn path_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'='
            | b'@' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Escapes a value of a query or a form, as Go's `url.QueryEscape`.
pub(crate) fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `a=b&c=d`, sorted by key, as Go's `url.Values` encodes.
pub(crate) fn form(mut pairs: Vec<(&str, String)>) -> String {
    pairs.sort_by_key(|(key, _)| *key);
    let encoded: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", query_escape(key), query_escape(value)))
        .collect();
    encoded.join("&")
}
