//! Each action by example; the hash against golden/go/hashes.json.

use super::*;
use crate::labels::Labels;

fn rule(action: &str, set: impl FnOnce(&mut RuleConfig)) -> Rule {
    let mut config = RuleConfig { action: action.parse().unwrap(), ..RuleConfig::default() };
    set(&mut config);
    Rule::new(config, NameScheme::Utf8).unwrap()
}

fn check(rule: Rule, input: &[(&str, &str)], want: Option<&[(&str, &str)]>) {
    let mut builder = Labels::from_pairs(input.iter().copied()).to_builder();
    let kept = keep(&mut builder, std::slice::from_ref(&rule));
    let got = kept.then(|| builder.build());
    assert_eq!(got, want.map(|w| Labels::from_pairs(w.iter().copied())), "{:?}", rule.config());
}

const ABC: &[(&str, &str)] = &[("a", "foo"), ("b", "bar"), ("c", "baz")];

#[test]
fn actions_do_what_they_say() {
    let sources = |c: &mut RuleConfig, names: &[&str]| {
        c.source_labels = names.iter().map(|n| (*n).to_owned()).collect();
    };
    let replace = rule("replace", |c| {
        sources(c, &["a", "b"]);
        c.regex = Some("(f.*);(b.*)".to_owned());
        c.target_label = "$1_x".to_owned();
        c.replacement = "${2}-${1}".to_owned();
    });
    check(replace, ABC, Some(ABC)); // `$1_x` is a group that does not exist: no name, no change
    let replace = rule("replace", |c| {
        sources(c, &["a", "b"]);
        c.regex = Some("(f.*);(b.*)".to_owned());
        c.target_label = "${1}x".to_owned();
        c.replacement = "${2}-${1}".to_owned();
    });
    check(replace, ABC, Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("foox", "bar-foo")]));
    let delete = rule("replace", |c| {
        c.target_label = "a".to_owned();
        c.replacement = String::new();
    });
    check(delete, ABC, Some(&[("b", "bar"), ("c", "baz")]));
    let on_a = |action: &str, regex: &str| {
        let regex = regex.to_owned();
        rule(action, |c| {
            c.source_labels = vec!["a".to_owned()];
            c.regex = Some(regex);
        })
    };
    check(on_a("keep", "fo+"), ABC, Some(ABC));
    check(on_a("keep", "o+"), ABC, None);
    check(on_a("drop", "fo+"), ABC, None);
    check(on_a("drop", ""), ABC, Some(ABC));
    let equal = |action: &str| {
        rule(action, |c| {
            c.source_labels = vec!["a".to_owned()];
            c.target_label = "b".to_owned();
        })
    };
    check(equal("keepequal"), ABC, None);
    check(equal("dropequal"), ABC, Some(ABC));
    check(equal("keepequal"), &[("a", "x"), ("b", "x")], Some(&[("a", "x"), ("b", "x")]));
    check(equal("uppercase"), &[("a", "xÿ")], Some(&[("a", "xÿ"), ("b", "XŸ")]));
    let names = |action: &str, regex: &str| {
        let regex = regex.to_owned();
        rule(action, |c| c.regex = Some(regex))
    };
    check(names("labeldrop", "a|c"), ABC, Some(&[("b", "bar")]));
    check(names("labelkeep", "a|c"), ABC, Some(&[("a", "foo"), ("c", "baz")]));
    let map = rule("labelmap", |c| {
        c.regex = Some("m_(.+)".to_owned());
        c.replacement = "${1}".to_owned();
    });
    check(map, &[("m_x", "1"), ("y", "2")], Some(&[("m_x", "1"), ("x", "1"), ("y", "2")]));
}

#[test]
fn the_dropping_rule_is_named() {
    let rules = [
        rule("labeldrop", |c| c.regex = Some("zz".to_owned())),
        rule("drop", |c| c.source_labels = vec!["a".to_owned()]),
    ];
    let mut builder = Labels::from_pairs(ABC.iter().copied()).to_builder();
    assert_eq!(process(&mut builder, &rules, &mut Scratch::default()), Err(1));
}

#[test]
fn bad_rules_are_refused_in_upstream_words() {
    let refuse = |scheme, action: &str, set: &dyn Fn(&mut RuleConfig), want: &str| {
        let mut config = RuleConfig { action: action.parse().unwrap(), ..RuleConfig::default() };
        set(&mut config);
        assert_eq!(Rule::new(config, scheme).unwrap_err().to_string(), want);
    };
    use NameScheme::{Legacy, Utf8};
    refuse(Utf8, "hashmod", &|_| {}, "relabel configuration for hashmod requires non-zero modulus");
    refuse(
        Utf8,
        "replace",
        &|_| {},
        "relabel configuration for replace action requires 'target_label' value",
    );
    refuse(
        Legacy,
        "replace",
        &|c| c.target_label = "a-b".into(),
        "\"a-b\" is invalid 'target_label' for replace action",
    );
    refuse(
        Legacy,
        "labelmap",
        &|c| c.replacement = "-${1}".into(),
        "\"-${1}\" is invalid 'replacement' for labelmap action",
    );
    refuse(
        Utf8,
        "labeldrop",
        &|c| c.target_label = "x".into(),
        "labeldrop action requires only 'regex', and no other fields",
    );
    refuse(
        Utf8,
        "keep",
        &|c| c.regex = Some("(".into()),
        "error parsing regexp: missing closing ): `^(?s:()$`",
    );
    assert_eq!(
        "frob".parse::<Action>().unwrap_err().to_string(),
        "unknown relabel action \"frob\""
    );
}

#[test]
fn hashmod_vectors_are_equal() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("golden/go/hashes.json")).unwrap()).unwrap();
    let mut checked = 0;
    for case in file["cases"].as_array().unwrap().iter().filter(|c| c["kind"] == "hashmod") {
        for (modulus, want) in case["mod"].as_object().unwrap() {
            let modulus: u64 = modulus.parse().unwrap();
            let got = hash_of(case["value"].as_str().unwrap()) % modulus;
            assert_eq!(got.to_string(), want.as_str().unwrap());
            checked += 1;
        }
    }
    println!("hashes.json hashmod: {checked} checked");
    assert!(checked > 50);
}

#[test]
fn corpus_of_odd_rules_holds() {
    let text = "r:\n- {source_labels: [a, b], regex: '(.*);(.*)', target_label: '${1}', replacement: '$2'}\n- {action: labelmap, regex: '(.)', replacement: 'x_$1'}\n- {action: hashmod, source_labels: [a], modulus: 3, target_label: m}\n- {action: keepequal, source_labels: [a], target_label: b}\n";
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 0x13;
        fuzz::check(&bytes);
        fuzz::check(&text.as_bytes()[..at]);
    }
}
