//! `global`

use std::collections::BTreeMap;

use gauntlet_model::Labels;
use gauntlet_model::duration::Duration;
use gauntlet_model::relabel::NameScheme;
use gauntlet_model::size::ByteSize;
use gauntlet_net::config::join_dir;
use gauntlet_scrape::config::{Escaping, ScrapeGlobals};
use gauntlet_yaml::{Context, FromYaml, Kind, MapBuilder, Mapping, Node, Scalar, ToYaml, Value};

use crate::env::{Env, expand};

/// What holds for all jobs and rules unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    pub scrape: ScrapeGlobals,
    pub evaluation_interval: Duration,
    /// How far in the past rules look.
    pub rule_query_offset: Duration,
    /// Empty: queries are not logged.
    pub query_log_file: String,
    /// Added to everything that leaves this instance; variables expanded.
    pub external_labels: Labels,
    /// The same for the echo, which also shows labels that came out empty.
    pub(crate) external_labels_text: BTreeMap<String, String>,
}

impl GlobalConfig {
    /// What holds where no `global` is written.
    pub fn with_defaults(scrape: ScrapeGlobals) -> Self {
        Self {
            scrape: ScrapeGlobals {
                metric_name_escaping_scheme: Some(Escaping::AllowUtf8),
                ..scrape
            },
            evaluation_interval: Duration::from_secs(60),
            rule_query_offset: Duration::ZERO,
            query_log_file: String::new(),
            external_labels: Labels::empty(),
            external_labels_text: BTreeMap::new(),
        }
    }

    pub(crate) fn read(node: Node<'_>, cx: &mut Context, defaults: &ScrapeGlobals) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let scrape = ScrapeGlobals::read(&mut map, cx, defaults);
        let mut evaluation_interval: Duration = map.take_default(cx, "evaluation_interval");
        if evaluation_interval.is_zero() {
            evaluation_interval = Duration::from_secs(60);
        }
        let external_labels_text = map
            .node("external_labels")
            .and_then(|node| {
                cx.in_key("external_labels", |cx| {
                    read_labels(node, cx, scrape.metric_name_validation_scheme)
                })
            })
            .unwrap_or_default();
        let global = Self {
            evaluation_interval,
            rule_query_offset: map.take_default(cx, "rule_query_offset"),
            query_log_file: map.take_default(cx, "query_log_file"),
            external_labels: Labels::from_pairs(&external_labels_text),
            external_labels_text,
            scrape,
        };
        map.finish(cx).then_some(global)
    }

    /// Puts variables into external labels; unset ones are added to `missing`.
    pub(crate) fn expand(&mut self, env: &dyn Env, missing: &mut Vec<String>) {
        for value in self.external_labels_text.values_mut() {
            *value = expand(value, env, missing);
        }
        self.external_labels = Labels::from_pairs(&self.external_labels_text);
    }

    pub(crate) fn set_directory(&mut self, dir: &str) {
        join_dir(dir, &mut self.query_log_file);
        join_dir(dir, &mut self.scrape.scrape_failure_log_file);
    }
}

/// Label names and values, each checked.
fn read_labels(
    node: Node<'_>,
    cx: &mut Context,
    scheme: NameScheme,
) -> Option<BTreeMap<String, String>> {
    let before = cx.len();
    // Bytes that are no UTF-8 get upstream's words; the ordinary reading would only call them unreadable.
    for (name, value) in node.pairs() {
        for (node, what) in [(name, "name"), (value, "value")] {
            if let Ok(Scalar::Bytes(bytes)) = Scalar::of(node)
                && node.kind() == Kind::Scalar
                && std::str::from_utf8(&bytes).is_err()
            {
                let shown: String = bytes.escape_ascii().to_string();
                cx.problem(node.position(), format!("\"{shown}\" is not a valid label {what}"));
            }
        }
    }
    if cx.len() > before {
        return None;
    }
    let pairs = BTreeMap::<String, String>::from_yaml(node, cx)?;
    for name in pairs.keys().filter(|name| !scheme.is_label_name(name)) {
        cx.problem(node.position(), format!("{name:?} is not a valid label name"));
    }
    Some(pairs)
}

impl ToYaml for GlobalConfig {
    fn to_yaml(&self) -> Value {
        let scrape = &self.scrape;
        let limits = &scrape.limits;
        let body = limits.body_size_limit;
        let offset = self.rule_query_offset;
        MapBuilder::new()
            .put("scrape_interval", scrape.scrape_interval)
            .put("scrape_timeout", scrape.scrape_timeout)
            .put_some("scrape_protocols", scrape.scrape_protocols.as_ref())
            .put("evaluation_interval", self.evaluation_interval)
            .put_some("rule_query_offset", (!offset.is_zero()).then_some(offset))
            .put_nonzero("query_log_file", &self.query_log_file)
            .put_nonzero("scrape_failure_log_file", &scrape.scrape_failure_log_file)
            .put_nonzero("external_labels", &self.external_labels_text)
            .put_some("body_size_limit", (body != ByteSize(0)).then_some(body))
            .put_nonzero("sample_limit", limits.sample_limit)
            .put_nonzero("target_limit", limits.target_limit)
            .put_nonzero("label_limit", limits.label_limit)
            .put_nonzero("label_name_length_limit", limits.label_name_length_limit)
            .put_nonzero("label_value_length_limit", limits.label_value_length_limit)
            .put_nonzero("keep_dropped_targets", limits.keep_dropped_targets)
            .put("metric_name_validation_scheme", scrape.metric_name_validation_scheme)
            .put_some(
                "metric_name_escaping_scheme",
                scrape.metric_name_escaping_scheme.map(Escaping::as_str),
            )
            .put("scrape_native_histograms", scrape.scrape_native_histograms)
            .put_nonzero(
                "convert_classic_histograms_to_nhcb",
                scrape.convert_classic_histograms_to_nhcb,
            )
            .put_nonzero(
                "always_scrape_classic_histograms",
                scrape.always_scrape_classic_histograms,
            )
            .put("extra_scrape_metrics", scrape.extra_scrape_metrics)
            .build()
    }
}
