//! `webex_configs`

use gauntlet_net::config::HttpClientConfig;

use super::section::{Check, Fill, Refusal, or_some, refuse, template};
use super::{ApiUrl, GlobalReceivers};

section! {
    /// A room of Webex.
    pub struct WebexConfig, go = "config.plain", null = "missing webex config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "api_url" api_url: Option<ApiUrl>;
    omit "message" message: String = template("webex.default.message");
    put "room_id" room_id: String;
}

impl Check for WebexConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.room_id.is_empty() {
            return refuse("room_id", "missing room_id on webex_config");
        }
        if self.http_config.as_ref().is_none_or(|http| http.authorization.is_none()) {
            return refuse("http_config", "missing webex_configs.http_config.authorization");
        }
        Ok(())
    }
}

impl Fill for WebexConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.webex_api_url);
        self.api_url.is_some().then_some(()).ok_or("no global Webex URL set")
    }
}
