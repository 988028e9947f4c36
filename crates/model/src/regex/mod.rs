//! Regular expressions as Go's `regexp` (RE2 syntax) reads them, run by `regex-automata` in linear time.
//!
//! Three users, three readings of a pattern: label matchers ([`AnchoredRegex`]: the bare pattern in the older syntax,
//! then anchored, dot matches newline), relabelling ([`Regex::relabel`]: the text `^(?s:P)$`) and plain use in templates
//! ([`Regex::new`]: unanchored). Error texts equal Go's. Left out: POSIX leftmost-longest matching, look-around and
//! back references (Go refuses them too).

mod anchored;
mod class;
mod expand;
pub mod fuzz;
mod lower;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};

pub use anchored::AnchoredRegex;
pub use expand::Template;

use parse::{Dialect, Parsed, Surrogate};

/// Most bytes that the compiled automaton of one pattern may take; a pattern beyond it is refused as too large.
pub const COMPILED_LIMIT_BYTES: usize = 96 << 20;

/// Why a pattern was refused; prints as Go's `syntax.Error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{}`", String::from_utf8_lossy(fragment))]
pub struct RegexError {
    pub kind: ErrorKind,
    /// The part of the pattern at fault; bytes, because it may be what is no UTF-8.
    pub fragment: Vec<u8>,
}

impl RegexError {
    fn new(kind: ErrorKind, fragment: &[u8]) -> Self {
        Self { kind, fragment: fragment.to_vec() }
    }
}

/// The kinds of syntax error, with Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    CharRange,
    Escape,
    NamedCapture,
    PerlOp,
    RepeatOp,
    RepeatSize,
    Utf8,
    MissingBracket,
    MissingParen,
    MissingRepeatArgument,
    TrailingBackslash,
    UnexpectedParen,
    NestingDepth,
    Large,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CharRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::PerlOp => "invalid or unsupported Perl syntax",
            Self::RepeatOp => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::Utf8 => "invalid UTF-8",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::MissingRepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::NestingDepth => "expression nests too deeply",
            Self::Large => "expression too large",
        })
    }
}

/// A compiled pattern with its groups. Cloning shares the automaton.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: Box<str>,
    program: meta::Regex,
    /// Names by group index, empty where a group has none; group 0 is the whole match.
    names: Box<[Box<str>]>,
    /// Whether every match spans from some `^` on: searches may then be anchored.
    anchored: bool,
}

impl Regex {
    /// As `regexp.Compile(pattern)`: unanchored, dot leaves newlines out.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        Self::from_text(pattern.as_bytes(), pattern, Surrogate::Nothing)
    }

    /// As relabelling and `label_replace` compile: the text `^(?s:P)$`, so that `a)|(b` passes.
    pub fn relabel(pattern: &str) -> Result<Self, RegexError> {
        Self::from_text(format!("^(?s:{pattern})$").as_bytes(), pattern, Surrogate::Replaced)
    }

    /// As Alertmanager's matchers compile: the text `^(?:P)$`, where dot leaves newlines out.
    pub fn alertmanager(pattern: &str) -> Result<Self, RegexError> {
        Self::from_text(format!("^(?:{pattern})$").as_bytes(), pattern, Surrogate::Replaced)
    }

    fn from_text(text: &[u8], pattern: &str, surrogate: Surrogate) -> Result<Self, RegexError> {
        let parsed = parse::parse(text, Dialect::Current, false, surrogate)?;
        let program = compile(&parsed, text, true)?;
        let anchored = parsed.node.starts_at_begin();
        Ok(Self { pattern: pattern.into(), program, names: parsed.names.into(), anchored })
    }

    /// The pattern as it was given, without anchors.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Names of the groups by index, group 0 first; empty where a group has no name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Number of groups, the whole match included.
    pub fn groups(&self) -> usize {
        self.names.len()
    }

    /// Whether the pattern matches anywhere in `haystack` (where an anchor of its own allows it).
    pub fn is_match(&self, haystack: &str) -> bool {
        self.program.is_match(self.input(haystack, 0))
    }

    /// The leftmost match, groups included.
    pub fn captures(&self, haystack: &str) -> Option<Captures> {
        let mut captures = Captures::default();
        self.captures_into(haystack, 0, &mut captures).then_some(captures)
    }

    /// The leftmost match at or after byte `start`, into a buffer that can be used again. `start` is on a char boundary.
    pub fn captures_into(&self, haystack: &str, start: usize, captures: &mut Captures) -> bool {
        captures.slots.clear();
        captures.slots.resize(self.groups() * 2, None);
        let input = self.input(haystack, start);
        self.program.search_slots(&input, &mut captures.slots).is_some()
    }

    /// The leftmost match in bytes that need not be UTF-8; each bad byte acts as one U+FFFD.
    pub fn captures_bytes(&self, haystack: &[u8]) -> Option<Captures> {
        match Sanitised::new(haystack) {
            Ok(text) => self.captures(text),
            Err(clean) => self.captures(&clean.text).map(|mut captures| {
                clean.map_back(&mut captures);
                captures
            }),
        }
    }

    /// All matches from left to right, by Go's rule: an empty match right after another match does not count.
    pub fn find_iter<'r, 'h>(&'r self, haystack: &'h str) -> FindIter<'r, 'h> {
        FindIter { regex: self, haystack, at: 0, previous_end: None, captures: Captures::default() }
    }

    /// As `ReplaceAllString`: every match replaced by the expanded template.
    pub fn replace_all(&self, haystack: &str, template: &str) -> String {
        let bytes = self.replace_all_bytes(haystack.as_bytes(), template.as_bytes());
        String::from_utf8(bytes).expect("BUG: expansion of UTF-8 is not UTF-8")
    }

    /// [`Self::replace_all`] over bytes that need not be UTF-8.
    pub fn replace_all_bytes(&self, haystack: &[u8], template: &[u8]) -> Vec<u8> {
        let template = Template::new(template, self);
        let clean = Sanitised::new(haystack);
        let text = match &clean {
            Ok(text) => text,
            Err(clean) => clean.text.as_str(),
        };
        let mut out = Vec::with_capacity(haystack.len());
        let mut copied = 0;
        let mut matches = self.find_iter(text);
        while let Some(found) = matches.advance() {
            let mut found = found.clone();
            if let Err(clean) = &clean {
                clean.map_back(&mut found);
            }
            let (start, end) = found.get(0).expect("BUG: match without span");
            out.extend_from_slice(&haystack[copied..start]);
            template.expand(haystack, &found, &mut out);
            copied = end;
        }
        out.extend_from_slice(&haystack[copied..]);
        out
    }

    fn input<'h>(&self, haystack: &'h str, start: usize) -> Input<'h> {
        let anchored = if self.anchored { Anchored::Yes } else { Anchored::No };
        Input::new(haystack).range(start..).anchored(anchored)
    }
}

/// Spans of the groups of one match, as byte offsets into the haystack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    slots: Vec<Option<NonMaxUsize>>,
}

impl Captures {
    /// Start and end of group `index`; `None` where it took no part in the match or does not exist.
    pub fn get(&self, index: usize) -> Option<(usize, usize)> {
        let start = (*self.slots.get(index.checked_mul(2)?)?)?;
        let end = (*self.slots.get(index * 2 + 1)?)?;
        Some((start.get(), end.get()))
    }

    /// Number of groups, the whole match included.
    pub fn len(&self) -> usize {
        self.slots.len() / 2
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Iterator over matches; see [`Regex::find_iter`].
#[derive(Debug)]
pub struct FindIter<'r, 'h> {
    regex: &'r Regex,
    haystack: &'h str,
    at: usize,
    previous_end: Option<usize>,
    captures: Captures,
}

impl FindIter<'_, '_> {
    /// The next match's groups, in a buffer that the next call overwrites.
    pub fn advance(&mut self) -> Option<&Captures> {
        loop {
            if self.at > self.haystack.len()
                || !self.regex.captures_into(self.haystack, self.at, &mut self.captures)
            {
                return None;
            }
            let (start, end) = self.captures.get(0).expect("BUG: match without span");
            let empty_after_match = start == end && self.previous_end == Some(start);
            self.at = if end > self.at || start > self.at {
                end.max(self.at)
            } else {
                self.at + self.haystack[self.at..].chars().next().map_or(1, char::len_utf8)
            };
            if !empty_after_match {
                self.previous_end = Some(end);
                return Some(&self.captures);
            }
            if start == self.at {
                self.at += self.haystack[self.at..].chars().next().map_or(1, char::len_utf8);
            }
        }
    }
}

impl<'h> Iterator for FindIter<'_, 'h> {
    type Item = &'h str;
    fn next(&mut self) -> Option<&'h str> {
        let (start, end) = self.advance()?.get(0)?;
        Some(&self.haystack[start..end])
    }
}

/// Compiles a parsed pattern; `text` is for the error alone.
fn compile(parsed: &Parsed, text: &[u8], captures: bool) -> Result<meta::Regex, RegexError> {
    if parsed.height > DEEP {
        // The compiler recurses over the tree, about 2 KiB a level in an unoptimised build.
        return std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(16 << 20)
                .spawn_scoped(scope, || compile_here(parsed, text, captures))
                .map_err(|_| RegexError::new(ErrorKind::NestingDepth, text))?
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
    }
    compile_here(parsed, text, captures)
}

/// Above this depth of nesting a pattern is compiled on a stack of its own.
const DEEP: u32 = 100;

fn compile_here(parsed: &Parsed, text: &[u8], captures: bool) -> Result<meta::Regex, RegexError> {
    let hir = lower::lower(&parsed.node, captures);
    let config = meta::Config::new()
        .nfa_size_limit(Some(COMPILED_LIMIT_BYTES))
        .utf8_empty(true)
        .which_captures(if captures {
            regex_automata::nfa::thompson::WhichCaptures::All
        } else {
            regex_automata::nfa::thompson::WhichCaptures::Implicit
        });
    meta::Builder::new()
        .configure(config)
        .build_from_hir(&hir)
        .map_err(|_| RegexError::new(ErrorKind::Large, text))
}

/// Text in which every byte that is no UTF-8 became U+FFFD, and the way back to the offsets of the original.
struct Sanitised {
    text: String,
    /// Offsets in `text` of the characters put in, ascending. Each is two bytes longer than what it stands for.
    replaced: Vec<usize>,
}

impl Sanitised {
    /// `Ok` with the same bytes if they are UTF-8. Go's decoder takes bad bytes one by one.
    fn new(bytes: &[u8]) -> Result<&str, Self> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(text);
        }
        let mut clean = Self { text: String::with_capacity(bytes.len() + 8), replaced: Vec::new() };
        let mut rest = bytes;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    clean.text.push_str(text);
                    return Err(clean);
                }
                Err(err) => {
                    let (good, bad) = rest.split_at(err.valid_up_to());
                    clean
                        .text
                        .push_str(std::str::from_utf8(good).expect("BUG: valid prefix is not"));
                    clean.replaced.push(clean.text.len());
                    clean.text.push(char::REPLACEMENT_CHARACTER);
                    rest = &bad[1..];
                }
            }
        }
    }

    fn map_back(&self, captures: &mut Captures) {
        for slot in captures.slots.iter_mut().flatten() {
            let before = self.replaced.partition_point(|&at| at < slot.get());
            *slot = NonMaxUsize::new(slot.get() - 2 * before).expect("BUG: offset out of range");
        }
    }
}
