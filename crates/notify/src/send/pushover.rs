//! Pushover: everything in the query of one request.

use futures::future::BoxFuture;
use http::Method;

use super::Setup;
use crate::config::PushoverConfig;
use crate::files;
use crate::http::{Call, Http, form};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};

/// Limits of the service, in characters.
const MAX_TITLE: usize = 250;
const MAX_MESSAGE: usize = 1024;
const MAX_URL: usize = 512;
/// Where messages go; it cannot be configured.
const API_URL: &str = "https://api.pushover.net/1/messages.json";

#[derive(Debug)]
pub(crate) struct Pushover {
    config: PushoverConfig,
    http: Http,
    setup: Setup,
    api_url: String,
}

impl Pushover {
    pub(crate) fn new(config: &PushoverConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        let api_url = API_URL.to_owned();
        Ok(Self { config: config.clone(), http, setup: setup.clone(), api_url })
    }

    /// The same, sending to another place.
    #[cfg(test)]
    pub(crate) fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.api_url);
        self
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let config = &self.config;
        let texts = self.setup.texts(cx, alerts);
        let token = files::secret(&config.token, &config.token_file, "read token_file");
        let token = token.await.map_err(NotifyError::fatal)?;
        let user = files::secret(&config.user_key, &config.user_key_file, "read user_key_file");
        let user = user.await.map_err(NotifyError::fatal)?;
        let mut pairs = vec![("token", texts.text(&token)?), ("user", texts.text(&user)?)];
        pairs.push(("title", texts.cut("title", texts.text(&config.title)?, MAX_TITLE)));
        let message = if config.html {
            pairs.push(("html", "1".to_owned()));
            texts.html(&config.message)?
        } else {
            texts.text(&config.message)?
        };
        if config.monospace {
            pairs.push(("monospace", "1".to_owned()));
        }
        let message = texts.cut("message", message, MAX_MESSAGE);
        // The service refuses empty messages.
        let message = match message.trim() {
            "" => "(no details)",
            message => message,
        };
        pairs.push(("message", message.to_owned()));
        pairs.push(("url", texts.cut("URL", texts.text(&config.url)?, MAX_URL)));
        pairs.push(("url_title", texts.text(&config.url_title)?));
        pairs.push(("priority", texts.text(&config.priority)?));
        pairs.push(("retry", seconds(config.retry.0.as_ns()).to_string()));
        pairs.push(("expire", seconds(config.expire.0.as_ns()).to_string()));
        pairs.push(("device", texts.text(&config.device)?));
        pairs.push(("sound", texts.text(&config.sound)?));
        let ttl = seconds(config.ttl.0.as_ns());
        if ttl > 0 {
            pairs.push(("ttl", ttl.to_string()));
        }
        let url = format!("{}?{}", self.api_url, form(pairs));
        let call = Call { content_type: "text/plain", ..Call::new(Method::POST, &url) };
        self.http.send(call).await?.check(&[])
    }
}

fn seconds(ns: i64) -> i64 {
    ns / 1_000_000_000
}

impl Notifier for Pushover {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
