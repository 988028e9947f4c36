//! Prometheus text format, 0.0.4 and 1.0.0. Page: docs/formats/exposition.md.
//!
//! Leaves out what the format has not: exemplars, units, start times. A line whose series the caller knows costs no look at its labels.

use gauntlet_model::{MetricType, Timestamp};

use crate::error::ParseError;
use crate::labels::label_pairs;
use crate::lex::{Dialect, Lexer, Token};
use crate::number::{parse_digits, parse_float, quote_bytes};
use crate::parser::{Entry, TextState, set_type};
use crate::scan::{self, MetaWord};

/// A parser over a body.
#[derive(Debug)]
pub(crate) struct TextParser<'b> {
    lex: Lexer<'b>,
    pub(crate) state: TextState<'b>,
}

impl<'b> TextParser<'b> {
    pub(crate) fn new(body: &'b [u8]) -> Self {
        Self { lex: Lexer::new(body, Dialect::Text), state: TextState::default() }
    }

    /// `known` says how long the series text at the start of the rest is, if it is the one the caller expects here.
    #[inline]
    pub(crate) fn next(
        &mut self,
        known: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Result<Option<Entry>, ParseError> {
        let body = self.lex.body;
        while body.get(self.lex.pos) == Some(&b'\n') {
            self.lex.pos += 1;
        }
        let start = self.lex.pos;
        let rest = &body[start.min(body.len())..];
        match rest.first() {
            None => return Ok(None),
            _ if self.state.careful => {}
            Some(b'#') => {
                if let Some(entry) = self.quick_meta(rest) {
                    return Ok(Some(entry));
                }
            }
            Some(_) => {
                let len = known(rest).filter(|len| scan::ends_series(rest, *len));
                if self.quick_series(rest, len).is_some() {
                    return Ok(Some(Entry::Series));
                }
            }
        }
        self.slow()
    }

    #[inline]
    fn quick_series(&mut self, rest: &'b [u8], known_len: Option<usize>) -> Option<()> {
        let raw_len = match known_len {
            Some(len) => len,
            None => scan::series(rest)?,
        };
        if rest.get(raw_len)? != &b' ' {
            return None;
        }
        let mut at = raw_len + 1;
        let (value, len) = scan::value(&rest[at..])?;
        at += len;
        let mut timestamp = None;
        if rest.get(at) == Some(&b' ') {
            let (t, len) = scan::digits(&rest[at + 1..])?;
            timestamp = Some(t);
            at += 1 + len;
        }
        if !matches!(rest.get(at), None | Some(b'\n')) {
            return None;
        }
        self.lex.pos += at + 1;
        self.state.sample(&rest[..raw_len], value, timestamp);
        Some(())
    }

    fn quick_meta(&mut self, rest: &'b [u8]) -> Option<Entry> {
        let line = scan::meta_line(rest)?;
        let entry = match line.word {
            MetaWord::Help => Entry::Help,
            MetaWord::Type => {
                self.state.metric_type = text_type(line.text)?;
                self.state.typed = line.name;
                Entry::Type
            }
            // A comment in this format.
            MetaWord::Unit => return None,
        };
        self.state.name = line.name;
        self.state.text = line.text;
        self.lex.pos += line.len + 1;
        Some(entry)
    }

    #[cold]
    fn slow(&mut self) -> Result<Option<Entry>, ParseError> {
        loop {
            let start = self.lex.pos;
            match self.lex.lex() {
                Token::Eof => return Ok(None),
                Token::Linebreak => {}
                token @ (Token::Help | Token::Type) => return self.meta(token, start).map(Some),
                Token::Comment => {
                    self.state.text = self.lex.token();
                    return match self.lex.lex() {
                        Token::Linebreak => Ok(Some(Entry::Comment)),
                        got => {
                            Err(self.lex.mismatch("linebreak expected after comment", got, start))
                        }
                    };
                }
                Token::BraceOpen => {
                    let named = label_pairs(&mut self.lex, start, Dialect::Text, false, false)?;
                    let raw = &self.lex.body[start..self.lex.pos];
                    let next = self.lex.lex();
                    return self.sample(raw, named, next, start).map(Some);
                }
                Token::MetricName => {
                    let mut raw = &self.lex.body[start..self.lex.pos];
                    let mut next = self.lex.lex();
                    if next == Token::BraceOpen {
                        label_pairs(&mut self.lex, start, Dialect::Text, false, true)?;
                        raw = &self.lex.body[start..self.lex.pos];
                        next = self.lex.lex();
                    }
                    return self.sample(raw, true, next, start).map(Some);
                }
                got => return Err(self.lex.mismatch("expected a valid start token", got, start)),
            }
        }
    }

    fn meta(&mut self, token: Token, start: usize) -> Result<Entry, ParseError> {
        let got = self.lex.lex();
        if got != Token::MetricName {
            return Err(self.lex.mismatch(
                &format!("expected metric name after {token}"),
                got,
                start,
            ));
        }
        self.state.name = crate::labels::unquoted(self.lex.token());
        let got = self.lex.lex();
        if got != Token::Text {
            return Err(self.lex.error(start, format!("expected text in {token}, got {got}")));
        }
        self.state.text = self.lex.token().get(1..).unwrap_or_default();
        let text = self.state.text;
        if token == Token::Type {
            self.state.metric_type = text_type(text).ok_or_else(|| {
                self.lex.error(start, format!("invalid metric type {}", quote_bytes(text)))
            })?;
            self.state.typed = self.state.name;
        } else if std::str::from_utf8(text).is_err() {
            let message = format!("help text {} is not a valid utf8 string", quote_bytes(text));
            return Err(self.lex.error(start, message));
        }
        match self.lex.lex() {
            Token::Linebreak if token == Token::Help => Ok(Entry::Help),
            Token::Linebreak => Ok(Entry::Type),
            got => Err(self.lex.mismatch("linebreak expected after metadata", got, start)),
        }
    }

    fn sample(
        &mut self,
        raw: &'b [u8],
        named: bool,
        token: Token,
        start: usize,
    ) -> Result<Entry, ParseError> {
        if !named {
            return Err(self.lex.while_parsing("metric name not set", start));
        }
        if token != Token::Value {
            return Err(self.lex.mismatch("expected value after metric", token, start));
        }
        let value =
            parse_float(self.lex.token()).map_err(|err| self.lex.while_parsing(&err, start))?;
        let timestamp: Option<Timestamp> = match self.lex.lex() {
            Token::Linebreak => None,
            Token::Timestamp => {
                let t = parse_digits(self.lex.token())
                    .map_err(|err| self.lex.while_parsing(&err, start))?;
                match self.lex.lex() {
                    Token::Linebreak => Some(t),
                    got => {
                        let expected = "expected next entry after timestamp";
                        return Err(self.lex.mismatch(expected, got, start));
                    }
                }
            }
            got => return Err(self.lex.mismatch("expected timestamp or new record", got, start)),
        };
        // Blanks before the name belong to the raw text upstream; here they do not, which only spares cache entries.
        self.state.sample(raw.trim_ascii_start(), value, timestamp);
        Ok(Entry::Series)
    }
}

fn text_type(text: &[u8]) -> Option<MetricType> {
    match text {
        b"untyped" => Some(MetricType::Unknown),
        _ => set_type(text, false),
    }
}
