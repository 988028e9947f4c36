//! URLs of services: plain, secret as a whole, or the text of a template.

use std::borrow::Cow;

use gauntlet_model::float::GoQuoted;
use gauntlet_net::config::{Secret, Url};
use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

use crate::texts::is_template;

/// What an echoed configuration shows in the place of a secret; accepted where a secret URL is read, so that an echo can be read.
const MASK: &str = "<secret>";

/// An `http` or `https` URL with a host. The echo and `Debug` mask its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl(Url);

impl ApiUrl {
    /// Checks a text; errs in upstream's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url: Url =
            text.parse().map_err(|err: gauntlet_net::config::UrlError| err.to_string())?;
        let scheme = url.scheme();
        if scheme != "http" && scheme != "https" {
            return Err(format!("unsupported scheme {} for URL", GoQuoted(&scheme)));
        }
        if url.host().is_empty() {
            return Err("missing host for URL".to_owned());
        }
        Ok(Self(url))
    }

    /// One of our own constants.
    pub(super) fn known(text: &str) -> Self {
        Self::parse(text).expect("BUG: a default URL is valid")
    }

    /// The URL as written, with its password.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// The URL with `more` put at the end of its path, before any query.
    pub fn with_path_suffix(&self, more: &str) -> String {
        let text = self.as_str();
        let end = text.find(['?', '#']).unwrap_or(text.len());
        format!("{}{more}{}", &text[..end], &text[end..])
    }

    /// The path, as written.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The URL with path elements joined on by one slash.
    pub fn joined(&self, elements: &str) -> String {
        let text = self.as_str();
        let end = text.find(['?', '#']).unwrap_or(text.len());
        format!("{}/{elements}{}", text[..end].trim_end_matches('/'), &text[end..])
    }

    /// Makes the path end with a slash.
    pub(super) fn close_path(&mut self) {
        if !self.0.path().ends_with('/') {
            let text = self.with_path_suffix("/");
            if let Ok(url) = Self::parse(&text) {
                *self = url;
            }
        }
    }
}

impl FromYaml for ApiUrl {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        Self::parse(&text).map_err(|reason| cx.problem(node.position(), reason)).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for ApiUrl {
    fn to_yaml(&self) -> Value {
        self.0.to_yaml()
    }
}

/// A URL that is a secret as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUrl(Secret);

impl SecretUrl {
    /// Takes a URL as secret.
    pub fn new(url: &ApiUrl) -> Self {
        Self(Secret::new(url.as_str()))
    }

    /// The URL itself; empty if it was read from an echo.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromYaml for SecretUrl {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        if text == MASK {
            return Some(Self(Secret::default()));
        }
        let url =
            ApiUrl::parse(&text).map_err(|reason| cx.problem(node.position(), reason)).ok()?;
        Some(Self::new(&url))
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for SecretUrl {
    fn to_yaml(&self) -> Value {
        Value::Str(MASK.to_owned())
    }
}

/// A secret text that is a URL, or a template of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateUrl(Secret);

impl TemplateUrl {
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromYaml for TemplateUrl {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        let problem = match is_template(&text) {
            Err(reason) => Some(format!("invalid template syntax: {reason}")),
            Ok(false) if !text.is_empty() && text != MASK => {
                ApiUrl::parse(&text).err().map(|reason| format!("invalid URL: {reason}"))
            }
            Ok(_) => None,
        };
        if let Some(reason) = problem {
            cx.problem(node.position(), reason);
            return None;
        }
        Some(Self(Secret::new(text)))
    }

    fn go_type() -> Cow<'static, str> {
        "common.plain".into()
    }

    fn zero() -> Option<Self> {
        Some(Self::default())
    }
}

impl ToYaml for TemplateUrl {
    fn to_yaml(&self) -> Value {
        self.0.to_yaml()
    }
}
