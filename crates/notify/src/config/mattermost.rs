//! `mattermost_configs`

use gauntlet_net::config::HttpClientConfig;

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};
use super::{GlobalReceivers, SecretUrl};

section! {
    /// `priority`
    pub struct MattermostPriority, go = "mattermost.MattermostPriority", null = "empty or null entry";
    omit "priority" priority: String;
    omit "requested_ack" requested_ack: bool;
    omit "persistent_notifications" persistent_notifications: bool;
}

impl Check for MattermostPriority {}

section! {
    /// `props`
    pub struct MattermostProps, go = "mattermost.MattermostProps", null = "empty or null entry";
    omit "card" card: String;
}

impl Check for MattermostProps {}

section! {
    /// One of `fields`.
    pub struct MattermostField, go = "mattermost.plain", null = "empty or null entry";
    omit "title" title: String;
    omit "value" value: String;
    some "short" short: Option<bool>;
}

impl Check for MattermostField {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.title.is_empty() {
            return refuse("title", "missing title in Mattermost field configuration");
        }
        if self.value.is_empty() {
            return refuse("value", "missing value in Mattermost field configuration");
        }
        Ok(())
    }
}

section! {
    /// One of `attachments`.
    pub struct MattermostAttachment, go = "mattermost.MattermostAttachment", null = "empty or null entry";
    omit "fallback" fallback: String;
    omit "color" color: String;
    omit "pretext" pretext: String;
    omit "text" text: String;
    omit "author_name" author_name: String;
    omit "author_link" author_link: String;
    omit "author_icon" author_icon: String;
    omit "title" title: String;
    omit "title_link" title_link: String;
    omit "fields" fields: Vec<MattermostField>;
    omit "thumb_url" thumb_url: String;
    omit "footer" footer: String;
    omit "footer_icon" footer_icon: String;
    omit "image_url" image_url: String;
}

impl Check for MattermostAttachment {}

section! {
    /// An incoming webhook of Mattermost.
    pub struct MattermostConfig, go = "mattermost.plain", null = "missing mattermost config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "webhook_url" webhook_url: Option<SecretUrl>;
    omit "webhook_url_file" webhook_url_file: String;
    omit "channel" channel: String;
    omit "username" username: String = template("mattermost.default.username");
    omit "text" text: String = template("mattermost.default.text");
    omit "fallback" fallback: String = template("mattermost.default.fallback");
    omit "color" color: String = template("mattermost.default.color");
    omit "pretext" pretext: String;
    omit "author_name" author_name: String;
    omit "author_link" author_link: String;
    omit "author_icon" author_icon: String;
    omit "title" title: String = template("mattermost.default.title");
    omit "title_link" title_link: String = template("mattermost.default.titlelink");
    omit "fields" fields: Vec<MattermostField>;
    omit "thumb_url" thumb_url: String;
    omit "footer" footer: String;
    omit "footer_icon" footer_icon: String;
    omit "image_url" image_url: String;
    omit "icon_url" icon_url: String;
    omit "icon_emoji" icon_emoji: String;
    omit "attachments" attachments: Vec<MattermostAttachment>;
    omit "type" kind: String;
    some "props" props: Option<MattermostProps>;
    some "priority" priority: Option<MattermostPriority>;
}

impl Check for MattermostConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        let file = &self.webhook_url_file;
        at_most_one("webhook_url", "webhook_url_file", self.webhook_url.is_some(), file)
    }
}

impl Fill for MattermostConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        if self.webhook_url.is_none() && self.webhook_url_file.is_empty() {
            self.webhook_url.clone_from(&globals.mattermost_webhook_url);
            self.webhook_url_file.clone_from(&globals.mattermost_webhook_url_file);
            if self.webhook_url.is_none() && self.webhook_url_file.is_empty() {
                return Err("missing webhook_url or webhook_url_file on mattermost_config");
            }
        }
        Ok(())
    }
}
