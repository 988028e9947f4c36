//! `pushover_configs`

use std::borrow::Cow;

use gauntlet_model::duration::{DurationError, GoDuration};
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

use super::GlobalReceivers;
use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};

/// A duration that is text in YAML, never a number. Zero is not echoed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextDuration(pub GoDuration);

impl TextDuration {
    const fn from_secs(secs: i64) -> Self {
        Self(GoDuration::from_ns(secs * 1_000_000_000))
    }
}

impl FromYaml for TextDuration {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        let parsed = text.parse().map(Self);
        parsed.map_err(|err: DurationError| cx.problem(node.position(), err.to_string())).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "pushover.duration".into()
    }
}

impl ToYaml for TextDuration {
    fn to_yaml(&self) -> Value {
        if self.0.as_ns() == 0 { Value::Null } else { self.0.to_yaml() }
    }
}

section! {
    /// A user or group of Pushover.
    pub struct PushoverConfig, go = "pushover.plain", null = "missing pushover config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "user_key" user_key: Secret;
    omit "user_key_file" user_key_file: String;
    omit "token" token: Secret;
    omit "token_file" token_file: String;
    omit "title" title: String = template("pushover.default.title");
    omit "message" message: String = template("pushover.default.message");
    omit "url" url: String = template("pushover.default.url");
    omit "url_title" url_title: String;
    omit "device" device: String;
    omit "sound" sound: String;
    /// 2 is an emergency, 0 normal.
    omit "priority" priority: String =
        "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}".to_owned();
    omit "retry" retry: TextDuration = TextDuration::from_secs(60);
    omit "expire" expire: TextDuration = TextDuration::from_secs(3600);
    omit "ttl" ttl: TextDuration;
    omit "html" html: bool;
    omit "monospace" monospace: bool;
}

impl Check for PushoverConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        let (user, token) = (!self.user_key.is_empty(), !self.token.is_empty());
        if !user && self.user_key_file.is_empty() {
            return refuse("", "one of user_key or user_key_file must be configured");
        }
        at_most_one("user_key", "user_key_file", user, &self.user_key_file)?;
        if !token && self.token_file.is_empty() {
            return refuse("", "one of token or token_file must be configured");
        }
        at_most_one("token", "token_file", token, &self.token_file)?;
        if self.html && self.monospace {
            return refuse("monospace", "at most one of monospace & html must be configured");
        }
        Ok(())
    }
}

impl Fill for PushoverConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}
