//! The part of `global` that receivers fall back to.

use gauntlet_net::config::{HttpClientConfig, Secret, TlsConfig};
use gauntlet_yaml::{Context, MapBuilder, Mapping, ToYaml, Value};

use super::{ApiUrl, HostPort, SecretUrl};

macro_rules! globals {
    (@echo put $map:ident $key:literal $value:expr) => { $map.put($key, &$value); };
    (@echo omit $map:ident $key:literal $value:expr) => { $map.put_nonzero($key, &$value); };
    (@echo some $map:ident $key:literal $value:expr) => { $map.put_some($key, $value.as_ref()); };
    (@default $default:expr) => { $default };
    (@default) => { Default::default() };
    ($( $mode:ident $key:literal $field:ident: $ty:ty $(= $default:expr)?; )*) => {
        /// What all receivers fall back to, as keys of `global`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct GlobalReceivers {
            $( pub $field: $ty, )*
        }

        impl Default for GlobalReceivers {
            fn default() -> Self {
                Self { $( $field: globals!(@default $($default)?), )* }
            }
        }

        impl GlobalReceivers {
            /// Takes the keys out of the mapping of `global`. Conflicts between them are for [`GlobalReceivers::check`].
            pub fn read(map: &mut Mapping<'_>, cx: &mut Context) -> Self {
                let mut globals = Self::default();
                $( map.set(cx, $key, &mut globals.$field); )*
                globals
            }
        }

        impl ToYaml for GlobalReceivers {
            /// In upstream's order, to be inlined after `resolve_timeout`.
            fn to_yaml(&self) -> Value {
                let mut map = MapBuilder::new();
                $( globals!(@echo $mode map $key self.$field); )*
                map.build()
            }
        }
    };
}

globals! {
    some "http_config" http_config: Option<HttpClientConfig> = Some(HttpClientConfig::default());
    some "jira_api_url" jira_api_url: Option<ApiUrl>;
    omit "smtp_from" smtp_from: String;
    omit "smtp_hello" smtp_hello: String = "localhost".to_owned();
    omit "smtp_smarthost" smtp_smarthost: HostPort;
    omit "smtp_auth_username" smtp_auth_username: String;
    omit "smtp_auth_password" smtp_auth_password: Secret;
    omit "smtp_auth_password_file" smtp_auth_password_file: String;
    omit "smtp_auth_secret" smtp_auth_secret: Secret;
    omit "smtp_auth_secret_file" smtp_auth_secret_file: String;
    omit "smtp_auth_identity" smtp_auth_identity: String;
    put "smtp_require_tls" smtp_require_tls: bool = true;
    some "smtp_tls_config" smtp_tls_config: Option<TlsConfig> = Some(TlsConfig::default());
    some "smtp_force_implicit_tls" smtp_force_implicit_tls: Option<bool>;
    some "slack_api_url" slack_api_url: Option<SecretUrl>;
    omit "slack_api_url_file" slack_api_url_file: String;
    omit "slack_app_token" slack_app_token: Secret;
    omit "slack_app_token_file" slack_app_token_file: String;
    some "slack_app_url" slack_app_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://slack.com/api/chat.postMessage"));
    some "pagerduty_url" pagerduty_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://events.pagerduty.com/v2/enqueue"));
    some "opsgenie_api_url" opsgenie_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://api.opsgenie.com/"));
    omit "opsgenie_api_key" opsgenie_api_key: Secret;
    omit "opsgenie_api_key_file" opsgenie_api_key_file: String;
    some "wechat_api_url" wechat_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://qyapi.weixin.qq.com/cgi-bin/"));
    omit "wechat_api_secret" wechat_api_secret: Secret;
    omit "wechat_api_secret_file" wechat_api_secret_file: String;
    omit "wechat_api_corp_id" wechat_api_corp_id: String;
    some "victorops_api_url" victorops_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://alert.victorops.com/integrations/generic/20131114/alert/"));
    omit "victorops_api_key" victorops_api_key: Secret;
    omit "victorops_api_key_file" victorops_api_key_file: String;
    some "telegram_api_url" telegram_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://api.telegram.org"));
    omit "telegram_bot_token" telegram_bot_token: Secret;
    omit "telegram_bot_token_file" telegram_bot_token_file: String;
    some "webex_api_url" webex_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://webexapis.com/v1/messages"));
    some "rocketchat_api_url" rocketchat_api_url: Option<ApiUrl> =
        Some(ApiUrl::known("https://open.rocket.chat/"));
    some "rocketchat_token" rocketchat_token: Option<Secret>;
    omit "rocketchat_token_file" rocketchat_token_file: String;
    some "rocketchat_token_id" rocketchat_token_id: Option<Secret>;
    omit "rocketchat_token_id_file" rocketchat_token_id_file: String;
    some "mattermost_webhook_url" mattermost_webhook_url: Option<SecretUrl>;
    omit "mattermost_webhook_url_file" mattermost_webhook_url_file: String;
}

impl GlobalReceivers {
    /// Conflicts between keys, in upstream's order and words; the key is where to point at.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let both = |key: &'static str, file_key: &'static str, set: bool, file: &str| {
            if set && !file.is_empty() {
                let text = format!("at most one of {key} & {file_key} must be configured");
                return Err((file_key, text));
            }
            Ok(())
        };
        let token = !self.slack_app_token.is_empty();
        both("slack_app_token", "slack_app_token_file", token, &self.slack_app_token_file)?;
        let url = self.slack_api_url.is_some();
        both("slack_api_url", "slack_api_url_file", url, &self.slack_api_url_file)?;
        self.check_slack()?;
        for (key, file_key, set, file) in [
            (
                "opsgenie_api_key",
                "opsgenie_api_key_file",
                !self.opsgenie_api_key.is_empty(),
                &self.opsgenie_api_key_file,
            ),
            (
                "victorops_api_key",
                "victorops_api_key_file",
                !self.victorops_api_key.is_empty(),
                &self.victorops_api_key_file,
            ),
            (
                "telegram_bot_token",
                "telegram_bot_token_file",
                !self.telegram_bot_token.is_empty(),
                &self.telegram_bot_token_file,
            ),
            (
                "smtp_auth_password",
                "smtp_auth_password_file",
                !self.smtp_auth_password.is_empty(),
                &self.smtp_auth_password_file,
            ),
            (
                "rocketchat_token",
                "rocketchat_token_file",
                self.rocketchat_token.is_some(),
                &self.rocketchat_token_file,
            ),
            (
                "rocketchat_token_id",
                "rocketchat_token_id_file",
                self.rocketchat_token_id.is_some(),
                &self.rocketchat_token_id_file,
            ),
            (
                "smtp_auth_secret",
                "smtp_auth_secret_file",
                !self.smtp_auth_secret.is_empty(),
                &self.smtp_auth_secret_file,
            ),
            (
                "wechat_api_secret",
                "wechat_api_secret_file",
                !self.wechat_api_secret.is_empty(),
                &self.wechat_api_secret_file,
            ),
            (
                "mattermost_webhook_url",
                "mattermost_webhook_url_file",
                self.mattermost_webhook_url.is_some(),
                &self.mattermost_webhook_url_file,
            ),
        ] {
            both(key, file_key, set, file)?;
        }
        Ok(())
    }

    /// An app token beside an API URL is taken only if both lead to the same place.
    fn check_slack(&self) -> Result<(), (&'static str, String)> {
        let token = !self.slack_app_token.is_empty() || !self.slack_app_token_file.is_empty();
        let url = self.slack_api_url.is_some() || !self.slack_api_url_file.is_empty();
        let api = self.slack_api_url.as_ref().map_or("", SecretUrl::expose);
        let app = self.slack_app_url.as_ref().map_or("", ApiUrl::as_str);
        if token && url && api != app {
            let text = "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured";
            return Err(("slack_app_token", text.to_owned()));
        }
        Ok(())
    }

    /// Joins relative file names of `http_config` to the configuration's folder; the other files are taken as they are, as upstream
    /// takes them.
    pub fn set_directory(&mut self, dir: &str) {
        if let Some(http) = &mut self.http_config {
            http.set_directory(dir);
        }
    }
}
