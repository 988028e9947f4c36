//! Webex: one message in Markdown.

use futures::future::BoxFuture;
use serde::Serialize;
use tracing::debug;

use super::Setup;
use crate::config::{ApiUrl, WebexConfig};
use crate::http::{Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::truncate;

/// Limit of a message, in bytes.
const MAX_MESSAGE: usize = 7439;

#[derive(Debug)]
pub(crate) struct Webex {
    config: WebexConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct Message {
    markdown: String,
    #[serde(rename = "roomId", skip_serializing_if = "String::is_empty")]
    room_id: String,
}

impl Webex {
    pub(crate) fn new(config: &WebexConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let (markdown, cut) = truncate::bytes(texts.text(&self.config.message)?, MAX_MESSAGE);
        if cut {
            debug!(limit = MAX_MESSAGE, "cut a message to Webex's limit");
        }
        let message = Message { markdown, room_id: texts.text(&self.config.room_id)? };
        let url = self.config.api_url.as_ref().map_or("", ApiUrl::as_str);
        self.http.send(Call::post_json(url, &message)?).await?.check(&[])
    }
}

impl Notifier for Webex {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
