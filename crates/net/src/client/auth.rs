//! Credentials of requests: basic, bearer and other authorization, extra headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::oauth2::Tokens;
use super::{ClientError, header};
use crate::config::{HttpClientConfig, Secret};

/// Upper bound of a file with a secret, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How requests are authorised.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    None,
    Basic { username: Source, password: Source },
    Token { kind: String, credentials: Source },
    OAuth2(Arc<Tokens>),
}

/// A value in place or in a file, which is read each time.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Text(Arc<Secret>),
    File { path: String, what: &'static str },
}

impl Source {
    pub(super) fn new(text: &Secret, path: &str, what: &'static str) -> Self {
        if path.is_empty() {
            Self::Text(Arc::new(text.clone()))
        } else {
            Self::File { path: path.to_owned(), what }
        }
    }

    pub(super) async fn read(&self) -> Result<String, ClientError> {
        match self {
            Self::Text(secret) => Ok(secret.expose().to_owned()),
            Self::File { path, what } => {
                let text = read_file(path).await.map_err(|err| {
                    ClientError::config(format!("unable to read {what} file {path}: {err}"))
                })?;
                Ok(text.trim().to_owned())
            }
        }
    }
}

async fn read_file(path: &str) -> Result<String, String> {
    let meta = tokio::fs::metadata(path).await.map_err(|err| super::error::io_text(&err))?;
    if meta.len() > MAX_FILE_BYTES {
        return Err(format!("larger than {MAX_FILE_BYTES} bytes"));
    }
    tokio::fs::read_to_string(path).await.map_err(|err| super::error::io_text(&err))
}

impl Auth {
    pub(super) fn new(config: &HttpClientConfig) -> Result<Self, ClientError> {
        if let Some(oauth2) = &config.oauth2 {
            return Ok(Self::OAuth2(Arc::new(Tokens::new(oauth2)?)));
        }
        if let Some(basic) = &config.basic_auth {
            let username = Secret::new(basic.username.clone());
            return Ok(Self::Basic {
                username: Source::new(&username, &basic.username_file, "username"),
                password: Source::new(&basic.password, &basic.password_file, "password"),
            });
        }
        let Some(authorization) = &config.authorization else { return Ok(Self::None) };
        if authorization.credentials.is_empty() && authorization.credentials_file.is_empty() {
            return Ok(Self::None);
        }
        Ok(Self::Token {
            kind: authorization.kind.clone(),
            credentials: Source::new(
                &authorization.credentials,
                &authorization.credentials_file,
                "authorization credentials",
            ),
        })
    }

    /// Adds the Authorization header, unless the request has one.
    pub(super) async fn apply(&self, headers: &mut HeaderMap) -> Result<(), ClientError> {
        if headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let text = match self {
            Self::None => return Ok(()),
            Self::OAuth2(tokens) => {
                headers.insert(AUTHORIZATION, tokens.header().await?);
                return Ok(());
            }
            Self::Basic { username, password } => {
                let pair = format!("{}:{}", username.read().await?, password.read().await?);
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Token { kind, credentials } => format!("{kind} {}", credentials.read().await?),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| ClientError::config("credentials hold bytes that no header may have"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

/// One of `http_headers`, its files read when it is sent.
#[derive(Clone, Debug)]
pub(super) struct ExtraHeader {
    name: HeaderName,
    values: Vec<HeaderValue>,
    files: Vec<String>,
}

impl ExtraHeader {
    pub(super) fn from_config(config: &HttpClientConfig) -> Result<Vec<Self>, ClientError> {
        let mut out: BTreeMap<String, Self> = BTreeMap::new();
        for (name, given) in &config.http_headers {
            let (parsed, _) = header(name, "")?;
            let mut values = Vec::new();
            for value in &given.values {
                values.push(header(name, value)?.1);
            }
            for secret in &given.secrets {
                let mut value = header(name, secret.expose())?.1;
                value.set_sensitive(true);
                values.push(value);
            }
            out.insert(name.clone(), Self { name: parsed, values, files: given.files.clone() });
        }
        Ok(out.into_values().collect())
    }

    /// Adds the values; the secret ones only where they are meant to go.
    pub(super) fn apply(&self, headers: &mut HeaderMap, trusted: bool) -> Result<(), ClientError> {
        for value in self.values.iter().filter(|value| trusted || !value.is_sensitive()) {
            headers.append(self.name.clone(), value.clone());
        }
        if !trusted {
            return Ok(());
        }
        for path in &self.files {
            let text = std::fs::read_to_string(path).map_err(|err| {
                let err = super::error::io_text(&err);
                ClientError::config(format!("unable to read headers file {path}: {err}"))
            })?;
            let mut value = header(self.name.as_str(), text.trim())?.1;
            value.set_sensitive(true);
            headers.append(self.name.clone(), value);
        }
        Ok(())
    }
}
