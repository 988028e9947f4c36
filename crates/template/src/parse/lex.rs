//! The words of a template: text, and what stands between `{{` and `}}`.
//!
//! Works on bytes; bytes that are no UTF-8 count as U+FFFD of width 1, as in Go.

use super::node::Pos;

/// A word's kind. Those from `Block` on are keywords, which errors print in angle brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) pos: Pos,
    pub(super) line: u32,
    /// The word, or for errors the message.
    pub(super) text: Vec<u8>,
}

impl Item {
    /// As errors print it.
    pub(super) fn describe(&self) -> String {
        if self.kind == Kind::Eof {
            return "EOF".to_owned();
        }
        let text = String::from_utf8_lossy(&self.text);
        if self.kind == Kind::Error {
            return text.into_owned();
        }
        if self.kind >= Kind::Block {
            return format!("<{text}>");
        }
        if self.text.len() > 10 {
            let cut = crate::utf8::prefix_of_runes(&self.text, 10);
            return format!("{}...", crate::fmt::quoted(&self.text[..cut]));
        }
        crate::fmt::quoted(&self.text)
    }
}

enum State {
    Text,
    Inside,
    Done,
}

pub(super) struct Lexer<'a> {
    input: &'a [u8],
    pos: usize,
    start: usize,
    line: u32,
    state: State,
    parens: u32,
    /// Functions named `break` and `continue` take the keywords' place.
    break_is_name: bool,
    continue_is_name: bool,
}

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn spaces_before(text: &[u8]) -> usize {
    text.iter().take_while(|b| is_space(**b)).count()
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a [u8], break_is_name: bool, continue_is_name: bool) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            line: 1,
            state: State::Text,
            parens: 0,
            break_is_name,
            continue_is_name,
        }
    }

    pub(super) fn next(&mut self) -> Item {
        loop {
            let item = match self.state {
                State::Text => self.text(),
                State::Inside => self.inside(),
                State::Done => return self.item_at(Kind::Eof, self.pos),
            };
            if let Some(item) = item {
                return item;
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.input[self.pos..]
    }

    fn item_at(&self, kind: Kind, start: usize) -> Item {
        let text = self.input[start..self.pos].to_vec();
        Item { kind, pos: start as Pos, line: self.line, text }
    }

    fn emit(&mut self, kind: Kind) -> Item {
        let item = self.item_at(kind, self.start);
        self.skip();
        item
    }

    /// Forgets the word so far, counting its lines.
    fn skip(&mut self) {
        let lines = self.input[self.start..self.pos].iter().filter(|b| **b == b'\n').count();
        self.line += lines as u32;
        self.start = self.pos;
    }

    fn fail(&mut self, message: String) -> Item {
        let item = Item {
            kind: Kind::Error,
            pos: self.start as Pos,
            line: self.line,
            text: message.into_bytes(),
        };
        self.pos = self.input.len();
        self.start = self.pos;
        self.state = State::Done;
        item
    }

    fn peek(&self) -> Option<char> {
        let (c, width) = crate::utf8::decode(self.rest());
        (width > 0).then_some(c)
    }

    fn advance(&mut self) -> Option<char> {
        let (c, width) = crate::utf8::decode(self.rest());
        self.pos += width;
        (width > 0).then_some(c)
    }

    fn text(&mut self) -> Option<Item> {
        let Some(at) = find(self.rest(), LEFT) else {
            self.pos = self.input.len();
            self.state = State::Done;
            return (self.pos > self.start).then(|| self.emit(Kind::Text));
        };
        let delim = self.pos + at;
        let trims = trims_left(&self.input[delim + 2..]);
        let mut end = delim;
        if trims {
            while end > self.start && is_space(self.input[end - 1]) {
                end -= 1;
            }
        }
        if end > self.start {
            self.pos = end;
            return Some(self.emit(Kind::Text));
        }
        self.pos = delim;
        self.skip();
        self.pos += 2;
        let marker = if trims { 2 } else { 0 };
        if self.rest()[marker..].starts_with(b"/*") {
            self.pos += marker;
            return self.comment();
        }
        let item = self.emit(Kind::LeftDelim);
        self.pos += marker;
        self.skip();
        self.parens = 0;
        self.state = State::Inside;
        Some(item)
    }

    fn comment(&mut self) -> Option<Item> {
        self.skip();
        self.pos += 2;
        let Some(end) = find(self.rest(), b"*/") else {
            return Some(self.fail("unclosed comment".to_owned()));
        };
        self.pos += end + 2;
        let Some(trims) = self.at_right_delim() else {
            return Some(self.fail("comment ends before closing delimiter".to_owned()));
        };
        self.pos += if trims { 4 } else { 2 };
        if trims {
            self.pos += spaces_before(self.rest());
        }
        self.skip();
        None
    }

    /// `Some(trims)` before a closing delimiter.
    fn at_right_delim(&self) -> Option<bool> {
        match self.rest() {
            [space, b'-', b'}', b'}', ..] if is_space(*space) => Some(true),
            [b'}', b'}', ..] => Some(false),
            _ => None,
        }
    }

    fn right_delim(&mut self) -> Item {
        let trims = self.at_right_delim() == Some(true);
        if trims {
            self.pos += 2;
            self.skip();
        }
        self.pos += 2;
        let item = self.emit(Kind::RightDelim);
        if trims {
            self.pos += spaces_before(self.rest());
            self.skip();
        }
        self.state = State::Text;
        item
    }

    fn inside(&mut self) -> Option<Item> {
        if self.at_right_delim().is_some() {
            if self.parens > 0 {
                return Some(self.fail("unclosed left paren".to_owned()));
            }
            return Some(self.right_delim());
        }
        let Some(c) = self.advance() else {
            return Some(self.fail("unclosed action".to_owned()));
        };
        let item = match c {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.advance() == Some('=') {
                    self.emit(Kind::Declare)
                } else {
                    self.fail("expected :=".to_owned())
                }
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quote(),
            '`' => self.raw_quote(),
            '$' => self.field_or_variable(Kind::Variable),
            '\'' => self.char_constant(),
            '.' if self.rest().first().is_some_and(|b| !b.is_ascii_digit()) => {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos = self.start;
                self.number()
            }
            c if is_alphanumeric(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => {
                if self.parens == 0 {
                    return Some(self.fail("unexpected right paren".to_owned()));
                }
                self.parens -= 1;
                self.emit(Kind::RightParen)
            }
            c if (' '..='~').contains(&c) => self.emit(Kind::Char),
            c => {
                let shown = crate::fmt::unicode(c);
                self.fail(format!("unrecognized character in action: {shown}"))
            }
        };
        Some(item)
    }

    fn space(&mut self) -> Item {
        self.pos = self.start + spaces_before(&self.input[self.start..]);
        // The last space may belong to a closing ` -}}`.
        let last = &self.input[self.pos - 1..];
        if last.len() >= 4 && &last[1..4] == b"-}}" {
            self.pos -= 1;
            if self.pos == self.start {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Item {
        while self.peek().is_some_and(is_alphanumeric) {
            self.advance();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.input[self.start..self.pos] {
            b"block" => Kind::Block,
            b"break" if !self.break_is_name => Kind::Break,
            b"continue" if !self.continue_is_name => Kind::Continue,
            b"define" => Kind::Define,
            b"else" => Kind::Else,
            b"end" => Kind::End,
            b"if" => Kind::If,
            b"nil" => Kind::Nil,
            b"range" => Kind::Range,
            b"template" => Kind::Template,
            b"with" => Kind::With,
            b"true" | b"false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Item {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Variable { kind } else { Kind::Dot });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.advance();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    fn bad_character(&mut self) -> Item {
        let c = self.peek().unwrap_or('\u{fffd}');
        self.fail(format!("bad character {}", crate::fmt::unicode(c)))
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) => {
                matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(')
                    || self.rest().starts_with(RIGHT)
            }
        }
    }

    fn char_constant(&mut self) -> Item {
        loop {
            match self.advance() {
                Some('\\') => {
                    if matches!(self.advance(), None | Some('\n')) {
                        return self.fail("unterminated character constant".to_owned());
                    }
                }
                None | Some('\n') => {
                    return self.fail("unterminated character constant".to_owned());
                }
                Some('\'') => return self.emit(Kind::CharConstant),
                Some(_) => {}
            }
        }
    }

    fn quote(&mut self) -> Item {
        loop {
            match self.advance() {
                Some('\\') => {
                    if matches!(self.advance(), None | Some('\n')) {
                        return self.fail("unterminated quoted string".to_owned());
                    }
                }
                None | Some('\n') => return self.fail("unterminated quoted string".to_owned()),
                Some('"') => return self.emit(Kind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_quote(&mut self) -> Item {
        match find(self.rest(), b"`") {
            Some(at) => {
                self.pos += at + 1;
                self.emit(Kind::RawString)
            }
            None => self.fail("unterminated raw quoted string".to_owned()),
        }
    }

    fn number(&mut self) -> Item {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.bad_number();
            }
            return self.emit(Kind::Complex);
        }
        self.emit(Kind::Number)
    }

    fn bad_number(&mut self) -> Item {
        let shown = crate::fmt::quoted(&self.input[self.start..self.pos]);
        self.fail(format!("bad number syntax: {shown}"))
    }

    fn accept(&mut self, set: &[u8]) -> bool {
        let found = self.rest().first().is_some_and(|b| set.contains(b));
        self.pos += usize::from(found);
        found
    }

    fn accept_run(&mut self, set: &[u8]) {
        while self.accept(set) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &[u8] = b"0123456789_";
        const HEX: &[u8] = b"0123456789abcdefABCDEF_";
        self.accept(b"+-");
        let mut digits = DECIMAL;
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = HEX;
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        if digits.len() == DECIMAL.len() && self.accept(b"eE") {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        if digits.len() == HEX.len() && self.accept(b"pP") {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.advance();
            return false;
        }
        true
    }
}

/// Letters, digits and `_`.
fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

/// After `{{`: a dash and a space.
fn trims_left(after: &[u8]) -> bool {
    matches!(after, [b'-', space, ..] if is_space(*space))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}
