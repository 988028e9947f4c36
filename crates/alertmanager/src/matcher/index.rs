//! Finds which of many matcher sets may match a label set, by one equality of each: a look-up per label instead of a test per
//! set. Sets without an equality are tried for every label set. Used for silences and inhibition rules.

use std::collections::HashMap;

use gauntlet_model::Labels;

use super::Matchers;

/// Keys by what their matchers ask for. A key may stand for several sets (any of which may match).
#[derive(Clone, Debug)]
pub struct MatchIndex<K> {
    /// Label name to value to keys.
    by_label: HashMap<Box<str>, HashMap<Box<str>, Vec<K>>>,
    /// Keys with a set that asks for no value in particular.
    rest: Vec<K>,
}

impl<K> Default for MatchIndex<K> {
    fn default() -> Self {
        Self { by_label: HashMap::new(), rest: Vec::new() }
    }
}

impl<K: Clone + PartialEq> MatchIndex<K> {
    /// Adds a set under a key.
    pub fn insert(&mut self, matchers: &Matchers, key: K) {
        let Some((name, values)) = best(matchers) else {
            if !self.rest.contains(&key) {
                self.rest.push(key);
            }
            return;
        };
        let by_value = self.by_label.entry(name.into()).or_default();
        for value in values {
            let keys = by_value.entry(value.clone()).or_default();
            if !keys.contains(&key) {
                keys.push(key.clone());
            }
        }
    }

    /// Takes a set away; `matchers` as given to [`MatchIndex::insert`].
    pub fn remove(&mut self, matchers: &Matchers, key: &K) {
        let Some((name, values)) = best(matchers) else {
            self.rest.retain(|k| k != key);
            return;
        };
        let Some(by_value) = self.by_label.get_mut(name) else { return };
        for value in values {
            if let Some(keys) = by_value.get_mut(value) {
                keys.retain(|k| k != key);
                if keys.is_empty() {
                    by_value.remove(value);
                }
            }
        }
        if by_value.is_empty() {
            self.by_label.remove(name);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_label.is_empty() && self.rest.is_empty()
    }

    /// Calls `visit` with each key that may match, some perhaps twice.
    pub fn candidates(&self, labels: &Labels, mut visit: impl FnMut(&K)) {
        self.rest.iter().for_each(&mut visit);
        if self.by_label.is_empty() {
            return;
        }
        for (name, value) in labels.iter() {
            if let Some(keys) = self.by_label.get(name).and_then(|values| values.get(value)) {
                keys.iter().for_each(&mut visit);
            }
        }
    }
}

/// The matcher with the fewest values to look up.
fn best(matchers: &Matchers) -> Option<(&str, &[Box<str>])> {
    matchers
        .iter()
        .filter_map(|m| Some((m.name.as_ref(), m.values()?)))
        .min_by_key(|(name, values)| (values.len(), *name == "severity"))
}
