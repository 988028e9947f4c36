//! Relabelling rules in YAML, in and out.

use std::borrow::Cow;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

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
        map.set(cx, "action", &mut rule.action);
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

    fn from_null(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        cx.problem(node.position(), "empty or null relabeling rule");
        None
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
    /// Compiles rules read from YAML; each refused one is noted at its place in `node`, the list they were read from.
    pub fn compile_all(
        configs: &[RuleConfig],
        scheme: NameScheme,
        node: Option<Node<'_>>,
        cx: &mut Context,
    ) -> Vec<Self> {
        let positions: Vec<_> =
            node.map(|n| n.items().map(Node::position).collect()).unwrap_or_default();
        let mut rules = Vec::with_capacity(configs.len());
        for (index, config) in configs.iter().enumerate() {
            match Self::new(config.clone(), scheme) {
                Ok(rule) => rules.push(rule),
                Err(err) => {
                    cx.problem(positions.get(index).copied().unwrap_or_default(), err.to_string());
                }
            }
        }
        rules
    }
}
