//! Parser of Go's regular expression syntax (flags Perl): pattern -> [`Node`] tree, errors as Go words them.
//!
//! One pass from left to right with an explicit stack of groups, so that neither depth nor the place of an error depends on
//! recursion. Limits are Go's: repeats of 1000 (products of nested ones too), depth 1000, program size.

mod escape;

use regex_syntax::hir::ClassUnicode;

use super::{ErrorKind, RegexError};

/// Deepest nesting of a tree.
const MAX_HEIGHT: u32 = 1000;
/// Largest count of a repeat, and largest product of nested ones.
const MAX_REPEAT: u32 = 1000;
/// Most instructions that Go's compiler would emit (128 MiB of 40 bytes).
const MAX_SIZE: u64 = (128 << 20) / 40;
/// Most ranges of all classes together: bounds the memory of a tree to 64 MiB.
const MAX_RANGES: usize = 8 << 20;

/// Which of Go's two parsers is meant: label matchers go through an older copy with exact Unicode names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Older,
    Current,
}

/// What a lone surrogate (`\x{D800}`) stands for: where Go compares strings it has become U+FFFD, where it compares
/// code points it matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surrogate {
    Replaced,
    Nothing,
}

/// A syntax tree. Depth is bounded by [`MAX_HEIGHT`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Empty,
    /// `fold`: letter case does not count.
    Literal {
        text: String,
        fold: bool,
    },
    Class(Box<ClassUnicode>),
    AnyChar,
    AnyCharNotNewline,
    BeginText,
    EndText,
    BeginLine,
    EndLine,
    WordBoundary,
    NotWordBoundary,
    Capture {
        index: u32,
        sub: Box<Node>,
    },
    Repeat {
        min: u32,
        max: Option<u32>,
        greedy: bool,
        sub: Box<Node>,
    },
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
}

impl Node {
    /// Whether every match begins at the start of the text.
    pub(super) fn starts_at_begin(&self) -> bool {
        match self {
            Self::BeginText => true,
            Self::Concat(subs) => subs.first().is_some_and(Self::starts_at_begin),
            Self::Alternate(subs) => subs.iter().all(Self::starts_at_begin),
            Self::Capture { sub, .. } => sub.starts_at_begin(),
            _ => false,
        }
    }
}

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Names by group index, group 0 first.
    pub(super) names: Vec<Box<str>>,
    pub(super) height: u32,
}

/// Parses `pattern`. `dot_newline` lets `.` match a newline from the start (flag `s`).
pub(super) fn parse(
    pattern: &[u8],
    dialect: Dialect,
    dot_newline: bool,
    surrogate: Surrogate,
) -> Result<Parsed, RegexError> {
    let flags = Flags { dot_newline, ..Flags::default() };
    let mut parser = Parser {
        pattern,
        rest: pattern,
        dialect,
        surrogate,
        flags,
        groups: vec![Group::new(None, flags)],
        names: vec!["".into()],
        ranges: 0,
    };
    parser.run()
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// A node with what the limits need to know of it.
struct Built {
    node: Node,
    height: u32,
    size: u64,
    /// Largest product of counted repeats on a way down.
    repeats: u32,
}

/// An open group: finished alternatives, the one being read, and what to restore at its end.
struct Group {
    capture: Option<u32>,
    saved: Flags,
    alternatives: Vec<Built>,
    items: Vec<Built>,
}

impl Group {
    fn new(capture: Option<u32>, saved: Flags) -> Self {
        Self { capture, saved, alternatives: Vec::new(), items: Vec::new() }
    }
}

struct Parser<'a> {
    pattern: &'a [u8],
    rest: &'a [u8],
    dialect: Dialect,
    surrogate: Surrogate,
    flags: Flags,
    groups: Vec<Group>,
    names: Vec<Box<str>>,
    ranges: usize,
}

type Result1<T> = Result<T, RegexError>;

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result1<Parsed> {
        let mut last_repeat: Option<&'a [u8]> = None;
        while let Some(&byte) = self.rest.first() {
            let before = self.rest;
            let mut repeated = None;
            match byte {
                b'(' => self.open_group()?,
                b'|' => {
                    self.rest = &self.rest[1..];
                    self.finish_alternative()?;
                }
                b')' => {
                    self.close_group()?;
                    self.rest = &self.rest[1..];
                }
                b'^' => self.push_short(if self.flags.multi_line {
                    Node::BeginLine
                } else {
                    Node::BeginText
                })?,
                b'$' => self.push_short(if self.flags.multi_line {
                    Node::EndLine
                } else {
                    Node::EndText
                })?,
                b'.' => self.push_short(if self.flags.dot_newline {
                    Node::AnyChar
                } else {
                    Node::AnyCharNotNewline
                })?,
                b'[' => self.bracket_class()?,
                b'*' | b'+' | b'?' => {
                    let (min, max) = match byte {
                        b'*' => (0, None),
                        b'+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.rest = &self.rest[1..];
                    self.repeat(min, max, before, last_repeat, false)?;
                    repeated = Some(before);
                }
                b'{' => match counted_repeat(self.rest) {
                    None => {
                        self.rest = &self.rest[1..];
                        self.literal('{')?;
                    }
                    Some((min, max, after)) => {
                        let too_big = |n: Option<u32>| n.is_none_or(|n| n > MAX_REPEAT);
                        let max = match max {
                            Bound::Open => None,
                            Bound::To(max) => Some(max),
                        };
                        if too_big(min)
                            || max.is_some_and(too_big)
                            || max.is_some_and(|max| min > max)
                        {
                            return Err(fault(ErrorKind::RepeatSize, before, after));
                        }
                        self.rest = after;
                        self.repeat(min.unwrap_or(0), max.flatten(), before, last_repeat, true)?;
                        repeated = Some(before);
                    }
                },
                b'\\' => self.escape()?,
                _ => {
                    let c = self.next_char()?;
                    self.literal(c)?;
                }
            }
            last_repeat = repeated;
        }
        if self.groups.len() > 1 {
            return Err(RegexError::new(ErrorKind::MissingParen, self.pattern));
        }
        let group = self.groups.pop().expect("BUG: no outer group");
        let built = self.finish_group(group)?;
        Ok(Parsed {
            node: built.node,
            names: std::mem::take(&mut self.names),
            height: built.height,
        })
    }

    fn open_group(&mut self) -> Result1<()> {
        let saved = self.flags;
        if self.rest.get(1) != Some(&b'?') {
            self.rest = &self.rest[1..];
            return self.open_capture("", saved);
        }
        let name_at = match self.rest {
            [b'(', b'?', b'P', b'<', _, ..] => Some(4),
            [b'(', b'?', b'<', _, ..] => Some(3),
            _ => None,
        };
        if let Some(name_at) = name_at {
            let whole = self.rest;
            let Some(end) = whole.iter().position(|b| *b == b'>') else {
                check_utf8(whole)?;
                return Err(RegexError::new(ErrorKind::NamedCapture, whole));
            };
            let name = check_utf8(&whole[name_at.min(end)..end])?;
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return Err(RegexError::new(ErrorKind::NamedCapture, &whole[..=end]));
            }
            self.rest = &whole[end + 1..];
            return self.open_capture(name, saved);
        }
        self.flag_group(saved)
    }

    /// `(?flags)` changes the flags of the rest of its group, `(?flags:` opens a group without capture.
    fn flag_group(&mut self, saved: Flags) -> Result1<()> {
        let whole = self.rest;
        self.rest = &self.rest[2..];
        let (mut flags, mut negative, mut seen) = (saved, false, false);
        while !self.rest.is_empty() {
            match self.next_char()? {
                'i' => (flags.fold, seen) = (!negative, true),
                'm' => (flags.multi_line, seen) = (!negative, true),
                's' => (flags.dot_newline, seen) = (!negative, true),
                'U' => (flags.swap_greed, seen) = (!negative, true),
                '-' if !negative => (negative, seen) = (true, false),
                c @ (':' | ')') if !negative || seen => {
                    if c == ':' {
                        self.groups.push(Group::new(None, saved));
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(fault(ErrorKind::PerlOp, whole, self.rest))
    }

    fn open_capture(&mut self, name: &str, saved: Flags) -> Result1<()> {
        let index = self.names.len() as u32;
        self.names.push(name.into());
        self.groups.push(Group::new(Some(index), saved));
        Ok(())
    }

    fn close_group(&mut self) -> Result1<()> {
        if self.groups.len() < 2 {
            return Err(RegexError::new(ErrorKind::UnexpectedParen, self.pattern));
        }
        let group = self.groups.pop().expect("BUG: no group to close");
        self.flags = group.saved;
        let capture = group.capture;
        let inner = self.finish_group(group)?;
        let built = match capture {
            None => inner,
            Some(index) => Built {
                node: Node::Capture { index, sub: Box::new(inner.node) },
                height: inner.height + 1,
                size: inner.size + 2,
                repeats: inner.repeats,
            },
        };
        self.push(built)
    }

    fn finish_alternative(&mut self) -> Result1<()> {
        let group = self.groups.last_mut().expect("BUG: no open group");
        let items = std::mem::take(&mut group.items);
        let built = concat(items);
        self.check_limits(&built)?;
        self.groups.last_mut().expect("BUG: no open group").alternatives.push(built);
        Ok(())
    }

    fn finish_group(&mut self, group: Group) -> Result1<Built> {
        let last = concat(group.items);
        self.check_limits(&last)?;
        if group.alternatives.is_empty() {
            return Ok(last);
        }
        let mut subs = group.alternatives;
        subs.push(last);
        let built = join(subs, true);
        self.check_limits(&built)?;
        Ok(built)
    }

    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        before: &'a [u8],
        last_repeat: Option<&'a [u8]>,
        counted: bool,
    ) -> Result1<()> {
        let mut greedy = !self.flags.swap_greed;
        if let [b'?', after @ ..] = self.rest {
            self.rest = after;
            greedy = !greedy;
        }
        if let Some(last) = last_repeat {
            return Err(fault(ErrorKind::RepeatOp, last, self.rest));
        }
        let group = self.groups.last_mut().expect("BUG: no open group");
        let Some(sub) = group.items.pop() else {
            return Err(fault(ErrorKind::MissingRepeatArgument, before, self.rest));
        };
        let size = match max {
            None if min == 0 => sub.size + 2,
            None => sub.size.saturating_mul(u64::from(min)) + 1,
            Some(_) if !counted => sub.size + 1,
            Some(max) => sub.size.saturating_mul(u64::from(max)) + u64::from(max - min),
        };
        let count = if counted { max.unwrap_or(min) } else { 1 };
        let repeats = match (max, count) {
            (Some(0), _) => 0,
            (_, 0) => sub.repeats,
            (_, n) => sub.repeats.max(1).saturating_mul(n),
        };
        let node = Node::Repeat { min, max, greedy, sub: Box::new(sub.node) };
        let built = Built { node, height: sub.height + 1, size, repeats };
        self.check_limits(&built)?;
        if counted && count >= 2 && repeats > MAX_REPEAT {
            return Err(fault(ErrorKind::RepeatSize, before, self.rest));
        }
        self.push(built)
    }

    fn next_char(&mut self) -> Result1<char> {
        let (c, len) = decode(self.rest)?;
        self.rest = &self.rest[len..];
        Ok(c)
    }

    fn literal(&mut self, c: char) -> Result1<()> {
        self.push(leaf(Node::Literal { text: c.to_string(), fold: self.flags.fold }))
    }

    fn push_short(&mut self, node: Node) -> Result1<()> {
        self.rest = &self.rest[1..];
        self.push(leaf(node))
    }

    fn push(&mut self, built: Built) -> Result1<()> {
        self.check_limits(&built)?;
        self.groups.last_mut().expect("BUG: no open group").items.push(built);
        Ok(())
    }

    fn check_limits(&self, built: &Built) -> Result1<()> {
        if built.size > MAX_SIZE {
            return Err(RegexError::new(ErrorKind::Large, self.pattern));
        }
        if built.height > MAX_HEIGHT {
            return Err(RegexError::new(ErrorKind::NestingDepth, self.pattern));
        }
        Ok(())
    }
}

fn leaf(node: Node) -> Built {
    Built { node, height: 1, size: 1, repeats: 1 }
}

/// Joins items read one after another; neighbouring literals of one kind become one.
fn concat(items: Vec<Built>) -> Built {
    let mut merged: Vec<Built> = Vec::with_capacity(items.len().min(16));
    for item in items {
        if let Node::Literal { text, fold } = &item.node
            && let Some(Built { node: Node::Literal { text: before, fold: f }, size, .. }) =
                merged.last_mut()
            && f == fold
        {
            before.push_str(text);
            *size += item.size;
            continue;
        }
        merged.push(item);
    }
    join(merged, false)
}

fn join(mut subs: Vec<Built>, alternate: bool) -> Built {
    match subs.len() {
        0 => return leaf(Node::Empty),
        1 => return subs.pop().expect("BUG: counted one"),
        _ => {}
    }
    let (mut height, mut size, mut repeats, mut nodes) =
        (0, 0u64, 0, Vec::with_capacity(subs.len()));
    for sub in subs {
        size = size.saturating_add(sub.size + u64::from(alternate));
        repeats = repeats.max(sub.repeats);
        match sub.node {
            // Flattened, as Go does, so that its depth does not count twice.
            Node::Concat(inner) if !alternate => {
                height = height.max(sub.height - 1);
                nodes.extend(inner);
            }
            Node::Alternate(inner) if alternate => {
                height = height.max(sub.height - 1);
                nodes.extend(inner);
            }
            node => {
                height = height.max(sub.height);
                nodes.push(node);
            }
        }
    }
    let node = if alternate { Node::Alternate(nodes) } else { Node::Concat(nodes) };
    Built { node, height: height + 1, size, repeats }
}

enum Bound {
    Open,
    /// `None`: too large to count.
    To(Option<u32>),
}

/// `{n}`, `{n,}` or `{n,m}` at the start of `text`, and what follows; else the brace is a literal.
fn counted_repeat(text: &[u8]) -> Option<(Option<u32>, Bound, &[u8])> {
    let (min, rest) = number(text.strip_prefix(b"{")?)?;
    let (max, rest) = match rest {
        [b',', b'}', ..] => (Bound::Open, &rest[1..]),
        [b',', ..] => {
            let (max, rest) = number(&rest[1..])?;
            (Bound::To(max), rest)
        }
        _ => (Bound::To(min), rest),
    };
    Some((min, max, rest.strip_prefix(b"}")?))
}

/// Digits without a leading zero; the value is `None` from 10^8 on.
fn number(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    if digits.is_empty() || (digits[0] == b'0' && len > 1) {
        return None;
    }
    let value = std::str::from_utf8(digits).ok()?.parse().ok().filter(|n: &u32| *n < 100_000_000);
    Some((value, rest))
}

/// The error for the text from `whole` up to where `rest` begins.
fn fault(kind: ErrorKind, whole: &[u8], rest: &[u8]) -> RegexError {
    RegexError::new(kind, &whole[..whole.len() - rest.len()])
}

fn check_utf8(text: &[u8]) -> Result1<&str> {
    std::str::from_utf8(text)
        .map_err(|err| RegexError::new(ErrorKind::Utf8, &text[err.valid_up_to()..]))
}

/// The first character and its length in bytes; `text` is not empty.
fn decode(text: &[u8]) -> Result1<(char, usize)> {
    if text[0] < 0x80 {
        return Ok((char::from(text[0]), 1));
    }
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(err) => {
            std::str::from_utf8(&head[..err.valid_up_to()]).expect("BUG: valid prefix is not")
        }
    };
    let c = valid.chars().next().ok_or_else(|| RegexError::new(ErrorKind::Utf8, text))?;
    Ok((c, c.len_utf8()))
}
