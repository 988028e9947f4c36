//! Lists of labels: matchers in braces, grouping labels in parentheses, the label set of a metric.

use gauntlet_model::float::GoQuoted;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, MatchOp, Matcher};

use super::{Context, Parsed, Parser};
use crate::literal::unquote;
use crate::token::{Token, TokenKind};

const GROUPING_OPEN: Context = Context("grouping opts", "\"(\"");
const GROUPING_LABEL: Context = Context("grouping opts", "label");
const GROUPING_NEXT: Context = Context("grouping opts", "\",\" or \")\"");
const MATCHER: Context = Context("label matching", "identifier or \"}\"");
const MATCH_OPERATOR: Context = Context("label matching", "label matching operator");
const MATCH_VALUE: Context = Context("label matching", "string");
const MATCHER_NEXT: Context = Context("label matching", "\",\" or \"}\"");
const SET_LABEL: Context = Context("label set", "identifier or \"}\"");
const SET_EQUAL: Context = Context("label set", "\"=\"");
const SET_VALUE: Context = Context("label set", "string");
const SET_NEXT: Context = Context("label set", "\",\" or \"}\"");

impl Parser<'_> {
    fn must(&mut self, kind: TokenKind, context: Context) -> Parsed<Token> {
        self.accept(kind).ok_or_else(|| self.unexpected_in(context))
    }

    /// A quoted label name or value. What is no UTF-8 is refused: the peer takes it, and it can match nothing stored.
    fn label_text(&mut self, token: &Token) -> String {
        unquote(token.text(self.input)).unwrap_or_else(|_| {
            let text = token.text(self.input);
            self.report(token.pos(), format!("label name or value is no valid UTF-8: {text}"));
            String::new()
        })
    }

    /// `(a, b, "c d")`; a trailing comma is fine.
    pub(super) fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        self.must(TokenKind::LeftParen, GROUPING_OPEN)?;
        let mut names = Vec::new();
        loop {
            if self.accept(TokenKind::RightParen).is_some() {
                return Ok(names);
            }
            names.push(self.grouping_label()?);
            if self.accept(TokenKind::Comma).is_none() {
                self.must(TokenKind::RightParen, GROUPING_NEXT)?;
                return Ok(names);
            }
        }
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let kind = self.peek();
        if kind != TokenKind::String && !kind.is_label_word() {
            return Err(self.unexpected_in(GROUPING_LABEL));
        }
        let token = self.take();
        let text = token.text(self.input);
        let name =
            if kind == TokenKind::String { self.label_text(&token) } else { text.to_owned() };
        if name.is_empty() {
            let message = format!("invalid label name for grouping: {}", GoQuoted(&name));
            self.report(token.pos(), message);
        }
        Ok(name)
    }

    /// `{a="b", "quoted"=~"c", "name"}`.
    pub(super) fn label_matchers(&mut self) -> Parsed<Vec<Matcher>> {
        self.expect(TokenKind::LeftBrace)?;
        let mut matchers = Vec::new();
        loop {
            if self.accept(TokenKind::RightBrace).is_some() {
                return Ok(matchers);
            }
            matchers.extend(self.label_matcher()?);
            if self.accept(TokenKind::Comma).is_none() {
                self.must(TokenKind::RightBrace, MATCHER_NEXT)?;
                return Ok(matchers);
            }
        }
    }

    /// A matcher; `None` where it was refused and the parse goes on.
    fn label_matcher(&mut self) -> Parsed<Option<Matcher>> {
        let label = match self.peek() {
            TokenKind::Identifier | TokenKind::String => self.take(),
            _ => return Err(self.unexpected_in(MATCHER)),
        };
        let quoted = label.kind == TokenKind::String;
        let text = label.text(self.input);
        let name = if quoted { self.label_text(&label) } else { text.to_owned() };
        let op = match self.peek() {
            TokenKind::Eql => MatchOp::Equal,
            TokenKind::Neq => MatchOp::NotEqual,
            TokenKind::EqlRegex => MatchOp::Regex,
            TokenKind::NeqRegex => MatchOp::NotRegex,
            _ if quoted => return Ok(Some(Matcher::equal(METRIC_NAME, &name))),
            _ => return Err(self.unexpected_in(MATCH_OPERATOR)),
        };
        self.take();
        let value = self.must(TokenKind::String, MATCH_VALUE)?;
        let text = self.label_text(&value);
        match Matcher::new(op, &name, &text) {
            Ok(matcher) => Ok(Some(matcher)),
            Err(error) => {
                self.report(label.pos().to(value.pos()), error.to_string());
                Ok(None)
            }
        }
    }

    /// `name{a="b"}` as a label set. The name or the braces may be missing.
    pub(super) fn metric(&mut self) -> Parsed<Labels> {
        let name = if self.peek().is_metric_word() { Some(self.take()) } else { None };
        let mut pairs = Vec::new();
        if self.accept(TokenKind::LeftBrace).is_some() {
            self.label_set(&mut pairs)?;
        }
        if let Some(name) = name {
            pairs.push((METRIC_NAME.to_owned(), name.text(self.input).to_owned()));
        }
        Ok(Labels::from_pairs(pairs))
    }

    /// The rest of a label set; the brace was taken.
    fn label_set(&mut self, pairs: &mut Vec<(String, String)>) -> Parsed<()> {
        loop {
            if self.accept(TokenKind::RightBrace).is_some() {
                return Ok(());
            }
            let label = match self.peek() {
                TokenKind::Identifier | TokenKind::String => self.take(),
                _ => return Err(self.unexpected_in(SET_LABEL)),
            };
            let quoted = label.kind == TokenKind::String;
            let text = label.text(self.input);
            let name = if quoted { self.label_text(&label) } else { text.to_owned() };
            if quoted && self.peek() != TokenKind::Eql {
                pairs.push((METRIC_NAME.to_owned(), name));
            } else {
                self.must(TokenKind::Eql, SET_EQUAL)?;
                let value = self.must(TokenKind::String, SET_VALUE)?;
                pairs.push((name, self.label_text(&value)));
            }
            if self.accept(TokenKind::Comma).is_none() {
                self.must(TokenKind::RightBrace, SET_NEXT)?;
                return Ok(());
            }
        }
    }
}
