//! `msteams_configs` (connectors) and `msteamsv2_configs` (adaptive cards through Workflows)

use gauntlet_net::config::HttpClientConfig;

use super::discord::check_webhook;
use super::section::{Check, Fill, Refusal, or_some, template};
use super::{GlobalReceivers, SecretUrl};

section! {
    /// An old connector of Microsoft Teams.
    pub struct MsTeamsConfig, go = "msteams.plain", null = "missing msteams config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "webhook_url" webhook_url: Option<SecretUrl>;
    omit "webhook_url_file" webhook_url_file: String;
    omit "title" title: String = template("msteams.default.title");
    omit "summary" summary: String = template("msteams.default.summary");
    omit "text" text: String = template("msteams.default.text");
}

impl Check for MsTeamsConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        check_webhook(&self.webhook_url, &self.webhook_url_file)
    }
}

impl Fill for MsTeamsConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}

section! {
    /// A workflow of Microsoft Teams.
    pub struct MsTeamsV2Config, go = "msteamsv2.plain", null = "missing msteamsv2 config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "webhook_url" webhook_url: Option<SecretUrl>;
    omit "webhook_url_file" webhook_url_file: String;
    omit "title" title: String = template("msteamsv2.default.title");
    omit "text" text: String = template("msteamsv2.default.text");
}

impl Check for MsTeamsV2Config {
    fn check(&mut self) -> Result<(), Refusal> {
        check_webhook(&self.webhook_url, &self.webhook_url_file)
    }
}

impl Fill for MsTeamsV2Config {
    /// An `http_config` of its own still takes the proxy of `global`, unless it names one.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        match (&mut self.http_config, &globals.http_config) {
            (Some(own), Some(global)) => or_some(&mut own.proxy.proxy_url, &global.proxy.proxy_url),
            (own, global) => or_some(own, global),
        }
        Ok(())
    }
}
