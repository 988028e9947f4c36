//! Relabelling rules in YAML, in and out.

use std::borrow::Cow;

use gauntlet_yaml::{Context, FromYaml, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

use super::rule::{Action, NameScheme, RelabelError, RuleConfig};
use super::{Rule, compile};

impl FromYaml for RuleConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "relabel.plain", cx)?;
        let mut rule = Self::default();
        map.set(cx, "source_labels", &mut rule.source_labels);
        map.set(cx, "separator", &mut rule.separator);
        rule.regex = map.take(cx, "regex");
        map.set(cx, "modulus", &mut rule.modulus);
        map.set(cx, "target_label", &mut rule.target_label);
        map.set(cx, "replacement", &mut rule.replacement);
        match map.take(cx, "action") {
            Some(action) => rule.action = action,
            None if map.is_null("action") => {
                map.problem(cx, "action", "relabel action cannot be empty");
            }
            None => {}
        }
        if rule.regex.is_some()
            && let Err(err) = compile(&rule)
        {
            map.problem(cx, "regex", err.to_string());
        }
        map.finish(cx).then_some(rule)
    }

    fn go_type() -> Cow<'static, str> {
        "relabel.plain".into()
    }
}

impl FromYaml for Action {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        text.parse().map_err(|err: RelabelError| cx.problem(node.position(), err.to_string())).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for RuleConfig {
    fn to_yaml(&self) -> Value {
        let mut map = MapBuilder::new();
        let names = self.source_labels.iter().map(ToYaml::to_yaml).collect();
        map.put_nonzero("source_labels", Value::Flow(names))
            .put("separator", &self.separator)
            .put_some("regex", self.regex.as_ref())
            .put_nonzero("modulus", self.modulus)
            .put_nonzero("target_label", &self.target_label)
            .put("replacement", &self.replacement)
            .put("action", self.action.as_str());
        map.build()
    }
}

impl Rule {
    /// Reads and compiles the rules at `key`. `null_rule` is what to say of an empty item. What is wrong is noted at its rule.
    pub fn read_list(
        map: &mut Mapping<'_>,
        cx: &mut Context,
        key: &str,
        scheme: NameScheme,
        null_rule: &str,
    ) -> Vec<Self> {
        let Some(list) = map.node(key) else { return Vec::new() };
        if list.kind() != Kind::Sequence {
            mismatch(list, "[]*relabel.Config", cx);
            return Vec::new();
        }
        let mut rules = Vec::with_capacity(list.items().len());
        cx.in_key(key, |cx| {
            for (index, item) in list.items().enumerate() {
                if item.is_null() {
                    cx.problem(item.position(), null_rule);
                    continue;
                }
                let config = cx.in_index(index, |cx| RuleConfig::from_yaml(item, cx));
                match config.map(|config| Self::new(config, scheme)) {
                    Some(Ok(rule)) => rules.push(rule),
                    Some(Err(err)) => cx.problem(item.position(), err.to_string()),
                    None => {}
                }
            }
        });
        rules
    }
}

impl ToYaml for Rule {
    fn to_yaml(&self) -> Value {
        self.config().to_yaml()
    }
}

impl FromYaml for NameScheme {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        match String::from_yaml(node, cx)?.as_str() {
            // Written but empty: as if it was not.
            "" => None,
            "utf8" => Some(Self::Utf8),
            "legacy" => Some(Self::Legacy),
            other => {
                let quoted = crate::float::GoQuoted(other);
                cx.problem(node.position(), format!("unrecognized ValidationScheme: {quoted}"));
                None
            }
        }
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for NameScheme {
    fn to_yaml(&self) -> Value {
        Value::Str(self.as_str().to_owned())
    }
}
