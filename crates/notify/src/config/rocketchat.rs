//! `rocketchat_configs`

use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, or_text, template};
use super::{ApiUrl, GlobalReceivers};

section! {
    /// One of `fields`.
    pub struct RocketchatField, go = "rocketchat.RocketchatAttachmentField", null = "empty or null entry";
    put "short" short: Option<bool>;
    put "title" title: String;
    put "value" value: String;
}

impl Check for RocketchatField {}

section! {
    /// One of `actions`. Upstream's keys have no underscores here.
    pub struct RocketchatAction, go = "rocketchat.RocketchatAttachmentAction", null = "empty or null entry";
    put "type" kind: String;
    put "text" text: String;
    put "url" url: String;
    put "imageurl" image_url: String;
    put "iswebview" is_webview: bool;
    put "webviewheightratio" webview_height_ratio: String;
    put "msg" msg: String;
    put "msginchatwindow" msg_in_chat_window: bool;
    put "msgprocessingtype" msg_processing_type: String;
}

impl Check for RocketchatAction {}

section! {
    /// A channel of Rocket.Chat.
    pub struct RocketchatConfig, go = "rocketchat.plain", null = "missing rocketchat config";
    put "send_resolved" send_resolved: bool;
    some "http_config" http_config: Option<HttpClientConfig>;
    some "api_url" api_url: Option<ApiUrl>;
    some "token_id" token_id: Option<Secret>;
    omit "token_id_file" token_id_file: String;
    some "token" token: Option<Secret>;
    omit "token_file" token_file: String;
    omit "channel" channel: String;
    omit "color" color: String =
        "{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}".to_owned();
    omit "title" title: String = template("rocketchat.default.title");
    omit "title_link" title_link: String = template("rocketchat.default.titlelink");
    omit "text" text: String = template("rocketchat.default.text");
    omit "fields" fields: Vec<RocketchatField>;
    put "short_fields" short_fields: bool;
    omit "emoji" emoji: String = template("rocketchat.default.emoji");
    omit "icon_url" icon_url: String = template("rocketchat.default.iconurl");
    omit "image_url" image_url: String;
    omit "thumb_url" thumb_url: String;
    put "link_names" link_names: bool;
    omit "actions" actions: Vec<RocketchatAction>;
}

impl Check for RocketchatConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        at_most_one("token", "token_file", self.token.is_some(), &self.token_file)?;
        at_most_one("token_id", "token_id_file", self.token_id.is_some(), &self.token_id_file)
    }
}

impl Fill for RocketchatConfig {
    /// Token and file are taken each on its own, as upstream takes them.
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.rocketchat_api_url);
        or_some(&mut self.token_id, &globals.rocketchat_token_id);
        or_text(&mut self.token_id_file, &globals.rocketchat_token_id_file);
        if self.token_id.is_none() && self.token_id_file.is_empty() {
            return Err("no global Rocketchat TokenID set either inline or in a file");
        }
        or_some(&mut self.token, &globals.rocketchat_token);
        or_text(&mut self.token_file, &globals.rocketchat_token_file);
        if self.token.is_none() && self.token_file.is_empty() {
            return Err("no global Rocketchat Token set either inline or in a file");
        }
        Ok(())
    }
}
