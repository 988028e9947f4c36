//! Target groups as files and HTTP answers hold them: a list in JSON or YAML.

use std::collections::BTreeMap;

use gauntlet_model::Labels;
use gauntlet_yaml::{Context, Dialect, Document, FromYaml};
use serde::Deserialize;

use gauntlet_model::TargetGroup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGroup {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads a list of groups in JSON. Sources are left empty.
pub fn groups_from_json(text: &[u8]) -> Result<Vec<TargetGroup>, String> {
    let groups: Option<Vec<Option<JsonGroup>>> =
        serde_json::from_slice(text).map_err(|err| err.to_string())?;
    let groups = groups.unwrap_or_default().into_iter().enumerate();
    groups
        .map(|(index, group)| {
            let group = group.ok_or_else(|| nil_group(index))?;
            let labels = Labels::from_pairs(group.labels.unwrap_or_default());
            Ok(TargetGroup::of_addresses("", group.targets.unwrap_or_default(), labels))
        })
        .collect()
}

/// Reads a list of groups in YAML. Sources are left empty.
pub fn groups_from_yaml(text: &[u8]) -> Result<Vec<TargetGroup>, String> {
    let document = Document::parse(text, Dialect::V2).map_err(|err| err.to_string())?;
    let Some(root) = document.root().filter(|root| !root.is_null()) else { return Ok(Vec::new()) };
    if let Some(index) = root.items().position(|item| item.is_null()) {
        return Err(nil_group(index));
    }
    let mut cx = Context::new();
    let groups = Vec::<TargetGroup>::from_yaml(root, &mut cx);
    cx.finish(groups).map_err(|err| err.to_string())
}

fn nil_group(index: usize) -> String {
    format!("nil target group item found (index {index})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_give_the_same() {
        let json = br#"[{"targets": ["a:1", "b:2"], "labels": {"x": "y"}}, {"targets": []}]"#;
        let yaml = b"- targets: ['a:1', 'b:2']\n  labels: {x: y}\n- targets: []\n";
        let groups = groups_from_json(json).unwrap();
        assert_eq!(groups, groups_from_yaml(yaml).unwrap());
        assert_eq!(groups[0].addresses().collect::<Vec<_>>(), ["a:1", "b:2"]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        assert_eq!(groups_from_yaml(b"- \n").unwrap_err(), "nil target group item found (index 0)");
        assert_eq!(
            groups_from_json(b"[null]").unwrap_err(),
            "nil target group item found (index 0)"
        );
        assert!(groups_from_json(b"[{\"hosts\": []}]").unwrap_err().contains("unknown field"));
        assert!(groups_from_yaml(b"- hosts: []\n").unwrap_err().contains("field hosts not found"));
        assert!(groups_from_json(b"{}").is_err() && groups_from_yaml(b"{}").is_err());
        assert!(groups_from_yaml(b"").unwrap().is_empty());
    }
}
