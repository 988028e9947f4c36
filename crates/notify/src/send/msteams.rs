//! Microsoft Teams: message cards for the old connectors, adaptive cards for workflows.

use futures::future::BoxFuture;
use serde::Serialize;

use super::{Setup, webhook_url};
use crate::config::{MsTeamsConfig, MsTeamsV2Config};
use crate::http::{Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};

#[derive(Debug)]
pub(crate) struct MsTeams {
    config: MsTeamsConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct MessageCard {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    summary: String,
    text: String,
    #[serde(rename = "themeColor")]
    theme_color: &'static str,
}

impl MsTeams {
    pub(crate) fn new(config: &MsTeamsConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let card = MessageCard {
            context: "http://schema.org/extensions",
            kind: "MessageCard",
            title: texts.text(&self.config.title)?,
            text: texts.text(&self.config.text)?,
            summary: texts.text(&self.config.summary)?,
            theme_color: if texts.is_firing() { "8C1A1A" } else { "2DC72D" },
        };
        let url = webhook_url(&self.config.webhook_url, &self.config.webhook_url_file).await?;
        self.http.send(Call::post_json(&url, &card)?).await?.check(&[])
    }
}

impl Notifier for MsTeams {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}

#[derive(Debug)]
pub(crate) struct MsTeamsV2 {
    config: MsTeamsV2Config,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct CardMessage {
    #[serde(rename = "type")]
    kind: &'static str,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    #[serde(rename = "contentType")]
    content_type: &'static str,
    /// Always null.
    #[serde(rename = "contentUrl")]
    content_url: Option<()>,
    content: AdaptiveCard,
}

#[derive(Serialize)]
struct AdaptiveCard {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    body: [TextBlock; 2],
    msteams: Width,
}

#[derive(Serialize)]
struct TextBlock {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    weight: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    size: &'static str,
    wrap: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    style: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    color: &'static str,
}

#[derive(Serialize)]
struct Width {
    width: &'static str,
}

impl MsTeamsV2 {
    pub(crate) fn new(config: &MsTeamsV2Config, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let title = TextBlock {
            kind: "TextBlock",
            text: texts.text(&self.config.title)?,
            weight: "Bolder",
            size: "Medium",
            wrap: true,
            style: "heading",
            color: if texts.is_firing() { "Attention" } else { "Good" },
        };
        let text = TextBlock {
            kind: "TextBlock",
            text: texts.text(&self.config.text)?,
            weight: "",
            size: "",
            wrap: true,
            style: "",
            color: "",
        };
        let card = AdaptiveCard {
            schema: "http://adaptivecards.io/schemas/adaptive-card.json",
            kind: "AdaptiveCard",
            version: "1.2",
            body: [title, text],
            msteams: Width { width: "full" },
        };
        let attachment = Attachment {
            content_type: "application/vnd.microsoft.card.adaptive",
            content_url: None,
            content: card,
        };
        let message = CardMessage { kind: "message", attachments: [attachment] };
        let url = webhook_url(&self.config.webhook_url, &self.config.webhook_url_file).await?;
        self.http.send(Call::post_json(&url, &message)?).await?.check(&[])
    }
}

impl Notifier for MsTeamsV2 {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
