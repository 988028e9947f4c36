//! The regex of a label matcher: `^(?s:P)$`, with ways around the automaton for the patterns people write.
//!
//! Most are literals, alternations of literals, or literals joined by `.*`: those compare bytes. Everything else runs
//! anchored in the automaton. [`AnchoredRegex::set_matches`] and [`AnchoredRegex::prefix`] let an index look values up.

use std::collections::HashSet;
use std::sync::Arc;

use regex_automata::{Anchored, Input, meta};

use super::parse::{self, Dialect, Node, Parsed, Surrogate};
use super::{ErrorKind, RegexError, Sanitised, compile};

/// Most values that a pattern other than a plain alternation may be spelled out into.
const MAX_SET: usize = 256;
/// Below this number of values a scan beats hashing.
const SMALL_SET: usize = 8;

/// A whole-value regex in the syntax of label matchers. Cloning shares what was compiled.
#[derive(Clone, Debug)]
pub struct AnchoredRegex {
    pattern: Box<str>,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    matcher: Matcher,
    set: Option<Box<[String]>>,
    prefix: Box<str>,
}

#[derive(Debug)]
enum Matcher {
    /// `.*`
    All,
    /// One of a few texts.
    Few(Box<[Box<[u8]>]>),
    /// One of many texts.
    Many(HashSet<Box<[u8]>>),
    Glob(Glob),
    /// Any of several.
    Globs(Box<[Glob]>),
    Program(meta::Regex),
}

impl AnchoredRegex {
    /// Compiles a pattern of a label matcher.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        Self::from_bytes(pattern.as_bytes())
    }

    /// As [`Self::new`]; bytes that are no UTF-8 pass only in patterns made of literals and `|`.
    pub fn from_bytes(pattern: &[u8]) -> Result<Self, RegexError> {
        let text = String::from_utf8_lossy(pattern).into_owned().into_boxed_str();
        if let Some(literals) = plain_alternation(pattern) {
            let set =
                literals.iter().map(|l| std::str::from_utf8(l).ok().map(str::to_owned)).collect();
            let matcher = one_of(literals.into_iter().map(Into::into).collect());
            let inner =
                Inner { matcher, prefix: common_prefix(&set), set: set.map(Vec::into_boxed_slice) };
            return Ok(Self { pattern: text, inner: Arc::new(inner) });
        }
        let mut parsed = parse::parse(pattern, Dialect::Older, true, Surrogate::Replaced)?;
        if parsed.height >= 1000
            && (parsed.height > 1000 || !matches!(parsed.node, Node::Concat(_)))
        {
            let wrapped = [b"^(?s:", pattern, b")$"].concat();
            return Err(RegexError::new(ErrorKind::NestingDepth, &wrapped));
        }
        let set = spelled_out(&parsed.node);
        let prefix = match &set {
            Some(_) => common_prefix(&set),
            None => literal_prefix(&parsed.node),
        };
        let matcher = if let Some(set) = &set {
            one_of(set.iter().map(|s| s.clone().into_bytes().into_boxed_slice()).collect())
        } else if let Some(mut globs) = Glob::all_of(&parsed.node) {
            match globs.pop() {
                Some(glob) if glob.is_all() => Matcher::All,
                Some(glob) if globs.is_empty() => Matcher::Glob(glob),
                last => Matcher::Globs(globs.into_iter().chain(last).collect()),
            }
        } else {
            let node = std::mem::replace(&mut parsed.node, Node::Empty);
            let wrapped = Parsed { node: Node::Concat(vec![node, Node::EndText]), ..parsed };
            Matcher::Program(compile(&wrapped, pattern, false)?)
        };
        let inner = Inner { matcher, set: set.map(Vec::into_boxed_slice), prefix };
        Ok(Self { pattern: text, inner: Arc::new(inner) })
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole of `value` matches.
    pub fn is_match(&self, value: &str) -> bool {
        match &self.inner.matcher {
            Matcher::All => true,
            Matcher::Few(few) => few.iter().any(|l| **l == *value.as_bytes()),
            Matcher::Many(many) => many.contains(value.as_bytes()),
            Matcher::Glob(glob) => glob.is_match(value.as_bytes()),
            Matcher::Globs(globs) => globs.iter().any(|glob| glob.is_match(value.as_bytes())),
            Matcher::Program(program) => {
                value.starts_with(&*self.inner.prefix)
                    && program.is_match(Input::new(value).anchored(Anchored::Yes))
            }
        }
    }

    /// As [`Self::is_match`] for bytes that need not be UTF-8; each bad byte acts as one U+FFFD.
    pub fn is_match_bytes(&self, value: &[u8]) -> bool {
        match &self.inner.matcher {
            Matcher::Few(few) => few.iter().any(|l| **l == *value),
            Matcher::Many(many) => many.contains(value),
            _ => match Sanitised::new(value) {
                Ok(text) => self.is_match(text),
                Err(clean) => self.is_match(&clean.text),
            },
        }
    }

    /// All values that match, if they are few: ascending, each once.
    pub fn set_matches(&self) -> Option<&[String]> {
        self.inner.set.as_deref()
    }

    /// What every matching value begins with; maybe empty.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// Whether every value matches, the empty one too (`.*`).
    pub fn matches_everything(&self) -> bool {
        matches!(self.inner.matcher, Matcher::All)
    }
}

impl PartialEq for AnchoredRegex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for AnchoredRegex {}

/// The texts of a pattern made of literals and `|` alone (at least two), which needs no parser.
fn plain_alternation(pattern: &[u8]) -> Option<Vec<&[u8]>> {
    if pattern.is_empty() || pattern.iter().any(|b| b"\\.+*?()[]{}^$".contains(b)) {
        return None;
    }
    let mut texts: Vec<&[u8]> = pattern.split(|b| *b == b'|').collect();
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

fn one_of(mut texts: Vec<Box<[u8]>>) -> Matcher {
    if texts.len() <= SMALL_SET {
        texts.shrink_to_fit();
        Matcher::Few(texts.into())
    } else {
        Matcher::Many(texts.into_iter().collect())
    }
}

fn common_prefix(set: &Option<Vec<String>>) -> Box<str> {
    let Some([first, .., last]) = set.as_deref() else {
        return set.as_deref().and_then(<[String]>::first).cloned().unwrap_or_default().into();
    };
    // Sorted: what the ends share, all share.
    let same = first.char_indices().zip(last.chars()).take_while(|((_, a), b)| a == b);
    let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
    first[..end].into()
}

/// All texts a tree matches, ascending, if they are at most [`MAX_SET`].
fn spelled_out(node: &Node) -> Option<Vec<String>> {
    let mut texts = expand(node, 0)?;
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

fn expand(node: &Node, depth: u32) -> Option<Vec<String>> {
    if depth > 50 {
        return None;
    }
    let texts = match node {
        Node::Empty => vec![String::new()],
        Node::Literal { text, fold: false } => vec![text.clone()],
        Node::Capture { sub, .. } => expand(sub, depth + 1)?,
        Node::Class(class) => {
            let count: u64 = class
                .ranges()
                .iter()
                .map(|r| u64::from(u32::from(r.end()) - u32::from(r.start())) + 1)
                .sum();
            if count > MAX_SET as u64 {
                return None;
            }
            class.ranges().iter().flat_map(|r| r.start()..=r.end()).map(String::from).collect()
        }
        Node::Repeat { min: 0, max: Some(1), sub, .. } => {
            let mut texts = expand(sub, depth + 1)?;
            texts.push(String::new());
            texts
        }
        Node::Alternate(subs) => {
            let mut all = Vec::new();
            for sub in subs {
                all.append(&mut expand(sub, depth + 1)?);
            }
            all
        }
        Node::Concat(subs) => {
            let mut all = vec![String::new()];
            for sub in subs {
                let tails = expand(sub, depth + 1)?;
                if all.len() * tails.len() > MAX_SET {
                    return None;
                }
                all =
                    all.iter().flat_map(|a| tails.iter().map(move |t| format!("{a}{t}"))).collect();
            }
            all
        }
        _ => return None,
    };
    Some(texts)
}

fn literal_prefix(node: &Node) -> Box<str> {
    match node {
        Node::Literal { text, fold: false } => text.as_str().into(),
        Node::Capture { sub, .. } => literal_prefix(sub),
        Node::Repeat { min, sub, .. } if *min > 0 => literal_prefix(sub),
        Node::Concat(subs) => {
            let mut prefix = String::new();
            for sub in subs {
                if let Node::Literal { text, fold: false } = sub {
                    prefix.push_str(text);
                    continue;
                }
                prefix.push_str(&literal_prefix(sub));
                break;
            }
            prefix.into()
        }
        Node::Alternate(subs) => {
            let mut prefixes: Vec<String> = subs.iter().map(|s| literal_prefix(s).into()).collect();
            prefixes.sort_unstable();
            common_prefix(&Some(prefixes))
        }
        _ => "".into(),
    }
}

/// Most globs that a pattern is spelled out into: trying one costs a few nanoseconds.
const MAX_GLOBS: usize = 64;

/// Literals joined by `.*` and `.+`.
#[derive(Clone, Debug, Default)]
struct Glob {
    prefix: Vec<u8>,
    /// What follows the prefix: the least number of characters (0 or more) that the wildcard takes, and the literal behind.
    parts: Vec<(u32, Vec<u8>)>,
}

impl Glob {
    /// What a tree spells: at least one glob, and at most [`MAX_GLOBS`]; `None` where it is no such thing.
    fn all_of(node: &Node) -> Option<Vec<Self>> {
        return walk(node, vec![Self::default()], 0);

        /// What `before` becomes with the node behind it.
        fn walk(node: &Node, mut before: Vec<Glob>, depth: u32) -> Option<Vec<Glob>> {
            if depth > 50 {
                return None;
            }
            match node {
                Node::Empty => {}
                Node::Literal { text, fold: false } => {
                    before.iter_mut().for_each(|glob| glob.push_text(text));
                }
                Node::Capture { sub, .. } => return walk(sub, before, depth + 1),
                Node::Concat(subs) => {
                    for sub in subs {
                        before = walk(sub, before, depth + 1)?;
                    }
                }
                Node::Repeat { min: min @ (0 | 1), max: None, sub, .. }
                    if **sub == Node::AnyChar =>
                {
                    before.iter_mut().for_each(|glob| glob.push_wildcard(*min));
                }
                Node::Alternate(subs) => {
                    let mut all = Vec::new();
                    for sub in subs {
                        all.append(&mut walk(sub, before.clone(), depth + 1)?);
                        if all.len() > MAX_GLOBS {
                            return None;
                        }
                    }
                    return Some(all);
                }
                other => {
                    let texts = expand(other, depth)?;
                    if before.len() * texts.len() > MAX_GLOBS {
                        return None;
                    }
                    let with = |glob: &Glob, text: &String| {
                        let mut glob = glob.clone();
                        glob.push_text(text);
                        glob
                    };
                    let globs = before.iter();
                    return Some(
                        globs.flat_map(|glob| texts.iter().map(move |t| with(glob, t))).collect(),
                    );
                }
            }
            Some(before)
        }
    }

    fn push_text(&mut self, text: &str) {
        let end = self.parts.last_mut().map_or(&mut self.prefix, |(_, text)| text);
        end.extend_from_slice(text.as_bytes());
    }

    fn push_wildcard(&mut self, min: u32) {
        match self.parts.last_mut() {
            Some((before, text)) if text.is_empty() => *before += min,
            _ => self.parts.push((min, Vec::new())),
        }
    }

    fn is_all(&self) -> bool {
        self.prefix.is_empty() && matches!(&self.parts[..], [(0, text)] if text.is_empty())
    }

    /// Each literal is taken where it first occurs: an earlier place never hurts what follows. `value` is UTF-8.
    fn is_match(&self, value: &[u8]) -> bool {
        let Some(mut rest) = value.strip_prefix(&self.prefix[..]) else { return false };
        let Some((last, middle)) = self.parts.split_last() else { return rest.is_empty() };
        for (min, text) in middle {
            let Some(after) = skip_chars(rest, *min) else { return false };
            let Some(at) = find(after, text) else { return false };
            rest = &after[at + text.len()..];
        }
        let (min, text) = last;
        skip_chars(rest, *min).is_some_and(|after| after.ends_with(text))
    }
}

fn skip_chars(text: &[u8], count: u32) -> Option<&[u8]> {
    let mut at = 0;
    for _ in 0..count {
        let first = *text.get(at)?;
        at += match first {
            0..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            _ => 4,
        };
    }
    text.get(at..)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
