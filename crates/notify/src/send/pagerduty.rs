//! PagerDuty: events of API v1 (service key) or v2 (routing key), triggered and resolved under the group's key.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Setup, group_hash};
use crate::config::{ApiUrl, PagerdutyConfig};
use crate::files;
use crate::http::{Answer, Call, Http};
use crate::json;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// The largest event that is taken, in bytes.
const MAX_EVENT: usize = 512_000;
/// Alerts from which on details are not waited for.
const STORM: usize = 1000;
/// Limit of description and summary, in characters.
const MAX_SUMMARY: usize = 1024;
/// Where events of v1 go; it cannot be configured.
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

type Details = BTreeMap<String, serde_json::Value>;

#[derive(Debug)]
pub(crate) struct Pagerduty {
    config: PagerdutyConfig,
    http: Http,
    setup: Setup,
    v1_url: String,
}

#[derive(Default, Serialize)]
struct Event {
    #[serde(skip_serializing_if = "String::is_empty")]
    routing_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    service_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dedup_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    incident_key: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    event_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    event_action: &'static str,
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "Details::is_empty")]
    custom_details: Details,
}

#[derive(Serialize)]
struct Image {
    src: String,
    alt: String,
    href: String,
}

#[derive(Serialize)]
struct Link {
    href: String,
    text: String,
}

impl Pagerduty {
    pub(crate) fn new(config: &PagerdutyConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        let http = http.with_timeout(config.timeout, "pagerduty");
        let v1_url = V1_URL.to_owned();
        Ok(Self { config: config.clone(), http, setup: setup.clone(), v1_url })
    }

    /// The same, with v1 at another place.
    #[cfg(test)]
    pub(crate) fn v1_at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.v1_url);
        self
    }

    fn is_v1(&self) -> bool {
        !self.config.service_key.is_empty() || !self.config.service_key_file.is_empty()
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let kind = if texts.is_firing() { "trigger" } else { "resolve" };
        let details = match self.details(&texts) {
            // A storm's details are too large to be sent, and may be too large to be rendered.
            Err(err) if alerts.len() > STORM => {
                warn!(%err, alerts = alerts.len(), "left out details that cannot be rendered");
                removed()
            }
            details => details.map_err(|err| err.context("failed to render details"))?,
        };
        if self.is_v1() {
            self.send_v1(cx, &texts, kind, details).await
        } else {
            self.send_v2(cx, &texts, kind, details).await
        }
    }

    fn details(&self, texts: &Texts<'_>) -> Result<Details, NotifyError> {
        let details = self.config.details.iter();
        details.map(|(name, value)| Ok((name.clone(), texts.render(value)?))).collect()
    }

    async fn send_v1(
        &self,
        cx: &NotifyContext,
        texts: &Texts<'_>,
        event_type: &'static str,
        details: Details,
    ) -> Result<(), NotifyError> {
        let key = files::secret(
            &self.config.service_key,
            &self.config.service_key_file,
            "failed to read service key from file",
        );
        let key = key.await.map_err(NotifyError::fatal)?;
        let render = |template: &str| {
            texts
                .text(template)
                .map_err(|err| err.context("failed to template PagerDuty v1 message"))
        };
        let description = render(&self.config.description)?;
        let mut event = Event {
            service_key: render(&key)?,
            event_type,
            incident_key: group_hash(cx),
            description: texts.cut("description", description, MAX_SUMMARY),
            details,
            ..Event::default()
        };
        if event_type == "trigger" {
            event.client = render(&self.config.client)?;
            event.client_url = render(&self.config.client_url)?;
        }
        if event.service_key.is_empty() {
            return Err(NotifyError::fatal("service key cannot be empty"));
        }
        let body = encode(event)?;
        let answer = self.post(&self.v1_url, body).await;
        let answer = answer.map_err(|err| err.context("failed to post message to PagerDuty v1"))?;
        // Rate limits come as 403 here. Upstream gives no reason for failures of v1.
        let checked = answer.check_with(&[403], details_of);
        checked.map_err(|err| err.because(Reason::Other))
    }

    async fn send_v2(
        &self,
        cx: &NotifyContext,
        texts: &Texts<'_>,
        event_action: &'static str,
        custom_details: Details,
    ) -> Result<(), NotifyError> {
        let config = &self.config;
        let key = files::secret(
            &config.routing_key,
            &config.routing_key_file,
            "failed to read routing key from file",
        );
        let key = key.await.map_err(NotifyError::fatal)?;
        let render = |template: &str| {
            texts
                .text(template)
                .map_err(|err| err.context("failed to template PagerDuty v2 message"))
        };
        let severity = if config.severity.is_empty() { "error" } else { &config.severity };
        let mut event = Event {
            client: render(&config.client)?,
            client_url: render(&config.client_url)?,
            routing_key: render(&key)?,
            event_action,
            dedup_key: group_hash(cx),
            payload: Some(Payload {
                summary: texts.cut("summary", render(&config.description)?, MAX_SUMMARY),
                source: render(&config.source)?,
                severity: render(severity)?,
                class: render(&config.class)?,
                component: render(&config.component)?,
                group: render(&config.group)?,
                custom_details,
            }),
            ..Event::default()
        };
        for item in &config.images {
            let (src, alt) = (render(&item.src)?, render(&item.alt)?);
            let image = Image { src, alt, href: render(&item.href)? };
            event.images.extend((!image.src.is_empty()).then_some(image));
        }
        for item in &config.links {
            let link = Link { href: render(&item.href)?, text: render(&item.text)? };
            event.links.extend((!link.href.is_empty()).then_some(link));
        }
        if event.routing_key.is_empty() {
            return Err(NotifyError::fatal("routing key cannot be empty"));
        }
        let body = encode(event)?;
        let url = config.url.as_ref().map_or("", ApiUrl::as_str);
        let answer = self.post(url, body).await;
        let answer = answer.map_err(|err| err.context("failed to post message to PagerDuty"))?;
        answer.check_with(&[429], details_of)
    }

    async fn post(&self, url: &str, body: Vec<u8>) -> Result<Answer, NotifyError> {
        let call = Call::new(http::Method::POST, url);
        self.http.send(Call { content_type: "application/json", body, ..call }).await
    }
}

/// The event's bytes; its details give way if they make it too large.
fn encode(mut event: Event) -> Result<Vec<u8>, NotifyError> {
    let encode = |event: &Event| {
        json::encode(event)
            .map_err(|err| NotifyError::fatal(format!("failed to encode PagerDuty message: {err}")))
    };
    let body = encode(&event)?;
    if body.len() <= MAX_EVENT {
        return Ok(body);
    }
    warn!(size = body.len(), limit = MAX_EVENT, "removed details that make the event too large");
    match &mut event.payload {
        Some(payload) => payload.custom_details = removed(),
        None => event.details = removed(),
    }
    encode(&event)
}

/// What stands in the place of details that are too large.
fn removed() -> Details {
    let text = "Custom details have been removed because the original event exceeds the maximum size of 512KB";
    Details::from([("error".to_owned(), text.into())])
}

/// What PagerDuty says is wrong with a request.
fn details_of(answer: &Answer) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wrong {
        message: String,
        errors: Vec<String>,
    }
    if answer.status != 400 {
        return String::new();
    }
    match serde_json::from_slice::<Wrong>(&answer.body) {
        Ok(wrong) => format!("{}: {}", wrong.message, wrong.errors.join(",")),
        Err(_) => String::new(),
    }
}

impl Notifier for Pagerduty {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
