//! `slack_configs`

use gauntlet_model::duration::GoDuration;
use gauntlet_net::config::{Authorization, HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};
use super::{ApiUrl, GlobalReceivers, SecretUrl};

/// The one method that can also be used to edit a message.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

section! {
    /// `confirm` of an action.
    pub struct SlackConfirmation, go = "config.plain", null = "empty or null entry";
    omit "text" text: String;
    omit "title" title: String;
    omit "ok_text" ok_text: String;
    omit "dismiss_text" dismiss_text: String;
}

impl Check for SlackConfirmation {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.text.is_empty() {
            return refuse("text", "missing text in Slack confirmation configuration");
        }
        Ok(())
    }
}

section! {
    /// One of `actions`: a link, or a button with a name.
    pub struct SlackAction, go = "config.plain", null = "empty or null entry";
    omit "type" kind: String;
    omit "text" text: String;
    omit "url" url: String;
    omit "style" style: String;
    omit "name" name: String;
    omit "value" value: String;
    some "confirm" confirm: Option<SlackConfirmation>;
}

impl Check for SlackAction {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.kind.is_empty() {
            return refuse("type", "missing type in Slack action configuration");
        }
        if self.text.is_empty() {
            return refuse("text", "missing text in Slack action configuration");
        }
        if !self.url.is_empty() {
            // A link has nothing of a button.
            self.name.clear();
            self.value.clear();
            self.confirm = None;
        } else if self.name.is_empty() {
            return refuse("", "missing name or url in Slack action configuration");
        }
        Ok(())
    }
}

section! {
    /// One of `fields`.
    pub struct SlackField, go = "config.plain", null = "empty or null entry";
    omit "title" title: String;
    omit "value" value: String;
    some "short" short: Option<bool>;
}

impl Check for SlackField {
    fn check(&mut self) -> Result<(), Refusal> {
        if self.title.is_empty() {
            return refuse("title", "missing title in Slack field configuration");
        }
        if self.value.is_empty() {
            return refuse("value", "missing value in Slack field configuration");
        }
        Ok(())
    }
}

section! {
    /// A channel of Slack, by webhook or by an app's token.
    pub struct SlackConfig, go = "config.plain", null = "missing slack config";
    put "send_resolved" send_resolved: bool;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "api_url" api_url: Option<SecretUrl>;
    omit "api_url_file" api_url_file: String;
    omit "app_token" app_token: Secret;
    omit "app_token_file" app_token_file: String;
    some "app_url" app_url: Option<ApiUrl>;
    omit "channel" channel: String;
    omit "username" username: String = template("slack.default.username");
    omit "color" color: String = template("slack.default.color");
    omit "title" title: String = template("slack.default.title");
    omit "title_link" title_link: String = template("slack.default.titlelink");
    omit "pretext" pretext: String = template("slack.default.pretext");
    omit "text" text: String = template("slack.default.text");
    omit "message_text" message_text: String;
    omit "fields" fields: Vec<SlackField>;
    put "short_fields" short_fields: bool;
    omit "footer" footer: String = template("slack.default.footer");
    omit "fallback" fallback: String = template("slack.default.fallback");
    omit "callback_id" callback_id: String = template("slack.default.callbackid");
    omit "icon_emoji" icon_emoji: String = template("slack.default.iconemoji");
    omit "icon_url" icon_url: String = template("slack.default.iconurl");
    omit "image_url" image_url: String;
    omit "thumb_url" thumb_url: String;
    put "link_names" link_names: bool;
    omit "mrkdwn_in" mrkdwn_in: Vec<String>;
    omit "actions" actions: Vec<SlackAction>;
    /// Edits the group's message instead of sending a new one.
    put "update_message" update_message: bool;
    /// 0 for none of its own.
    put "timeout" timeout: GoDuration;
}

impl SlackConfig {
    fn has_token(&self) -> bool {
        !self.app_token.is_empty() || !self.app_token_file.is_empty()
    }

    fn has_url(&self) -> bool {
        self.api_url.is_some() || !self.api_url_file.is_empty()
    }
}

impl Check for SlackConfig {
    /// `update_message` with an app token and no `api_url` makes upstream fail at start; here it is taken, since the token's URL is
    /// the one that is asked for.
    fn check(&mut self) -> Result<(), Refusal> {
        at_most_one("api_url", "api_url_file", self.api_url.is_some(), &self.api_url_file)?;
        let token = !self.app_token.is_empty();
        at_most_one("app_token", "app_token_file", token, &self.app_token_file)?;
        if self.has_url() && self.has_token() {
            return refuse(
                "api_url",
                "at most one of api_url/api_url_file & app_token/app_token_file must be configured",
            );
        }
        let edits = match &self.api_url {
            Some(url) => url.expose() == POST_MESSAGE,
            None => self.api_url_file.is_empty(),
        };
        if self.update_message && !edits {
            return refuse(
                "update_message",
                format!(
                    "update_message can only be used with bot tokens. api_url must be set to {POST_MESSAGE}"
                ),
            );
        }
        Ok(())
    }
}

impl Fill for SlackConfig {
    /// An app token ends up as the authorization of the HTTP client, and the app's URL as the one to post to.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.app_url, &globals.slack_app_url);
        if self.app_url.is_none() {
            return Err("no global Slack App URL set");
        }
        let authorized = self.http_config.as_ref().is_some_and(|http| http.authorization.is_some());
        if !self.has_token() && !authorized && self.api_url.is_none() {
            self.app_token.clone_from(&globals.slack_app_token);
            self.app_token_file.clone_from(&globals.slack_app_token_file);
        }
        if !self.has_url() {
            self.api_url.clone_from(&globals.slack_api_url);
            self.api_url_file.clone_from(&globals.slack_api_url_file);
        }
        if !self.has_url() && !self.has_token() {
            return Err("no Slack API URL nor App token set either inline or in a file");
        }
        or_some(&mut self.http_config, &globals.http_config);
        if self.has_token() {
            let http = self.http_config.get_or_insert_default();
            if http.authorization.is_some() {
                return Err("http authorization can't be set when using Slack App tokens");
            }
            http.authorization = Some(Authorization {
                kind: "Bearer".to_owned(),
                credentials: self.app_token.clone(),
                credentials_file: self.app_token_file.clone(),
                from_bearer_token: false,
            });
            self.api_url = self.app_url.as_ref().map(SecretUrl::new);
        }
        Ok(())
    }
}
