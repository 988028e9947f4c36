//! One entry of `receivers`, and the table of all kinds there are.

use std::collections::BTreeMap;

use gauntlet_model::float::GoQuoted;
use gauntlet_net::config::HttpClientConfig;
use gauntlet_yaml::{Context, FromYaml, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

use super::order::ordered;
use super::section::Fill;
use super::*;

/// The table of receivers: list of the configuration, its key, the kind's name in metrics and logs, its type
/// here and in Go's errors, whether it has an HTTP client.
macro_rules! receivers {
    ($( $field:ident $key:literal $variant:ident $name:literal $ty:ident $go:literal $http:ident; )*) => {
        /// Whom to tell, and how.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Receiver {
            pub name: String,
            /// For queries; `name` is always among them.
            pub labels: BTreeMap<String, String>,
            $( pub $field: Vec<$ty>, )*
        }

        /// One way of telling, whatever its kind.
        #[derive(Clone, Copy, Debug)]
        pub enum IntegrationConfig<'a> {
            $( $variant(&'a $ty), )*
        }

        impl IntegrationConfig<'_> {
            /// All kinds' names, in the order of the configuration.
            pub const NAMES: &'static [&'static str] = &[$( $name, )*];

            /// The kind's name, as label `integration` has it.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => $name, )*
                }
            }

            /// Whether it is told when alerts are over.
            pub fn send_resolved(&self) -> bool {
                match self {
                    $( Self::$variant(config) => config.send_resolved, )*
                }
            }
        }

        impl Receiver {
            /// Reads an entry and completes it from `globals`; without them (because they could not be read) nothing is missed.
            pub fn read(
                node: Node<'_>,
                cx: &mut Context,
                globals: Option<&GlobalReceivers>,
            ) -> Option<Self> {
                let before = cx.len();
                let mut map = Mapping::read(node, "config.plain", cx)?;
                let mut receiver = Self {
                    name: map.take_default(cx, "name"),
                    labels: map.take_default(cx, "labels"),
                    $( $field: read_list(&mut map, cx, $key, $go, globals), )*
                };
                if cx.len() == before && map.rest().next().is_none() {
                    receiver.check(&map, cx);
                }
                map.finish(cx).then_some(receiver)
            }

            /// Joins relative file names of HTTP clients to the configuration's folder.
            pub fn set_directory(&mut self, dir: &str) {
                $( receivers!(@directory $http self.$field, dir); )*
            }

            /// All integrations of one kind after the other, each with its index within its kind, in upstream's order of running.
            pub fn integrations(&self) -> Vec<(IntegrationConfig<'_>, usize)> {
                let mut all = Vec::new();
                $(
                    let list = self.$field.iter().enumerate();
                    all.extend(list.map(|(at, c)| (IntegrationConfig::$variant(c), at)));
                )*
                all.sort_by_key(|(config, _)| {
                    RUNNING_ORDER.iter().position(|name| *name == config.name())
                });
                all
            }
        }

        impl ToYaml for Receiver {
            fn to_yaml(&self) -> Value {
                MapBuilder::new()
                    .put("name", &self.name)
                    .put_nonzero("labels", ordered(&self.labels))
                    $( .put_nonzero($key, &self.$field) )*
                    .build()
            }
        }
    };
    (@directory http $self:ident.$field:ident, $dir:ident) => {
        let clients = $self.$field.iter_mut().filter_map(|config| config.http_config.as_mut());
        clients.for_each(|http: &mut HttpClientConfig| http.set_directory($dir));
    };
    (@directory no_http $self:ident.$field:ident, $dir:ident) => {};
}

receivers! {
    discord_configs "discord_configs" Discord "discord" DiscordConfig "discord.DiscordConfig" http;
    email_configs "email_configs" Email "email" EmailConfig "config.EmailConfig" no_http;
    incidentio_configs "incidentio_configs" Incidentio "incidentio" IncidentioConfig "incidentio.IncidentioConfig" http;
    pagerduty_configs "pagerduty_configs" Pagerduty "pagerduty" PagerdutyConfig "pagerduty.PagerdutyConfig" http;
    slack_configs "slack_configs" Slack "slack" SlackConfig "config.SlackConfig" http;
    webhook_configs "webhook_configs" Webhook "webhook" WebhookConfig "webhook.WebhookConfig" http;
    opsgenie_configs "opsgenie_configs" OpsGenie "opsgenie" OpsGenieConfig "opsgenie.OpsGenieConfig" http;
    wechat_configs "wechat_configs" Wechat "wechat" WechatConfig "config.WechatConfig" http;
    pushover_configs "pushover_configs" Pushover "pushover" PushoverConfig "pushover.PushoverConfig" http;
    victorops_configs "victorops_configs" VictorOps "victorops" VictorOpsConfig "config.VictorOpsConfig" http;
    sns_configs "sns_configs" Sns "sns" SnsConfig "sns.SNSConfig" http;
    telegram_configs "telegram_configs" Telegram "telegram" TelegramConfig "telegram.TelegramConfig" http;
    webex_configs "webex_configs" Webex "webex" WebexConfig "config.WebexConfig" http;
    msteams_configs "msteams_configs" MsTeams "msteams" MsTeamsConfig "msteams.MSTeamsConfig" http;
    msteamsv2_configs "msteamsv2_configs" MsTeamsV2 "msteamsv2" MsTeamsV2Config "msteamsv2.MSTeamsV2Config" http;
    jira_configs "jira_configs" Jira "jira" JiraConfig "jira.JiraConfig" http;
    rocketchat_configs "rocketchat_configs" Rocketchat "rocketchat" RocketchatConfig "rocketchat.RocketchatConfig" http;
    mattermost_configs "mattermost_configs" Mattermost "mattermost" MattermostConfig "mattermost.MattermostConfig" http;
}

/// The order upstream starts a receiver's integrations in; it shows in metrics and logs alone.
const RUNNING_ORDER: [&str; 18] = [
    "webhook",
    "email",
    "pagerduty",
    "opsgenie",
    "wechat",
    "slack",
    "victorops",
    "pushover",
    "sns",
    "telegram",
    "discord",
    "webex",
    "msteams",
    "msteamsv2",
    "jira",
    "incidentio",
    "rocketchat",
    "mattermost",
];

impl Receiver {
    fn check(&mut self, map: &Mapping<'_>, cx: &mut Context) {
        if self.name.is_empty() {
            return map.problem(cx, "name", "missing name in receiver");
        }
        if let Some(label) = self.labels.get("name").filter(|label| **label != self.name) {
            let reason = format!(
                "receiver label \"name\" must match receiver name {}, got {}",
                GoQuoted(&self.name),
                GoQuoted(label)
            );
            return map.problem(cx, "labels", reason);
        }
        self.labels.insert("name".to_owned(), self.name.clone());
    }
}

/// Reads the list of one kind. What the globals leave open is noted at the entry.
fn read_list<T: FromYaml + Fill>(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    key: &str,
    go_type: &str,
    globals: Option<&GlobalReceivers>,
) -> Vec<T> {
    let Some(list) = map.node(key) else { return Vec::new() };
    cx.in_key(key, |cx| {
        if list.kind() != Kind::Sequence {
            mismatch(list, &format!("[]*{go_type}"), cx);
            return Vec::new();
        }
        let mut configs = Vec::with_capacity(list.items().len());
        for (index, item) in list.items().enumerate() {
            let read = if item.is_null() { T::from_null } else { T::from_yaml };
            let Some(mut config) = cx.in_index(index, |cx| read(item, cx)) else { continue };
            if let Some(Err(reason)) = globals.map(|globals| config.fill(globals)) {
                cx.in_index(index, |cx| cx.problem(item.position(), reason));
            }
            configs.push(config);
        }
        configs
    })
}
