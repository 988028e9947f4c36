//! External labels: what they answer by themselves, and how they join a series' own labels.

use gauntlet_model::{Labels, Matcher};

/// Checks the matchers that external labels decide. The rest is for the storage; `None` where nothing can match.
pub fn remaining_matchers(external: &Labels, matchers: &[Matcher]) -> Option<Vec<Matcher>> {
    let mut rest = Vec::with_capacity(matchers.len());
    for matcher in matchers {
        match external.get(&matcher.name) {
            Some(value) if matcher.matches(value) => {}
            Some(_) => return None,
            None => rest.push(matcher.clone()),
        }
    }
    Some(rest)
}

/// Whether a store that announces these label sets may hold matching series: some set contradicts no matcher on a label that it
/// has. No sets announce nothing.
pub fn may_match(label_sets: &[Labels], matchers: &[Matcher]) -> bool {
    let agrees = |set: &Labels| {
        matchers.iter().all(|m| set.get(&m.name).is_none_or(|value| m.matches(value)))
    };
    label_sets.is_empty() || label_sets.iter().any(agrees)
}

/// Labels of a series as stores give them: external ones win, replica labels go.
#[derive(Clone, Debug)]
pub struct Extension {
    external: Vec<(String, String)>,
    without: Vec<String>,
}

impl Extension {
    pub fn new(external: &Labels, without: &[String]) -> Self {
        let keep = external.iter().filter(|(name, _)| !without.iter().any(|w| w == name));
        Self {
            external: keep.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            without: without.to_vec(),
        }
    }

    /// The joined set. A collection of series may need sorting afterwards.
    pub fn apply(&self, labels: &Labels) -> Labels {
        let mut own =
            labels.iter().filter(|(name, _)| !self.without.iter().any(|w| w == name)).peekable();
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(self.external.len() + 16);
        for (name, value) in &self.external {
            while let Some(pair) = own.next_if(|(n, _)| *n < name.as_str()) {
                pairs.push(pair);
            }
            let _ = own.next_if(|(n, _)| n == name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        pairs.extend(own);
        Labels::from_sorted(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_labels_win_and_replica_labels_go() {
        let external = Labels::from_pairs([("region", "eu"), ("replica", "a")]);
        let own = Labels::from_pairs([("a", "1"), ("region", "x"), ("z", "1")]);
        let labels = Extension::new(&external, &["replica".to_owned()]).apply(&own);
        assert_eq!(labels, Labels::from_pairs([("a", "1"), ("region", "eu"), ("z", "1")]));
        let labels = Extension::new(&external, &["a".to_owned()]).apply(&own);
        assert_eq!(labels, Labels::from_pairs([("region", "eu"), ("replica", "a"), ("z", "1")]));
    }

    #[test]
    fn an_absent_label_excludes_no_store() {
        let sets = [Labels::from_pairs([("a", "b")])];
        let equal = |name, value| [Matcher::equal(name, value)];
        assert!(may_match(&sets, &equal("b", "1")));
        assert!(may_match(&sets, &equal("a", "b")));
        assert!(!may_match(&sets, &equal("a", "c")));
        assert!(may_match(&[], &equal("a", "c")));
    }
}
