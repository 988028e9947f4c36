//! Why a request failed: at which stage, in the peers' words.

use std::error::Error;
use std::fmt;

use http::{Method, Uri};

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The configuration, or a file that it names.
    Config,
    /// Finding the host's addresses.
    Resolve,
    Connect,
    Tls,
    /// Sending the request and waiting for the head of the answer.
    Exchange,
    Redirect,
    /// The answer came and says no.
    Status,
    /// Reading or unpacking the body.
    Read,
    /// The body is larger than allowed.
    Limit,
    Timeout,
}

impl Stage {
    /// One word for status pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Exchange => "exchange",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Read => "read",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
        }
    }
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    pub stage: Stage,
    message: String,
}

impl ClientError {
    pub fn new(stage: Stage, message: impl Into<String>) -> Self {
        Self { stage, message: message.into() }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Stage::Config, message)
    }

    pub fn timeout() -> Self {
        Self::new(Stage::Timeout, "context deadline exceeded")
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        !matches!(self.stage, Stage::Config | Stage::Redirect | Stage::Limit)
    }

    /// Puts the request in front: `Get "http://host/path": ...`.
    pub(crate) fn of_request(self, method: &Method, uri: &Uri) -> Self {
        let mut name = method.as_str().to_ascii_lowercase();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self { stage: self.stage, message: format!("{name} \"{uri}\": {}", self.message) }
    }

    /// Says that it was the proxy that could not be reached.
    pub(crate) fn of_proxy(self) -> Self {
        Self { stage: self.stage, message: format!("proxyconnect tcp: {}", self.message) }
    }

    /// An error of the connection pool. What the connector said is somewhere in the chain.
    pub(crate) fn from_hyper(err: hyper_util::client::legacy::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(&err);
        let mut last = String::new();
        while let Some(err) = source {
            if let Some(own) = err.downcast_ref::<Self>() {
                return own.clone();
            }
            if let Some(io) = err.downcast_ref::<std::io::Error>() {
                return Self::new(Stage::Exchange, io_text(io));
            }
            if let Some(hyper) = err.downcast_ref::<hyper::Error>()
                && hyper.is_incomplete_message()
            {
                return Self::new(Stage::Exchange, "EOF");
            }
            last = err.to_string();
            source = err.source();
        }
        Self::new(Stage::Exchange, last)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ClientError {}

/// The system's word for an error, as Go prints it: lower case, without the number.
pub(crate) fn io_text(err: &std::io::Error) -> String {
    let text = err.to_string();
    if err.raw_os_error().is_none() {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
