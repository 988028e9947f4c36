//! Amazon SNS: one `Publish`, signed with whatever keys Amazon's own clients would find.
//!
//! Left out: the retries within one try that Amazon's own client makes.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_net::aws::{Choice, KeyChain, Scope, Unsigned, sign};
use gauntlet_net::config::{HttpClientConfig, Url};
use http::Method;
use http::header::HeaderName;
use tracing::warn;

use super::{Setup, group_hash};
use crate::config::SnsConfig;
use crate::http::{Answer, Call, Http, escape, form};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// The largest message, in bytes; and of a text message to a phone.
const MAX_MESSAGE: usize = 256 * 1024;
const MAX_SMS: usize = 1600;
/// How long whoever serves keys may take.
const KEYS_TIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Sns {
    config: SnsConfig,
    http: Http,
    setup: Setup,
    keys: KeyChain,
}

impl Sns {
    pub(crate) fn new(config: &SnsConfig, setup: &Setup) -> Result<Self, String> {
        // The signature is the authorization; of the client's settings only the way there matters.
        let client = config.http_config.clone().unwrap_or_default();
        let client =
            HttpClientConfig { basic_auth: None, authorization: None, oauth2: None, ..client };
        let http = Http::new(Some(&client))?;
        let (choice, environment) = (Choice::from(&config.sigv4), Arc::clone(&setup.environment));
        let (transport, clock) = (Arc::new(http.client().clone()), Arc::clone(&setup.clock));
        let keys = KeyChain::new(choice, environment, transport, clock, KEYS_TIME);
        Ok(Self { config: config.clone(), http, setup: setup.clone(), keys })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let region = self.keys.region().await.map_err(|err| {
            NotifyError::temporary(format!(
                "region not configured in sns.sigv4.region or in default credentials chain: {err}"
            ))
        })?;
        let url = match render(&texts, &self.config.api_url, "api_url")? {
            url if !url.is_empty() => url,
            _ => endpoint(&region),
        };
        let body = form_of(self.fields(cx, &texts)?).into_bytes();
        let keys =
            self.keys.keys(&region).await.map_err(|err| {
                NotifyError::temporary(format!("failed to create SNS client: {err}"))
            })?;
        let content_type = "application/x-www-form-urlencoded";
        let parsed: Url = url.parse().map_err(|_| NotifyError::fatal("invalid URL".to_owned()))?;
        let headers =
            [("content-length", body.len().to_string()), ("content-type", content_type.to_owned())];
        let path = if parsed.path().is_empty() { "/".to_owned() } else { escape(parsed.path()) };
        let request = Unsigned {
            method: "POST",
            host: parsed.host(),
            path: &path,
            query: &[],
            headers: &headers,
            body: &body,
        };
        let scope = Scope { region: &region, service: "sns" };
        let signed = sign(&request, &keys, scope, self.setup.clock.now_ms());
        let mut call = Call { content_type, body, ..Call::new(Method::POST, &url) };
        for (name, value) in signed {
            call = call.header(HeaderName::from_static(name), value);
        }
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
