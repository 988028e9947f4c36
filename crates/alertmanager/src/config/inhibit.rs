//! `inhibit_rules`: which alerts keep which others quiet, as written. The working form is [`crate::inhibit::Inhibitor`].

use std::collections::BTreeMap;

use gauntlet_yaml::{Context, MapBuilder, Mapping, Node, ToYaml, Value};

use super::matchers::{ReadMatchers, read_match_re};
use super::route::all;
use crate::matcher::Matchers;

/// A rule. The maps are the older spelling of the matchers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitRuleConfig {
    pub name: String,
    pub source_match: BTreeMap<String, String>,
    pub source_match_re: BTreeMap<String, String>,
    pub source_matchers: Matchers,
    pub target_match: BTreeMap<String, String>,
    pub target_match_re: BTreeMap<String, String>,
    pub target_matchers: Matchers,
    /// Labels that source and target must share; an absent label is an empty value.
    pub equal: Vec<String>,
}

impl InhibitRuleConfig {
    pub(super) fn read(node: Node<'_>, cx: &mut Context, with: &mut ReadMatchers) -> Option<Self> {
        let mut map = Mapping::read(node, "common.plain", cx)?;
        let rule = Self {
            name: map.take_default(cx, "name"),
            source_match: map.take_default(cx, "source_match"),
            source_match_re: read_match_re(&mut map, cx, "source_match_re"),
            source_matchers: with.take(&mut map, cx, "source_matchers"),
            target_match: map.take_default(cx, "target_match"),
            target_match_re: read_match_re(&mut map, cx, "target_match_re"),
            target_matchers: with.take(&mut map, cx, "target_matchers"),
            equal: map.take_default(cx, "equal"),
        };
        for (key, names) in
            [("source_match", &rule.source_match), ("target_match", &rule.target_match)]
        {
            let legacy = gauntlet_model::labels::is_legacy_label_name;
            if let Some(name) = names.keys().find(|name| !legacy(name)) {
                map.problem(cx, key, format!("invalid label name {name:?}"));
            }
        }
        if let Some(name) = rule.equal.iter().find(|name| !with.mode.is_label_name(name)) {
            map.problem(cx, "equal", format!("invalid label name {name:?} in equal list"));
        }
        map.finish(cx).then_some(rule)
    }

    /// All that a source must match, in the order upstream prints.
    pub fn source(&self) -> Matchers {
        Matchers::new(all(&self.source_match, &self.source_match_re, &self.source_matchers))
    }

    /// All that a target must match.
    pub fn target(&self) -> Matchers {
        Matchers::new(all(&self.target_match, &self.target_match_re, &self.target_matchers))
    }
}

impl ToYaml for InhibitRuleConfig {
    fn to_yaml(&self) -> Value {
        let lines = |m: &Matchers| m.iter().map(ToString::to_string).collect::<Vec<String>>();
        MapBuilder::new()
            .put_nonzero("name", &self.name)
            .put_nonzero("source_match", &self.source_match)
            .put_nonzero("source_match_re", &self.source_match_re)
            .put_nonzero("source_matchers", lines(&self.source_matchers))
            .put_nonzero("target_match", &self.target_match)
            .put_nonzero("target_match_re", &self.target_match_re)
            .put_nonzero("target_matchers", lines(&self.target_matchers))
            .put_nonzero("equal", &self.equal)
            .build()
    }
}
