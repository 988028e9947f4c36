//! `webhook_configs`

use gauntlet_model::duration::GoDuration;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_yaml::Value;

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse};
use super::{GlobalReceivers, TemplateUrl, Uint64};

section! {
    /// Any HTTP endpoint.
    pub struct WebhookConfig, go = "webhook.plain", null = "missing webhook config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "url" url: TemplateUrl;
    put "url_file" url_file: String;
    /// Alerts sent at most in one message; 0 for all.
    put "max_alerts" max_alerts: Uint64;
    /// 0 for none of its own.
    put "timeout" timeout: GoDuration;
    /// A body in the place of the usual one; texts in it are templates.
    any "payload" payload: Option<Value>;
}

impl Check for WebhookConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.url.is_empty() && self.url_file.is_empty() {
            return refuse("", "one of url or url_file must be configured");
        }
        at_most_one("url", "url_file", !self.url.is_empty(), &self.url_file)
    }
}

impl Fill for WebhookConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}
