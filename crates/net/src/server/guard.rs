//! What stands before the router: the web config file as it is now, headers, users, request rate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gauntlet_runtime::{Clock, SystemClock};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use tokio_rustls::TlsAcceptor;
use tracing::error;

use super::web_config::{Material, WebConfig, WebConfigError};
use crate::client::io_text;

/// Verdicts on passwords that are remembered; checking one takes a tenth of a second and more.
const VERDICTS: usize = 100;
/// Compared with for users that do not exist, so that they take as long as others.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Checks connections and requests by the web config file.
pub(super) struct Guard {
    path: String,
    is_tls: bool,
    file: Mutex<File>,
    tls: Mutex<Option<(Material, bool, TlsAcceptor)>>,
    verdicts: Mutex<HashMap<[u8; 32], bool>>,
    /// One password is checked at a time: each takes a whole core.
    bcrypt: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
}

#[derive(Default)]
struct File {
    text: Vec<u8>,
    config: Arc<WebConfig>,
}

/// Requests that may come at once.
#[derive(Default)]
struct Bucket {
    tokens: f64,
    filled_at: Option<Duration>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Guard {
    /// Reads the file once, so that a bad one is found at the start.
    pub(super) fn new(path: &str) -> Result<Self, WebConfigError> {
        let mut guard = Self {
            path: path.to_owned(),
            is_tls: false,
            file: Mutex::default(),
            tls: Mutex::default(),
            verdicts: Mutex::default(),
            bcrypt: tokio::sync::Mutex::default(),
            bucket: Mutex::default(),
        };
        if !path.is_empty() {
            let config = guard.config()?;
            guard.is_tls = config.tls.as_ref().is_some_and(|tls| !tls.is_absent());
            if guard.is_tls {
                guard.tls_acceptor()?;
            }
        }
        Ok(guard)
    }

    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The file as it is now; parsed only if its bytes changed.
    fn config(&self) -> Result<Arc<WebConfig>, WebConfigError> {
        let text = std::fs::read(&self.path).map_err(|err| WebConfigError {
            path: self.path.clone(),
            reason: format!("open {}: {}", self.path, io_text(&err)),
        })?;
        let mut file = self.file.lock();
        if file.text != text || file.text.is_empty() {
            file.config = Arc::new(WebConfig::parse(&self.path, &text)?);
            file.text = text;
        }
        Ok(Arc::clone(&file.config))
    }

    /// What the next handshake is made with; `None` where connections are plain. Certificates are read anew.
    pub(super) fn tls_acceptor(&self) -> Result<Option<TlsAcceptor>, WebConfigError> {
        if !self.is_tls {
            return Ok(None);
        }
        let fail = |reason: String| WebConfigError { path: self.path.clone(), reason };
        let config = self.config()?;
        let tls = config.tls.as_ref().ok_or_else(|| fail("TLS config is not present".into()))?;
        let material = tls.material().map_err(fail)?;
        let mut built = self.tls.lock();
        if let Some((old, http2, acceptor)) = &*built
            && *old == material
            && *http2 == config.http2
        {
            return Ok(Some(acceptor.clone()));
        }
        let server = tls.build(&material, config.http2).map_err(fail)?;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        *built = Some((material, config.http2, acceptor.clone()));
        Ok(Some(acceptor))
    }

    /// Whether one more request may come now.
    fn admit(&self, limit: Option<(u32, Duration)>) -> bool {
        let Some((burst, interval)) = limit else { return true };
        let now = SystemClock.monotonic();
        let mut bucket = self.bucket.lock();
        match bucket.filled_at {
            None => bucket.tokens = f64::from(burst),
            Some(then) => {
                let gained = now.saturating_sub(then).as_secs_f64() / interval.as_secs_f64();
                bucket.tokens = (bucket.tokens + gained).min(f64::from(burst));
            }
        }
        bucket.filled_at = Some(now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    async fn knows(&self, config: &WebConfig, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let (hash, exists) = match config.users.get(&user) {
            Some(hash) => (hash.expose().to_owned(), true),
            None => (NOBODY.to_owned(), false),
        };
        let key = format!("{}:{user}{}:{hash}{password}", user.len(), hash.len());
        let key = digest(&SHA256, key.as_bytes());
        let Ok(key) = <[u8; 32]>::try_from(key.as_ref()) else { return false };
        if let Some(verdict) = self.verdicts.lock().get(&key) {
            return *verdict && exists;
        }
        let turn = self.bcrypt.lock().await;
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash)).await;
        drop(turn);
        let verdict = matches!(checked, Ok(Ok(true))) && exists;
        let mut verdicts = self.verdicts.lock();
        if verdicts.len() >= VERDICTS {
            verdicts.clear();
        }
        verdicts.insert(key, verdict);
        verdict
    }
}

/// User and password of a basic Authorization header.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (kind, encoded) = text.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Puts the guard before a router, if there is a file to guard by.
pub(super) fn protect(router: Router, guard: Arc<Guard>) -> Router {
    if guard.path.is_empty() {
        return router;
    }
    router.layer(from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let config = match guard.config() {
        Ok(config) => config,
        Err(err) => {
            error!(component = "web", %err, "unable to parse the web config file");
            return text(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    if !guard.admit(config.rate_limit) {
        return text(StatusCode::TOO_MANY_REQUESTS);
    }
    let mut response = if config.users.is_empty() || guard.knows(&config, request.headers()).await {
        next.run(request).await
    } else {
        let mut response = text(StatusCode::UNAUTHORIZED);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        response
    };
    for (name, value) in &config.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// A status with its own words as the body, as Go's `http.Error` sends it.
fn text(status: StatusCode) -> Response {
    let body = format!("{}\n", status.canonical_reason().unwrap_or_default());
    let headers =
        [("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")];
    (status, headers, body).into_response()
}
