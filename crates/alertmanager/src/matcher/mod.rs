//! Matchers of routes, inhibition rules, silences and API filters: one label, one comparison.
//!
//! Differs from `model::Matcher` in two ways that users meet: in a regex the dot leaves newlines out (`^(?:P)$`), and the text
//! form quotes a name only where it holds a reserved character. Parsing is in `classic`, `utf8` and, for which of the two
//! to believe, [`ParseMode`]. [`MatchIndex`] finds the sets of matchers that may match a label set.

mod classic;
pub mod fuzz;
mod index;
mod lexer;
mod mode;
mod unquote;
mod utf8;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use gauntlet_model::float::GoQuoted;
use gauntlet_model::regex::Regex;
use gauntlet_model::{Labels, MatchOp};

pub use classic::{parse_matcher as parse_classic, parse_matchers as parse_classic_list};
pub use index::MatchIndex;
pub use mode::{Note, ParseMode};
pub use utf8::{parse_matcher as parse_utf8, parse_matchers as parse_utf8_list};

/// Why a text is no matcher; prints as upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(pub String);

/// A matcher. An absent label counts as the empty string. Clones share the compiled regex.
#[derive(Clone)]
pub struct Matcher {
    pub op: MatchOp,
    pub name: Box<str>,
    pub value: Box<str>,
    test: Test,
}

#[derive(Clone)]
enum Test {
    Literal,
    /// A regex that is a plain list `a|b|c`.
    OneOf(Arc<[Box<str>]>),
    Regex(Arc<Regex>),
}

impl Matcher {
    /// Errs where `op` takes a regex and `value` is none in Go's syntax; the text is Go's.
    pub fn new(op: MatchOp, name: &str, value: &str) -> Result<Self, MatcherError> {
        let test = match op {
            MatchOp::Equal | MatchOp::NotEqual => Test::Literal,
            MatchOp::Regex | MatchOp::NotRegex => match alternatives(value) {
                Some(list) => Test::OneOf(list),
                None => Test::Regex(Arc::new(
                    Regex::alertmanager(value).map_err(|err| MatcherError(err.to_string()))?,
                )),
            },
        };
        Ok(Self { op, name: name.into(), value: value.into(), test })
    }

    /// An equality matcher; cannot fail.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { op: MatchOp::Equal, name: name.into(), value: value.into(), test: Test::Literal }
    }

    /// Whether a value of the label passes.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::Literal => *self.value == *value,
            Test::OneOf(list) => list.iter().any(|item| **item == *value),
            Test::Regex(regex) => regex.is_match(value),
        };
        found != self.op.is_negative()
    }

    /// Whether a label set passes.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }

    pub fn is_regex(&self) -> bool {
        matches!(self.op, MatchOp::Regex | MatchOp::NotRegex)
    }

    /// The values that pass, if they are a short list none of which is empty: what an index can look up.
    fn values(&self) -> Option<&[Box<str>]> {
        let list = match (&self.test, self.op) {
            (Test::Literal, MatchOp::Equal) => std::slice::from_ref(&self.value),
            (Test::OneOf(list), MatchOp::Regex) => list,
            _ => return None,
        };
        list.iter().all(|value| !value.is_empty()).then_some(list)
    }
}

/// The values of a regex that is a list of plain words; `None` if it is more than that.
fn alternatives(pattern: &str) -> Option<Arc<[Box<str>]>> {
    const MOST: usize = 64;
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'|' | b':' | b'/' | b' ');
    if !pattern.bytes().all(plain) || pattern.bytes().filter(|b| *b == b'|').count() >= MOST {
        return None;
    }
    Some(pattern.split('|').map(Box::from).collect())
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (self.op, &self.name, &self.value) == (other.op, &other.name, &other.value)
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Matcher {
    /// By name, value, then `=`, `!=`, `=~`, `!~`.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |m: &Self| m.op as u8;
        (&self.name, &self.value, key(self)).cmp(&(&other.name, &other.value, key(other)))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().any(lexer::is_reserved) {
            return write!(
                f,
                "{}{}{}",
                GoQuoted(&self.name),
                self.op.as_str(),
                GoQuoted(&self.value)
            );
        }
        write!(f, "{}{}\"", self.name, self.op.as_str())?;
        for c in self.value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str("\\\"")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Matchers that must all pass, in the order they are printed in. Clones share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(Arc<[Matcher]>);

impl Matchers {
    /// Keeps the order given.
    pub fn new(list: Vec<Matcher>) -> Self {
        Self(list.into())
    }

    /// Sorts, as configuration does.
    pub fn sorted(mut list: Vec<Matcher>) -> Self {
        list.sort();
        Self(list.into())
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches_labels(labels))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// `{a="b",c=~"d"}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, matcher) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{matcher}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests;
