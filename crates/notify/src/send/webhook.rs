//! Webhooks: the notification's data as JSON, version 4, or a payload of one's own.

use futures::future::BoxFuture;
use serde::Serialize;

use super::Setup;
use crate::config::WebhookConfig;
use crate::data::Data;
use crate::files;
use crate::http::{Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};

#[derive(Debug)]
pub(crate) struct Webhook {
    config: WebhookConfig,
    http: Http,
    setup: Setup,
}

/// The body that webhooks and incident.io get.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    #[serde(flatten)]
    pub(super) data: &'a Data,
    pub(super) version: &'static str,
    #[serde(rename = "groupKey")]
    pub(super) group_key: &'a str,
    #[serde(rename = "truncatedAlerts")]
    pub(super) truncated_alerts: u64,
}

/// The first `max` alerts (0: all) and how many were left out.
pub(super) fn first(alerts: &[Alert], max: u64) -> (&[Alert], u64) {
    match usize::try_from(max) {
        Ok(max) if max > 0 && alerts.len() > max => (&alerts[..max], (alerts.len() - max) as u64),
        _ => (alerts, 0),
    }
}

impl Webhook {
    pub(crate) fn new(config: &WebhookConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        let http = http.with_timeout(config.timeout, "webhook");
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let (alerts, truncated_alerts) = first(alerts, self.config.max_alerts.0);
        let texts = self.setup.texts(cx, alerts);
        let url = if self.config.url.is_empty() {
            let read = files::trimmed(&self.config.url_file, "read url_file").await;
            read.map_err(NotifyError::fatal)?
        } else {
            self.config.url.expose().to_owned()
        };
        let url = texts.text(&url).map_err(|err| err.context("failed to template webhook URL"))?;
        if url.is_empty() {
            return Err(NotifyError::fatal("webhook URL is empty after templating"));
        }
        let call = match &self.config.payload {
            Some(payload) => {
                let payload = texts
                    .render(payload)
                    .map_err(|err| err.context("failed to render custom payload"))?;
                Call::post_json(&url, &payload)?
            }
            None => {
                let (data, group_key) = (texts.data(), cx.group_key.as_str());
                let message = Message { data, version: "4", group_key, truncated_alerts };
                Call::post_json(&url, &message)?
            }
        };
        self.http.send(call).await?.check(&[])
    }
}

impl Notifier for Webhook {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
