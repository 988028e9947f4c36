//! `otlp`: how OpenTelemetry metrics become series.

use std::borrow::Cow;

use gauntlet_model::relabel::NameScheme;
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

/// How names are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranslationStrategy {
    #[default]
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUtf8EscapingWithSuffixes,
    NoTranslation,
}

impl TranslationStrategy {
    const ALL: [Self; 4] = [
        Self::UnderscoreEscapingWithSuffixes,
        Self::UnderscoreEscapingWithoutSuffixes,
        Self::NoUtf8EscapingWithSuffixes,
        Self::NoTranslation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "UnderscoreEscapingWithSuffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "UnderscoreEscapingWithoutSuffixes",
            Self::NoUtf8EscapingWithSuffixes => "NoUTF8EscapingWithSuffixes",
            Self::NoTranslation => "NoTranslation",
        }
    }

    fn needs_utf8(self) -> bool {
        matches!(self, Self::NoUtf8EscapingWithSuffixes | Self::NoTranslation)
    }
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpConfig {
    pub promote_all_resource_attributes: bool,
    pub promote_resource_attributes: Vec<String>,
    pub ignore_resource_attributes: Vec<String>,
    pub translation_strategy: TranslationStrategy,
    pub keep_identifying_resource_attributes: bool,
    pub convert_histograms_to_nhcb: bool,
    pub promote_scope_metadata: bool,
    pub label_name_underscore_sanitization: bool,
    pub label_name_preserve_multiple_underscores: bool,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            promote_all_resource_attributes: false,
            promote_resource_attributes: Vec::new(),
            ignore_resource_attributes: Vec::new(),
            translation_strategy: TranslationStrategy::default(),
            keep_identifying_resource_attributes: false,
            convert_histograms_to_nhcb: false,
            promote_scope_metadata: false,
            label_name_underscore_sanitization: true,
            label_name_preserve_multiple_underscores: true,
        }
    }
}

impl OtlpConfig {
    /// Reads and checks the section; `scheme` is the global one.
    pub fn read(node: Node<'_>, cx: &mut Context, scheme: NameScheme) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let mut config = Self::default();
        map.set(cx, "promote_all_resource_attributes", &mut config.promote_all_resource_attributes);
        map.set(cx, "promote_resource_attributes", &mut config.promote_resource_attributes);
        map.set(cx, "ignore_resource_attributes", &mut config.ignore_resource_attributes);
        map.set(
            cx,
            "keep_identifying_resource_attributes",
            &mut config.keep_identifying_resource_attributes,
        );
        map.set(cx, "convert_histograms_to_nhcb", &mut config.convert_histograms_to_nhcb);
        map.set(cx, "promote_scope_metadata", &mut config.promote_scope_metadata);
        map.set(
            cx,
            "label_name_underscore_sanitization",
            &mut config.label_name_underscore_sanitization,
        );
        let key = "label_name_preserve_multiple_underscores";
        map.set(cx, key, &mut config.label_name_preserve_multiple_underscores);
        config.strategy(&mut map, cx, scheme);
        config.attributes(&map, cx);
        map.finish(cx).then_some(config)
    }

    fn strategy(&mut self, map: &mut Mapping<'_>, cx: &mut Context, scheme: NameScheme) {
        let key = "translation_strategy";
        let Some(name) = map.take::<String>(cx, key).filter(|n| !n.is_empty()) else { return };
        match TranslationStrategy::ALL.into_iter().find(|s| s.as_str() == name) {
            None => map.problem(cx, key, format!("unsupported OTLP translation strategy {name:?}")),
            Some(strategy) if strategy.needs_utf8() && scheme == NameScheme::Legacy => {
                let reason = format!(
                    "OTLP translation strategy {name:?} is not allowed when UTF8 is disabled"
                );
                map.problem(cx, key, reason);
            }
            Some(strategy) => self.translation_strategy = strategy,
        }
    }

    fn attributes(&mut self, map: &Mapping<'_>, cx: &mut Context) {
        if self.promote_all_resource_attributes {
            if !self.promote_resource_attributes.is_empty() {
                let reason = "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously";
                map.problem(cx, "promote_resource_attributes", reason);
                return;
            }
            let key = "ignore_resource_attributes";
            trim_attributes(&mut self.ignore_resource_attributes, key, "ignored", map, cx);
        } else {
            if !self.ignore_resource_attributes.is_empty() {
                let reason = "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true";
                map.problem(cx, "ignore_resource_attributes", reason);
                return;
            }
            let key = "promote_resource_attributes";
            trim_attributes(&mut self.promote_resource_attributes, key, "promoted", map, cx);
        }
    }
}

/// Trims white space; refuses what is then empty or double.
fn trim_attributes(
    attributes: &mut [String],
    key: &str,
    adjective: &str,
    map: &Mapping<'_>,
    cx: &mut Context,
) {
    let mut faults = Vec::new();
    for at in 0..attributes.len() {
        let trimmed = attributes[at].trim().to_owned();
        if trimmed.is_empty() {
            faults.push(format!("empty {adjective} OTel resource attribute"));
        } else if attributes[..at].contains(&trimmed) {
            faults.push(format!("duplicated {adjective} OTel resource attribute {trimmed:?}"));
        }
        attributes[at] = trimmed;
    }
    if !faults.is_empty() {
        map.problem(cx, key, format!("invalid '{key}': {}", faults.join("\n")));
    }
}

impl FromYaml for OtlpConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        Self::read(node, cx, NameScheme::Utf8)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for OtlpConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("promote_all_resource_attributes", self.promote_all_resource_attributes)
            .put_nonzero("promote_resource_attributes", &self.promote_resource_attributes)
            .put_nonzero("ignore_resource_attributes", &self.ignore_resource_attributes)
            .put("translation_strategy", self.translation_strategy.as_str())
            .put_nonzero(
                "keep_identifying_resource_attributes",
                self.keep_identifying_resource_attributes,
            )
            .put_nonzero("convert_histograms_to_nhcb", self.convert_histograms_to_nhcb)
            .put_nonzero("promote_scope_metadata", self.promote_scope_metadata)
            .put_nonzero(
                "label_name_underscore_sanitization",
                self.label_name_underscore_sanitization,
            )
            .put_nonzero(
                "label_name_preserve_multiple_underscores",
                self.label_name_preserve_multiple_underscores,
            )
            .build()
    }
}
