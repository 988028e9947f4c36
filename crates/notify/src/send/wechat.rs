//! WeChat Work: a token is fetched for corporation and secret, then messages are sent with it.

use futures::future::BoxFuture;
use http::Method;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Setup;
use crate::config::{ApiUrl, WechatConfig};
use crate::files;
use crate::http::{Answer, Call, Http, form};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError, Reason};
use crate::texts::Texts;

/// How long a token is used, in milliseconds.
const TOKEN_MS: i64 = 2 * 60 * 60 * 1000;
/// The service's code for a token that is over.
const TOKEN_OVER: i64 = 42001;

#[derive(Debug)]
pub(crate) struct Wechat {
    config: WechatConfig,
    http: Http,
    setup: Setup,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    fetched_ms: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("fetched_ms", &self.fetched_ms).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Message {
    text: Content,
    #[serde(skip_serializing_if = "String::is_empty")]
    touser: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    toparty: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    totag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    agentid: String,
    safe: &'static str,
    msgtype: String,
    markdown: Content,
}

#[derive(Default, Serialize)]
struct Content {
    content: String,
}

impl Wechat {
    pub(crate) fn new(config: &WechatConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        let token = Mutex::new(None);
        Ok(Self { config: config.clone(), http, setup: setup.clone(), token })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let message = self.message(&texts).map_err(|err| err.context("templating error"))?;
        let token = self.token(&texts).await?;
        let url = format!("{}?{}", self.url("message/send"), form(vec![("access_token", token)]));
        let answer = self.http.send(Call::post_json(&url, &message)?.wanting_body()).await?;
        if answer.status != 200 {
            let message = format!("unexpected status code {}", answer.status);
            let reason = Reason::of_status(answer.status);
            return Err(NotifyError::temporary(message).because(reason));
        }
        self.read_reply(&answer)
    }

    fn url(&self, path: &str) -> String {
        let url = self.config.api_url.as_ref();
        url.map_or_else(String::new, |url: &ApiUrl| url.with_path_suffix(path))
    }

    /// The token kept, or a new one.
    async fn token(&self, texts: &Texts<'_>) -> Result<String, NotifyError> {
        let now_ms = self.setup.clock.now_ms();
        let kept = self.token.lock().clone();
        if let Some(token) = kept.filter(|token| now_ms - token.fetched_ms <= TOKEN_MS) {
            return Ok(token.text);
        }
        let config = &self.config;
        let secret = files::secret(&config.api_secret, &config.api_secret_file, "").await;
        let secret = secret.map_err(NotifyError::fatal)?;
        let in_words = |err: NotifyError| err.context("templating error");
        let query = form(vec![
            ("corpsecret", texts.text(&secret).map_err(in_words)?),
            ("corpid", texts.text(&config.corp_id).map_err(in_words)?),
        ]);
        let url = format!("{}?{query}", self.url("gettoken"));
        let answer = self.http.send(Call::new(Method::GET, &url).wanting_body()).await?;

        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Reply {
            access_token: String,
        }
        let reply: Reply = serde_json::from_slice(&answer.body)
            .map_err(|err| NotifyError::fatal(err.to_string()))?;
        let text = reply.access_token;
        if text.is_empty() {
            let corp = &config.corp_id;
            return Err(NotifyError::fatal(format!("invalid APISecret for CorpID: {corp}")));
        }
        *self.token.lock() = Some(Token { text: text.clone(), fetched_ms: now_ms });
        Ok(text)
    }

    fn message(&self, texts: &Texts<'_>) -> Result<Message, NotifyError> {
        let config = &self.config;
        let content = Content { content: texts.text(&config.message)? };
        let (text, markdown) = if config.message_type == "markdown" {
            (Content::default(), content)
        } else {
            (content, Content::default())
        };
        Ok(Message {
            text,
            touser: texts.text(&config.to_user)?,
            toparty: texts.text(&config.to_party)?,
            totag: texts.text(&config.to_tag)?,
            agentid: texts.text(&config.agent_id)?,
            safe: "0",
            msgtype: config.message_type.clone(),
            markdown,
        })
    }

    fn read_reply(&self, answer: &Answer) -> Result<(), NotifyError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Reply {
            errcode: i64,
            errmsg: String,
        }
        let reply: Reply = serde_json::from_slice(&answer.body)
            .map_err(|err| NotifyError::temporary(err.to_string()))?;
        match reply.errcode {
            0 => Ok(()),
            TOKEN_OVER => {
                *self.token.lock() = None;
                Err(NotifyError::temporary(reply.errmsg))
            }
            _ => Err(NotifyError::fatal(reply.errmsg)),
        }
    }
}

impl Notifier for Wechat {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
