//! Tokens of PromQL and of series descriptions (`metric{...} 1+1x5 _ stale {{schema:1 ...}}`).
//!
//! One lexer serves both languages, because they share metrics, numbers and strings. It works on demand, remembers the
//! open brackets and knows which token may follow, so that error texts and positions equal upstream's (`promql/parser/lex.go`
//! is the source of the facts). Comments are skipped. Errors are tokens: the parser reports the first and stops.

mod series;

use crate::text::quoted_char;
use crate::token::{Token, TokenKind, keyword};
use gauntlet_model::float::GoQuoted;

/// What the next characters are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Statements,
    Braces,
    DurationExpr,
    /// Values of a series description.
    Values,
    Histogram,
    Buckets,
}

/// What joins a histogram of a series description with what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HistogramState {
    None,
    Open,
    Times,
    Add,
    Sub,
}

#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    /// Start of the token being read.
    start: usize,
    mode: Mode,
    paren_depth: usize,
    brace_open: bool,
    bracket_open: bool,
    got_colon: bool,
    got_duration: bool,
    series: bool,
    histogram: HistogramState,
}

const DIGITS: &[u8] = b"0123456789";
const HEX_DIGITS: &[u8] = b"0123456789abcdefABCDEF";

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a str) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            mode: Mode::Statements,
            paren_depth: 0,
            brace_open: false,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
            series: false,
            histogram: HistogramState::None,
        }
    }

    /// A lexer of series descriptions.
    pub(crate) fn for_series(input: &'a str) -> Self {
        Self { series: true, ..Self::new(input) }
    }

    /// The next token; at the end of input [`TokenKind::Eof`], any number of times.
    pub(crate) fn next_token(&mut self) -> Token {
        loop {
            let token = match self.mode {
                Mode::Statements => self.statement(),
                Mode::Braces => self.inside_braces(),
                Mode::DurationExpr => self.duration_expr(),
                Mode::Values => self.value(),
                Mode::Histogram => self.in_histogram(),
                Mode::Buckets => self.bucket(),
            };
            if let Some(token) = token {
                return token;
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.input[self.pos..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn peek_byte(&self) -> Option<u8> {
        self.input.as_bytes().get(self.pos).copied()
    }

    fn is(&self, set: &[u8]) -> bool {
        self.peek_byte().is_some_and(|b| set.contains(&b))
    }

    fn accept(&mut self, set: &[u8]) -> bool {
        let found = self.is(set);
        self.pos += usize::from(found);
        found
    }

    fn accept_run(&mut self, set: &[u8]) {
        while self.accept(set) {}
    }

    fn word(&self) -> &'a str {
        &self.input[self.start..self.pos]
    }

    fn emit(&mut self, kind: TokenKind) -> Option<Token> {
        let token = Token { kind, start: self.start, end: self.pos, error: None };
        self.start = self.pos;
        Some(token)
    }

    fn fail(&mut self, message: String) -> Option<Token> {
        let error = Some(message.into_boxed_str());
        Some(Token { kind: TokenKind::Error, start: self.start, end: self.input.len(), error })
    }

    /// An error at what follows the token just read.
    fn fail_behind(&mut self, message: String) -> Option<Token> {
        self.start = self.pos;
        self.fail(message)
    }

    fn skip_spaces(&mut self) {
        self.accept_run(b" \t\n\r");
        self.start = self.pos;
    }

    fn skip_comment(&mut self) {
        let rest = &self.input.as_bytes()[self.pos..];
        let len = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        self.pos += len;
        self.start = self.pos;
    }

    fn statement(&mut self) -> Option<Token> {
        if self.histogram != HistogramState::None {
            self.mode = Mode::Histogram;
            return None;
        }
        if self.brace_open {
            self.mode = Mode::Braces;
            return None;
        }
        use TokenKind as T;
        let Some(c) = self.peek() else { return self.end_of_input() };
        match c {
            '#' => {
                self.skip_comment();
                return None;
            }
            ' ' | '\t' | '\n' | '\r' => {
                self.skip_spaces();
                return None;
            }
            '"' | '\'' => return self.string(),
            '`' => return self.raw_string(),
            '0'..='9' => return self.number_or_duration(),
            '.' if self.digit_follows_dot() => return self.number_or_duration(),
            'a'..='z' | 'A'..='Z' | '_' | ':' if !self.bracket_open => {
                return self.keyword_or_identifier();
            }
            _ => {}
        }
        self.bump();
        match c {
            ',' => self.emit(T::Comma),
            '*' => self.emit(T::Mul),
            '/' => self.emit(T::Div),
            '%' => self.emit(T::Mod),
            '+' => self.emit(T::Add),
            '-' => self.emit(T::Sub),
            '^' => self.emit(T::Pow),
            '@' => self.emit(T::At),
            '=' => match self.peek() {
                Some('=') => self.emit_two(T::EqlC),
                Some('~') => self.fail("unexpected character after '=': '~'".to_owned()),
                _ => self.emit(T::Eql),
            },
            '!' => match self.peek() {
                Some('=') => self.emit_two(T::Neq),
                other => {
                    self.fail(format!("unexpected character after '!': {}", quoted_char(other)))
                }
            },
            '<' => match self.peek() {
                Some('=') => self.emit_two(T::Lte),
                Some('/') => self.emit_two(T::TrimUpper),
                _ => self.emit(T::Lss),
            },
            '>' => match self.peek() {
                Some('=') => self.emit_two(T::Gte),
                Some('/') => self.emit_two(T::TrimLower),
                _ => self.emit(T::Gtr),
            },
            '(' => {
                self.paren_depth += 1;
                self.emit(T::LeftParen)
            }
            ')' => self.right_paren(),
            '{' => {
                self.brace_open = true;
                self.mode = Mode::Braces;
                self.emit(T::LeftBrace)
            }
            '[' => self.left_bracket(),
            ']' if self.bracket_open => {
                self.bracket_open = false;
                self.emit(T::RightBracket)
            }
            ']' => self.fail("unexpected right bracket ']'".to_owned()),
            // Words and colons within brackets: all others were read above.
            'a'..='z' | 'A'..='Z' | '_' | ':' => self.word_in_brackets(c),
            _ => self.fail(format!("unexpected character: {}", quoted_char(Some(c)))),
        }
    }

    fn emit_two(&mut self, kind: TokenKind) -> Option<Token> {
        self.pos += 1;
        self.emit(kind)
    }

    fn end_of_input(&mut self) -> Option<Token> {
        if self.paren_depth != 0 {
            self.fail("unclosed left parenthesis".to_owned())
        } else if self.bracket_open {
            self.fail("unclosed left bracket".to_owned())
        } else {
            self.emit(TokenKind::Eof)
        }
    }

    fn right_paren(&mut self) -> Option<Token> {
        if self.paren_depth == 0 {
            return self.fail_behind("unexpected right parenthesis ')'".to_owned());
        }
        self.paren_depth -= 1;
        self.emit(TokenKind::RightParen)
    }

    fn left_bracket(&mut self) -> Option<Token> {
        if self.bracket_open {
            return self.fail("unexpected left bracket '['".to_owned());
        }
        self.got_colon = false;
        let token = self.emit(TokenKind::LeftBracket);
        self.skip_spaces();
        self.bracket_open = true;
        self.mode = Mode::DurationExpr;
        token
    }

    fn word_in_brackets(&mut self, first: char) -> Option<Token> {
        if first == ':' {
            if self.got_colon {
                return self.fail("unexpected colon ':'".to_owned());
            }
            self.got_colon = true;
            return self.emit(TokenKind::Colon);
        }
        if let Some(kind) = self.duration_keyword(first) {
            return self.emit(kind);
        }
        self.fail(format!("unexpected character: {}, expected ':'", quoted_char(Some(first))))
    }

    /// Reads the rest of a word that may name a duration function; `None` if it does not.
    fn duration_keyword(&mut self, first: char) -> Option<TokenKind> {
        if !matches!(first.to_ascii_lowercase(), 's' | 'r' | 'm') {
            return None;
        }
        while self.peek_byte().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
            self.pos += 1;
        }
        match self.word().to_ascii_lowercase().as_str() {
            "step" => Some(TokenKind::Step),
            "range" => Some(TokenKind::Range),
            "max_of" => Some(TokenKind::MaxOf),
            "min_of" => Some(TokenKind::MinOf),
            _ => None,
        }
    }

    fn digit_follows_dot(&self) -> bool {
        self.input.as_bytes().get(self.pos + 1).is_some_and(u8::is_ascii_digit)
    }

    /// Within `[...]` up to the first number: from there on [`Self::statement`] reads.
    fn duration_expr(&mut self) -> Option<Token> {
        use TokenKind as T;
        let Some(c) = self.peek() else {
            return self.fail("unexpected end of input in duration expression".to_owned());
        };
        if c.is_ascii_digit() || (c == '.' && self.digit_follows_dot()) {
            self.got_duration = true;
            self.mode = Mode::Statements;
            return self.number_or_duration();
        }
        self.bump();
        match c {
            ']' => {
                self.bracket_open = false;
                self.got_colon = false;
                self.mode = Mode::Statements;
                self.emit(T::RightBracket)
            }
            ':' if !self.got_duration => self
                .fail_behind("unexpected colon before duration in duration expression".to_owned()),
            ':' if self.got_colon => {
                self.fail_behind("unexpected repeated colon in duration expression".to_owned())
            }
            ':' => {
                self.got_colon = true;
                self.emit(T::Colon)
            }
            '(' => {
                self.paren_depth += 1;
                self.emit(T::LeftParen)
            }
            ')' => self.right_paren(),
            ' ' | '\t' | '\n' | '\r' => {
                self.skip_spaces();
                None
            }
            '+' => self.emit(T::Add),
            '-' => self.emit(T::Sub),
            '*' => self.emit(T::Mul),
            '/' => self.emit(T::Div),
            '%' => self.emit(T::Mod),
            '^' => self.emit(T::Pow),
            ',' => self.emit(T::Comma),
            _ => match self.duration_keyword(c) {
                Some(kind) => self.emit(kind),
                None => self.fail(format!(
                    "unexpected character in duration expression: {}",
                    quoted_char(Some(c))
                )),
            },
        }
    }

    fn inside_braces(&mut self) -> Option<Token> {
        use TokenKind as T;
        let Some(c) = self.peek() else {
            return self.fail("unexpected end of input inside braces".to_owned());
        };
        match c {
            '#' => {
                self.skip_comment();
                return None;
            }
            ' ' | '\t' | '\n' | '\r' => {
                self.skip_spaces();
                return None;
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                self.skip_word(false);
                return self.emit(T::Identifier);
            }
            '"' | '\'' => return self.string(),
            '`' => return self.raw_string(),
            _ => {}
        }
        self.bump();
        match c {
            ',' => self.emit(T::Comma),
            '=' if self.peek() == Some('~') => self.emit_two(T::EqlRegex),
            '=' => self.emit(T::Eql),
            '!' => match self.peek() {
                Some('~') => self.emit_two(T::NeqRegex),
                Some('=') => self.emit_two(T::Neq),
                other => self.fail(format!(
                    "unexpected character after '!' inside braces: {}",
                    quoted_char(other)
                )),
            },
            '{' => self.fail("unexpected left brace '{'".to_owned()),
            '}' => {
                self.brace_open = false;
                self.mode = if self.series { Mode::Values } else { Mode::Statements };
                self.emit(T::RightBrace)
            }
            _ => self.fail(format!("unexpected character inside braces: {}", quoted_char(Some(c)))),
        }
    }

    fn skip_word(&mut self, colons: bool) {
        while self
            .peek_byte()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || (colons && b == b':'))
        {
            self.pos += 1;
        }
    }

    fn keyword_or_identifier(&mut self) -> Option<Token> {
        self.skip_word(true);
        let word = self.word();
        let mut kind = match keyword(word) {
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        };
        // `fill` and its kin are names unless a parenthesis follows.
        if matches!(kind, TokenKind::Fill | TokenKind::FillLeft | TokenKind::FillRight) {
            let rest = self.input[self.pos..].trim_start_matches([' ', '\t', '\n', '\r']);
            if !rest.starts_with('(') {
                kind = TokenKind::Identifier;
            }
        }
        self.mode =
            if self.series && self.peek() != Some('{') { Mode::Values } else { Mode::Statements };
        self.emit(kind)
    }

    fn number(&mut self) -> Option<Token> {
        if self.scan_number() {
            return self.emit(TokenKind::Number);
        }
        self.fail(format!("bad number syntax: {}", GoQuoted(self.word())))
    }

    fn number_or_duration(&mut self) -> Option<Token> {
        if self.scan_number() {
            return self.emit(TokenKind::Number);
        }
        if self.scan_rest_of_duration() {
            return self.emit(TokenKind::Duration);
        }
        self.fail(format!("bad number or duration syntax: {}", GoQuoted(self.word())))
    }

    /// What follows the digits of a duration. Units are checked when the duration is parsed.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept(b"smhdwy") {
            return false;
        }
        self.accept(b"s");
        while self.accept(DIGITS) {
            self.accept_run(DIGITS);
            if !self.accept(b"smhdw") {
                return false;
            }
            self.accept(b"s");
        }
        if self.at_alphanumeric() {
            // The offending character belongs into the error text.
            self.pos += 1;
            return false;
        }
        true
    }

    fn at_alphanumeric(&self) -> bool {
        self.peek_byte().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    /// Reads what looks like a number; whether it is one, the parser finds out.
    fn scan_number(&mut self) -> bool {
        let initial = self.pos;
        let mut digits = DIGITS;
        // No hexadecimal numbers in series descriptions: `x` repeats there.
        if !self.series && self.accept(b"0") && self.accept(b"xX") {
            self.accept(b"_");
            digits = HEX_DIGITS;
        }
        self.accept(b".");
        self.accept(digits);
        let (mut dot, mut exponent) = (false, false);
        while self.is(digits) || self.is(b"._eE") {
            if self.is(b".") && dot {
                self.accept(b".");
                return false;
            }
            if self.is(b"eE") && exponent {
                self.accept(b"eE");
                return false;
            }
            if self.accept(b".") {
                dot = true;
                if self.accept(b"_.") || digits.len() > 10 {
                    return false;
                }
            } else if self.accept(b"eE") {
                exponent = true;
                self.accept(b"+-");
                if self.accept(b"._eE") || self.peek_byte().is_none() {
                    return false;
                }
            } else if self.accept(b"_") {
                if self.accept(b"._eE") || self.peek_byte().is_none() {
                    return false;
                }
            } else {
                self.accept_run(digits);
            }
        }
        if self.pos == initial {
            return false;
        }
        (self.series && self.peek_byte() == Some(b'x')) || !self.at_alphanumeric()
    }

    fn string(&mut self) -> Option<Token> {
        let quote = self.bump().expect("BUG: called at a quote");
        loop {
            match self.bump() {
                Some('\\') => {
                    if let Err(message) = self.escape(quote) {
                        return self.fail(message);
                    }
                }
                Some('\u{fffd}') => return self.fail("invalid UTF-8 rune".to_owned()),
                None | Some('\n') => return self.fail("unterminated quoted string".to_owned()),
                Some(c) if c == quote => return self.emit(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Option<Token> {
        self.bump();
        loop {
            match self.bump() {
                Some('\u{fffd}') => return self.fail("invalid UTF-8 rune".to_owned()),
                None => return self.fail("unterminated raw string".to_owned()),
                Some('`') => return self.emit(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    /// Checks an escape sequence; the backslash was read.
    fn escape(&mut self, quote: char) -> Result<(), String> {
        let unterminated = || "escape sequence not terminated".to_owned();
        let c = self.bump().ok_or_else(unterminated)?;
        let (mut left, base, max) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => {
                self.pos -= 1;
                (3, 8, 255)
            }
            'x' => (2, 16, 255),
            'u' => (4, 16, 0x10_ffff),
            'U' => (8, 16, 0x10_ffff),
            c => return Err(format!("unknown escape sequence {}", code_point(c))),
        };
        let mut value = 0u32;
        while left > 0 {
            let c = self.bump().ok_or_else(unterminated)?;
            let Some(digit) = c.to_digit(base) else {
                return Err(format!("illegal character {} in escape sequence", code_point(c)));
            };
            value = value.wrapping_mul(base).wrapping_add(digit);
            left -= 1;
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }
}

/// Go's `%#U`.
fn code_point(c: char) -> String {
    let quoted = quoted_char(Some(c));
    let printable = !quoted.starts_with("'\\") || matches!(c, '\'' | '\\');
    if printable { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}
