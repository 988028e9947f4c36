//! Matchers as configuration spells them: lists of texts, and the older maps of regexes.

use std::collections::BTreeMap;

use gauntlet_yaml::{Context, FromYaml as _, Kind, Mapping, Node, mismatch};

use crate::matcher::{Matcher, Matchers, Note, ParseMode};
use gauntlet_model::MatchOp;

/// How matchers are read, and what came up meanwhile.
#[derive(Debug, Default)]
pub(super) struct ReadMatchers {
    pub(super) mode: ParseMode,
    pub(super) notes: Vec<Note>,
}

impl ReadMatchers {
    /// Takes a list of texts, each with any number of matchers; sorted.
    pub(super) fn take(&mut self, map: &mut Mapping<'_>, cx: &mut Context, key: &str) -> Matchers {
        let Some(node) = map.node(key) else { return Matchers::default() };
        cx.in_key(key, |cx| {
            if node.kind() != Kind::Sequence {
                mismatch(node, "[]string", cx);
                return Matchers::default();
            }
            let mut all: Vec<Matcher> = Vec::new();
            for item in node.items() {
                // A null is the empty text, which holds no matcher.
                let text = match item.is_null() {
                    true => String::new(),
                    false => String::from_yaml(item, cx).unwrap_or_default(),
                };
                match self.mode.matchers(&text, &mut self.notes) {
                    Ok(matchers) => all.extend(matchers),
                    Err(err) => cx.problem(item.position(), err.to_string()),
                }
            }
            Matchers::sorted(all)
        })
    }
}

/// Takes a map of label names to regexes; the texts as written, checked.
pub(super) fn read_match_re(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    key: &str,
) -> BTreeMap<String, String> {
    let Some(node) = map.node(key) else { return BTreeMap::new() };
    if node.kind() != Kind::Mapping {
        mismatch(node, "common.plain", cx);
        return BTreeMap::new();
    }
    cx.in_key(key, |cx| {
        let nulls: Vec<String> = null_names(node);
        let mut found = BTreeMap::new();
        for (name, pattern) in
            BTreeMap::<String, Option<String>>::from_yaml(node, cx).unwrap_or_default()
        {
            if !gauntlet_model::labels::is_legacy_label_name(&name) {
                cx.problem(node.position(), format!("invalid label name {name:?}"));
                continue;
            }
            match pattern {
                Some(pattern) if !nulls.contains(&name) => {
                    // Twice anchored, as it will be.
                    match Matcher::new(MatchOp::Regex, &name, &pattern) {
                        Ok(_) => {
                            found.insert(name, pattern);
                        }
                        Err(err) => cx.problem(node.position(), err.to_string()),
                    }
                }
                _ => cx.problem(node.position(), format!("invalid regexp value for {name:?}")),
            }
        }
        found
    })
}

fn null_names(node: Node<'_>) -> Vec<String> {
    node.pairs()
        .filter(|(_, value)| value.is_null())
        .filter_map(|(name, _)| name.text().map(str::to_owned))
        .collect()
}
