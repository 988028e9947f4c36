//! Rocket.Chat: one attachment by `chat.postMessage`, as the user whose token it is.

use futures::future::BoxFuture;
use gauntlet_model::float::GoQuoted;
use gauntlet_net::config::Secret;
use http::header::HeaderName;
use serde::{Deserialize, Serialize};

use super::Setup;
use crate::config::RocketchatConfig;
use crate::files;
use crate::http::{Answer, Call, Http};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// Limit of a title, in characters.
const MAX_TITLE: usize = 1024;

#[derive(Debug)]
pub(crate) struct Rocketchat {
    config: RocketchatConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    avatar: String,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[derive(Serialize)]
struct Field {
    short: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
}

/// Buttons are the one kind there is; of an action's settings upstream sends these alone.
#[derive(Serialize)]
struct Action {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    is_webview: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    msg: String,
    msg_in_chat_window: bool,
}

impl Rocketchat {
    pub(crate) fn new(config: &RocketchatConfig, setup: &Setup) -> Result<Self, String> {
        for file in [&config.token_file, &config.token_id_file] {
            if !file.is_empty() {
                files::check(file).map_err(|err| format!("could not read {file}: {err}"))?;
            }
        }
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let config = &self.config;
        let texts = self.setup.texts(cx, alerts);
        let message = self.message(&texts)?;
        let url = config.api_url.as_ref().map(|url| url.joined("api/v1/chat.postMessage"));
        let url = url.unwrap_or_default();
        let token = file_or(&config.token_file, config.token.as_ref()).await?;
        let user = file_or(&config.token_id_file, config.token_id.as_ref()).await?;
        let call = Call::post_json(&url, &message)?
            .header(HeaderName::from_static("x-auth-token"), token)
            .header(HeaderName::from_static("x-user-id"), user)
            .wanting_body();
        let answer = self.http.send(call).await?;
        let in_channel =
            |err: NotifyError| err.context(format_args!("channel {}", GoQuoted(&message.channel)));
        answer.check(&[]).map_err(in_channel)?;
        read_reply(&answer).map_err(|err| in_channel(err.because(Reason::ClientError)))
    }

    fn message(&self, texts: &Texts<'_>) -> Result<Message, NotifyError> {
        let config = &self.config;
        let mut attachment = Attachment {
            title: texts.cut("title", texts.text(&config.title)?, MAX_TITLE),
            title_link: texts.text(&config.title_link)?,
            text: texts.text(&config.text)?,
            image_url: texts.text(&config.image_url)?,
            thumb_url: texts.text(&config.thumb_url)?,
            color: texts.text(&config.color)?,
            fields: Vec::with_capacity(config.fields.len()),
            actions: Vec::with_capacity(config.actions.len()),
        };
        for field in &config.fields {
            attachment.fields.push(Field {
                short: field.short.unwrap_or(config.short_fields),
                title: texts.text(&field.title)?,
                value: texts.text(&field.value)?,
            });
        }
        for action in &config.actions {
            attachment.actions.push(Action {
                kind: "button",
                text: texts.text(&action.text)?,
                url: texts.text(&action.url)?,
                is_webview: false,
                msg: texts.text(&action.msg)?,
                msg_in_chat_window: false,
            });
        }
        Ok(Message {
            channel: texts.text(&config.channel)?,
            emoji: texts.text(&config.emoji)?,
            avatar: texts.text(&config.icon_url)?,
            attachments: [attachment],
        })
    }
}

/// What the file holds, or without one the secret in place.
async fn file_or(file: &str, text: Option<&Secret>) -> Result<String, NotifyError> {
    if file.is_empty() {
        return Ok(text.map_or_else(String::new, |text| text.expose().to_owned()));
    }
    files::trimmed(file, &format!("could not read {file}")).await.map_err(NotifyError::fatal)
}

/// Rocket.Chat says no with status 200 too.
fn read_reply(answer: &Answer) -> Result<(), NotifyError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Reply {
        success: bool,
        error: String,
    }
    if let Some(reason) = &answer.broken {
        return Err(NotifyError::temporary(format!("could not read response body: {reason}")));
    }
    let reply: Reply = serde_json::from_slice(&answer.body).map_err(|err| {
        let text = answer.text();
        let text = GoQuoted(&text);
        NotifyError::temporary(format!("could not unmarshal JSON response {text}: {err}"))
    })?;
    if reply.success {
        return Ok(());
    }
    Err(NotifyError::fatal(format!("error response from Rocketchat: {}", reply.error)))
}

impl Notifier for Rocketchat {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
