//! `email_configs`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gauntlet_model::float::GoQuoted;
use gauntlet_net::config::{Secret, TlsConfig, canonical_header};
use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

use super::GlobalReceivers;
use super::section::{Check, Fill, Refusal, or_some, or_text, refuse, template};

/// `host:port`, both empty if not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// A number or a name of a service.
    pub port: String,
}

impl HostPort {
    pub fn is_empty(&self) -> bool {
        self.host.is_empty() && self.port.is_empty()
    }

    /// Splits a text; errs in Go's words. An empty text is an empty value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let fail = |reason: &str| Err(format!("address {text}: {reason}"));
        let Some(colon) = text.rfind(':') else { return fail("missing port in address") };
        let (host, port) = if let Some(inner) = text.strip_prefix('[') {
            let Some(end) = inner.find(']').map(|at| at + 1) else {
                return fail("missing ']' in address");
            };
            match colon {
                _ if end + 1 == text.len() => return fail("missing port in address"),
                colon if colon == end + 1 => {}
                _ if text[end + 1..].starts_with(':') => return fail("too many colons in address"),
                _ => return fail("missing port in address"),
            }
            if text[1..end].contains('[') {
                return fail("unexpected '[' in address");
            }
            (&text[1..end], &text[colon + 1..])
        } else {
            let host = &text[..colon];
            if host.contains(':') {
                return fail("too many colons in address");
            }
            if host.contains('[') {
                return fail("unexpected '[' in address");
            }
            (host, &text[colon + 1..])
        };
        if host.contains(']') || port.contains(']') {
            return fail("unexpected ']' in address");
        }
        if port.is_empty() {
            return Err(format!("address {}: port cannot be empty", GoQuoted(text)));
        }
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if self.is_empty() => Ok(()),
            _ if self.host.contains([':', '%']) => write!(f, "[{}]:{}", self.host, self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromYaml for HostPort {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        Self::parse(&text).map_err(|reason| cx.problem(node.position(), reason)).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }

    fn zero() -> Option<Self> {
        Some(Self::default())
    }
}

impl ToYaml for HostPort {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_string())
    }
}

/// The subject unless a header says otherwise.
const SUBJECT: &str = "{{ template \"email.default.subject\" . }}";

section! {
    /// Whether mails of one group form a thread.
    pub struct ThreadingConfig, go = "config.ThreadingConfig", null = "empty or null entry";
    omit "enabled" enabled: bool;
    /// `none`: one thread for ever; `daily`: one a day.
    omit "thread_by_date" thread_by_date: String;
}

impl Check for ThreadingConfig {}

section! {
    /// Mail by SMTP.
    pub struct EmailConfig, go = "config.plain", null = "missing email config";
    put "send_resolved" send_resolved: bool;
    /// Addresses, comma separated; a template.
    omit "to" to: String;
    omit "from" from: String;
    omit "hello" hello: String;
    omit "smarthost" smarthost: HostPort;
    omit "auth_username" auth_username: String;
    omit "auth_password" auth_password: Secret;
    omit "auth_password_file" auth_password_file: String;
    omit "auth_secret" auth_secret: Secret;
    omit "auth_secret_file" auth_secret_file: String;
    omit "auth_identity" auth_identity: String;
    /// Names in canonical spelling; Subject, To and From are always among them.
    map "headers" headers: BTreeMap<String, String>;
    omit "html" html: String = template("email.default.html");
    omit "text" text: String;
    some "require_tls" require_tls: Option<bool>;
    some "tls_config" tls_config: Option<TlsConfig>;
    /// Unset: TLS from the first byte on port 465 alone.
    some "force_implicit_tls" force_implicit_tls: Option<bool>;
    omit "threading" threading: ThreadingConfig;
}

/// A header's name as Go spells it; names with characters that no header may have stay as they are.
fn canonical(name: &str) -> String {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.bytes().all(token) { canonical_header(name) } else { name.to_owned() }
}

impl Check for EmailConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.to.is_empty() {
            return refuse("to", "missing to address in email config");
        }
        let mut headers = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.headers) {
            let name = canonical(&name);
            let shown = GoQuoted(&name).to_string();
            if headers.insert(name, value).is_some() {
                return refuse("headers", format!("duplicate header {shown} in email config"));
            }
        }
        self.headers = headers;
        if !self.threading.enabled {
            return Ok(());
        }
        for name in ["References", "In-Reply-To"] {
            if self.headers.contains_key(name) {
                return refuse(
                    "threading",
                    format!(
                        "conflicting configuration: threading.enabled conflicts with custom {name} header"
                    ),
                );
            }
        }
        if !matches!(self.threading.thread_by_date.as_str(), "none" | "daily") {
            return refuse(
                "threading",
                "threading.thread_by_date must be either 'none' or 'daily'",
            );
        }
        Ok(())
    }
}

impl Fill for EmailConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.tls_config, &globals.smtp_tls_config);
        if self.smarthost.is_empty() {
            self.smarthost.clone_from(&globals.smtp_smarthost);
            if self.smarthost.is_empty() {
                return Err("no global SMTP smarthost set");
            }
        }
        or_text(&mut self.from, &globals.smtp_from);
        if self.from.is_empty() {
            return Err("no global SMTP from set");
        }
        or_text(&mut self.hello, &globals.smtp_hello);
        or_text(&mut self.auth_username, &globals.smtp_auth_username);
        if self.auth_password.is_empty() && self.auth_password_file.is_empty() {
            self.auth_password.clone_from(&globals.smtp_auth_password);
            self.auth_password_file.clone_from(&globals.smtp_auth_password_file);
        }
        if self.auth_secret.is_empty() && self.auth_secret_file.is_empty() {
            self.auth_secret.clone_from(&globals.smtp_auth_secret);
            self.auth_secret_file.clone_from(&globals.smtp_auth_secret_file);
        }
        or_text(&mut self.auth_identity, &globals.smtp_auth_identity);
        self.require_tls.get_or_insert(globals.smtp_require_tls);
        or_some(&mut self.force_implicit_tls, &globals.smtp_force_implicit_tls);
        for (name, value) in [("Subject", SUBJECT), ("To", &self.to), ("From", &self.from)] {
            self.headers.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Ok(())
    }
}
