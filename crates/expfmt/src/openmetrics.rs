//! OpenMetrics text format, 0.0.1 and 1.0.0. Page: docs/formats/exposition.md.
//!
//! As upstream, laxer than the standard: families may interleave, and `_created` lines are ordinary series unless told otherwise.

use gauntlet_model::{MetricType, Timestamp};

use crate::error::ParseError;
use crate::labels::{label_pairs, unquoted};
use crate::lex::{Dialect, Lexer, State, Token};
use crate::number::{parse_float, quote_bytes};
use crate::parser::{Entry, TextState, set_type};
use crate::scan::{self, MetaWord};
use crate::starts::{Starts, is_created, is_timed};

/// The exemplar of the present sample, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawExemplar<'b> {
    /// With its braces.
    pub(crate) labels: &'b [u8],
    pub(crate) value: f64,
    pub(crate) timestamp: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct OpenMetricsParser<'b> {
    lex: Lexer<'b>,
    skip_created: bool,
    pub(crate) state: TextState<'b>,
    pub(crate) exemplar: Option<RawExemplar<'b>>,
    /// There with `skip_created`.
    starts: Option<Box<Starts>>,
}

impl<'b> OpenMetricsParser<'b> {
    pub(crate) fn new(body: &'b [u8], skip_created: bool) -> Self {
        let lex = Lexer::new(body, Dialect::OpenMetrics);
        let starts = skip_created.then(Box::default);
        Self { lex, skip_created, state: TextState::default(), exemplar: None, starts }
    }

    /// A parser of what comes after the present line, start times included.
    pub(crate) fn ahead(&self) -> Self {
        let state = TextState {
            name: self.state.name,
            metric_type: self.state.metric_type,
            careful: self.state.careful,
            ..TextState::default()
        };
        Self { lex: self.lex.clone(), skip_created: false, state, exemplar: None, starts: None }
    }

    /// Bytes of the body that are read.
    pub(crate) fn position(&self) -> usize {
        self.lex.pos
    }

    /// When the present sample began to count, if start times are read as such.
    pub(crate) fn start_timestamp(&mut self) -> Option<Timestamp> {
        let mut starts = self.starts.take()?;
        let start = starts.find(self);
        self.starts = Some(starts);
        start
    }

    #[inline]
    pub(crate) fn next(
        &mut self,
        mut known: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Option<Entry>, ParseError> {
        self.exemplar = None;
        let body = self.lex.body;
        loop {
            let rest = &body[self.lex.pos.min(body.len())..];
            match rest.first() {
                None => {}
                // A line that ended oddly is still open.
                _ if self.lex.state != State::Init || self.state.careful => {}
                Some(b'#') => {
                    if let Some(entry) = self.quick_meta(rest) {
                        return Ok(Some(entry));
                    }
                }
                Some(_) => {
                    let len = known(rest).filter(|len| scan::ends_series(rest, *len));
                    if self.quick_series(rest, len).is_some() {
                        if self.skips() {
                            continue;
                        }
                        return Ok(Some(Entry::Series));
                    }
                }
            }
            return self.slow();
        }
    }

    /// A series line without timestamp and exemplar.
    #[inline]
    fn quick_series(&mut self, rest: &'b [u8], known_len: Option<usize>) -> Option<()> {
        let raw_len = match known_len {
            Some(len) => len,
            None => scan::series(rest)?,
        };
        if rest.get(raw_len)? != &b' ' {
            return None;
        }
        let at = raw_len + 1;
        let (value, len) = scan::value(&rest[at..])?;
        if rest.get(at + len)? != &b'\n' {
            return None;
        }
        self.lex.pos += at + len + 1;
        self.state.sample(&rest[..raw_len], value, None);
        Some(())
    }

    fn quick_meta(&mut self, rest: &'b [u8]) -> Option<Entry> {
        let line = scan::meta_line(rest)?;
        let entry = match line.word {
            MetaWord::Help => Entry::Help,
            MetaWord::Type => {
                self.state.metric_type = openmetrics_type(line.text)?;
                self.state.typed = line.name;
                Entry::Type
            }
            MetaWord::Unit => {
                if !unit_fits(line.name, line.text) {
                    return None;
                }
                self.state.unit = line.text;
                Entry::Unit
            }
        };
        self.state.name = line.name;
        self.state.text = line.text;
        self.lex.pos += line.len + 1;
        Some(entry)
    }

    #[cold]
    fn slow(&mut self) -> Result<Option<Entry>, ParseError> {
        loop {
            self.exemplar = None;
            let start = self.lex.pos;
            let (raw, named, token) = match self.lex.lex() {
                Token::EofWord => {
                    return match self.lex.lex() {
                        Token::Eof => Ok(None),
                        _ => Err(self.lex.error(start, "unexpected data after # EOF".into())),
                    };
                }
                Token::Eof => return Err(self.no_eof(start)),
                token @ (Token::Help | Token::Type | Token::Unit) => {
                    return self.meta(token, start).map(Some);
                }
                Token::BraceOpen => {
                    let named =
                        label_pairs(&mut self.lex, start, Dialect::OpenMetrics, false, false)?;
                    (&self.lex.body[start..self.lex.pos], named, self.lex.lex())
                }
                Token::MetricName => {
                    let mut raw = &self.lex.body[start..self.lex.pos];
                    let mut next = self.lex.lex();
                    if next == Token::BraceOpen {
                        label_pairs(&mut self.lex, start, Dialect::OpenMetrics, false, true)?;
                        raw = &self.lex.body[start..self.lex.pos];
                        next = self.lex.lex();
                    }
                    (raw, true, next)
                }
                got => return Err(self.lex.mismatch("expected a valid start token", got, start)),
            };
            self.sample(raw, named, token, start)?;
            if !self.skips() {
                return Ok(Some(Entry::Series));
            }
        }
    }

    fn no_eof(&self, start: usize) -> ParseError {
        self.lex.error(start, "data does not end with # EOF".into())
    }

    /// Whether the present series is a start time that is not to be seen as a sample.
    #[inline]
    fn skips(&self) -> bool {
        self.skip_created && is_timed(self.state.metric_type) && is_created(self.state.raw)
    }

    fn meta(&mut self, token: Token, start: usize) -> Result<Entry, ParseError> {
        let got = self.lex.lex();
        if got != Token::MetricName {
            let expected = format!("expected metric name after {token}");
            return Err(self.lex.mismatch(&expected, got, start));
        }
        self.state.name = unquoted(self.lex.token());
        if self.lex.lex() != Token::Text {
            return Err(self.lex.error(start, format!("expected text in {token}")));
        }
        // Between the space in front and the newline behind.
        let text = self.lex.token();
        let text = text.get(1..text.len() - 1).unwrap_or_default();
        self.state.text = text;
        match token {
            Token::Type => {
                self.state.metric_type = openmetrics_type(text).ok_or_else(|| {
                    self.lex.error(start, format!("invalid metric type {}", quote_bytes(text)))
                })?;
                self.state.typed = self.state.name;
                Ok(Entry::Type)
            }
            Token::Help if std::str::from_utf8(text).is_err() => {
                let message = format!("help text {} is not a valid utf8 string", quote_bytes(text));
                Err(self.lex.error(start, message))
            }
            Token::Help => Ok(Entry::Help),
            _ => {
                self.state.unit = text;
                let name = self.state.name;
                if !unit_fits(name, text) {
                    let (unit, name) = (quote_bytes(text), quote_bytes(name));
                    let message = format!("unit {unit} not a suffix of metric {name}");
                    return Err(self.lex.error(start, message));
                }
                Ok(Entry::Unit)
            }
        }
    }

    fn sample(
        &mut self,
        raw: &'b [u8],
        named: bool,
        token: Token,
        start: usize,
    ) -> Result<(), ParseError> {
        if !named {
            return Err(self.lex.while_parsing("metric name not set", start));
        }
        let value = self.float(token, "metric", start)?;
        let mut timestamp = None;
        match self.lex.lex() {
            Token::Eof => return Err(self.no_eof(start)),
            Token::Comment => self.exemplar(start)?,
            Token::Timestamp => {
                timestamp = Some(self.timestamp("timestamp", start)?);
                match self.lex.lex() {
                    Token::Linebreak => {}
                    Token::Comment => self.exemplar(start)?,
                    got => {
                        let expected = "expected next entry after timestamp";
                        return Err(self.lex.mismatch(expected, got, start));
                    }
                }
            }
            // Anything else is found by the next line, which then begins in the middle of this one.
            _ => {}
        }
        self.state.sample(raw, value, timestamp);
        Ok(())
    }

    fn exemplar(&mut self, start: usize) -> Result<(), ParseError> {
        let brace = self.lex.pos - 1;
        label_pairs(&mut self.lex, start, Dialect::OpenMetrics, true, true)?;
        let labels = &self.lex.body[brace..self.lex.pos];
        let token = self.lex.lex();
        let value = self.float(token, "exemplar labels", start)?;
        let timestamp = match self.lex.lex() {
            Token::Eof => return Err(self.no_eof(start)),
            Token::Linebreak => None,
            Token::Timestamp => {
                let t = self.timestamp("exemplar timestamp", start)?;
                match self.lex.lex() {
                    Token::Linebreak => Some(t),
                    got => {
                        let expected = "expected next entry after exemplar timestamp";
                        return Err(self.lex.mismatch(expected, got, start));
                    }
                }
            }
            got => return Err(self.lex.mismatch("expected timestamp or comment", got, start)),
        };
        self.exemplar = Some(RawExemplar { labels, value, timestamp });
        Ok(())
    }

    fn float(&self, token: Token, after: &str, start: usize) -> Result<f64, ParseError> {
        if token != Token::Value {
            return Err(self.lex.mismatch(&format!("expected value after {after}"), token, start));
        }
        parse_float(&self.lex.token()[1..]).map_err(|err| self.lex.while_parsing(&err, start))
    }

    /// Seconds as a float, cut to milliseconds.
    fn timestamp(&self, what: &str, start: usize) -> Result<Timestamp, ParseError> {
        let seconds = parse_float(&self.lex.token()[1..])
            .map_err(|err| self.lex.while_parsing(&err, start))?;
        if !seconds.is_finite() {
            let mut shown = String::new();
            gauntlet_model::float::push_plain_float(&mut shown, seconds);
            return Err(self.lex.error(start, format!("invalid {what} {shown}")));
        }
        Ok((seconds * 1000.0) as i64)
    }
}

fn openmetrics_type(text: &[u8]) -> Option<MetricType> {
    match text {
        b"unknown" => Some(MetricType::Unknown),
        _ => set_type(text, true),
    }
}

/// Whether `unit` is empty or the last part of `name` after an underscore.
fn unit_fits(name: &[u8], unit: &[u8]) -> bool {
    unit.is_empty() || name.strip_suffix(unit).is_some_and(|front| front.ends_with(b"_"))
}
