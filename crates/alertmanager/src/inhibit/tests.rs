//! Rules against small sets of alerts, upstream's cases told anew.

use gauntlet_model::Labels;

use super::*;
use crate::alert::Alert;
use crate::config::Config;
use crate::labels::{Annotations, fingerprint};
use crate::matcher::ParseMode;

const RULES: &str = "
route: {receiver: r}
receivers: [{name: r}]
inhibit_rules:
- source_match: {s: '1'}
  target_match: {t: '1'}
  equal: [e, e]
- name: both
  source_matchers: ['x=~\"a|b\"']
  target_matchers: ['x=~\"b|c\"']
";

struct Lab {
    store: AlertStore,
    inhibitor: Inhibitor,
}

fn at(secs: i64) -> Time {
    Time::from_unix(1000 + secs, 0)
}

impl Lab {
    fn new() -> Self {
        let config = Config::parse(RULES, ParseMode::Fallback).expect("config").config;
        let inhibitor = Inhibitor::new(&config.inhibit_rules, 1);
        Self { store: AlertStore::new(0), inhibitor }
    }

    fn add(&mut self, labels: &[(&str, &str)], ends: i64) -> AlertId {
        let labels = Labels::from_pairs(labels.iter().copied());
        let alert = Alert {
            fingerprint: fingerprint(&labels),
            labels,
            annotations: Annotations::default(),
            generator_url: "".into(),
            starts_at: at(0),
            ends_at: at(ends),
            updated_at: at(0),
            timeout: false,
        };
        let id = self.store.insert(&alert);
        self.inhibitor.learn(&mut self.store, id);
        id
    }

    fn check(&self, target: AlertId, now: i64, wanted: Option<AlertId>) {
        let found = self.inhibitor.inhibiting(&self.store, target, at(now));
        let wanted = wanted.map(|id| self.store.slot(id).fingerprint);
        assert_eq!(found.map(|i| i.source), wanted);
    }
}

#[test]
fn a_source_with_equal_labels_inhibits_until_it_ends() {
    let mut lab = Lab::new();
    let target = lab.add(&[("t", "1"), ("e", "1")], 100);
    let bare = lab.add(&[("t", "1")], 100);
    lab.check(target, 1, None);
    let source = lab.add(&[("s", "1"), ("e", "1")], 10);
    lab.check(target, 1, Some(source));
    lab.check(target, 10, None);
    lab.check(bare, 1, None);
    // An absent label is an empty one.
    let empty = lab.add(&[("s", "1"), ("other", "x")], 10);
    lab.check(bare, 1, Some(empty));
}

#[test]
fn a_second_source_takes_over_from_one_that_ends_or_goes() {
    let mut lab = Lab::new();
    let target = lab.add(&[("t", "1"), ("e", "1")], 100);
    let short = lab.add(&[("s", "1"), ("e", "1"), ("n", "1")], 10);
    let long = lab.add(&[("s", "1"), ("e", "1"), ("n", "2")], 20);
    lab.check(target, 1, Some(long));
    lab.check(target, 15, Some(long));
    lab.inhibitor.forget(&lab.store, long);
    lab.check(target, 1, Some(short));
    lab.inhibitor.forget(&lab.store, short);
    lab.check(target, 1, None);
    assert!(lab.inhibitor.rules()[0].sources.is_empty());
}

#[test]
fn what_is_source_and_target_is_inhibited_by_pure_sources_alone() {
    let mut lab = Lab::new();
    let both = lab.add(&[("x", "b"), ("n", "1")], 100);
    let other = lab.add(&[("x", "b"), ("n", "2")], 100);
    let target = lab.add(&[("x", "c")], 100);
    lab.check(both, 1, None);
    lab.check(other, 1, None);
    lab.check(target, 1, Some(other));
    let pure = lab.add(&[("x", "a")], 50);
    lab.check(both, 1, Some(pure));
    lab.check(both, 60, None);
    let found = lab.inhibitor.inhibiting(&lab.store, target, at(1)).expect("inhibited");
    assert_eq!(lab.inhibitor.rules()[found.rule].name, "both");
}
