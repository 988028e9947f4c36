//! Telegram: one message by a bot.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Deserialize;

use super::Setup;
use crate::config::{ApiUrl, TelegramConfig};
use crate::files;
use crate::http::{Answer, Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// Limit of a message, in characters.
const MAX_MESSAGE: usize = 4096;
/// Sent instead of HTML that is too long, since markup cannot be cut anywhere.
const TOO_LONG: &str = "Alertmanager notification could not be sent: message length exceeds Telegram limits.\n\t\t\tPlease check the template used for producing the message content.";

#[derive(Debug)]
pub(crate) struct Telegram {
    config: TelegramConfig,
    http: Http,
    setup: Setup,
}

impl Telegram {
    pub(crate) fn new(config: &TelegramConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let config = &self.config;
        let texts = self.setup.texts(cx, alerts);
        let text = self.message(&texts)?;
        let file = &config.bot_token_file;
        let token = files::secret(&config.bot_token, file, &format!("could not read {file}")).await;
        let token = token.map_err(NotifyError::temporary)?;
        let mut fields = BTreeMap::from([
            ("chat_id", self.chat_id().await?.to_string()),
            ("disable_web_page_preview", "true".to_owned()),
            ("text", text),
        ]);
        if config.disable_notifications {
            fields.insert("disable_notification", "true".to_owned());
        }
        if config.message_thread_id != 0 {
            fields.insert("message_thread_id", config.message_thread_id.to_string());
        }
        if !config.parse_mode.is_empty() {
            fields.insert("parse_mode", config.parse_mode.clone());
        }
        let api = config.api_url.as_ref().map_or("", ApiUrl::as_str);
        let url = format!("{api}/bot{token}/sendMessage");
        let call = Call::post_json(&url, &fields)?.wanting_body();
        let answer = self.http.send(call).await;
        read_reply(&answer.map_err(|err| err.context("telebot"))?)
    }

    fn message(&self, texts: &Texts<'_>) -> Result<String, NotifyError> {
        let template = &self.config.message;
        if self.config.parse_mode != "HTML" {
            return Ok(texts.cut("message", texts.text(template)?, MAX_MESSAGE));
        }
        let html = texts.html(template)?;
        if html.chars().nth(MAX_MESSAGE).is_some() { Ok(TOO_LONG.to_owned()) } else { Ok(html) }
    }

    async fn chat_id(&self) -> Result<i64, NotifyError> {
        let file = &self.config.chat_id_file;
        if file.is_empty() {
            return Ok(self.config.chat_id.0);
        }
        let text = files::trimmed(file, &format!("could not read {file}")).await;
        let text = text.map_err(NotifyError::temporary)?;
        text.parse().map_err(|err| {
            NotifyError::temporary(format!("could not parse chat_id from {file}: {err}"))
        })
    }
}

/// The service says in the body whether it went well. Every failure may be tried again, as upstream has it.
fn read_reply(answer: &Answer) -> Result<(), NotifyError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Reply {
        ok: bool,
        error_code: u16,
        description: String,
    }
    if let Some(reason) = &answer.broken {
        return Err(NotifyError::temporary(format!("telebot: {reason}")));
    }
    let reply: Reply = serde_json::from_slice(&answer.body).map_err(|err| {
        NotifyError::temporary(format!("telebot: {err}")).because(Reason::of_status(answer.status))
    })?;
    if reply.ok {
        return Ok(());
    }
    let message = format!("telegram: {} ({})", reply.description, reply.error_code);
    Err(NotifyError::temporary(message).because(Reason::of_status(reply.error_code)))
}

impl Notifier for Telegram {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
