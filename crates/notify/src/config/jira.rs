//! `jira_configs`

use std::borrow::Cow;
use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_yaml::{Context, FromYaml, Kind, MapBuilder, Mapping, Node, ToYaml, Value};

use super::section::{Check, Fill, Refusal, or_some, refuse, template};
use super::{ApiUrl, GlobalReceivers};

const SUMMARY: &str = "jira.default.summary";
const DESCRIPTION: &str = "jira.default.description";

/// A text field of an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JiraField {
    pub template: String,
    /// Whether an update of the issue sends it again; unset: yes.
    pub enable_update: Option<bool>,
    /// Whether the configuration said something; else the default holds.
    template_set: bool,
}

impl JiraField {
    fn calling(name: &str) -> Self {
        Self { template: template(name), enable_update: None, template_set: true }
    }

    fn or_calling(&mut self, name: &str) {
        if !self.template_set {
            self.template = template(name);
            self.template_set = true;
        }
    }

    /// Whether an update of the issue sends it again.
    pub fn updates(&self) -> bool {
        self.enable_update.unwrap_or(true)
    }
}

impl FromYaml for JiraField {
    /// A text alone is the template. A mapping without `template` keeps the default one.
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        if node.kind() == Kind::Scalar {
            let template = String::from_yaml(node, cx)?;
            return Some(Self { template, enable_update: None, template_set: true });
        }
        let mut map = Mapping::read(node, "jira.plain", cx)?;
        let field = Self {
            template_set: map.has("template"),
            template: map.take_default(cx, "template"),
            enable_update: map.take(cx, "enable_update"),
        };
        map.finish(cx).then_some(field)
    }

    fn go_type() -> Cow<'static, str> {
        "jira.plain".into()
    }
}

impl ToYaml for JiraField {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("template", &self.template)
            .put_some("enable_update", self.enable_update)
            .build()
    }
}

section! {
    /// Issues of a Jira project.
    pub struct JiraConfig, go = "jira.plain", null = "missing jira config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "api_url" api_url: Option<ApiUrl>;
    /// `auto`, `cloud` or `datacenter`.
    omit "api_type" api_type: String = "auto".to_owned();
    omit "project" project: String;
    omit "summary" summary: JiraField = JiraField::calling(SUMMARY);
    omit "description" description: JiraField = JiraField::calling(DESCRIPTION);
    omit "labels" labels: Vec<String>;
    omit "priority" priority: String = template("jira.default.priority");
    omit "issue_type" issue_type: String;
    omit "reopen_transition" reopen_transition: String;
    omit "resolve_transition" resolve_transition: String;
    omit "wont_fix_resolution" wont_fix_resolution: String;
    some "reopen_duration" reopen_duration: Option<Duration>;
    /// Further fields of the issue; texts in them are templates.
    map "fields" fields: BTreeMap<String, Value>;
}

impl Check for JiraConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        self.summary.or_calling(SUMMARY);
        self.description.or_calling(DESCRIPTION);
        self.reopen_duration = self.reopen_duration.filter(|duration| !duration.is_zero());
        if self.project.is_empty() {
            return refuse("project", "missing project in jira_config");
        }
        if self.issue_type.is_empty() {
            return refuse("issue_type", "missing issue_type in jira_config");
        }
        if !matches!(self.api_type.as_str(), "auto" | "cloud" | "datacenter") {
            return refuse(
                "api_type",
                "unknown api_type on jira_config, must be auto, cloud or datacenter",
            );
        }
        Ok(())
    }
}

impl Fill for JiraConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.jira_api_url);
        self.api_url.is_some().then_some(()).ok_or("no global Jira Cloud URL set")
    }
}
