//! Jira: an issue labelled with the group's key is looked up, created or updated, and moved when all is over or begins anew.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use gauntlet_model::float::GoQuoted;
use http::Method;
use http::header::ACCEPT_LANGUAGE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::warn;

use super::{Setup, group_hash};
use crate::config::{ApiUrl, JiraConfig};
use crate::http::{Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::texts::Texts;

/// Limits of the service, in characters.
const MAX_SUMMARY: usize = 255;
const MAX_DESCRIPTION: usize = 32_767;

#[derive(Debug)]
pub(crate) struct Jira {
    config: JiraConfig,
    http: Http,
    setup: Setup,
}

/// What is sent: fields or a transition.
#[derive(Serialize)]
struct Issue {
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<Value>,
}

#[derive(Serialize)]
struct Search {
    fields: [&'static str; 1],
    jql: String,
    #[serde(rename = "maxResults")]
    max_results: u32,
}

/// What Jira says of an issue, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    key: String,
    fields: Option<FoundFields>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FoundFields {
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(rename = "statusCategory")]
    category: Category,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Category {
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Results {
    issues: Vec<Found>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transition {
    id: String,
    name: String,
}

impl Jira {
    pub(crate) fn new(config: &JiraConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let group = group_hash(cx);
        let found = self.search(&group, &texts).await;
        let found = found.map_err(|err| err.context("failed to look up existing issues"))?;
        if found.is_none() && !texts.is_firing() {
            // Nobody opens an issue for what is over.
            return Ok(());
        }
        let mut fields = self.fields(&group, &texts)?;
        let (method, path) = match &found {
            None => (Method::POST, "issue".to_owned()),
            Some(issue) => {
                if !self.config.description.updates() {
                    fields.remove("description");
                }
                if !self.config.summary.updates() {
                    fields.remove("summary");
                }
                (Method::PUT, format!("issue/{}", issue.key))
            }
        };
        let issue = Issue { fields: Some(fields), transition: None };
        let sent = self.request(method.clone(), &self.url(&path), Some(&issue)).await;
        sent.map_err(|err| {
            err.context(format_args!("failed to {method} request to {}", GoQuoted(&path)))
        })?;
        match found {
            Some(issue) => self.transition(&issue, texts.is_firing()).await,
            None => Ok(()),
        }
    }

    /// The issue of the group that is open, or was closed recently enough to be opened again.
    async fn search(&self, group: &str, texts: &Texts<'_>) -> Result<Option<Found>, NotifyError> {
        let mut jql = String::new();
        let wont_fix = &self.config.wont_fix_resolution;
        if !wont_fix.is_empty() {
            let resolution = GoQuoted(wont_fix);
            jql = format!("(resolution is EMPTY or resolution != {resolution}) and ");
        }
        let reopen = self.config.reopen_duration.map_or(0, |d| d.as_ms() / 60_000);
        if texts.is_firing() && !self.config.reopen_transition.is_empty() && reopen > 0 {
            jql.push_str(&format!(
                "(resolutiondate is EMPTY OR resolutiondate >= -{reopen}m) and "
            ));
        } else {
            jql.push_str("statusCategory != Done and ");
        }
        let project = texts
            .text(&self.config.project)
            .map_err(|err| err.context("invalid project template or value"))?;
        let label = format!("ALERT{{{group}}}");
        jql.push_str(&format!(
            "project={} and labels={} order by status ASC,resolutiondate DESC",
            GoQuoted(&project),
            GoQuoted(&label)
        ));
        let search = Search { fields: ["status"], jql, max_results: 2 };
        let body = self.request(Method::POST, &self.search_url(), Some(&search)).await;
        let body = body.map_err(|err| err.context("HTTP request to JIRA API"))?;
        let results: Results = parse(&body)?;
        if results.issues.len() > 1 {
            let selected = results.issues[0].key.as_str();
            warn!(selected, "several issues match, taking the one resolved last");
        }
        Ok(results.issues.into_iter().next())
    }

    /// Jira Cloud has a search of its own, found under API version 3 alone.
    fn search_url(&self) -> String {
        let host = self.config.api_url.as_ref().map_or("", ApiUrl::host);
        let kind = self.config.api_type.as_str();
        if kind == "cloud" || (kind == "auto" && host.ends_with("atlassian.net")) {
            return self.url("search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1);
        }
        self.url("search")
    }

    fn url(&self, path: &str) -> String {
        self.config.api_url.as_ref().map_or_else(String::new, |url| url.joined(path))
    }

    fn is_v3(&self) -> bool {
        let url = self.config.api_url.as_ref();
        url.is_some_and(|url| url.path().trim_end_matches('/').ends_with("/3"))
    }

    /// The issue's fields; configured ones win over those made here.
    fn fields(
        &self,
        group: &str,
        texts: &Texts<'_>,
    ) -> Result<BTreeMap<String, Value>, NotifyError> {
        let render = |template: &str, what: &str| {
            texts.text(template).map_err(|err| err.context(format_args!("{what} template")))
        };
        let config = &self.config;
        let summary = render(&config.summary.template, "summary")?;
        let project = render(&config.project, "project")?;
        let kind = render(&config.issue_type, "issue_type")?;
        let mut custom = Vec::with_capacity(config.fields.len());
        for (name, value) in &config.fields {
            let value = texts.render(value).map_err(|err| err.context("fields template"))?;
            custom.push((name.clone(), value));
        }
        let description = render(&config.description.template, "description")?;
        let description = texts.cut("description", description, MAX_DESCRIPTION);
        let mut fields = BTreeMap::from([
            ("project".to_owned(), json!({ "key": project })),
            ("issuetype".to_owned(), named(&kind)),
            ("summary".to_owned(), texts.cut("summary", summary, MAX_SUMMARY).into()),
        ]);
        if let Some(description) = self.description(description)? {
            fields.insert("description".to_owned(), description);
        }
        let mut labels = vec![format!("ALERT{{{group}}}")];
        for (at, label) in config.labels.iter().enumerate() {
            labels.push(render(label, &format!("labels[{at}]"))?);
        }
        labels.sort();
        fields.insert("labels".to_owned(), labels.into());
        let priority = render(&config.priority, "priority")?;
        if !priority.is_empty() {
            fields.insert("priority".to_owned(), named(&priority));
        }
        fields.extend(custom);
        Ok(fields)
    }

    /// A text, or under API version 3 a document in JSON; nothing if empty.
    fn description(&self, text: String) -> Result<Option<Value>, NotifyError> {
        if !self.is_v3() {
            return Ok((!text.is_empty()).then(|| text.into()));
        }
        match text.trim() {
            "" => Ok(None),
            document => serde_json::from_str(document)
                .map(Some)
                .map_err(|_| NotifyError::fatal("description template: invalid JSON for API v3")),
        }
    }

    /// Opens a closed issue again, or resolves an open one, if a transition is configured for it.
    async fn transition(&self, issue: &Found, firing: bool) -> Result<(), NotifyError> {
        let status = issue.fields.as_ref().and_then(|fields| fields.status.as_ref());
        let Some(status) = status.filter(|_| !issue.key.is_empty()) else { return Ok(()) };
        let done = status.category.key == "done";
        let name = match (firing, done) {
            (true, true) => &self.config.reopen_transition,
            (false, false) => &self.config.resolve_transition,
            _ => return Ok(()),
        };
        if name.is_empty() {
            return Ok(());
        }
        let url = self.url(&format!("issue/{}/transitions", issue.key));
        let body = self.request::<Issue>(Method::GET, &url, None).await?;
        let known: Transitions = parse(&body)?;
        let Some(found) = known.transitions.into_iter().find(|known| known.name == *name) else {
            let key = &issue.key;
            return Err(NotifyError::fatal(format!(
                "can't find transition {name} for issue {key}"
            )));
        };
        let step = Issue { fields: None, transition: Some(json!({ "id": found.id })) };
        self.request(Method::POST, &url, Some(&step)).await.map(drop)
    }

    /// Asks and gives the answer's body. Unlike upstream, a connection that fails is tried again: what was done is looked up first.
    async fn request<T: Serialize>(
        &self,
        method: Method,
        url: &str,
        body: Option<&T>,
    ) -> Result<Vec<u8>, NotifyError> {
        let call = match body {
            Some(body) => Call::json(method, url, body)?,
            None => Call { content_type: "application/json", ..Call::new(method, url) },
        };
        let call = call.header(ACCEPT_LANGUAGE, "en").wanting_body();
        let answer = self.http.send(call).await?;
        answer.check(&[429])?;
        match answer.broken {
            Some(reason) => Err(NotifyError::temporary(reason)),
            None => Ok(answer.body),
        }
    }
}

/// `{"name": ...}`
fn named(name: &str) -> Value {
    if name.is_empty() { json!({}) } else { json!({ "name": name }) }
}

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, NotifyError> {
    serde_json::from_slice(body).map_err(|err| NotifyError::fatal(err.to_string()))
}

impl Notifier for Jira {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
