//! OAuth 2: a token is asked for when it is needed and kept until shortly before it expires.
//!
//! Client credentials go in the header first and, should the server not take that, in the form, as Go's package finds out; the other grant
//! shows a signed assertion.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Uri};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::assertion::Assertion;
use super::auth::Source;
use super::body::BodyReader;
use super::error::{ClientError, Stage};
use super::{ClientOptions, HttpClient};
use crate::config::{HttpClientConfig, JWT_BEARER, OAuth2};

/// A token this close to its end is not used any more.
const EARLY: Duration = Duration::from_secs(10);
/// Bound of a request for a token.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bound of an answer with a token, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Gets tokens for one client.
#[derive(Debug)]
pub(super) struct Tokens {
    client: HttpClient,
    uri: Uri,
    grant: Grant,
    token: Mutex<Option<Token>>,
}

/// What is shown for a token.
#[derive(Debug)]
enum Grant {
    Secret {
        client_id: String,
        secret: Source,
        /// The form without credentials.
        form: String,
    },
    Assertion(Box<Assertion>),
}

struct Token {
    header: HeaderValue,
    expires: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(config: &OAuth2) -> Result<Self, ClientError> {
        let inner = HttpClientConfig {
            tls_config: config.tls_config.clone(),
            proxy: config.proxy.clone(),
            ..HttpClientConfig::default()
        };
        let uri = config
            .token_url
            .parse()
            .map_err(|_| ClientError::config("oauth2 token_url is not a URL"))?;
        let grant = match config.grant_type.as_str() {
            JWT_BEARER => Grant::Assertion(Box::new(Assertion::new(config)?)),
            // As the peer has it: every other word is the usual grant.
            _ => Grant::Secret {
                client_id: config.client_id.clone(),
                secret: Source::new(
                    &config.client_secret,
                    &config.client_secret_file,
                    "client secret",
                ),
                form: secret_form(config),
            },
        };
        Ok(Self {
            client: HttpClient::new(&inner, ClientOptions::default())?,
            uri,
            grant,
            token: Mutex::new(None),
        })
    }

    /// The Authorization header's value. One request for a token at a time; others wait for its answer.
    pub(super) fn header(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<HeaderValue, ClientError>> + Send + '_>> {
        // Boxed: the client that asks for tokens is of the same type as the one that needs them.
        Box::pin(async {
            let mut token = self.token.lock().await;
            if let Some(token) = &*token
                && token.expires.is_none_or(|at| Instant::now() < at)
            {
                return Ok(token.header.clone());
            }
            let fresh = self.fetch().await.map_err(|err| {
                ClientError::new(err.stage, format!("oauth2: cannot fetch token: {err}"))
            })?;
            let header = fresh.header.clone();
            *token = Some(fresh);
            Ok(header)
        })
    }

    async fn fetch(&self) -> Result<Token, ClientError> {
        let (client_id, secret, form) = match &self.grant {
            Grant::Assertion(assertion) => return self.ask(assertion.form().await?, None).await,
            Grant::Secret { client_id, secret, form } => (client_id, secret, form),
        };
        let secret = secret.read().await?;
        let mut id = String::new();
        push_escaped(&mut id, client_id);
        id.push(':');
        push_escaped(&mut id, &secret);
        let basic = format!("Basic {}", STANDARD.encode(id));
        let first = self.ask(form.clone(), Some(basic)).await;
        match first {
            Err(err) if err.stage == Stage::Status => {
                let mut form = form.clone();
                push_pair(&mut form, "client_id", client_id);
                push_pair(&mut form, "client_secret", &secret);
                self.ask(form, None).await
            }
            done => done,
        }
    }

    async fn ask(&self, form: String, basic: Option<String>) -> Result<Token, ClientError> {
        let mut request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|err| ClientError::config(err.to_string()))?;
        if let Some(basic) = basic {
            let mut value = HeaderValue::try_from(basic).map_err(|_| {
                ClientError::config("client id holds bytes that no header may have")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let asked = Instant::now();
        let response = self.client.send(request, DEADLINE).await?;
        let mut reader = BodyReader::default();
        let body = reader.read(response, MAX_ANSWER_BYTES, DEADLINE).await?;
        let unusable = |what: &str| ClientError::new(Stage::Read, what.to_owned());
        let answer: serde_json::Value =
            serde_json::from_slice(body.bytes).map_err(|_| unusable("the answer is no JSON"))?;
        let token = answer["access_token"]
            .as_str()
            .filter(|token| !token.is_empty())
            .ok_or_else(|| unusable("server response missing access_token"))?;
        let kind = match answer["token_type"].as_str() {
            None | Some("") => "Bearer",
            Some(kind) if kind.eq_ignore_ascii_case("bearer") => "Bearer",
            Some(kind) => kind,
        };
        let mut header = HeaderValue::try_from(format!("{kind} {token}"))
            .map_err(|_| unusable("the token holds bytes that no header may have"))?;
        header.set_sensitive(true);
        let lives = &answer["expires_in"];
        let seconds = lives.as_u64().or_else(|| lives.as_str().and_then(|text| text.parse().ok()));
        let expires = seconds.filter(|seconds| *seconds > 0).and_then(|seconds| {
            asked.checked_add(Duration::from_secs(seconds).saturating_sub(EARLY))
        });
        Ok(Token { header, expires })
    }
}

fn secret_form(config: &OAuth2) -> String {
    let mut form = String::new();
    push_pair(&mut form, "grant_type", "client_credentials");
    if !config.scopes.is_empty() {
        push_pair(&mut form, "scope", &config.scopes.join(" "));
    }
    for (name, value) in &config.endpoint_params {
        push_pair(&mut form, name, value);
    }
    form
}

/// Adds a field to a form.
pub(super) fn push_pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    push_escaped(form, name);
    form.push('=');
    push_escaped(form, value);
}

fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
}
