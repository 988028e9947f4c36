//! `discord_configs`

use gauntlet_net::config::HttpClientConfig;

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};
use super::{GlobalReceivers, SecretUrl};

section! {
    /// A Discord channel's webhook.
    pub struct DiscordConfig, go = "discord.plain", null = "missing discord config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "webhook_url" webhook_url: Option<SecretUrl>;
    omit "webhook_url_file" webhook_url_file: String;
    omit "content" content: String;
    omit "title" title: String = template("discord.default.title");
    omit "message" message: String = template("discord.default.message");
    omit "username" username: String;
    omit "avatar_url" avatar_url: String;
}

impl Check for DiscordConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        check_webhook(&self.webhook_url, &self.webhook_url_file)
    }
}

/// Exactly one of `webhook_url` and `webhook_url_file`.
pub(super) fn check_webhook(url: &Option<SecretUrl>, file: &str) -> Result<(), Refusal> {
    if url.is_none() && file.is_empty() {
        return refuse("", "one of webhook_url or webhook_url_file must be configured");
    }
    at_most_one("webhook_url", "webhook_url_file", url.is_some(), file)
}

impl Fill for DiscordConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}
