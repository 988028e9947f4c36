//! Opsgenie: an alert under the group's key is created, updated if wanted, and closed when all is over.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use http::Method;
use http::header::AUTHORIZATION;
use serde::Serialize;

use super::{Setup, group_hash};
use crate::config::{ApiUrl, OpsGenieConfig, OpsGenieResponder};
use crate::files;
use crate::http::{Call, Http};
use crate::json;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::texts::Texts;

/// Limit of a message, in characters.
const MAX_MESSAGE: usize = 130;

#[derive(Debug)]
pub(crate) struct OpsGenie {
    config: OpsGenieConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct Create {
    alias: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    details: BTreeMap<String, String>,
    source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<Responder>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    priority: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

#[derive(Default, PartialEq, Serialize)]
struct Responder {
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
struct Close {
    source: String,
}

#[derive(Serialize)]
struct UpdateMessage<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

#[derive(Serialize)]
struct UpdateDescription<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
}

/// A request to be: method, URL, body.
type Step = (Method, String, Vec<u8>);

impl OpsGenie {
    pub(crate) fn new(config: &OpsGenieConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let in_words = |err: NotifyError| err.context("templating error");
        let steps = if texts.is_firing() {
            self.create(cx, &texts).map_err(in_words)?
        } else {
            self.close(cx, &texts).map_err(in_words)?
        };
        let key = if self.config.api_key.is_empty() {
            let text = files::read(&self.config.api_key_file).await;
            text.map_err(|err| NotifyError::fatal(format!("read key_file error: {err}")))?
        } else {
            self.config.api_key.expose().to_owned()
        };
        let key = texts.text(&key).map_err(in_words)?;
        let credentials = format!("GenieKey {}", key.trim());
        for (method, url, body) in steps {
            let call = Call { content_type: "application/json", body, ..Call::new(method, &url) };
            let call = call.header(AUTHORIZATION, credentials.clone());
            self.http.send(call).await?.check(&[429])?;
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        let url = self.config.api_url.as_ref();
        url.map_or_else(String::new, |url: &ApiUrl| url.with_path_suffix(path))
    }

    /// The URL of an operation on the alert with this alias.
    fn alias_url(&self, alias: &str, operation: &str) -> String {
        let url = self.url(&format!("v2/alerts/{alias}/{operation}"));
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}identifierType=alias")
    }

    fn close(&self, cx: &NotifyContext, texts: &Texts<'_>) -> Result<Vec<Step>, NotifyError> {
        let body = encode(&Close { source: texts.text(&self.config.source)? })?;
        Ok(vec![(Method::POST, self.alias_url(&group_hash(cx), "close"), body)])
    }

    fn create(&self, cx: &NotifyContext, texts: &Texts<'_>) -> Result<Vec<Step>, NotifyError> {
        let config = &self.config;
        let mut details = texts.data().common_labels.to_map();
        for (name, value) in &config.details {
            details.insert(name.clone(), texts.text(value)?);
        }
        let message = texts.cut("message", texts.text(&config.message)?, MAX_MESSAGE);
        let mut responders = Vec::new();
        for responder in &config.responders {
            add_responder(responder, texts, &mut responders)?;
        }
        let alert = Create {
            alias: group_hash(cx),
            message,
            description: texts.text(&config.description)?,
            details,
            source: texts.text(&config.source)?,
            responders,
            tags: split(&texts.text(&config.tags)?),
            note: texts.text(&config.note)?,
            priority: texts.text(&config.priority)?,
            entity: texts.text(&config.entity)?,
            actions: split(&texts.text(&config.actions)?),
        };
        let mut steps = vec![(Method::POST, self.url("v2/alerts"), encode(&alert)?)];
        if config.update_alerts {
            let message = encode(&UpdateMessage { message: &alert.message })?;
            steps.push((Method::PUT, self.alias_url(&alert.alias, "message"), message));
            let description = encode(&UpdateDescription { description: &alert.description })?;
            steps.push((Method::PUT, self.alias_url(&alert.alias, "description"), description));
        }
        Ok(steps)
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, NotifyError> {
    json::encode(value).map_err(NotifyError::fatal)
}

/// Adds a responder; those that come out empty are left out, and `teams` is a list of names.
fn add_responder(
    config: &OpsGenieResponder,
    texts: &Texts<'_>,
    out: &mut Vec<Responder>,
) -> Result<(), NotifyError> {
    let responder = Responder {
        id: texts.text(&config.id)?,
        name: texts.text(&config.name)?,
        username: texts.text(&config.username)?,
        kind: texts.text(&config.kind)?,
    };
    if responder == Responder::default() {
        return Ok(());
    }
    if responder.kind != "teams" {
        out.push(responder);
        return Ok(());
    }
    for team in split(&responder.name) {
        let name = texts.text(&team)?;
        out.push(Responder { name, kind: "team".to_owned(), ..Responder::default() });
    }
    Ok(())
}

/// The parts between commas that are not empty.
fn split(text: &str) -> Vec<String> {
    text.trim().split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl Notifier for OpsGenie {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
