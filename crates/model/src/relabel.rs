//! Relabelling: rules that rewrite, keep or drop a label set. Facts: upstream's `model/relabel`.
//!
//! A rule is compiled once (regex, templates, what to validate) and works on a [`LabelsBuilder`] in place. Whole chains tell
//! which rule dropped a target. Two edges differ: where `labelmap` maps two labels to one name, the last in order of names wins
//! (upstream: one that a rule has added), and an empty `source_labels: []` counts as none.

pub mod fuzz;
mod rule;
mod yaml;

use md5::{Digest, Md5};

use crate::labels::LabelsBuilder;
use crate::regex::{Captures, Regex, RegexError, Template};

pub use rule::{Action, NameScheme, RelabelError, RuleConfig};

/// A relabelling rule, checked and compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    config: RuleConfig,
    scheme: NameScheme,
    regex: Regex,
    target: Template,
    replacement: Template,
    /// The regex is `(.*)`, so that the whole value is group 1.
    plain: bool,
}

/// Rules that were written alike do alike.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.config, self.scheme) == (&other.config, other.scheme)
    }
}

impl Rule {
    /// Checks and compiles a rule. `scheme` is what label names must obey.
    pub fn new(config: RuleConfig, scheme: NameScheme) -> Result<Self, RelabelError> {
        let regex = compile(&config)?;
        config.validate(scheme)?;
        let target = Template::new(config.target_label.as_bytes(), &regex);
        let replacement = Template::new(config.replacement.as_bytes(), &regex);
        let plain = regex.pattern() == rule::DEFAULT_REGEX;
        Ok(Self { config, scheme, regex, target, replacement, plain })
    }

    /// The rule as it was written.
    pub fn config(&self) -> &RuleConfig {
        &self.config
    }

    /// Applies the rule. `false`: the rule drops the label set.
    pub fn apply(&self, labels: &mut LabelsBuilder, scratch: &mut Scratch) -> bool {
        let config = &self.config;
        let Scratch { value, result, name, captures } = scratch;
        value.clear();
        for (i, source) in config.source_labels.iter().enumerate() {
            if i > 0 {
                value.push_str(&config.separator);
            }
            value.push_str(labels.value(source));
        }
        match config.action {
            Action::Drop => return !self.matches(value, captures),
            Action::Keep => return self.matches(value, captures),
            Action::DropEqual => return labels.value(&config.target_label) != *value,
            Action::KeepEqual => return labels.value(&config.target_label) == *value,
            Action::Replace => self.replace(labels, value, result, name, captures),
            Action::Lowercase => {
                labels.set(&config.target_label, &value.to_lowercase());
            }
            Action::Uppercase => {
                labels.set(&config.target_label, &value.to_uppercase());
            }
            Action::HashMod => {
                let hash = hash_of(value) % config.modulus;
                labels.set(&config.target_label, &hash.to_string());
            }
            Action::LabelMap => {
                let mapped: Vec<(String, String)> = labels
                    .iter()
                    .filter(|(name, _)| self.regex.is_match(name))
                    .map(|(name, v)| {
                        (self.regex.replace_all(name, &config.replacement), v.to_owned())
                    })
                    .collect();
                for (name, value) in mapped {
                    labels.set(&name, &value);
                }
            }
            Action::LabelDrop => {
                labels.retain(|name, _| !self.regex.is_match(name));
            }
            Action::LabelKeep => {
                labels.retain(|name, _| self.regex.is_match(name));
            }
        }
        true
    }

    fn matches(&self, value: &str, captures: &mut Captures) -> bool {
        self.plain || self.regex.captures_into(value, 0, captures)
    }

    fn replace(
        &self,
        labels: &mut LabelsBuilder,
        value: &str,
        result: &mut String,
        name: &mut String,
        captures: &mut Captures,
    ) {
        // A rule that just sets a label needs no regex at all.
        if self.plain
            && let (Some(target), Some(result)) =
                (self.target.as_literal(), self.replacement.as_literal())
        {
            // Both come from text.
            if let (Ok(target), Ok(result)) =
                (std::str::from_utf8(target), std::str::from_utf8(result))
                && self.scheme.is_label_name(target)
            {
                labels.set(target, result);
            }
            return;
        }
        if !self.regex.captures_into(value, 0, captures) {
            return;
        }
        name.clear();
        self.target.expand_str(value, captures, name);
        if !self.scheme.is_label_name(name) {
            return;
        }
        result.clear();
        self.replacement.expand_str(value, captures, result);
        labels.set(name, result);
    }
}

/// Buffers that rules share, so that relabelling a set allocates little.
#[derive(Debug, Default)]
pub struct Scratch {
    value: String,
    result: String,
    name: String,
    captures: Captures,
}

/// Applies rules in order; stops at the first that drops the set and returns its index.
pub fn process(
    labels: &mut LabelsBuilder,
    rules: &[Rule],
    scratch: &mut Scratch,
) -> Result<(), usize> {
    for (index, rule) in rules.iter().enumerate() {
        if !rule.apply(labels, scratch) {
            return Err(index);
        }
    }
    Ok(())
}

/// Applies rules in order. `false`: some rule drops the set.
pub fn keep(labels: &mut LabelsBuilder, rules: &[Rule]) -> bool {
    process(labels, rules, &mut Scratch::default()).is_ok()
}

/// What `hashmod` takes the remainder of: the last 8 bytes of the MD5 of the joined value, big endian.
pub fn hash_of(value: &str) -> u64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    let mut last = [0; 8];
    last.copy_from_slice(&digest[8..]);
    u64::from_be_bytes(last)
}

fn compile(config: &RuleConfig) -> Result<Regex, RegexError> {
    Regex::relabel(config.regex.as_deref().unwrap_or(rule::DEFAULT_REGEX))
}

#[cfg(test)]
mod tests;
