//! Tokens -> nodes of the first document, by the grammar of libyaml; faults in its words.
//!
//! Nesting recurses; [`Builder`] refuses what is deeper than [`crate::MAX_DEPTH`].

use std::collections::HashMap;

use crate::document::{Builder, Dialect, SyntaxError, position_of};
use crate::scanner::{Fault, Kind, Mark, Scanned, Scanner, Style};

/// Why parsing stopped: a fault of the text, or a limit or anchor of the tree.
pub(crate) enum Stop {
    Fault(Box<Fault>),
    Tree(SyntaxError),
}

impl From<Box<Fault>> for Stop {
    fn from(fault: Box<Fault>) -> Self {
        Self::Fault(fault)
    }
}

impl From<SyntaxError> for Stop {
    fn from(err: SyntaxError) -> Self {
        Self::Tree(err)
    }
}

type Parsed<T> = Result<T, Stop>;

/// What stands before a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
}

pub(crate) struct Parser<'b> {
    scanner: Scanner,
    builder: &'b mut Builder,
    /// Tag handles of the document -> prefixes.
    handles: HashMap<String, String>,
}

/// Parses the first document of a text into `builder`.
pub(crate) fn parse(text: &str, dialect: Dialect, builder: &mut Builder) -> Parsed<()> {
    let scanner = Scanner::new(text, dialect);
    let mut parser = Parser { scanner, builder, handles: HashMap::new() };
    parser.document()
}

impl Parser<'_> {
    fn document(&mut self) -> Parsed<()> {
        let explicit = matches!(
            self.peek()?,
            Kind::Version(..) | Kind::TagDirective { .. } | Kind::DocumentStart
        );
        if *self.peek()? == Kind::StreamEnd {
            return Ok(());
        }
        self.directives()?;
        if explicit {
            if *self.peek()? != Kind::DocumentStart {
                return Err(self.fault("did not find expected <document start>", None)?.into());
            }
            self.scanner.next()?;
            let token = self.scanner.peek()?;
            if matches!(
                token.kind,
                Kind::Version(..)
                    | Kind::TagDirective { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd
            ) {
                let mark = token.start;
                return self.empty_scalar(mark, Properties::default());
            }
        }
        self.node(true, false)?;
        // What follows the document is looked at by one token.
        self.scanner.peek()?;
        Ok(())
    }

    fn directives(&mut self) -> Parsed<()> {
        let mut version_seen = false;
        loop {
            match self.peek()?.clone() {
                Kind::Version(major, minor) => {
                    if version_seen {
                        return Err(self.fault("found duplicate %YAML directive", None)?.into());
                    }
                    if (major, minor) != (1, 1) {
                        return Err(self.fault("found incompatible YAML document", None)?.into());
                    }
                    version_seen = true;
                }
                Kind::TagDirective { handle, prefix } => {
                    if self.handles.insert(handle, prefix).is_some() {
                        return Err(self.fault("found duplicate %TAG directive", None)?.into());
                    }
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            self.handles.entry(handle.to_owned()).or_insert_with(|| prefix.to_owned());
        }
        Ok(())
    }

    /// One node. `indentless`: a sequence may stand at the column of its key.
    fn node(&mut self, block: bool, indentless: bool) -> Parsed<()> {
        let start = self.scanner.peek()?.start;
        if matches!(self.peek()?, Kind::Alias(_)) {
            let Kind::Alias(name) = self.scanner.next()?.kind else {
                unreachable!("BUG: the token changed")
            };
            return Ok(self.builder.alias(&name, position_of(start))?);
        }
        let properties = self.properties(start)?;
        match self.peek()? {
            Kind::BlockEntry if indentless => self.indentless_sequence(start, properties),
            Kind::Scalar { .. } => {
                let Kind::Scalar { text, style } = self.scanner.next()?.kind else {
                    unreachable!("BUG: the token changed")
                };
                let Properties { anchor, tag } = properties;
                // A lone `!` makes text of whatever stands there.
                let plain = tag.is_none() && style == Style::Plain;
                let tag = tag.filter(|tag| tag != "!");
                Ok(self.builder.scalar(text, plain, tag, anchor, position_of(start))?)
            }
            Kind::FlowSequenceStart => self.flow_sequence(start, properties),
            Kind::FlowMappingStart => self.flow_mapping(start, properties),
            Kind::BlockSequenceStart if block => self.block_sequence(start, properties),
            Kind::BlockMappingStart if block => self.block_mapping(start, properties),
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                self.empty_scalar(start, properties)
            }
            _ => Err(self.fault("did not find expected node content", Some(start))?.into()),
        }
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self, start: Mark) -> Parsed<Properties> {
        let mut properties = Properties::default();
        loop {
            let wanted = match self.peek()? {
                Kind::Anchor(_) => properties.anchor.is_none(),
                Kind::Tag { .. } => properties.tag.is_none(),
                _ => false,
            };
            if !wanted {
                return Ok(properties);
            }
            if let Kind::Tag { handle, .. } = self.peek()?
                && !handle.is_empty()
            {
                let handle = handle.clone();
                if !self.handles.contains_key(&handle) {
                    return Err(self.fault("found undefined tag handle", Some(start))?.into());
                }
            }
            match self.scanner.next()?.kind {
                Kind::Anchor(name) => properties.anchor = Some(name),
                Kind::Tag { handle, suffix } => {
                    let prefix = self.handles.get(&handle).map_or("", String::as_str);
                    properties.tag = Some(format!("{prefix}{suffix}"));
                }
                _ => unreachable!("BUG: the token changed"),
            }
        }
    }

    fn block_sequence(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        self.scanner.next()?;
        self.begin_sequence(start, properties)?;
        loop {
            match self.peek()? {
                Kind::BlockEntry => {
                    let mark = self.scanner.next()?.end;
                    let empty = matches!(self.peek()?, Kind::BlockEntry | Kind::BlockEnd);
                    self.node_or_empty(empty, mark, true, false)?;
                }
                Kind::BlockEnd => {
                    self.scanner.next()?;
                    return Ok(self.builder.end()?);
                }
                _ => {
                    return Err(self
                        .fault("did not find expected '-' indicator", Some(start))?
                        .into());
                }
            }
        }
    }

    fn indentless_sequence(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        self.begin_sequence(start, properties)?;
        while *self.peek()? == Kind::BlockEntry {
            let mark = self.scanner.next()?.end;
            let empty =
                matches!(self.peek()?, Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd);
            self.node_or_empty(empty, mark, true, false)?;
        }
        Ok(self.builder.end()?)
    }

    fn block_mapping(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        self.scanner.next()?;
        self.begin_mapping(start, properties)?;
        loop {
            match self.peek()? {
                Kind::Key => {
                    let mark = self.scanner.next()?.end;
                    self.block_mapping_part(mark)?;
                }
                Kind::BlockEnd => {
                    self.scanner.next()?;
                    return Ok(self.builder.end()?);
                }
                _ => return Err(self.fault("did not find expected key", Some(start))?.into()),
            }
            if *self.peek()? == Kind::Value {
                let mark = self.scanner.next()?.end;
                self.block_mapping_part(mark)?;
            } else {
                let mark = self.scanner.peek()?.start;
                self.empty_scalar(mark, Properties::default())?;
            }
        }
    }

    fn block_mapping_part(&mut self, mark: Mark) -> Parsed<()> {
        let empty = matches!(self.peek()?, Kind::Key | Kind::Value | Kind::BlockEnd);
        self.node_or_empty(empty, mark, true, true)
    }

    fn flow_sequence(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        self.scanner.next()?;
        self.begin_sequence(start, properties)?;
        let mut first = true;
        loop {
            if *self.peek()? == Kind::FlowSequenceEnd {
                break;
            }
            if !first {
                if *self.peek()? != Kind::FlowEntry {
                    return Err(self
                        .fault("did not find expected ',' or ']'", Some(start))?
                        .into());
                }
                self.scanner.next()?;
            }
            first = false;
            match self.peek()? {
                Kind::Key => self.flow_pair()?,
                Kind::FlowSequenceEnd => break,
                _ => self.node(false, false)?,
            }
        }
        self.scanner.next()?;
        Ok(self.builder.end()?)
    }

    /// `[a: b]`: a mapping of one pair without braces.
    fn flow_pair(&mut self) -> Parsed<()> {
        let key = self.scanner.next()?;
        self.begin_mapping(key.start, Properties::default())?;
        let ends = |kind: &Kind| matches!(kind, Kind::FlowEntry | Kind::FlowSequenceEnd);
        let empty = *self.peek()? == Kind::Value || ends(self.peek()?);
        self.node_or_empty(empty, key.end, false, false)?;
        if *self.peek()? == Kind::Value {
            let mark = self.scanner.next()?.end;
            let empty = ends(self.peek()?);
            self.node_or_empty(empty, mark, false, false)?;
        } else {
            let mark = self.scanner.peek()?.start;
            self.empty_scalar(mark, Properties::default())?;
        }
        Ok(self.builder.end()?)
    }

    fn flow_mapping(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        self.scanner.next()?;
        self.begin_mapping(start, properties)?;
        let mut first = true;
        let ends = |kind: &Kind| matches!(kind, Kind::FlowEntry | Kind::FlowMappingEnd);
        loop {
            if *self.peek()? == Kind::FlowMappingEnd {
                break;
            }
            if !first {
                if *self.peek()? != Kind::FlowEntry {
                    return Err(self
                        .fault("did not find expected ',' or '}'", Some(start))?
                        .into());
                }
                self.scanner.next()?;
            }
            first = false;
            match self.peek()? {
                Kind::Key => {
                    let mark = self.scanner.next()?.end;
                    let empty = *self.peek()? == Kind::Value || ends(self.peek()?);
                    self.node_or_empty(empty, mark, false, false)?;
                }
                Kind::FlowMappingEnd => break,
                // A key alone: its value is empty.
                _ => {
                    self.node(false, false)?;
                    let mark = self.scanner.peek()?.start;
                    self.empty_scalar(mark, Properties::default())?;
                    continue;
                }
            }
            if *self.peek()? == Kind::Value {
                let mark = self.scanner.next()?.end;
                let empty = ends(self.peek()?);
                self.node_or_empty(empty, mark, false, false)?;
            } else {
                let mark = self.scanner.peek()?.start;
                self.empty_scalar(mark, Properties::default())?;
            }
        }
        self.scanner.next()?;
        Ok(self.builder.end()?)
    }

    fn node_or_empty(
        &mut self,
        empty: bool,
        mark: Mark,
        block: bool,
        indentless: bool,
    ) -> Parsed<()> {
        if empty {
            self.empty_scalar(mark, Properties::default())
        } else {
            self.node(block, indentless)
        }
    }

    fn empty_scalar(&mut self, mark: Mark, properties: Properties) -> Parsed<()> {
        let Properties { anchor, tag } = properties;
        let plain = tag.is_none();
        Ok(self.builder.scalar(String::new(), plain, tag, anchor, position_of(mark))?)
    }

    fn begin_sequence(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        Ok(self.builder.sequence(properties.tag, properties.anchor, position_of(start))?)
    }

    fn begin_mapping(&mut self, start: Mark, properties: Properties) -> Parsed<()> {
        Ok(self.builder.mapping(properties.tag, properties.anchor, position_of(start))?)
    }

    fn peek(&mut self) -> Scanned<&Kind> {
        Ok(&self.scanner.peek()?.kind)
    }

    /// A fault at the next token, inside something that began at `context`.
    fn fault(&mut self, reason: &'static str, context: Option<Mark>) -> Scanned<Box<Fault>> {
        let at = self.scanner.peek()?.start;
        Ok(Box::new(Fault { reason, at, context, scanner: false }))
    }
}
