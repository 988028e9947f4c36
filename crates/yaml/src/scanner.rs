//! Characters -> tokens, by the rules of libyaml, which Go's packages share: what is refused, where and in which words.
//!
//! Tokens are made on demand. A simple key (a key without `?`) is known as one only when its `:` is met, so tokens wait in a
//! queue while a key is possible, and the key's token is put in front of them. Scalars, tags and directives are read in the
//! modules below. Reading past the end gives NUL characters, which the text itself cannot hold.

mod scalar;
mod tag;

use std::collections::VecDeque;

use crate::document::Dialect;

/// Longest distance between a simple key and its `:`, in characters.
const SIMPLE_KEY_REACH: usize = 1024;

/// A place in the text, all counted from 0; columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) index: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    StreamEnd,
    Version(u32, u32),
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, style: Style },
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// What is wrong, where, and where the thing began in which it is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) at: Mark,
    pub(crate) context: Option<Mark>,
    /// Found by the scanner, not the parser: Go counts lines otherwise.
    pub(crate) scanner: bool,
}

pub(crate) type Scanned<T> = Result<T, Box<Fault>>;

#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    /// It stands where nothing but a key can stand.
    required: bool,
    token_number: usize,
    mark: Mark,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    text: Vec<char>,
    dialect: Dialect,
    mark: Mark,
    tokens: VecDeque<Token>,
    /// Number of tokens handed out.
    taken: usize,
    ended: bool,
    flow_level: usize,
    /// Column of the block being read, -1 outside of all.
    indent: i64,
    indents: Vec<i64>,
    simple_key_allowed: bool,
    /// One per flow level, the block's first.
    simple_keys: Vec<SimpleKey>,
}

impl Scanner {
    pub(crate) fn new(text: &str, dialect: Dialect) -> Self {
        Self {
            text: text.chars().collect(),
            dialect,
            mark: Mark::default(),
            tokens: VecDeque::new(),
            taken: 0,
            ended: false,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
        }
    }

    /// The next token, left in the queue.
    pub(crate) fn peek(&mut self) -> Scanned<&Token> {
        self.fill()?;
        Ok(self.tokens.front().expect("BUG: no token after filling"))
    }

    /// Takes the next token out of the queue.
    pub(crate) fn next(&mut self) -> Scanned<Token> {
        self.fill()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("BUG: no token after filling"))
    }

    /// Reads until the first token cannot turn out to be a key any more.
    fn fill(&mut self) -> Scanned<()> {
        loop {
            let undecided = if self.tokens.is_empty() {
                true
            } else {
                self.forget_stale_keys()?;
                self.simple_keys.iter().any(|key| key.possible && key.token_number == self.taken)
            };
            if !undecided || (self.ended && !self.tokens.is_empty()) {
                return Ok(());
            }
            self.fetch()?;
        }
    }

    fn fetch(&mut self) -> Scanned<()> {
        if self.ended {
            let mark = self.mark;
            self.push(Kind::StreamEnd, mark);
            return Ok(());
        }
        self.skip_to_token();
        self.forget_stale_keys()?;
        self.unroll_indent(self.mark.column as i64);
        let (c, next) = (self.at(0), self.at(1));
        let flow = self.flow_level > 0;
        if self.is_end() {
            return self.fetch_end();
        }
        if self.mark.column == 0 && c == '%' {
            self.leave_block()?;
            let token = self.directive()?;
            self.tokens.push_back(token);
            return Ok(());
        }
        if let Some(kind) = self.document_indicator() {
            self.leave_block()?;
            let start = self.mark;
            self.skip(3);
            self.push(kind, start);
            return Ok(());
        }
        match c {
            '[' => self.open_flow(Kind::FlowSequenceStart),
            '{' => self.open_flow(Kind::FlowMappingStart),
            ']' => self.close_flow(Kind::FlowSequenceEnd),
            '}' => self.close_flow(Kind::FlowMappingEnd),
            ',' => {
                self.drop_simple_key()?;
                self.simple_key_allowed = true;
                self.push_indicator(Kind::FlowEntry);
                Ok(())
            }
            '-' if is_blankz(next) => self.block_entry(),
            '?' if flow || is_blankz(next) => self.explicit_key(),
            ':' if flow || is_blankz(next) => self.value(),
            '*' | '&' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.anchor(c == '*')?;
                self.tokens.push_back(token);
                Ok(())
            }
            '!' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.tag()?;
                self.tokens.push_back(token);
                Ok(())
            }
            '|' | '>' if !flow => {
                self.drop_simple_key()?;
                self.simple_key_allowed = true;
                let token = self.block_scalar(c == '|')?;
                self.tokens.push_back(token);
                Ok(())
            }
            '\'' | '"' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.quoted_scalar(c)?;
                self.tokens.push_back(token);
                Ok(())
            }
            _ if self.starts_plain(c, next) => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.plain_scalar()?;
                self.tokens.push_back(token);
                Ok(())
            }
            _ => Err(self.fault_at("found character that cannot start any token", self.mark)),
        }
    }

    fn starts_plain(&self, c: char, next: char) -> bool {
        let indicator = "-?:,[]{}#&*!|>'\"%@`".contains(c);
        (!is_blankz(c) && !indicator)
            || (c == '-' && !is_blank(next))
            || (self.flow_level == 0 && matches!(c, '?' | ':') && !is_blankz(next))
    }

    fn fetch_end(&mut self) -> Scanned<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.leave_block()?;
        self.ended = true;
        self.push(Kind::StreamEnd, self.mark);
        Ok(())
    }

    /// Closes all blocks: a document or the stream ends here.
    fn leave_block(&mut self) -> Scanned<()> {
        self.unroll_indent(-1);
        self.drop_simple_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn open_flow(&mut self, kind: Kind) -> Scanned<()> {
        self.save_simple_key()?;
        self.simple_keys.push(SimpleKey::default());
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.push_indicator(kind);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind) -> Scanned<()> {
        self.drop_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind);
        Ok(())
    }

    fn block_entry(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let reason = "block sequence entries are not allowed in this context";
                return Err(self.fault_at(reason, self.mark));
            }
            self.roll_indent(self.mark, None, Kind::BlockSequenceStart);
        }
        self.drop_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Kind::BlockEntry);
        Ok(())
    }

    fn explicit_key(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let reason = "mapping keys are not allowed in this context";
                return Err(self.fault_at(reason, self.mark));
            }
            self.roll_indent(self.mark, None, Kind::BlockMappingStart);
        }
        self.drop_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(Kind::Key);
        Ok(())
    }

    fn value(&mut self) -> Scanned<()> {
        let key = *self.simple_keys.last().expect("BUG: no flow level");
        if key.possible {
            let token = Token { kind: Kind::Key, start: key.mark, end: key.mark };
            self.tokens.insert(key.token_number - self.taken, token);
            self.roll_indent(key.mark, Some(key.token_number), Kind::BlockMappingStart);
            self.simple_keys.last_mut().expect("BUG: no flow level").possible = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    let reason = "mapping values are not allowed in this context";
                    return Err(self.fault_at(reason, self.mark));
                }
                self.roll_indent(self.mark, None, Kind::BlockMappingStart);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(Kind::Value);
        Ok(())
    }

    /// Opens a block at the mark's column if it lies deeper; its token goes before the token of that number.
    fn roll_indent(&mut self, mark: Mark, before: Option<usize>, kind: Kind) {
        let column = mark.column as i64;
        if self.flow_level > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, start: mark, end: mark };
        match before {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
    }

    /// Closes the blocks that lie deeper than the column.
    fn unroll_indent(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn save_simple_key(&mut self) -> Scanned<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let required = self.flow_level == 0 && self.indent == self.mark.column as i64;
        let token_number = self.taken + self.tokens.len();
        self.drop_simple_key()?;
        let key = SimpleKey { possible: true, required, token_number, mark: self.mark };
        *self.simple_keys.last_mut().expect("BUG: no flow level") = key;
        Ok(())
    }

    fn drop_simple_key(&mut self) -> Scanned<()> {
        let key = *self.simple_keys.last().expect("BUG: no flow level");
        if key.possible && key.required {
            return Err(self.fault("could not find expected ':'", key.mark));
        }
        self.simple_keys.last_mut().expect("BUG: no flow level").possible = false;
        Ok(())
    }

    /// A simple key must end on its line and within reach.
    fn forget_stale_keys(&mut self) -> Scanned<()> {
        for index in 0..self.simple_keys.len() {
            let key = self.simple_keys[index];
            let stale = key.mark.line < self.mark.line
                || key.mark.index + SIMPLE_KEY_REACH < self.mark.index;
            if key.possible && stale {
                if key.required {
                    return Err(self.fault("could not find expected ':'", key.mark));
                }
                self.simple_keys[index].possible = false;
            }
        }
        Ok(())
    }

    /// Skips white space, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            if self.mark.index == 0 && self.at(0) == '\u{FEFF}' {
                self.skip(1);
                self.mark.column = 0;
            }
            while self.at(0) == ' '
                || (self.at(0) == '\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.skip(1);
            }
            if self.at(0) == '#' {
                while !is_breakz(self.at(0)) {
                    self.skip(1);
                }
            }
            if !is_break(self.at(0)) {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// `---` or `...` at the start of a line, on its own.
    fn document_indicator(&self) -> Option<Kind> {
        if self.mark.column != 0 || !is_blankz(self.at(3)) {
            return None;
        }
        match (self.at(0), self.at(1), self.at(2)) {
            ('-', '-', '-') => Some(Kind::DocumentStart),
            ('.', '.', '.') => Some(Kind::DocumentEnd),
            _ => None,
        }
    }

    fn at(&self, offset: usize) -> char {
        self.text.get(self.mark.index + offset).copied().unwrap_or('\0')
    }

    fn is_end(&self) -> bool {
        self.mark.index >= self.text.len()
    }

    fn skip(&mut self, count: usize) {
        self.mark.index += count;
        self.mark.column += count;
    }

    /// Skips one line break; nothing if there is none.
    fn skip_line(&mut self) {
        let len = match (self.at(0), self.at(1)) {
            ('\r', '\n') => 2,
            (c, _) if is_break(c) => 1,
            _ => return,
        };
        self.mark.index += len;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// Reads one line break, as a newline unless it is Unicode's own; nothing if there is none.
    fn read_line(&mut self, out: &mut String) {
        match self.at(0) {
            c @ ('\u{2028}' | '\u{2029}') => out.push(c),
            c if is_break(c) => out.push('\n'),
            _ => return,
        }
        self.skip_line();
    }

    fn read(&mut self, out: &mut String) {
        out.push(self.at(0));
        self.skip(1);
    }

    fn push(&mut self, kind: Kind, start: Mark) {
        self.tokens.push_back(Token { kind, start, end: self.mark });
    }

    fn push_indicator(&mut self, kind: Kind) {
        let start = self.mark;
        self.skip(1);
        self.push(kind, start);
    }

    /// A fault here, inside something that began at `context`.
    fn fault(&self, reason: &'static str, context: Mark) -> Box<Fault> {
        Box::new(Fault { reason, at: self.mark, context: Some(context), scanner: true })
    }

    fn fault_at(&self, reason: &'static str, at: Mark) -> Box<Fault> {
        Box::new(Fault { reason, at, context: Some(at), scanner: true })
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_breakz(c: char) -> bool {
    c == '\0' || is_break(c)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_blankz(c: char) -> bool {
    is_blank(c) || is_breakz(c)
}

/// What anchors and tag handles are made of.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
