//! Slack: one attachment, by webhook or by an app's token; with a token, a group's message can be edited instead of repeated.

use futures::future::BoxFuture;
use gauntlet_model::float::GoQuoted;
use serde::{Deserialize, Serialize};

use super::Setup;
use crate::config::{SlackAction, SlackConfig};
use crate::files;
use crate::http::{Answer, Call, Http};
use crate::json::is_false;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Lenient;

/// Limit of a title, in characters.
const MAX_TITLE: usize = 1024;
/// Where messages are edited.
const UPDATE_URL: &str = "https://slack.com/api/chat.update";
/// Names in the notification log's receiver data.
const THREAD: &str = "threadTs";
const CHANNEL: &str = "channelId";

#[derive(Debug)]
pub(crate) struct Slack {
    config: SlackConfig,
    http: Http,
    setup: Setup,
    update_url: String,
}

#[derive(Default, Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ts: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "is_false")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: Vec<Attachment>,
}

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    mrkdwn_in: Vec<String>,
}

#[derive(Serialize)]
struct Field {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    short: bool,
}

#[derive(Serialize)]
struct Action {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirmation>,
}

#[derive(Serialize)]
struct Confirmation {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    ok: bool,
    error: String,
    channel: String,
    ts: String,
}

impl Slack {
    pub(crate) fn new(config: &SlackConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?.with_timeout(config.timeout, "slack");
        let update_url = UPDATE_URL.to_owned();
        Ok(Self { config: config.clone(), http, setup: setup.clone(), update_url })
    }

    /// The same, editing at another place.
    #[cfg(test)]
    pub(crate) fn editing_at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.update_url);
        self
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let mut message = self.message(cx, alerts);
        let mut url = match &self.config.api_url {
            Some(url) => url.expose().to_owned(),
            None => {
                let read = files::trimmed(&self.config.api_url_file, "").await;
                read.map_err(NotifyError::fatal)?
            }
        };
        if self.config.update_message {
            let (ts, channel) = (cx.receiver_data.text(THREAD), cx.receiver_data.text(CHANNEL));
            if !ts.is_empty() && !channel.is_empty() {
                url.clone_from(&self.update_url);
                (message.ts, message.channel) = (ts, channel);
            }
        }
        let answer = self.http.send(Call::post_json(&url, &message)?.wanting_body()).await?;
        let in_channel =
            |err: NotifyError| err.context(format_args!("channel {}", GoQuoted(&message.channel)));
        answer.check(&[]).map_err(in_channel)?;
        let reply = read_reply(&answer).map_err(in_channel)?;
        if self.config.update_message && !reply.ts.is_empty() && !reply.channel.is_empty() {
            cx.receiver_data.set_text(THREAD, &reply.ts);
            cx.receiver_data.set_text(CHANNEL, &reply.channel);
        }
        Ok(())
    }

    /// A template that fails leaves its text and those after it empty; better a message that lacks something than none, as upstream has it.
    fn message(&self, cx: &NotifyContext, alerts: &[Alert]) -> Message {
        let (config, texts) = (&self.config, self.setup.texts(cx, alerts));
        let lenient = texts.lenient();
        let text = |template: &str| lenient.text(template);
        let title = texts.cut("title", text(&config.title), MAX_TITLE);
        let mut attachment = Attachment {
            title,
            title_link: text(&config.title_link),
            pretext: text(&config.pretext),
            text: text(&config.text),
            fallback: text(&config.fallback),
            callback_id: text(&config.callback_id),
            image_url: text(&config.image_url),
            thumb_url: text(&config.thumb_url),
            footer: text(&config.footer),
            color: text(&config.color),
            fields: Vec::new(),
            actions: Vec::new(),
            mrkdwn_in: config.mrkdwn_in.clone(),
        };
        if attachment.mrkdwn_in.is_empty() {
            attachment.mrkdwn_in = ["fallback", "pretext", "text"].map(str::to_owned).to_vec();
        }
        let fields = config.fields.iter().map(|field| Field {
            title: text(&field.title),
            value: text(&field.value),
            short: field.short.unwrap_or(config.short_fields),
        });
        attachment.fields = fields.collect();
        attachment.actions = config.actions.iter().map(|a| action(a, &lenient)).collect();
        Message {
            channel: text(&config.channel),
            ts: String::new(),
            username: text(&config.username),
            icon_emoji: text(&config.icon_emoji),
            icon_url: text(&config.icon_url),
            link_names: config.link_names,
            text: text(&config.message_text),
            attachments: vec![attachment],
        }
    }
}

fn action(action: &SlackAction, texts: &Lenient<'_>) -> Action {
    Action {
        kind: texts.text(&action.kind),
        text: texts.text(&action.text),
        url: texts.text(&action.url),
        style: texts.text(&action.style),
        name: texts.text(&action.name),
        value: texts.text(&action.value),
        confirm: action.confirm.as_ref().map(|confirm| Confirmation {
            title: texts.text(&confirm.title),
            text: texts.text(&confirm.text),
            ok_text: texts.text(&confirm.ok_text),
            dismiss_text: texts.text(&confirm.dismiss_text),
        }),
    }
}

/// Slack says no with status 200 too: in JSON, or as any text but `ok`.
fn read_reply(answer: &Answer) -> Result<Reply, NotifyError> {
    let client = |err: NotifyError| err.because(Reason::ClientError);
    if let Some(reason) = &answer.broken {
        let message = format!("could not read response body: {reason}");
        return Err(client(NotifyError::temporary(message)));
    }
    if !answer.content_type.starts_with("application/json") {
        if answer.body == b"ok" {
            return Ok(Reply::default());
        }
        let message = format!("received an error response from Slack: {}", answer.text());
        return Err(client(NotifyError::fatal(message)));
    }
    let reply: Reply = serde_json::from_slice(&answer.body).map_err(|err| {
        let text = answer.text();
        let text = GoQuoted(&text);
        client(NotifyError::temporary(format!("could not unmarshal JSON response {text}: {err}")))
    })?;
    if !reply.ok {
        let message = format!("error response from Slack: {}", reply.error);
        return Err(client(NotifyError::fatal(message)));
    }
    Ok(reply)
}

impl Notifier for Slack {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
