//! Discord: one embed, red while something fires and green when all is over.

use futures::future::BoxFuture;
use serde::Serialize;
use tracing::warn;

use super::{Setup, webhook_url};
use crate::config::DiscordConfig;
use crate::http::{Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};

/// Limits of the service, in characters.
const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_CONTENT: usize = 2000;

const RED: u32 = 0x99_2D_22;
const GREEN: u32 = 0x2E_CC_71;

#[derive(Debug)]
pub(crate) struct Discord {
    config: DiscordConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct Body<'a> {
    content: String,
    embeds: [Embed; 1],
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    avatar_url: &'a str,
}

#[derive(Serialize)]
struct Embed {
    title: String,
    description: String,
    color: u32,
}

impl Discord {
    pub(crate) fn new(config: &DiscordConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let title = texts.cut("title", texts.text(&self.config.title)?, MAX_TITLE);
        let description = texts.text(&self.config.message)?;
        let description = texts.cut("message", description, MAX_DESCRIPTION);
        let content = texts.cut("content", texts.text(&self.config.content)?, MAX_CONTENT);
        let color = if texts.is_firing() { RED } else { GREEN };
        let mut avatar_url = self.config.avatar_url.as_str();
        if avatar_url.parse::<gauntlet_net::config::Url>().is_err() {
            warn!(receiver = cx.receiver, "left out a bad avatar URL");
            avatar_url = "";
        }
        let body = Body {
            content,
            embeds: [Embed { title, description, color }],
            username: &self.config.username,
            avatar_url,
        };
        let url = webhook_url(&self.config.webhook_url, &self.config.webhook_url_file).await?;
        self.http.send(Call::post_json(&url, &body)?).await?.check(&[])
    }
}

impl Notifier for Discord {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
