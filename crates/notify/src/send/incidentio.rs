//! incident.io: the webhook's body under version 1, cut to the size that is taken.

use futures::future::BoxFuture;
use gauntlet_net::config::Authorization;
use serde::Deserialize;
use tracing::warn;

use super::Setup;
use super::webhook::{Message, first};
use crate::config::IncidentioConfig;
use crate::files;
use crate::http::{Answer, Call, Http};
use crate::json;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};

/// The largest body that is taken, in bytes.
const MAX_BODY: usize = 512 * 1024;

#[derive(Debug)]
pub(crate) struct Incidentio {
    config: IncidentioConfig,
    http: Http,
    setup: Setup,
}

impl Incidentio {
    pub(crate) fn new(config: &IncidentioConfig, setup: &Setup) -> Result<Self, String> {
        let mut client = config.http_config.clone().unwrap_or_default();
        let file = &config.alert_source_token_file;
        if !file.is_empty() {
            files::check(file)
                .map_err(|err| format!("failed to read alert_source_token_file: {err}"))?;
        }
        if !config.alert_source_token.is_empty() || !file.is_empty() {
            client.authorization = Some(Authorization {
                kind: "Bearer".to_owned(),
                credentials: config.alert_source_token.clone(),
                credentials_file: file.clone(),
                from_bearer_token: false,
            });
        }
        let http = Http::new(Some(&client))?.with_timeout(config.timeout, "incident.io");
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let (alerts, truncated) = first(alerts, self.config.max_alerts.0);
        let body = self.encode(cx, alerts, truncated)?;
        let url = match &self.config.url {
            Some(url) => url.as_str().to_owned(),
            None => files::trimmed(&self.config.url_file, "read url_file")
                .await
                .map_err(NotifyError::fatal)?,
        };
        let call =
            Call { content_type: "application/json", body, ..Call::new(http::Method::POST, &url) };
        self.http.send(call).await?.check_with(&[429], details)
    }

    /// The body; with the first alert alone if all are too large. Sent even if that is too large still.
    fn encode(
        &self,
        cx: &NotifyContext,
        alerts: &[Alert],
        truncated_alerts: u64,
    ) -> Result<Vec<u8>, NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let group_key = cx.group_key.as_str();
        let message = Message { data: texts.data(), version: "1", group_key, truncated_alerts };
        let encode = |message: &Message<'_>| {
            json::encode(message).map_err(|err| {
                NotifyError::fatal(format!("failed to encode incident.io message: {err}"))
            })
        };
        let body = encode(&message)?;
        if body.len() <= MAX_BODY {
            return Ok(body);
        }
        let mut data = texts.data().clone();
        data.alerts.truncate(1);
        let short = encode(&Message { data: &data, ..message })?;
        let (original_size, final_size) = (body.len(), short.len());
        warn!(original_size, final_size, max_size = MAX_BODY, "cut alerts to incident.io's limit");
        Ok(short)
    }
}

/// What incident.io says is wrong.
fn details(answer: &Answer) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wrong {
        message: String,
        errors: Vec<String>,
        error: String,
    }
    let Ok(wrong) = serde_json::from_slice::<Wrong>(&answer.body) else { return String::new() };
    let parts = [wrong.message, wrong.error, wrong.errors.join(", ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(": ")
}

impl Notifier for Incidentio {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
