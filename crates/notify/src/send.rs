//! The senders, one a file: how each service is told.

mod discord;
mod email;
mod incidentio;
mod jira;
mod mattermost;
mod msteams;
mod opsgenie;
mod pagerduty;
mod pushover;
mod rocketchat;
mod slack;
mod sns;
mod telegram;
mod victorops;
mod webex;
mod webhook;
mod wechat;

use std::sync::Arc;

use gauntlet_net::aws::{Environment, process_environment};
use gauntlet_runtime::Clock;
use ring::digest;

use crate::config::{IntegrationConfig, SecretUrl};
use crate::files;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::texts::{Templates, Texts};

/// What all senders share.
#[derive(Clone)]
pub struct Setup {
    pub templates: Arc<Templates>,
    pub clock: Arc<dyn Clock>,
    /// Where keys for AWS are looked for that the configuration does not have.
    pub environment: Environment,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("templates", &self.templates).finish_non_exhaustive()
    }
}

impl Setup {
    pub fn new(templates: Arc<Templates>, clock: Arc<dyn Clock>) -> Self {
        Self { templates, clock, environment: process_environment() }
    }

    fn texts<'a>(&'a self, cx: &NotifyContext, alerts: &[Alert]) -> Texts<'a> {
        self.templates.texts(cx, alerts)
    }
}

/// Makes the sender of an integration.
pub(crate) fn build(
    config: IntegrationConfig<'_>,
    setup: &Setup,
) -> Result<Arc<dyn Notifier>, String> {
    Ok(match config {
        IntegrationConfig::Discord(config) => Arc::new(discord::Discord::new(config, setup)?),
        IntegrationConfig::Email(config) => Arc::new(email::Email::new(config, setup)?),
        IntegrationConfig::Incidentio(config) => {
            Arc::new(incidentio::Incidentio::new(config, setup)?)
        }
        IntegrationConfig::Pagerduty(config) => Arc::new(pagerduty::Pagerduty::new(config, setup)?),
        IntegrationConfig::Slack(config) => Arc::new(slack::Slack::new(config, setup)?),
        IntegrationConfig::Webhook(config) => Arc::new(webhook::Webhook::new(config, setup)?),
        IntegrationConfig::OpsGenie(config) => Arc::new(opsgenie::OpsGenie::new(config, setup)?),
        IntegrationConfig::Wechat(config) => Arc::new(wechat::Wechat::new(config, setup)?),
        IntegrationConfig::Pushover(config) => Arc::new(pushover::Pushover::new(config, setup)?),
        IntegrationConfig::VictorOps(config) => Arc::new(victorops::VictorOps::new(config, setup)?),
        IntegrationConfig::Sns(config) => Arc::new(sns::Sns::new(config, setup)?),
        IntegrationConfig::Telegram(config) => Arc::new(telegram::Telegram::new(config, setup)?),
        IntegrationConfig::Webex(config) => Arc::new(webex::Webex::new(config, setup)?),
        IntegrationConfig::MsTeams(config) => Arc::new(msteams::MsTeams::new(config, setup)?),
        IntegrationConfig::MsTeamsV2(config) => Arc::new(msteams::MsTeamsV2::new(config, setup)?),
        IntegrationConfig::Jira(config) => Arc::new(jira::Jira::new(config, setup)?),
        IntegrationConfig::Rocketchat(config) => {
            Arc::new(rocketchat::Rocketchat::new(config, setup)?)
        }
        IntegrationConfig::Mattermost(config) => {
            Arc::new(mattermost::Mattermost::new(config, setup)?)
        }
    })
}

/// SHA-256 of the group key: keys of services have a bound, group keys have none.
fn group_hash(cx: &NotifyContext) -> String {
    let hash = digest::digest(&digest::SHA256, cx.group_key.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A webhook's URL, in place or in a file.
async fn webhook_url(url: &Option<SecretUrl>, file: &str) -> Result<String, NotifyError> {
    match url {
        Some(url) => Ok(url.expose().to_owned()),
        None => files::trimmed(file, "read webhook_url_file").await.map_err(NotifyError::fatal),
    }
}

#[cfg(test)]
mod tests;
