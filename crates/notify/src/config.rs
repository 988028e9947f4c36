//! What a configuration file says of receivers: every key, its default, what of `global` it falls back to, and the checks.
//!
//! [`Receiver`] is one entry of `receivers`, [`GlobalReceivers`] the part of `global` that receivers fall back to. A receiver is
//! read with the globals at hand, so that what is read is complete: senders look nowhere else. Left out: routes and everything
//! else of the file; they compose these types.

#[macro_use]
mod section;

mod discord;
mod email;
mod global;
mod incidentio;
mod jira;
mod mattermost;
mod msteams;
mod number;
mod opsgenie;
mod order;
mod pagerduty;
mod pushover;
mod receiver;
mod rocketchat;
mod slack;
mod sns;
mod telegram;
mod url;
mod victorops;
mod webex;
mod webhook;
mod wechat;

pub use discord::DiscordConfig;
pub use email::{EmailConfig, HostPort, ThreadingConfig};
pub use global::GlobalReceivers;
pub use incidentio::IncidentioConfig;
pub use jira::{JiraConfig, JiraField};
pub use mattermost::{
    MattermostAttachment, MattermostConfig, MattermostField, MattermostPriority, MattermostProps,
};
pub use msteams::{MsTeamsConfig, MsTeamsV2Config};
pub use number::{Int64, Uint64};
pub use opsgenie::{OpsGenieConfig, OpsGenieResponder};
pub use pagerduty::{PagerdutyConfig, PagerdutyImage, PagerdutyLink};
pub use pushover::PushoverConfig;
pub use receiver::{IntegrationConfig, Receiver};
pub use rocketchat::{RocketchatAction, RocketchatConfig, RocketchatField};
pub use slack::{SlackAction, SlackConfig, SlackConfirmation, SlackField};
pub use sns::SnsConfig;
pub use telegram::TelegramConfig;
pub use url::{ApiUrl, SecretUrl, TemplateUrl};
pub use victorops::VictorOpsConfig;
pub use webex::WebexConfig;
pub use webhook::WebhookConfig;
pub use wechat::WechatConfig;

#[cfg(test)]
mod tests;
