//! Which of the two syntaxes to believe. The default parses with both, takes the UTF-8 reading, and falls back to the classic
//! one where the new parser refuses or the two disagree; what a person should know of that comes back as a [`Note`].

use std::fmt;

use super::{Matcher, MatcherError, classic, utf8};

/// How matchers are parsed, set once for a process by its feature flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParseMode {
    /// Both, as described above.
    #[default]
    Fallback,
    Classic,
    Utf8,
}

/// What the fallback had to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The new parser refuses the text; the classic reading was taken.
    Incompatible { input: String, reason: String, suggestion: String },
    /// Both read it, differently; the classic reading was taken.
    Disagreement { input: String },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incompatible { input, reason, suggestion } => write!(
                f,
                "the matchers {input} cannot be read by the UTF-8 parser ({reason}) and were read by the classic one; write {suggestion}"
            ),
            Self::Disagreement { input } => write!(
                f,
                "the matchers {input} mean different things to the UTF-8 and the classic parser; the classic reading was taken"
            ),
        }
    }
}

impl ParseMode {
    /// Any number of matchers; notes are added to `notes`.
    pub fn matchers(
        self,
        input: &str,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<Matcher>, MatcherError> {
        match self {
            Self::Classic => classic::parse_matchers(input),
            Self::Utf8 => utf8::parse_matchers(input),
            Self::Fallback => decide(
                input,
                utf8::parse_matchers(input),
                classic::parse_matchers(input),
                |list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                notes,
            ),
        }
    }

    /// Exactly one matcher, without braces.
    pub fn matcher(self, input: &str, notes: &mut Vec<Note>) -> Result<Matcher, MatcherError> {
        if self != Self::Classic && (input.starts_with('{') || input.ends_with('}')) {
            return Err(MatcherError(format!("unexpected open or close brace: {input}")));
        }
        match self {
            Self::Classic => classic::parse_matcher(input),
            Self::Utf8 => utf8::parse_matcher(input),
            Self::Fallback => decide(
                input,
                utf8::parse_matcher(input),
                classic::parse_matcher(input),
                ToString::to_string,
                notes,
            ),
        }
    }

    /// Whether a text may name a label.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Classic => gauntlet_model::labels::is_legacy_label_name(name),
            Self::Fallback | Self::Utf8 => !name.is_empty(),
        }
    }
}

fn decide<T: PartialEq>(
    input: &str,
    new: Result<T, MatcherError>,
    old: Result<T, MatcherError>,
    print: impl Fn(&T) -> String,
    notes: &mut Vec<Note>,
) -> Result<T, MatcherError> {
    match (new, old) {
        (Err(_), Err(old)) => Err(old),
        (Err(new), Ok(old)) => {
            let (input, reason, suggestion) = (input.to_owned(), new.0, print(&old));
            notes.push(Note::Incompatible { input, reason, suggestion });
            Ok(old)
        }
        (Ok(new), Ok(old)) if new != old => {
            notes.push(Note::Disagreement { input: input.to_owned() });
            Ok(old)
        }
        (Ok(new), _) => Ok(new),
    }
}
