//! `remote_read[]`

use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::{HttpClientConfig, Url};
use gauntlet_yaml::{Context, MapBuilder, Mapping, Node, ToYaml, Value};

use super::read_headers;

/// One endpoint that samples are read from.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteReadConfig {
    pub url: Url,
    pub remote_timeout: Duration,
    /// Largest frame of a streamed answer, in bytes.
    pub chunked_read_limit: u64,
    pub headers: BTreeMap<String, String>,
    /// Whether to ask also for what the local storage holds.
    pub read_recent: bool,
    /// Unique unless empty.
    pub name: String,
    pub http: HttpClientConfig,
    /// Asked only for selectors that have these matchers.
    pub required_matchers: BTreeMap<String, String>,
    pub filter_external_labels: bool,
}

impl RemoteReadConfig {
    /// Reads and checks one endpoint.
    pub fn read(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let url: Option<Url> = map.take(cx, "url");
        if url.is_none() && (!map.has("url") || map.is_null("url")) {
            cx.problem(map.position(), "url for remote_read is empty");
        }
        let config = url.map(|url| Self {
            url,
            remote_timeout: map.take_or(cx, "remote_timeout", Duration::from_secs(60)),
            chunked_read_limit: map.take_or(cx, "chunked_read_limit", 50_000_000),
            headers: read_headers(&mut map, cx),
            read_recent: map.take_default(cx, "read_recent"),
            name: map.take_default(cx, "name"),
            http: HttpClientConfig::read(&mut map, cx, HttpClientConfig::default()),
            required_matchers: map.take_default(cx, "required_matchers"),
            filter_external_labels: map.take_or(cx, "filter_external_labels", true),
        })?;
        map.finish(cx).then_some(config)
    }
}

impl ToYaml for RemoteReadConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("url", &self.url)
            .put("remote_timeout", self.remote_timeout)
            .put_nonzero("chunked_read_limit", self.chunked_read_limit)
            .put_nonzero("headers", &self.headers)
            .put_nonzero("read_recent", self.read_recent)
            .put_nonzero("name", &self.name)
            .inline(&self.http)
            .put_nonzero("required_matchers", &self.required_matchers)
            .put_nonzero("filter_external_labels", self.filter_external_labels)
            .build()
    }
}
