//! Inhibition: an alert that fires keeps others quiet, by rules.
//!
//! What a rule thinks of an alert depends on its labels alone, so each alert is asked once (`SlotRules`); from then on a
//! question costs a look-up per rule whose target it is: the rule's sources, indexed by the values of its `equal` labels.
//! Unlike upstream, all sources with equal values are known, not one of them, so that one that ends or that is itself a
//! target does not hide another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gauntlet_model::Labels;

use crate::alert::{AlertId, AlertStore};
use crate::config::InhibitRuleConfig;
use crate::labels::{Fingerprint, fingerprint_of};
use crate::matcher::{MatchIndex, Matchers};
use crate::time::Time;

/// A rule at work.
#[derive(Debug)]
pub struct InhibitRule {
    pub name: String,
    pub source: Matchers,
    pub target: Matchers,
    /// Sorted, each once.
    pub equal: Vec<String>,
    /// Sources by the fingerprint of their `equal` labels.
    sources: HashMap<Fingerprint, Vec<AlertId>>,
}

impl InhibitRule {
    fn new(config: &InhibitRuleConfig) -> Self {
        let mut equal = config.equal.clone();
        equal.sort();
        equal.dedup();
        Self {
            name: config.name.clone(),
            source: config.source(),
            target: config.target(),
            equal,
            sources: HashMap::new(),
        }
    }

    /// Fingerprint of the values that source and target must share; absent ones are empty.
    fn equal_fingerprint(&self, labels: &Labels) -> Fingerprint {
        fingerprint_of(self.equal.iter().map(|name| (name.as_str(), labels.value(name))))
    }
}

/// What the rules think of one alert. Kept with it; belongs to one generation of rules.
#[derive(Debug, Default)]
pub(crate) struct SlotRules {
    generation: u64,
    /// Shared by all alerts that the rules think the same of.
    sides: Arc<[Side]>,
}

impl SlotRules {
    fn is_target_of(&self, rule: u32) -> bool {
        self.sides.iter().any(|side| side.rule == rule && side.is_target)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Side {
    rule: u32,
    is_source: bool,
    is_target: bool,
    equal: Fingerprint,
}

/// An alert that keeps another quiet, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inhibition {
    pub source: Fingerprint,
    /// Position of the rule in the configuration.
    pub rule: usize,
}

/// All rules of a configuration with the sources known.
#[derive(Debug)]
pub struct Inhibitor {
    /// Tells this set of rules from earlier ones; never 0.
    generation: u64,
    rules: Vec<InhibitRule>,
    by_source: MatchIndex<u32>,
    by_target: MatchIndex<u32>,
    /// What the rules think of the alerts that are known.
    sides: HashSet<Arc<[Side]>>,
}

impl Inhibitor {
    /// `generation` must be above that of any earlier inhibitor of the same store.
    pub fn new(configs: &[InhibitRuleConfig], generation: u64) -> Self {
        let rules: Vec<InhibitRule> = configs.iter().map(InhibitRule::new).collect();
        let (mut by_source, mut by_target) = (MatchIndex::default(), MatchIndex::default());
        for (number, rule) in (0..).zip(&rules) {
            by_source.insert(&rule.source, number);
            by_target.insert(&rule.target, number);
        }
        Self { generation, rules, by_source, by_target, sides: HashSet::new() }
    }

    pub fn rules(&self) -> &[InhibitRule] {
        &self.rules
    }

    /// Makes sure the rules know an alert. Costs a comparison of numbers once they do.
    pub(crate) fn learn(&mut self, store: &mut AlertStore, id: AlertId) {
        if store.slot(id).rules.generation == self.generation {
            return;
        }
        let sides = self.sides(&store.labels(id));
        let sides = match self.sides.get(&*sides) {
            Some(known) => Arc::clone(known),
            None => {
                let sides: Arc<[Side]> = sides.into();
                self.sides.insert(Arc::clone(&sides));
                sides
            }
        };
        for side in sides.iter().filter(|side| side.is_source) {
            self.rules[side.rule as usize].sources.entry(side.equal).or_default().push(id);
        }
        store.slot_mut(id).rules = SlotRules { generation: self.generation, sides };
    }

    /// Makes the rules forget an alert whose slot is about to be freed.
    pub(crate) fn forget(&mut self, store: &AlertStore, id: AlertId) {
        let known = &store.slot(id).rules;
        if known.generation != self.generation {
            return;
        }
        for side in known.sides.iter().filter(|side| side.is_source) {
            let sources = &mut self.rules[side.rule as usize].sources;
            if let Some(ids) = sources.get_mut(&side.equal) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    sources.remove(&side.equal);
                }
            }
        }
    }

    /// What keeps an alert quiet now: the first rule that does, with the source that lasts longest. The alert must be learnt.
    pub(crate) fn inhibiting(
        &self,
        store: &AlertStore,
        id: AlertId,
        now: Time,
    ) -> Option<Inhibition> {
        let slot = store.slot(id);
        debug_assert_eq!(slot.rules.generation, self.generation, "BUG: alert not learnt");
        slot.rules.sides.iter().filter(|side| side.is_target).find_map(|side| {
            let rule = &self.rules[side.rule as usize];
            let sources = rule.sources.get(&side.equal)?;
            let lasting = sources
                .iter()
                .map(|source| store.slot(*source))
                .filter(|source| !source.times.resolved_at(now))
                // One that is source and target is not inhibited by another that is both, nor by itself.
                .filter(|source| !(side.is_source && source.rules.is_target_of(side.rule)))
                .max_by_key(|source| source.times.ends_at)?;
            Some(Inhibition { source: lasting.fingerprint, rule: side.rule as usize })
        })
    }

    /// Lets go of what it thought of alerts that are gone.
    pub(crate) fn collect(&mut self) {
        self.sides.retain(|sides| Arc::strong_count(sides) > 1);
    }

    fn sides(&self, labels: &Labels) -> Vec<Side> {
        let mut numbers: Vec<u32> = Vec::new();
        self.by_source.candidates(labels, |number| numbers.push(*number));
        self.by_target.candidates(labels, |number| numbers.push(*number));
        numbers.sort_unstable();
        numbers.dedup();
        let side = |number: u32| {
            let rule = &self.rules[number as usize];
            let (is_source, is_target) = (rule.source.matches(labels), rule.target.matches(labels));
            (is_source || is_target).then(|| Side {
                rule: number,
                is_source,
                is_target,
                equal: rule.equal_fingerprint(labels),
            })
        };
        numbers.into_iter().filter_map(side).collect()
    }
}

#[cfg(test)]
mod tests;
