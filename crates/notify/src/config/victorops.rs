//! `victorops_configs`

use std::collections::BTreeMap;

use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, or_text, refuse, template};
use super::{ApiUrl, GlobalReceivers};

/// Names that `custom_fields` may not have.
const RESERVED_FIELDS: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

section! {
    /// Incidents of VictorOps (Splunk On-Call).
    pub struct VictorOpsConfig, go = "config.plain", null = "missing victorops config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "api_key" api_key: Secret;
    omit "api_key_file" api_key_file: String;
    /// Its path ends with a slash.
    put "api_url" api_url: Option<ApiUrl>;
    put "routing_key" routing_key: String;
    put "message_type" message_type: String = "CRITICAL".to_owned();
    put "state_message" state_message: String = template("victorops.default.state_message");
    put "entity_display_name" entity_display_name: String =
        template("victorops.default.entity_display_name");
    put "monitoring_tool" monitoring_tool: String = template("victorops.default.monitoring_tool");
    map "custom_fields" custom_fields: BTreeMap<String, String>;
}

impl Check for VictorOpsConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.routing_key.is_empty() {
            return refuse("routing_key", "missing Routing key in VictorOps config");
        }
        at_most_one("api_key", "api_key_file", !self.api_key.is_empty(), &self.api_key_file)?;
        match RESERVED_FIELDS.iter().find(|name| self.custom_fields.contains_key(**name)) {
            Some(name) => refuse(
                "custom_fields",
                format!(
                    "victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"
                ),
            ),
            None => Ok(()),
        }
    }
}

impl Fill for VictorOpsConfig {
    /// Key and key file are taken each on its own, as upstream takes them.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.victorops_api_url);
        self.api_url.as_mut().ok_or("no global VictorOps URL set")?.close_path();
        if self.api_key.is_empty() {
            self.api_key.clone_from(&globals.victorops_api_key);
        }
        or_text(&mut self.api_key_file, &globals.victorops_api_key_file);
        if self.api_key.is_empty() && self.api_key_file.is_empty() {
            return Err("no global VictorOps API Key set");
        }
        Ok(())
    }
}
