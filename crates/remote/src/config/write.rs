//! `remote_write[]`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use gauntlet_model::duration::Duration;
use gauntlet_model::relabel::{NameScheme, Rule};
use gauntlet_net::config::{HttpClientConfig, SigV4Config, Url, join_dir};
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::{AzureAdConfig, read_headers};

/// The message that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtobufMessage {
    #[default]
    V1,
    V2,
}

impl ProtobufMessage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }
}

/// A message's name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown type for remote write protobuf message {0}, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request"
)]
pub struct UnknownMessage(String);

impl FromStr for ProtobufMessage {
    type Err = UnknownMessage;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = [Self::V1, Self::V2].into_iter().find(|m| m.as_str() == name);
        found.ok_or_else(|| UnknownMessage(name.to_owned()))
    }
}

impl FromYaml for ProtobufMessage {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let name = String::from_yaml(node, cx)?;
        let found = name.parse();
        found
            .map_err(|err: UnknownMessage| {
                cx.problem(node.position(), format!("invalid protobuf_message value: {err}"));
            })
            .ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

/// `queue_config`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Samples buffered per shard.
    pub capacity: i64,
    pub max_shards: i64,
    pub min_shards: i64,
    pub max_samples_per_send: i64,
    pub batch_send_deadline: Duration,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    pub retry_on_http_429: bool,
    /// Samples older than this are dropped; 0: none.
    pub sample_age_limit: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2000,
            batch_send_deadline: Duration::from_secs(5),
            min_backoff: Duration::from_ms(30),
            max_backoff: Duration::from_secs(5),
            retry_on_http_429: false,
            sample_age_limit: Duration::ZERO,
        }
    }
}

impl QueueConfig {
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let positive = [
            ("max_shards", self.max_shards, "remote write queue max_shards must be positive"),
            ("min_shards", self.min_shards, "remote write queue min_shards must be positive"),
        ];
        if let Some((key, _, reason)) = positive.into_iter().find(|(_, value, _)| *value <= 0) {
            return Err((key, reason));
        }
        if self.min_shards > self.max_shards {
            return Err((
                "min_shards",
                "remote write queue min_shards must not be greater than max_shards",
            ));
        }
        if self.max_samples_per_send <= 0 {
            return Err((
                "max_samples_per_send",
                "remote write queue max_samples_per_send must be positive",
            ));
        }
        if self.capacity <= 0 {
            return Err(("capacity", "remote write queue capacity must be positive"));
        }
        if self.max_backoff < self.min_backoff {
            return Err((
                "max_backoff",
                "remote write queue max_backoff must not be less than min_backoff",
            ));
        }
        Ok(())
    }
}

impl FromYaml for QueueConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.QueueConfig", cx)?;
        let mut queue = Self::default();
        map.set(cx, "capacity", &mut queue.capacity);
        map.set(cx, "max_shards", &mut queue.max_shards);
        map.set(cx, "min_shards", &mut queue.min_shards);
        map.set(cx, "max_samples_per_send", &mut queue.max_samples_per_send);
        map.set(cx, "batch_send_deadline", &mut queue.batch_send_deadline);
        map.set(cx, "min_backoff", &mut queue.min_backoff);
        map.set(cx, "max_backoff", &mut queue.max_backoff);
        map.set(cx, "retry_on_http_429", &mut queue.retry_on_http_429);
        map.set(cx, "sample_age_limit", &mut queue.sample_age_limit);
        if let Err((key, reason)) = queue.validate() {
            map.problem(cx, key, reason);
        }
        map.finish(cx).then_some(queue)
    }

    fn go_type() -> Cow<'static, str> {
        "config.QueueConfig".into()
    }
}

impl ToYaml for QueueConfig {
    fn to_yaml(&self) -> Value {
        let age = self.sample_age_limit;
        MapBuilder::new()
            .put_nonzero("capacity", self.capacity)
            .put_nonzero("max_shards", self.max_shards)
            .put_nonzero("min_shards", self.min_shards)
            .put_nonzero("max_samples_per_send", self.max_samples_per_send)
            .put("batch_send_deadline", self.batch_send_deadline)
            .put("min_backoff", self.min_backoff)
            .put("max_backoff", self.max_backoff)
            .put_nonzero("retry_on_http_429", self.retry_on_http_429)
            .put_some("sample_age_limit", (!age.is_zero()).then_some(age))
            .build()
    }
}

/// `metadata_config`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataConfig {
    pub send: bool,
    pub send_interval: Duration,
    pub max_samples_per_send: i64,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self { send: true, send_interval: Duration::from_secs(60), max_samples_per_send: 2000 }
    }
}

impl FromYaml for MetadataConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.MetadataConfig", cx)?;
        let mut metadata = Self::default();
        map.set(cx, "send", &mut metadata.send);
        map.set(cx, "send_interval", &mut metadata.send_interval);
        map.set(cx, "max_samples_per_send", &mut metadata.max_samples_per_send);
        map.finish(cx).then_some(metadata)
    }

    fn go_type() -> Cow<'static, str> {
        "config.MetadataConfig".into()
    }
}

impl ToYaml for MetadataConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("send", self.send)
            .put("send_interval", self.send_interval)
            .put_nonzero("max_samples_per_send", self.max_samples_per_send)
            .build()
    }
}

/// `google_iam`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoogleIamConfig {
    pub credentials_file: String,
}

impl FromYaml for GoogleIamConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "googleiam.Config", cx)?;
        let config = Self { credentials_file: map.take_default(cx, "credentials_file") };
        map.finish(cx).then_some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "googleiam.Config".into()
    }
}

impl ToYaml for GoogleIamConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new().put_nonzero("credentials_file", &self.credentials_file).build()
    }
}

/// One endpoint that samples are sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteConfig {
    pub url: Url,
    pub remote_timeout: Duration,
    pub headers: BTreeMap<String, String>,
    pub write_relabel_configs: Vec<Rule>,
    /// Unique unless empty.
    pub name: String,
    pub send_exemplars: bool,
    pub send_native_histograms: bool,
    pub round_robin_dns: bool,
    pub protobuf_message: ProtobufMessage,
    pub failed_request_logging: bool,
    pub http: HttpClientConfig,
    pub queue_config: QueueConfig,
    pub metadata_config: MetadataConfig,
    pub sigv4: Option<SigV4Config>,
    pub azuread: Option<AzureAdConfig>,
    pub google_iam: Option<GoogleIamConfig>,
}

impl RemoteWriteConfig {
    /// Reads and checks one endpoint; `scheme` is what names must obey.
    pub fn read(node: Node<'_>, cx: &mut Context, scheme: NameScheme) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let url: Option<Url> = map.take(cx, "url");
        if url.is_none() && (!map.has("url") || map.is_null("url")) {
            cx.problem(map.position(), "url for remote_write is empty");
        }
        let config = url.map(|url| Self {
            url,
            remote_timeout: map.take_or(cx, "remote_timeout", Duration::from_secs(30)),
            headers: read_headers(&mut map, cx),
            write_relabel_configs: Rule::read_list(
                &mut map,
                cx,
                "write_relabel_configs",
                scheme,
                "empty or null relabeling rule in remote write config",
            ),
            name: map.take_default(cx, "name"),
            send_exemplars: map.take_default(cx, "send_exemplars"),
            send_native_histograms: map.take_default(cx, "send_native_histograms"),
            round_robin_dns: map.take_default(cx, "round_robin_dns"),
            protobuf_message: map.take_default(cx, "protobuf_message"),
            failed_request_logging: map.take_default(cx, "failed_request_logging"),
            http: HttpClientConfig::read(&mut map, cx, HttpClientConfig::without_http2()),
            queue_config: map.take_default(cx, "queue_config"),
            metadata_config: map.take_default(cx, "metadata_config"),
            sigv4: map.take(cx, "sigv4"),
            azuread: map.take(cx, "azuread"),
            google_iam: map.take(cx, "google_iam"),
        })?;
        let configured = config.auth_kinds();
        if configured.len() > 1 {
            let reason = format!(
                "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. Currently configured: [{}]",
                configured.join(" ")
            );
            cx.problem(map.position(), reason);
        }
        map.finish(cx).then_some(config)
    }

    /// Joins relative file names to the configuration's folder.
    pub fn set_directory(&mut self, dir: &str) {
        self.http.set_directory(dir);
        if let Some(google) = &mut self.google_iam {
            join_dir(dir, &mut google.credentials_file);
        }
    }

    fn auth_kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("basic_auth", self.http.basic_auth.is_some()),
            ("authorization", self.http.authorization.is_some()),
            ("oauth2", self.http.oauth2.is_some()),
            ("sigv4", self.sigv4.is_some()),
            ("azuread", self.azuread.is_some()),
            ("google_iam", self.google_iam.is_some()),
        ];
        kinds.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
    }
}

impl ToYaml for RemoteWriteConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("url", &self.url)
            .put("remote_timeout", self.remote_timeout)
            .put_nonzero("headers", &self.headers)
            .put_nonzero("write_relabel_configs", &self.write_relabel_configs)
            .put_nonzero("name", &self.name)
            .put_nonzero("send_exemplars", self.send_exemplars)
            .put_nonzero("send_native_histograms", self.send_native_histograms)
            .put_nonzero("round_robin_dns", self.round_robin_dns)
            .put("protobuf_message", self.protobuf_message.as_str())
            .put_nonzero("failed_request_logging", self.failed_request_logging)
            .inline(&self.http)
            .put("queue_config", &self.queue_config)
            .put("metadata_config", &self.metadata_config)
            .put_some("sigv4", self.sigv4.as_ref())
            .put_some("azuread", self.azuread.as_ref())
            .put_some("google_iam", self.google_iam.as_ref())
            .build()
    }
}
