//! The flag table and the metric families against what was recorded from the real binary.

use std::collections::BTreeMap;
use std::fs;

use gauntlet_node::{Filter, FlagKind, NodeConfig, NodeExporter, flags};
use gauntlet_testkit::conformance_dir;
use serde_json::Value;

fn golden(name: &str) -> Option<Value> {
    let path = conformance_dir()?.join("golden/go").join(name);
    Some(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
}

#[test]
fn flags_are_those_of_the_real_binary() {
    let Some(golden) = golden("flags/node_exporter.json") else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in golden["flags"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        if name.starts_with("help") || name.starts_with("completion") || name == "version" {
            continue; // of the command line, not of this component
        }
        count += 1;
        let Some(flag) = flags().iter().find(|f| f.name == name) else {
            wrong.push(format!("{name} is missing"));
            continue;
        };
        let kind = match row["type"].as_str().unwrap() {
            "bool" => FlagKind::Bool,
            "int" => FlagKind::Int,
            "duration" => FlagKind::Duration,
            _ => FlagKind::Text,
        };
        let texts = |v: &Value| -> Vec<String> {
            let list = v.as_array().cloned().unwrap_or_default();
            list.iter()
                .filter_map(|t| t.as_str())
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let default: Vec<&str> = flag.default.iter().copied().filter(|d| !d.is_empty()).collect();
        let same = flag.kind == kind
            && default == texts(&row["default"])
            && flag.repeatable == row["repeatable"].as_bool().unwrap_or(false)
            && flag.hidden == row["hidden"].as_bool().unwrap_or(false)
            && flag.env == row["env"].as_str()
            && !flag.help.is_empty();
        if !same {
            wrong.push(format!("{flag:?} instead of {row}"));
        }
    }
    println!("flags: {count} compared");
    assert_eq!(count, flags().len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Type and label names of each family in a document.
fn families(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut found: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            found.insert(name.to_owned(), (kind.to_owned(), Vec::new()));
        } else if let Some((name, rest)) = line.split_once('{') {
            let names = rest.split("=\"").filter_map(|part| {
                let name = part.rsplit(['"', ',', '{']).next()?;
                let word = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                (word && !name.is_empty()).then(|| name.to_owned())
            });
            if let Some(family) = found.get_mut(name)
                && family.1.is_empty()
            {
                family.1 = names.collect();
            }
        }
    }
    found
}

#[test]
fn families_have_the_types_and_labels_of_the_real_binary() {
    let Some(golden) = golden("self-metrics/node_exporter.json") else { return };
    let exporter = NodeExporter::new(NodeConfig::from_flags(&|_| Vec::new()).unwrap()).unwrap();
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).unwrap();
    let ours = families(&String::from_utf8(out).unwrap());
    let mut compared = 0;
    for row in golden["families"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let Some((kind, labels)) = ours.get(name) else { continue }; // this host lacks the source
        compared += 1;
        assert_eq!(kind, row["type"].as_str().unwrap(), "{name}");
        let mut expected: Vec<&str> = row["labels"]
            .as_array()
            .map(|l| l.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        expected.sort_unstable();
        assert_eq!(*labels, expected, "{name}");
    }
    println!("families: {compared} compared with the recorded ones");
    assert!(compared > 50, "{compared}");
}
