//! `alerting`: where alerts are sent.

use gauntlet_discovery::SdConfigs;
use gauntlet_model::duration::Duration;
use gauntlet_model::relabel::{NameScheme, Rule};
use gauntlet_net::config::{HttpClientConfig, SigV4Config};
use gauntlet_yaml::{Context, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

/// One set of Alertmanagers.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerConfig {
    pub discovery: SdConfigs,
    pub http: HttpClientConfig,
    pub sigv4: Option<SigV4Config>,
    pub scheme: String,
    /// Before `/api/v2/alerts`.
    pub path_prefix: String,
    pub timeout: Duration,
    pub relabel_configs: Vec<Rule>,
    pub alert_relabel_configs: Vec<Rule>,
}

impl AlertmanagerConfig {
    fn read(node: Node<'_>, cx: &mut Context, scheme: NameScheme) -> Option<Self> {
        let mut map = Mapping::read(node, "config.AlertmanagerConfig", cx)?;
        let version: String = map.take_or(cx, "api_version", "v2".to_owned());
        if version != "v2" {
            let reason =
                format!("expected Alertmanager api version to be one of [v2] but got {version}");
            map.problem(cx, "api_version", reason);
        }
        let config = Self {
            http: HttpClientConfig::read(&mut map, cx, HttpClientConfig::default()),
            sigv4: map.take(cx, "sigv4"),
            scheme: map.take_or(cx, "scheme", "http".to_owned()),
            path_prefix: map.take_default(cx, "path_prefix"),
            timeout: map.take_or(cx, "timeout", Duration::from_secs(10)),
            relabel_configs: Rule::read_list(
                &mut map,
                cx,
                "relabel_configs",
                scheme,
                "empty or null Alertmanager target relabeling rule",
            ),
            alert_relabel_configs: Rule::read_list(
                &mut map,
                cx,
                "alert_relabel_configs",
                scheme,
                "empty or null Alertmanager alert relabeling rule",
            ),
            discovery: SdConfigs::read(&mut map, cx),
        };
        if config.http.has_auth() && config.sigv4.is_some() {
            let reason =
                "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured";
            map.problem(cx, "sigv4", reason);
        }
        if config.relabel_configs.is_empty() && !map.has("relabel_configs") {
            config.discovery.check_static_targets(&map, cx);
        }
        map.finish(cx).then_some(config)
    }
}

impl ToYaml for AlertmanagerConfig {
    fn to_yaml(&self) -> Value {
        let mut map = MapBuilder::new();
        map.inline(&self.http)
            .put_some("sigv4", self.sigv4.as_ref())
            .put_nonzero("scheme", &self.scheme)
            .put_nonzero("path_prefix", &self.path_prefix)
            .put("timeout", self.timeout)
            .put("api_version", "v2")
            .put_nonzero("relabel_configs", &self.relabel_configs)
            .put_nonzero("alert_relabel_configs", &self.alert_relabel_configs);
        self.discovery.write(&mut map);
        map.build()
    }
}

/// The section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingConfig {
    pub alert_relabel_configs: Vec<Rule>,
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

impl AlertingConfig {
    pub(crate) fn read(node: Node<'_>, cx: &mut Context, scheme: NameScheme) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let mut config = Self {
            alert_relabel_configs: Rule::read_list(
                &mut map,
                cx,
                "alert_relabel_configs",
                scheme,
                "empty or null alert relabeling rule",
            ),
            alertmanagers: Vec::new(),
        };
        if let Some(list) = map.node("alertmanagers") {
            if list.kind() != Kind::Sequence {
                mismatch(list, "config.AlertmanagerConfigs", cx);
            }
            for (index, item) in list.items().enumerate() {
                if item.is_null() {
                    cx.problem(item.position(), "empty or null Alertmanager section");
                    continue;
                }
                let read = |cx: &mut Context| {
                    cx.in_index(index, |cx| AlertmanagerConfig::read(item, cx, scheme))
                };
                config.alertmanagers.extend(cx.in_key("alertmanagers", read));
            }
        }
        map.finish(cx).then_some(config)
    }

    /// Whether nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.alert_relabel_configs.is_empty() && self.alertmanagers.is_empty()
    }

    pub(crate) fn set_directory(&mut self, dir: &str) {
        for alertmanager in &mut self.alertmanagers {
            alertmanager.http.set_directory(dir);
            alertmanager.discovery.set_directory(dir);
        }
    }
}

impl ToYaml for AlertingConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("alert_relabel_configs", &self.alert_relabel_configs)
            .put_nonzero("alertmanagers", &self.alertmanagers)
            .build()
    }
}
