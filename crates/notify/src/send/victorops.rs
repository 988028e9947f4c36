//! VictorOps (Splunk On-Call): incidents under the group's key.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use super::{Setup, group_hash};
use crate::config::VictorOpsConfig;
use crate::files;
use crate::http::{Call, Http, path_escape};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::texts::Texts;

/// Limit of a state message, in characters.
const MAX_MESSAGE: usize = 20_480;

#[derive(Debug)]
pub(crate) struct VictorOps {
    config: VictorOpsConfig,
    http: Http,
    setup: Setup,
}

impl VictorOps {
    pub(crate) fn new(config: &VictorOpsConfig, setup: &Setup) -> Result<Self, String> {
        let http = Http::new(config.http_config.as_ref())?;
        Ok(Self { config: config.clone(), http, setup: setup.clone() })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let texts = self.setup.texts(cx, alerts);
        let in_words = |err: NotifyError| err.context("templating error");
        let key = files::secret(
            &self.config.api_key,
            &self.config.api_key_file,
            "failed to read API key from file",
        );
        let key = key.await.map_err(NotifyError::fatal)?;
        let route = texts.text(&self.config.routing_key).map_err(in_words)?;
        let path = path_escape(&format!("{key}/{route}"));
        let url = self.config.api_url.as_ref().map(|url| url.with_path_suffix(&path));
        let url = url.unwrap_or_default();
        let fields = self.fields(cx, &texts).map_err(in_words)?;
        self.http.send(Call::post_json(&url, &fields)?).await?.check(&[])
    }

    fn fields(
        &self,
        cx: &NotifyContext,
        texts: &Texts<'_>,
    ) -> Result<BTreeMap<String, String>, NotifyError> {
        let config = &self.config;
        let mut kind = texts.text(&config.message_type)?;
        if !texts.is_firing() {
            "RECOVERY".clone_into(&mut kind);
        } else if !matches!(kind.as_str(), "INFO" | "WARNING" | "CRITICAL") {
            "CRITICAL".clone_into(&mut kind);
        }
        let state = texts.cut("state_message", texts.text(&config.state_message)?, MAX_MESSAGE);
        let pairs = [
            ("message_type", kind),
            ("entity_id", group_hash(cx)),
            ("entity_display_name", texts.text(&config.entity_display_name)?),
            ("state_message", state),
            ("monitoring_tool", texts.text(&config.monitoring_tool)?),
        ];
        let mut fields: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, value) in &config.custom_fields {
            fields.insert(name.clone(), texts.text(value)?);
        }
        Ok(fields)
    }
}

impl Notifier for VictorOps {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
