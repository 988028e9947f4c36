//! Mattermost: one attachment made of the receiver's own fields, or the attachments that are configured.

use futures::future::BoxFuture;
use gauntlet_model::float::GoQuoted;
use serde::Serialize;
use tracing::warn;

use super::Setup;
use crate::config::{MattermostAttachment, MattermostConfig, MattermostField, MattermostPriority};
use crate::files;
use crate::http::{Call, Http};
use crate::json::is_false;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::texts::Texts;

/// Limit of a text, in characters.
const MAX_TEXT: usize = 16_383;

#[derive(Debug)]
pub(crate) struct Mattermost {
    config: MattermostConfig,
    http: Http,
    setup: Setup,
}

#[derive(Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    attachments: Vec<Attachment>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    props: Option<Props>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
}

#[derive(Serialize)]
struct Props {
    #[serde(skip_serializing_if = "String::is_empty")]
    card: String,
}

#[derive(Serialize)]
struct Priority {
    priority: String,
    #[serde(skip_serializing_if = "is_false")]
    requested_ack: bool,
    #[serde(skip_serializing_if = "is_false")]
    persistent_notifications: bool,
}

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    fallback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
}

#[derive(Serialize)]
struct Field {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short: Option<bool>,
}

impl Mattermost {
    pub(crate) fn new(config: &MattermostConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let url = match &self.config.webhook_url {
            Some(url) => url.expose().to_owned(),
            None => files::trimmed(&self.config.webhook_url_file, "")
                .await
                .map_err(NotifyError::fatal)?,
        };
        if url.is_empty() {
            return Err(NotifyError::fatal("webhook url missing"));
        }
        let texts = self.setup.texts(cx, alerts);
        let message = self.message(&texts)?;
        let answer = self.http.send(Call::post_json(&url, &message)?).await?;
        answer
            .check(&[])
            .map_err(|err| err.context(format_args!("channel {}", GoQuoted(&message.channel))))
    }

    /// With attachments configured the text stands above them, without it stands in the one that is made.
    fn message(&self, texts: &Texts<'_>) -> Result<Message, NotifyError> {
        let config = &self.config;
        let text = texts.text(&config.text)?;
        let props = config.props.as_ref().filter(|props| !props.card.is_empty());
        let props = props.map(|props| texts.text(&props.card)).transpose()?;
        let priority = config.priority.as_ref().filter(|p| !p.priority.is_empty());
        let mut message = Message {
            text: String::new(),
            channel: texts.text(&config.channel)?,
            username: texts.text(&config.username)?,
            icon_url: texts.text(&config.icon_url)?,
            icon_emoji: texts.text(&config.icon_emoji)?,
            attachments: Vec::new(),
            kind: texts.text(&config.kind)?,
            props: props.map(|card| Props { card }),
            priority: priority.map(|priority| self::priority(priority, texts)).transpose()?,
        };
        if config.attachments.is_empty() {
            let own = MattermostAttachment {
                fallback: config.fallback.clone(),
                color: config.color.clone(),
                pretext: config.pretext.clone(),
                text: String::new(),
                author_name: config.author_name.clone(),
                author_link: config.author_link.clone(),
                author_icon: config.author_icon.clone(),
                title: config.title.clone(),
                title_link: config.title_link.clone(),
                fields: config.fields.clone(),
                thumb_url: config.thumb_url.clone(),
                footer: config.footer.clone(),
                footer_icon: config.footer_icon.clone(),
                image_url: config.image_url.clone(),
            };
            message.attachments.push(Attachment { text, ..attachment(&own, texts)? });
            return Ok(message);
        }
        for one in &config.attachments {
            message.attachments.push(attachment(one, texts)?);
        }
        message.text = texts.cut("text", text, MAX_TEXT);
        Ok(message)
    }
}

fn attachment(config: &MattermostAttachment, texts: &Texts<'_>) -> Result<Attachment, NotifyError> {
    let field = |field: &MattermostField| -> Result<Field, NotifyError> {
        let (title, value) = (texts.text(&field.title)?, texts.text(&field.value)?);
        Ok(Field { title, value, short: field.short })
    };
    Ok(Attachment {
        fallback: texts.text(&config.fallback)?,
        color: texts.text(&config.color)?,
        pretext: texts.text(&config.pretext)?,
        text: texts.text(&config.text)?,
        author_name: texts.text(&config.author_name)?,
        author_link: texts.text(&config.author_link)?,
        author_icon: texts.text(&config.author_icon)?,
        title: texts.text(&config.title)?,
        title_link: texts.text(&config.title_link)?,
        fields: config.fields.iter().map(field).collect::<Result<_, _>>()?,
        thumb_url: texts.text(&config.thumb_url)?,
        footer: texts.text(&config.footer)?,
        footer_icon: texts.text(&config.footer_icon)?,
        image_url: texts.text(&config.image_url)?,
    })
}

/// What the service would refuse is toned down: unknown priorities, acknowledgement of what is standard, persistence of what is
/// not urgent.
fn priority(config: &MattermostPriority, texts: &Texts<'_>) -> Result<Priority, NotifyError> {
    let asked = texts.text(&config.priority)?;
    let mut priority = asked.to_lowercase();
    if !matches!(priority.as_str(), "urgent" | "important" | "standard") {
        warn!(priority = asked, "took an unknown priority as standard");
        "standard".clone_into(&mut priority);
    }
    Ok(Priority {
        requested_ack: config.requested_ack && priority != "standard",
        persistent_notifications: config.persistent_notifications && priority == "urgent",
        priority,
    })
}

impl Notifier for Mattermost {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
