//! YAML text -> tree of nodes. The parser follows libyaml, as Go's does, so both accept and refuse the same texts.
//!
//! Nodes live in one arena; an alias points at its anchor's node. Limits: depth of nesting, and the size after all aliases
//! were expanded, by Go's rule against alias bombs.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::parser::{Stop, parse};
use crate::scanner::{Fault, Mark};

/// Deepest nesting. Go allows 10000; reading here recurses, and no configuration comes near.
pub const MAX_DEPTH: usize = 200;

/// Whose rules hold where Go's two packages differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Package v2: configuration files, discovery files, rule tests.
    #[default]
    V2,
    /// Package v3: rule files.
    V3,
}

/// A place in the text, both counted from 1; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// The text is no YAML. Prints as Go does, `yaml: line N: ...`, with Go's habit of being a line off at times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml: {}{reason}", if *.go_line == 0 { String::new() } else { format!("line {}: ", .go_line) })]
pub struct SyntaxError {
    /// Where the parser stopped.
    pub position: Position,
    pub reason: String,
    go_line: u32,
}

/// A parsed document.
#[derive(Debug)]
pub struct Document {
    nodes: Vec<Data>,
    root: Option<u32>,
    dialect: Dialect,
}

#[derive(Debug)]
struct Data {
    position: Position,
    /// The tag as written, long form; empty if there is none.
    tag: Box<str>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar { text: Box<str>, plain: bool },
    Sequence(Vec<u32>),
    Mapping(Vec<(u32, u32)>),
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Sequence,
    Mapping,
}

impl Document {
    /// Reads the first document of `text`; what follows it is not looked at. Empty text is a document without root.
    pub fn parse(text: &[u8], dialect: Dialect) -> Result<Self, SyntaxError> {
        let text = decode(text)?;
        let mut builder = Builder {
            document: Self { nodes: Vec::new(), root: None, dialect },
            open: Vec::new(),
            anchors: HashMap::new(),
            sizes: Vec::new(),
            aliased: 0,
        };
        match parse(&text, dialect, &mut builder) {
            Ok(()) => Ok(builder.document),
            Err(Stop::Tree(err)) => Err(err),
            Err(Stop::Fault(fault)) => Err(of_fault(&fault, dialect)),
        }
    }

    /// The root; `None` for a text without content.
    pub fn root(&self) -> Option<Node<'_>> {
        self.root.map(|id| Node { document: self, id })
    }

    /// The dialect it was parsed for.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// One node; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    document: &'d Document,
    id: u32,
}

impl<'d> Node<'d> {
    fn data(self) -> &'d Data {
        &self.document.nodes[self.id as usize]
    }

    pub fn kind(self) -> Kind {
        match self.data().content {
            Content::Scalar { .. } => Kind::Scalar,
            Content::Sequence(_) => Kind::Sequence,
            Content::Mapping(_) => Kind::Mapping,
        }
    }

    pub fn position(self) -> Position {
        self.data().position
    }

    /// The text of a scalar; `None` for collections.
    pub fn text(self) -> Option<&'d str> {
        match &self.data().content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether a scalar was written without quotes and without a tag.
    pub fn is_plain(self) -> bool {
        matches!(self.data().content, Content::Scalar { plain: true, .. })
    }

    /// The tag as written, in short form (`!!str`); empty if there is none.
    pub fn tag(self) -> &'d str {
        &self.data().tag
    }

    pub fn dialect(self) -> Dialect {
        self.document.dialect
    }

    /// The items of a sequence; nothing for other kinds.
    pub fn items(self) -> impl ExactSizeIterator<Item = Node<'d>> {
        let items: &'d [u32] = match &self.data().content {
            Content::Sequence(items) => items,
            _ => &[],
        };
        let document = self.document;
        items.iter().map(move |&id| Node { document, id })
    }

    /// Keys and values of a mapping as written; nothing for other kinds. Merge keys are not followed.
    pub fn pairs(self) -> impl ExactSizeIterator<Item = (Node<'d>, Node<'d>)> {
        let pairs: &'d [(u32, u32)] = match &self.data().content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        };
        let document = self.document;
        pairs.iter().map(move |&(k, v)| (Node { document, id: k }, Node { document, id: v }))
    }

    /// Whether this is a null: empty, `~`, `null`.
    pub fn is_null(self) -> bool {
        crate::decode::is_null(self)
    }

    /// Whether this key is the merge key `<<`.
    pub fn is_merge_key(self) -> bool {
        self.text() == Some("<<") && (self.is_plain() || self.tag() == "!!merge")
    }
}

/// Puts nodes together as the parser meets them.
pub(crate) struct Builder {
    document: Document,
    /// Collections being read: id, the key waiting for its value, and the size so far with aliases expanded.
    open: Vec<(u32, Option<u32>, u64)>,
    /// Anchor -> node, and whether the node is complete.
    anchors: HashMap<String, u32>,
    /// Expanded size of each complete node, 0 while it is being read.
    sizes: Vec<u64>,
    /// Nodes that came in through aliases.
    aliased: u64,
}

impl Builder {
    fn add(
        &mut self,
        content: Content,
        tag: Option<String>,
        anchor: Option<String>,
        position: Position,
    ) -> u32 {
        let tag = match tag {
            Some(tag) => match tag.strip_prefix("tag:yaml.org,2002:") {
                Some(short) => format!("!!{short}").into(),
                None => tag.into(),
            },
            None => "".into(),
        };
        let id = self.document.nodes.len() as u32;
        self.document.nodes.push(Data { position, tag, content });
        self.sizes.push(0);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    pub(crate) fn scalar(
        &mut self,
        text: String,
        plain: bool,
        tag: Option<String>,
        anchor: Option<String>,
        position: Position,
    ) -> Result<(), SyntaxError> {
        let id = self.add(Content::Scalar { text: text.into(), plain }, tag, anchor, position);
        self.close(id, 1)
    }

    pub(crate) fn sequence(
        &mut self,
        tag: Option<String>,
        anchor: Option<String>,
        position: Position,
    ) -> Result<(), SyntaxError> {
        self.begin(Content::Sequence(Vec::new()), tag, anchor, position)
    }

    pub(crate) fn mapping(
        &mut self,
        tag: Option<String>,
        anchor: Option<String>,
        position: Position,
    ) -> Result<(), SyntaxError> {
        self.begin(Content::Mapping(Vec::new()), tag, anchor, position)
    }

    fn begin(
        &mut self,
        content: Content,
        tag: Option<String>,
        anchor: Option<String>,
        position: Position,
    ) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(error(position, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let id = self.add(content, tag, anchor, position);
        self.open.push((id, None, 1));
        Ok(())
    }

    /// Ends the innermost sequence or mapping.
    pub(crate) fn end(&mut self) -> Result<(), SyntaxError> {
        let (id, _, size) = self.open.pop().expect("BUG: end without begin");
        self.close(id, size)
    }

    pub(crate) fn alias(&mut self, anchor: &str, position: Position) -> Result<(), SyntaxError> {
        let Some(&id) = self.anchors.get(anchor) else {
            return Err(error(position, format!("unknown anchor '{anchor}' referenced")));
        };
        let size = self.sizes[id as usize];
        if size == 0 {
            return Err(error(position, format!("anchor '{anchor}' value contains itself")));
        }
        self.aliased = self.aliased.saturating_add(size);
        self.attach(id, size)
    }

    fn close(&mut self, id: u32, size: u64) -> Result<(), SyntaxError> {
        self.sizes[id as usize] = size;
        self.attach(id, size)
    }

    /// Hands a complete node to the collection being read.
    fn attach(&mut self, id: u32, size: u64) -> Result<(), SyntaxError> {
        let Some((parent, key, total)) = self.open.last_mut() else {
            self.document.root = Some(id);
            return Ok(());
        };
        *total = total.saturating_add(size);
        let total = *total;
        match &mut self.document.nodes[*parent as usize].content {
            Content::Sequence(items) => items.push(id),
            Content::Mapping(pairs) => match key.take() {
                None => *key = Some(id),
                Some(key) => pairs.push((key, id)),
            },
            Content::Scalar { .. } => unreachable!("BUG: scalar as parent"),
        }
        let position = self.document.nodes[id as usize].position;
        if is_bomb(total, self.aliased) {
            return Err(error(position, "document contains excessive aliasing"));
        }
        Ok(())
    }
}

/// Go's rule: small documents may be almost all aliases, large ones (4 million nodes) a tenth.
fn is_bomb(total: u64, aliased: u64) -> bool {
    if aliased <= 100 || total <= 1000 {
        return false;
    }
    let allowed = match total {
        0..=400_000 => 0.99,
        4_000_000.. => 0.10,
        _ => 0.99 - 0.89 * (total - 400_000) as f64 / 3_600_000.0,
    };
    aliased.min(total) as f64 / total as f64 > allowed
}

fn error(position: Position, reason: impl Into<String>) -> SyntaxError {
    SyntaxError { position, reason: reason.into(), go_line: 0 }
}

pub(crate) fn position_of(mark: Mark) -> Position {
    let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: clamp(mark.line + 1), column: clamp(mark.column + 1) }
}

/// Go's packages print the line of the problem or of its context, counted from 0, plus one for scanner errors; 0 is left
/// out. v2 prefers the problem, v3 the context.
fn of_fault(fault: &Fault, dialect: Dialect) -> SyntaxError {
    let (problem, context) = (fault.at.line, fault.context.map_or(0, |mark| mark.line));
    let line = match dialect {
        Dialect::V3 if context != 0 => context,
        Dialect::V2 if problem == 0 => context,
        _ => problem,
    };
    let line = if line != 0 { line + usize::from(fault.scanner) } else { 0 };
    SyntaxError {
        position: position_of(fault.at),
        reason: fault.reason.to_owned(),
        go_line: u32::try_from(line).unwrap_or(u32::MAX),
    }
}

/// Bytes -> text: UTF-8, or UTF-16 by its byte order mark. Refuses what is neither and control characters, in Go's words.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, SyntaxError> {
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?.into(),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?.into(),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(err) => {
                let at = err.valid_up_to();
                let reason = match bytes[at] {
                    0x80..0xC0 | 0xF8.. => "invalid leading UTF-8 octet",
                    _ if err.error_len().is_none() => "incomplete UTF-8 octet sequence",
                    _ => "invalid trailing UTF-8 octet",
                };
                return Err(error(place(&bytes[..at]), reason));
            }
        },
    };
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
            || c >= '\u{10000}'
    };
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, _)) => {
            let position = place(&text.as_bytes()[..at]);
            Err(error(position, "control characters are not allowed"))
        }
        None => Ok(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, SyntaxError> {
    let units = bytes.chunks(2).map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok()
        .filter(|_| bytes.len().is_multiple_of(2))
        .ok_or_else(|| error(Position::default(), "incomplete UTF-16 surrogate pair"))
}

/// The place behind some bytes.
fn place(bytes: &[u8]) -> Position {
    let line = bytes.iter().filter(|b| **b == b'\n').count();
    let column = bytes.iter().rev().take_while(|b| **b != b'\n').count();
    position_of(Mark { index: 0, line, column })
}
