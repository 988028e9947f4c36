//! `incidentio_configs`

use gauntlet_model::duration::GoDuration;
use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse};
use super::{ApiUrl, GlobalReceivers, Uint64};

section! {
    /// An alert source of incident.io.
    pub struct IncidentioConfig, go = "incidentio.plain", null = "missing incidentio config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    put "url" url: Option<ApiUrl>;
    put "url_file" url_file: String;
    omit "alert_source_token" alert_source_token: Secret;
    omit "alert_source_token_file" alert_source_token_file: String;
    /// Alerts sent at most in one message; 0 for all.
    put "max_alerts" max_alerts: Uint64;
    /// 0 for none of its own.
    put "timeout" timeout: GoDuration;
}

impl Check for IncidentioConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.url.is_none() && self.url_file.is_empty() {
            return refuse("", "one of url or url_file must be configured");
        }
        at_most_one("url", "url_file", self.url.is_some(), &self.url_file)?;
        let has_token = !self.alert_source_token.is_empty();
        let token_file = &self.alert_source_token_file;
        at_most_one("alert_source_token", "alert_source_token_file", has_token, token_file)?;
        let no_token = !has_token && token_file.is_empty();
        match self.http_config.as_ref().map(|http| http.authorization.is_some()) {
            Some(true) if !no_token => refuse(
                "http_config",
                "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
            ),
            Some(false) if no_token => refuse(
                "http_config",
                "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
            ),
            _ => Ok(()),
        }
    }
}

impl Fill for IncidentioConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}
