//! `pagerduty_configs`

use std::collections::BTreeMap;

use gauntlet_model::duration::GoDuration;
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_yaml::Value;

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};
use super::{ApiUrl, GlobalReceivers};

section! {
    /// One of `links`.
    pub struct PagerdutyLink, go = "pagerduty.PagerdutyLink", null = "empty or null entry";
    omit "href" href: String;
    omit "text" text: String;
}

impl Check for PagerdutyLink {}

section! {
    /// One of `images`.
    pub struct PagerdutyImage, go = "pagerduty.PagerdutyImage", null = "empty or null entry";
    omit "src" src: String;
    omit "alt" alt: String;
    omit "href" href: String;
}

impl Check for PagerdutyImage {}

/// Details that are sent unless others of the same name are set.
const DEFAULT_DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

section! {
    /// Events of PagerDuty: API v1 with a service key, v2 with a routing key.
    pub struct PagerdutyConfig, go = "pagerduty.plain", null = "missing pagerduty config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "service_key" service_key: Secret;
    omit "service_key_file" service_key_file: String;
    omit "routing_key" routing_key: Secret;
    omit "routing_key_file" routing_key_file: String;
    some "url" url: Option<ApiUrl>;
    omit "client" client: String = template("pagerduty.default.client");
    omit "client_url" client_url: String = template("pagerduty.default.clientURL");
    omit "description" description: String =
        "{{ template \"pagerduty.default.description\" .}}".to_owned();
    map "details" details: BTreeMap<String, Value>;
    omit "images" images: Vec<PagerdutyImage>;
    omit "links" links: Vec<PagerdutyLink>;
    omit "source" source: String;
    omit "severity" severity: String;
    omit "class" class: String;
    omit "component" component: String;
    omit "group" group: String;
    /// 0 for none of its own.
    put "timeout" timeout: GoDuration;
}

impl Check for PagerdutyConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        let (routing, service) = (!self.routing_key.is_empty(), !self.service_key.is_empty());
        let (routing_file, service_file) = (&self.routing_key_file, &self.service_key_file);
        if !routing && !service && routing_file.is_empty() && service_file.is_empty() {
            return refuse("", "missing service or routing key in PagerDuty config");
        }
        at_most_one("routing_key", "routing_key_file", routing, routing_file)?;
        at_most_one("service_key", "service_key_file", service, service_file)?;
        if self.source.is_empty() {
            self.source.clone_from(&self.client);
        }
        for (name, text) in DEFAULT_DETAILS {
            self.details.entry(name.to_owned()).or_insert_with(|| Value::Str(text.to_owned()));
        }
        Ok(())
    }
}

impl Fill for PagerdutyConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.url, &globals.pagerduty_url);
        self.url.is_some().then_some(()).ok_or("no global PagerDuty URL set")
    }
}
