//! Tokens of the text formats, for lines off the beaten track.
//!
//! The parsers read ordinary lines by hand; what they do not recognise at sight comes here, so that every odd but legal spelling
//! is taken and every refusal names the same token as upstream's scanner does. This file imitates that scanner's behaviour,
//! including where it stops at a mismatch, because users match its error texts. Source: upstream `model/textparse`, both scanners.

use std::fmt;

use crate::error::ParseError;
use crate::number::quote_bytes;

/// Which of the two text grammars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus text 0.0.4 and 1.0.0: blanks between tokens are free, the last newline may lack.
    Text,
    /// OpenMetrics: single spaces in given places only, `# EOF` at the end.
    OpenMetrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Invalid,
    Eof,
    Linebreak,
    Whitespace,
    Help,
    Type,
    Unit,
    EofWord,
    Text,
    Comment,
    MetricName,
    Quoted,
    BraceOpen,
    BraceClose,
    LabelName,
    LabelValue,
    Comma,
    Equal,
    Timestamp,
    Value,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "INVALID",
            Self::Eof => "EOF",
            Self::Linebreak => "LINEBREAK",
            Self::Whitespace => "WHITESPACE",
            Self::Help => "HELP",
            Self::Type => "TYPE",
            Self::Unit => "UNIT",
            Self::EofWord => "EOFWORD",
            Self::Text => "TEXT",
            Self::Comment => "COMMENT",
            Self::MetricName => "MNAME",
            Self::Quoted => "QSTRING",
            Self::BraceOpen => "BOPEN",
            Self::BraceClose => "BCLOSE",
            Self::LabelName => "LNAME",
            Self::LabelValue => "LVALUE",
            Self::Comma => "COMMA",
            Self::Equal => "EQUAL",
            Self::Timestamp => "TIMESTAMP",
            Self::Value => "VALUE",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Init,
    Comment,
    Meta1,
    Meta2,
    Labels,
    LabelValue,
    Value,
    Timestamp,
    Exemplar,
    ExemplarValue,
    ExemplarTimestamp,
}

/// A scanner over the body. `start..pos` is the current token.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'b> {
    pub(crate) body: &'b [u8],
    pub(crate) start: usize,
    pub(crate) pos: usize,
    pub(crate) state: State,
    dialect: Dialect,
}

pub(crate) fn is_name_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_'
}

pub(crate) fn is_name_byte(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

impl<'b> Lexer<'b> {
    pub(crate) fn new(body: &'b [u8], dialect: Dialect) -> Self {
        Self { body, start: 0, pos: 0, state: State::Init, dialect }
    }

    /// End of the input; the text format counts a newline behind the last byte.
    fn end(&self) -> usize {
        self.body.len() + usize::from(self.dialect == Dialect::Text)
    }

    /// The byte at `at`; 0 at the end, as a NUL in the body itself looks.
    fn at(&self, at: usize) -> u8 {
        match self.body.get(at) {
            Some(&c) => c,
            None if self.dialect == Dialect::Text && at == self.body.len() => b'\n',
            None => 0,
        }
    }

    fn cur(&self) -> u8 {
        self.at(self.pos)
    }

    /// Moves to the next byte and returns it. NULs are passed over where values and texts may hold them.
    fn next(&mut self) -> u8 {
        self.pos += 1;
        if matches!(self.state, State::LabelValue | State::Meta2 | State::Comment) {
            while self.pos < self.end() && self.cur() == 0 {
                self.pos += 1;
            }
        }
        self.cur()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.end()
    }

    pub(crate) fn token(&self) -> &'b [u8] {
        self.slice(self.start, self.pos)
    }

    fn slice(&self, from: usize, to: usize) -> &'b [u8] {
        let len = self.body.len();
        &self.body[from.min(len)..to.min(len)]
    }

    /// Bytes as error texts show them, with the implied last newline.
    pub(crate) fn shown(&self, from: usize, to: usize) -> String {
        let mut bytes = self.slice(from, to).to_vec();
        if self.dialect == Dialect::Text && from <= self.body.len() && to > self.body.len() {
            bytes.push(b'\n');
        }
        quote_bytes(&bytes)
    }

    /// `EXPECTED, got "bytes" ("TOKEN") while parsing: "line so far"`.
    pub(crate) fn mismatch(&self, expected: &str, got: Token, line_start: usize) -> ParseError {
        let end = (self.pos + 1).min(self.end());
        let message = format!(
            "{expected}, got {} (\"{got}\") while parsing: {}",
            self.shown(self.start, end),
            self.shown(line_start, end)
        );
        ParseError::at(self.body, line_start, self.start, message)
    }

    /// An error about the current token with the line so far.
    pub(crate) fn while_parsing(&self, what: &str, line_start: usize) -> ParseError {
        let message = format!("{what} while parsing: {}", self.shown(line_start, self.pos));
        ParseError::at(self.body, line_start, self.start, message)
    }

    pub(crate) fn error(&self, line_start: usize, message: String) -> ParseError {
        ParseError::at(self.body, line_start, self.start, message)
    }

    /// The next token that is not a run of blanks.
    pub(crate) fn lex(&mut self) -> Token {
        loop {
            let token = match self.dialect {
                Dialect::Text => self.lex_text(),
                Dialect::OpenMetrics => self.lex_openmetrics(),
            };
            if token != Token::Whitespace {
                return token;
            }
        }
    }

    fn lex_text(&mut self) -> Token {
        if self.at_end() {
            return Token::Eof;
        }
        self.start = self.pos;
        let mut c = self.cur();
        if self.state == State::Init && c == b'#' {
            c = self.next();
            if c != b' ' && c != b'\t' {
                return self.rest_of_comment();
            }
            self.blanks();
            self.state = State::Comment;
            c = self.cur();
        }
        if (c == b' ' || c == b'\t') && self.state != State::Meta2 {
            self.blanks();
            return Token::Whitespace;
        }
        match self.state {
            State::Init => match c {
                0 => Token::Eof,
                b'\n' => self.single(State::Init, Token::Linebreak),
                b'{' => self.single(State::Labels, Token::BraceOpen),
                _ => self.metric_name(State::Value),
            },
            State::Comment => {
                let word = match c {
                    b'H' => (&b"HELP"[..], Token::Help),
                    b'T' => (&b"TYPE"[..], Token::Type),
                    _ => return self.rest_of_comment(),
                };
                if self.literal(word.0) && matches!(self.cur(), b' ' | b'\t') {
                    self.blanks();
                    self.state = State::Meta1;
                    return word.1;
                }
                self.rest_of_comment()
            }
            State::Meta1 if c == b'"' => self.string(true, State::Meta2, Token::MetricName),
            State::Meta1 => self.metric_name(State::Meta2),
            State::Meta2 => {
                let mut only_blanks = matches!(c, b' ' | b'\t');
                // A NUL right behind the name ends the text at once; later ones belong to it.
                while c != 0 && self.cur() != b'\n' && !self.at_end() {
                    only_blanks &= matches!(self.cur(), b' ' | b'\t');
                    self.next();
                }
                if only_blanks {
                    return Token::Whitespace;
                }
                self.state = State::Init;
                Token::Text
            }
            State::Labels => self.in_labels(c, true, State::Labels, State::LabelValue),
            State::LabelValue if c == b'"' => self.string(true, State::Labels, Token::LabelValue),
            State::Value if c == b'{' => self.single(State::Labels, Token::BraceOpen),
            State::Value => {
                while !matches!(self.cur(), b'{' | b' ' | b'\t' | b'\n' | 0) {
                    self.next();
                }
                self.nonempty(State::Timestamp, Token::Value)
            }
            State::Timestamp if c == b'\n' => self.single(State::Init, Token::Linebreak),
            State::Timestamp => {
                while self.cur().is_ascii_digit() {
                    self.next();
                }
                self.nonempty(State::Timestamp, Token::Timestamp)
            }
            _ => Token::Invalid,
        }
    }

    fn lex_openmetrics(&mut self) -> Token {
        if self.at_end() {
            return Token::Eof;
        }
        self.start = self.pos;
        let mut c = self.cur();
        if self.state == State::Init && c == b'#' {
            if self.next() != b' ' {
                return Token::Invalid;
            }
            self.next();
            self.state = State::Comment;
            c = self.cur();
        }
        match self.state {
            State::Init if c == b'{' => self.single(State::Labels, Token::BraceOpen),
            State::Init => self.metric_name(State::Value),
            State::Comment => self.openmetrics_word(c),
            State::Meta1 if c == b'"' => self.string(true, State::Meta2, Token::MetricName),
            State::Meta1 => self.metric_name(State::Meta2),
            State::Meta2 => {
                if c != b' ' {
                    return Token::Invalid;
                }
                while self.next() != b'\n' {
                    if self.at_end() {
                        return Token::Invalid;
                    }
                }
                self.single(State::Init, Token::Text)
            }
            State::Labels => self.in_labels(c, true, State::Labels, State::LabelValue),
            State::LabelValue if c == b'"' => self.string(false, State::Labels, Token::LabelValue),
            State::Value if c == b'{' => self.single(State::Labels, Token::BraceOpen),
            State::Value => self.spaced(State::Timestamp, Token::Value),
            State::Timestamp if c == b'\n' => self.single(State::Init, Token::Linebreak),
            State::Timestamp => self.timestamp_or_exemplar(c),
            State::Exemplar if c == b'}' => self.single(State::ExemplarValue, Token::BraceClose),
            State::Exemplar => self.in_labels(c, false, State::Exemplar, State::ExemplarValue),
            State::ExemplarValue if c == b'"' => {
                self.string(false, State::Exemplar, Token::LabelValue)
            }
            State::ExemplarValue => self.spaced(State::ExemplarTimestamp, Token::Value),
            State::ExemplarTimestamp if c == b'\n' => self.single(State::Init, Token::Linebreak),
            State::ExemplarTimestamp => self.spaced(State::ExemplarTimestamp, Token::Timestamp),
            State::LabelValue => Token::Invalid,
        }
    }

    fn openmetrics_word(&mut self, c: u8) -> Token {
        let (word, token) = match c {
            b'H' => (&b"HELP "[..], Token::Help),
            b'T' => (&b"TYPE "[..], Token::Type),
            b'U' => (&b"UNIT "[..], Token::Unit),
            b'E' => (&b"EOF"[..], Token::EofWord),
            _ => return Token::Invalid,
        };
        if !self.literal(word) {
            return Token::Invalid;
        }
        if token == Token::EofWord {
            self.state = State::Init;
            if self.cur() == b'\n' {
                self.next();
            }
        } else {
            self.state = State::Meta1;
        }
        token
    }

    /// ` X...` is a timestamp, ` # {` begins an exemplar.
    fn timestamp_or_exemplar(&mut self, c: u8) -> Token {
        if c != b' ' {
            return Token::Invalid;
        }
        let first = self.next();
        if matches!(first, b' ' | b'\n' | 0) {
            return Token::Invalid;
        }
        if first == b'#' && self.next() == b' ' {
            if self.next() == b'{' {
                return self.single(State::Exemplar, Token::Comment);
            }
            return Token::Invalid;
        }
        while !matches!(self.cur(), b' ' | b'\n' | 0) {
            self.next();
        }
        Token::Timestamp
    }

    fn in_labels(&mut self, c: u8, newlines: bool, names: State, values: State) -> Token {
        match c {
            b'"' => self.string(newlines, names, Token::Quoted),
            b'}' => self.single(State::Value, Token::BraceClose),
            b'=' => self.single(values, Token::Equal),
            b',' => self.single(names, Token::Comma),
            c if is_name_start(c) => {
                while is_name_byte(self.next()) {}
                Token::LabelName
            }
            _ => Token::Invalid,
        }
    }

    fn single(&mut self, state: State, token: Token) -> Token {
        self.next();
        self.state = state;
        token
    }

    fn blanks(&mut self) {
        while matches!(self.cur(), b' ' | b'\t') && !self.at_end() {
            self.next();
        }
    }

    /// Passes over `word`; at a mismatch stays at the byte that differs.
    fn literal(&mut self, word: &[u8]) -> bool {
        for &expected in word {
            if self.cur() != expected {
                return false;
            }
            self.next();
        }
        true
    }

    fn metric_name(&mut self, state: State) -> Token {
        let c = self.cur();
        if !is_name_start(c) && c != b':' {
            return Token::Invalid;
        }
        loop {
            let c = self.next();
            if !is_name_byte(c) && c != b':' {
                break;
            }
        }
        self.state = state;
        Token::MetricName
    }

    fn nonempty(&mut self, state: State, token: Token) -> Token {
        if self.pos == self.start {
            return Token::Invalid;
        }
        self.state = state;
        token
    }

    /// One space, then everything up to the next space or newline.
    fn spaced(&mut self, state: State, token: Token) -> Token {
        if self.cur() != b' ' {
            return Token::Invalid;
        }
        if matches!(self.next(), b' ' | b'\n' | 0) {
            return Token::Invalid;
        }
        while !matches!(self.cur(), b' ' | b'\n' | 0) {
            self.next();
        }
        self.state = state;
        token
    }

    /// A double-quoted string with backslash escapes; stands at the opening quote.
    fn string(&mut self, newlines: bool, state: State, token: Token) -> Token {
        loop {
            match self.next() {
                b'"' => break,
                b'\\' => {
                    if matches!(self.next(), b'\n' | 0) {
                        return Token::Invalid;
                    }
                }
                0 => return Token::Invalid,
                b'\n' if !newlines => return Token::Invalid,
                _ => {}
            }
        }
        self.pos += 1;
        self.state = state;
        token
    }

    /// Everything up to the newline, which is left; the token keeps its `#`.
    fn rest_of_comment(&mut self) -> Token {
        loop {
            match self.cur() {
                0 => return Token::Eof,
                b'\n' => break,
                _ => self.next(),
            };
        }
        self.state = State::Init;
        Token::Comment
    }
}
