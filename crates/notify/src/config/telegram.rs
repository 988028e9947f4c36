//! `telegram_configs`

use gauntlet_net::config::{HttpClientConfig, Secret};

use super::section::{Check, Fill, Refusal, at_most_one, or_some, refuse, template};
use super::{ApiUrl, GlobalReceivers, Int64};

section! {
    /// A chat of Telegram.
    pub struct TelegramConfig, go = "telegram.plain", null = "missing telegram config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    put "api_url" api_url: Option<ApiUrl>;
    omit "bot_token" bot_token: Secret;
    omit "bot_token_file" bot_token_file: String;
    omit "chat_id" chat_id: Int64;
    omit "chat_id_file" chat_id_file: String;
    omit "message_thread_id" message_thread_id: i64;
    omit "message" message: String = template("telegram.default.message");
    omit "disable_notifications" disable_notifications: bool;
    /// `Markdown`, `MarkdownV2`, `HTML` or empty.
    omit "parse_mode" parse_mode: String = "HTML".to_owned();
}

impl Check for TelegramConfig {
    fn check(&mut self) -> Result<(), Refusal> {
        let has_token = !self.bot_token.is_empty();
        at_most_one("bot_token", "bot_token_file", has_token, &self.bot_token_file)?;
        if self.chat_id.0 == 0 && self.chat_id_file.is_empty() {
            return refuse("", "missing chat_id or chat_id_file on telegram_config");
        }
        at_most_one("chat_id", "chat_id_file", self.chat_id.0 != 0, &self.chat_id_file)?;
        if !matches!(self.parse_mode.as_str(), "" | "Markdown" | "MarkdownV2" | "HTML") {
            return refuse(
                "parse_mode",
                "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
            );
        }
        Ok(())
    }
}

impl Fill for TelegramConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        or_some(&mut self.api_url, &globals.telegram_api_url);
        if self.bot_token.is_empty() && self.bot_token_file.is_empty() {
            self.bot_token.clone_from(&globals.telegram_bot_token);
            self.bot_token_file.clone_from(&globals.telegram_bot_token_file);
            if self.bot_token.is_empty() && self.bot_token_file.is_empty() {
                return Err("missing bot_token or bot_token_file on telegram_config");
            }
        }
        Ok(())
    }
}
