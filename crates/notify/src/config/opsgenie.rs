//! `opsgenie_configs`

use std::collections::BTreeMap;

use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, or_text, template};
use super::{ApiUrl, GlobalReceivers};
use crate::texts::is_template;

/// The kinds of responders, as upstream's error shows them.
const RESPONDER_TYPES: &str = "^(team|teams|user|escalation|schedule)$";

section! {
    /// Who is to respond: one of id, name and user name.
    pub struct OpsGenieResponder, go = "opsgenie.OpsGenieConfigResponder", null = "empty or null entry";
    omit "id" id: String;
    omit "name" name: String;
    omit "username" username: String;
    /// `team`, `teams`, `user`, `escalation`, `schedule`, or a template of these.
    omit "type" kind: String;
}

impl Check for OpsGenieResponder {}

impl OpsGenieResponder {
    /// As Go prints the struct.
    fn shown(&self, kind: &str) -> String {
        format!("{{{} {} {} {kind}}}", self.id, self.name, self.username)
    }

    fn check_kind(&self) -> Result<(), String> {
        if self.id.is_empty() && self.username.is_empty() && self.name.is_empty() {
            return Err(format!(
                "opsGenieConfig responder {} has to have at least one of id, username or name specified",
                self.shown(&self.kind)
            ));
        }
        let templated = is_template(&self.kind).map_err(|reason| {
            let shown = self.shown(&self.kind);
            format!(
                "opsGenieConfig responder {shown} type contains invalid template syntax: {reason}"
            )
        })?;
        let kind = self.kind.to_lowercase();
        let known = matches!(kind.as_str(), "team" | "teams" | "user" | "escalation" | "schedule");
        if templated || known {
            return Ok(());
        }
        Err(format!(
            "opsGenieConfig responder {} type does not match valid options {RESPONDER_TYPES}",
            self.shown(&kind)
        ))
    }
}

section! {
    /// Alerts of Opsgenie.
    pub struct OpsGenieConfig, go = "opsgenie.plain", null = "missing opsgenie config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "api_key" api_key: Secret;
    omit "api_key_file" api_key_file: String;
    /// Its path ends with a slash.
    some "api_url" api_url: Option<ApiUrl>;
    omit "message" message: String = template("opsgenie.default.message");
    omit "description" description: String = template("opsgenie.default.description");
    omit "source" source: String = template("opsgenie.default.source");
    map "details" details: BTreeMap<String, String>;
    omit "entity" entity: String;
    omit "responders" responders: Vec<OpsGenieResponder>;
    omit "actions" actions: String;
    omit "tags" tags: String;
    omit "note" note: String;
    omit "priority" priority: String;
    /// Whether message and description of an open alert are updated.
    omit "update_alerts" update_alerts: bool;
}

impl Check for OpsGenieConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        at_most_one("api_key", "api_key_file", !self.api_key.is_empty(), &self.api_key_file)?;
        let checked = self.responders.iter().try_for_each(OpsGenieResponder::check_kind);
        checked.map_err(|reason| ("responders", reason))
    }
}

impl Fill for OpsGenieConfig {
    /// Key and key file are taken each on its own, as upstream takes them.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.opsgenie_api_url);
        self.api_url.as_mut().ok_or("no global OpsGenie URL set")?.close_path();
        if self.api_key.is_empty() {
            self.api_key.clone_from(&globals.opsgenie_api_key);
        }
        or_text(&mut self.api_key_file, &globals.opsgenie_api_key_file);
        if self.api_key.is_empty() && self.api_key_file.is_empty() {
            return Err("no global OpsGenie API Key set either inline or in a file");
        }
        Ok(())
    }
}
