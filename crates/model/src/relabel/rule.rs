//! A rule as written, its defaults and checks.

use std::fmt;
use std::str::FromStr;

use crate::float::GoQuoted;
use crate::labels::is_legacy_label_name;
use crate::regex::RegexError;

pub(super) const DEFAULT_REGEX: &str = "(.*)";
pub(super) const DEFAULT_SEPARATOR: &str = ";";
pub(super) const DEFAULT_REPLACEMENT: &str = "$1";

/// Why a rule was refused; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelabelError {
    #[error(transparent)]
    Regex(#[from] RegexError),
    #[error("unknown relabel action {}", GoQuoted(.0))]
    UnknownAction(String),
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    NoModulus,
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    NoTarget(Action),
    #[error("{} is invalid 'target_label' for {action} action", GoQuoted(name))]
    BadTarget { name: String, action: Action },
    #[error("{} is invalid 'replacement' for {action} action", GoQuoted(name))]
    BadReplacement { name: String, action: Action },
    #[error("'replacement' can not be set for {0} action")]
    ReplacementSet(Action),
    #[error("{0} action requires only 'source_labels' and `target_label`, and no other fields")]
    OnlySourceAndTarget(Action),
    #[error("{0} action requires only 'regex', and no other fields")]
    OnlyRegex(Action),
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = RelabelError;

    /// In any case, as upstream.
    fn from_str(text: &str) -> Result<Self, RelabelError> {
        let lower = text.to_lowercase();
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == lower)
            .ok_or_else(|| RelabelError::UnknownAction(text.to_owned()))
    }
}

/// What metric and label names may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameScheme {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, metric names with `:` too.
    Legacy,
}

impl NameScheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Legacy => "legacy",
        }
    }

    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }

    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => crate::labels::is_legacy_metric_name(name),
        }
    }
}

/// A rule as written in configuration, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    pub source_labels: Vec<String>,
    pub separator: String,
    /// `None`: not written; `(.*)`.
    pub regex: Option<String>,
    pub modulus: u64,
    pub target_label: String,
    pub replacement: String,
    pub action: Action,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: DEFAULT_SEPARATOR.to_owned(),
            regex: None,
            modulus: 0,
            target_label: String::new(),
            replacement: DEFAULT_REPLACEMENT.to_owned(),
            action: Action::Replace,
        }
    }
}

impl RuleConfig {
    /// Upstream's checks, in its order; the regex is checked where it is compiled.
    pub fn validate(&self, scheme: NameScheme) -> Result<(), RelabelError> {
        use Action::{
            DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
            Uppercase,
        };
        let action = self.action;
        let target = &self.target_label;
        let bad_target = || RelabelError::BadTarget { name: target.clone(), action };
        let plain_target = matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual);
        if action == HashMod && self.modulus == 0 {
            return Err(RelabelError::NoModulus);
        }
        if (plain_target || matches!(action, Replace | HashMod)) && target.is_empty() {
            return Err(RelabelError::NoTarget(action));
        }
        if action == Replace && !is_template_or_name(target, scheme) {
            return Err(bad_target());
        }
        if plain_target && !scheme.is_label_name(target) {
            return Err(bad_target());
        }
        if plain_target && self.replacement != DEFAULT_REPLACEMENT {
            return Err(RelabelError::ReplacementSet(action));
        }
        if action == LabelMap && !is_legacy_template(&self.replacement, scheme) {
            return Err(RelabelError::BadReplacement { name: self.replacement.clone(), action });
        }
        if action == HashMod && !scheme.is_label_name(target) {
            return Err(bad_target());
        }
        let fields_set = self.modulus != 0
            || self.separator != DEFAULT_SEPARATOR
            || self.replacement != DEFAULT_REPLACEMENT;
        if matches!(action, DropEqual | KeepEqual) && (self.regex.is_some() || fields_set) {
            return Err(RelabelError::OnlySourceAndTarget(action));
        }
        if matches!(action, LabelDrop | LabelKeep)
            && (!self.source_labels.is_empty() || !target.is_empty() || fields_set)
        {
            return Err(RelabelError::OnlyRegex(action));
        }
        Ok(())
    }
}

fn is_template_or_name(target: &str, scheme: NameScheme) -> bool {
    if target.contains('$') {
        is_legacy_template(target, scheme)
    } else {
        scheme.is_label_name(target)
    }
}

/// A template whose expansion may be a name: with the old rule, letters, digits and `_` around `$1`, `${1}`, not starting
/// with a digit.
fn is_legacy_template(text: &str, scheme: NameScheme) -> bool {
    if scheme == NameScheme::Utf8 {
        return !text.is_empty();
    }
    let word = |b: &u8| *b == b'_' || b.is_ascii_alphanumeric();
    let mut rest = text.as_bytes();
    let mut first = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'$' {
            let braced = rest.first() == Some(&b'{');
            let body = &rest[usize::from(braced)..];
            let len = body.iter().take_while(|b| word(b)).count();
            if len == 0 || (braced && body.get(len) != Some(&b'}')) {
                return false;
            }
            rest = &body[len + usize::from(braced)..];
        } else if !word(&byte) || (first && byte.is_ascii_digit()) {
            return false;
        }
        first = false;
    }
    !first
}
