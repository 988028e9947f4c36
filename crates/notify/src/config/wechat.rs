//! `wechat_configs`

use gauntlet_model::float::GoQuoted;
use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, or_text, refuse, template};
use super::{ApiUrl, GlobalReceivers};

section! {
    /// A WeChat Work application.
    pub struct WechatConfig, go = "config.plain", null = "missing wechat config";
    put "send_resolved" send_resolved: bool;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "api_secret" api_secret: Secret;
    omit "api_secret_file" api_secret_file: String;
    omit "corp_id" corp_id: String;
    omit "message" message: String = template("wechat.default.message");
    /// Its path ends with a slash.
    some "api_url" api_url: Option<ApiUrl>;
    omit "to_user" to_user: String = template("wechat.default.to_user");
    omit "to_party" to_party: String = template("wechat.default.to_party");
    omit "to_tag" to_tag: String = template("wechat.default.to_tag");
    omit "agent_id" agent_id: String = template("wechat.default.agent_id");
    /// `text` or `markdown`.
    omit "message_type" message_type: String;
}

impl Check for WechatConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        or_text(&mut self.message_type, "text");
        if !matches!(self.message_type.as_str(), "text" | "markdown") {
            return refuse(
                "message_type",
                format!(
                    "weChat message type {} does not match valid options ^(text|markdown)$",
                    GoQuoted(&self.message_type)
                ),
            );
        }
        let has_secret = !self.api_secret.is_empty();
        at_most_one("api_secret", "api_secret_file", has_secret, &self.api_secret_file)
    }
}

impl Fill for WechatConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.wechat_api_url);
        if self.api_url.is_none() {
            return Err("no global Wechat URL set");
        }
        if self.api_secret.is_empty() && self.api_secret_file.is_empty() {
            self.api_secret.clone_from(&globals.wechat_api_secret);
            self.api_secret_file.clone_from(&globals.wechat_api_secret_file);
            if self.api_secret.is_empty() && self.api_secret_file.is_empty() {
                return Err("no global Wechat Api Secret set either inline or in a file");
            }
        }
        or_text(&mut self.corp_id, &globals.wechat_api_corp_id);
        if self.corp_id.is_empty() {
            return Err("no global Wechat CorpID set");
        }
        if let Some(url) = &mut self.api_url {
            url.close_path();
        }
        Ok(())
    }
}
