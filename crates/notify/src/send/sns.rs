//! Amazon SNS: one `Publish`, signed by hand (AWS Signature Version 4).
//!
//! Left out: the retries within one try that Amazon's own client makes.

use futures::future::BoxFuture;
use gauntlet_net::config::HttpClientConfig;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName};
use tracing::warn;

use super::sigv4::sign;
use super::{Setup, group_hash};
use crate::aws::{Keys, region};
use crate::config::SnsConfig;
use crate::http::{Answer, Call, Http, form};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// The largest message, in bytes; and of a text message to a phone.
const MAX_MESSAGE: usize = 256 * 1024;
const MAX_SMS: usize = 1600;

#[derive(Debug)]
pub(crate) struct Sns {
    config: SnsConfig,
    http: Http,
    setup: Setup,
    keys: Keys,
    region: String,
}

impl Sns {
    pub(crate) fn new(config: &SnsConfig, setup: &Setup) -> Result<Self, String> {
        let keys = Keys::new(&config.sigv4, setup.aws.as_ref())?;
        let region = region(&config.sigv4)?;
        // The signature is the authorization; of the client's settings only the way there matters.
        let client = config.http_config.clone().unwrap_or_default();
        let client =
            HttpClientConfig { basic_auth: None, authorization: None, oauth2: None, ..client };
        let http = Http::new(Some(&client))?;
        Ok(Self { config: config.clone(), http, setup: setup.clone(), keys, region })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let url = match render(&texts, &self.config.api_url, "api_url")? {
            url if !url.is_empty() => url,
            _ => endpoint(&self.region),
        };
        let body = form_of(self.fields(cx, &texts)?);
        let content_type = "application/x-www-form-urlencoded";
        let keys =
            self.keys.get(&self.region).await.map_err(|err| {
                NotifyError::temporary(format!("failed to create SNS client: {err}"))
            })?;
        let signed = sign(
            &keys,
            &self.region,
            "sns",
            &url,
            content_type,
            body.as_bytes(),
            self.setup.clock.now_ms(),
        );
        let signed = signed.map_err(NotifyError::fatal)?;
        let mut call =
            Call { content_type, body: body.into_bytes(), ..Call::new(Method::POST, &url) };
        call = call.header(HeaderName::from_static("x-amz-date"), signed.date);
        if let Some(token) = &keys.session_token {
            let name = HeaderName::from_static("x-amz-security-token");
            call = call.header(name, token.expose());
        }
        let call = call.header(AUTHORIZATION, signed.authorization);
        self.http.send(call).await?.check_with(&[], message_of)
    }

    fn fields(
        &self,
        cx: &NotifyContext,
        texts: &Texts<'_>,
    ) -> Result<Vec<(String, String)>, NotifyError> {
        let config = &self.config;
        let mut fields = vec![
            ("Action".to_owned(), "Publish".to_owned()),
            ("Version".to_owned(), "2010-03-31".to_owned()),
        ];
        let mut put = |name: &str, value: String| fields.push((name.to_owned(), value));
        let mut attributes = Vec::with_capacity(config.attributes.len());
        for (name, value) in &config.attributes {
            let name = render(texts, name, "attributes")?;
            attributes.push((name, render(texts, value, "attributes")?));
        }
        if !config.topic_arn.is_empty() {
            let topic = render(texts, &config.topic_arn, "topic_arn")?;
            if topic.ends_with(".fifo") {
                put("MessageDeduplicationId", group_hash(cx));
                put("MessageGroupId", group_hash(cx));
            }
            put("TopicArn", topic);
        }
        let mut limit = MAX_MESSAGE;
        if !config.phone_number.is_empty() {
            put("PhoneNumber", render(texts, &config.phone_number, "phone_number")?);
            limit = MAX_SMS;
        }
        if !config.target_arn.is_empty() {
            put("TargetArn", render(texts, &config.target_arn, "target_arn")?);
        }
        let mut message = render(texts, &config.message, "message")?;
        if message.len() > limit {
            message.truncate(message.floor_char_boundary(limit));
            attributes.push(("truncated".to_owned(), "true".to_owned()));
            warn!(limit, "cut a message to SNS's limit");
        }
        put("Message", message);
        if !config.subject.is_empty() {
            put("Subject", render(texts, &config.subject, "subject")?);
        }
        attributes.sort();
        for (at, (name, value)) in attributes.into_iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", at + 1);
            put(&format!("{entry}.Name"), name);
            put(&format!("{entry}.Value.DataType"), "String".to_owned());
            put(&format!("{entry}.Value.StringValue"), value);
        }
        Ok(fields)
    }
}

fn form_of(fields: Vec<(String, String)>) -> String {
    form(fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect())
}

fn render(texts: &Texts<'_>, template: &str, what: &str) -> Result<String, NotifyError> {
    texts.text(template).map_err(|err| {
        err.context(format_args!("execute '{what}' template")).because(Reason::ClientError)
    })
}

fn endpoint(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://sns.{region}.amazonaws.com{suffix}/")
}

/// What stands between `<Message>` and its end in an error of AWS.
fn message_of(answer: &Answer) -> String {
    let text = answer.text();
    let message = text
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"))
        .map_or("", |(message, _)| message);
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

impl Notifier for Sns {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
