//! The parser: text to tree, by recursive descent with operator precedence.
//!
//! Upstream's grammar (`promql/parser/generated_parser.y`) is an LALR one with error rules; the facts taken from it are the
//! precedences, the error texts, and which text names an error at which place: the innermost construct under way that has
//! an error rule of its own, kept here as `Context`. A syntax error ends the parse. Errors of meaning are collected, so
//! the first one listed is the first that upstream lists. Tokens are read on demand: an error of the lexer behind a faulty
//! expression comes after that expression's own.
//!
//! Files: `expr` expressions, `selector` selectors and their modifiers, `durations` duration expressions, `labels` label
//! lists and metrics, `series` the series descriptions of test scripts.

mod durations;
mod expr;
mod labels;
mod selector;
mod series;
#[cfg(test)]
mod tests;

pub use series::{HistogramSeries, SeriesDescription, SeriesItem};

use gauntlet_model::{Labels, Matcher};

use crate::ast::{Expr, PosRange};
use crate::check::check;
use crate::error::{ParseError, ParseErrors};
use crate::lexer::Lexer;
use crate::token::{Token, TokenKind};

/// Longest query text in bytes.
pub const MAX_QUERY_BYTES: usize = 4 << 20;
/// Deepest tree, and deepest nesting of parentheses and calls. Keeps recursion over the tree within small stacks.
pub const MAX_DEPTH: usize = 512;
/// Deepest nesting of what the parser itself recurses into.
const MAX_NESTING: usize = 192;

/// Which parts of the language are on. The default is what a server without feature flags takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParserOptions {
    /// Feature flag `promql-experimental-functions`.
    pub experimental_functions: bool,
    /// Arithmetic on durations; on by default.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`: feature flag `promql-extended-range-selectors`.
    pub extended_range_selectors: bool,
    /// `fill(...)`: feature flag `promql-binop-fill-modifiers`.
    pub fill_modifiers: bool,
}

impl Default for ParserOptions {
    fn default() -> Self {
        Self {
            experimental_functions: false,
            duration_expressions: true,
            extended_range_selectors: false,
            fill_modifiers: false,
        }
    }
}

impl ParserOptions {
    /// Everything on.
    pub fn all() -> Self {
        Self {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}

/// Parses and checks an expression.
pub fn parse(input: &str, options: &ParserOptions) -> Result<Expr, ParseErrors> {
    let mut parser = Parser::new(Lexer::new(input), input, *options);
    let expr = parser.run(|p| {
        if p.peek() == TokenKind::Eof {
            return Err(p.fail(PosRange::default(), "no expression found in input".to_owned()));
        }
        p.expr()
    })?;
    let mut expr = expr;
    let errors = check(&mut expr, input);
    if errors.is_empty() { Ok(expr) } else { Err(ParseErrors(errors)) }
}

/// Parses a selector such as `up{job="x"}` for `match[]` parameters. Matchers may all match the empty string: callers who
/// refuse that check it themselves.
pub fn parse_metric_selector(input: &str) -> Result<Vec<Matcher>, ParseErrors> {
    let mut parser = Parser::new(Lexer::new(input), input, ParserOptions::default());
    parser.run(|p| Ok(p.vector_selector()?.matchers))
}

/// Parses a metric such as `up{job="x"}` to its label set.
pub fn parse_metric(input: &str) -> Result<Labels, ParseErrors> {
    let mut parser = Parser::new(Lexer::new(input), input, ParserOptions::default());
    parser.run(Parser::metric)
}

/// Parses a line of a test script's `load`: a metric and its values.
pub fn parse_series_description(input: &str) -> Result<SeriesDescription, ParseErrors> {
    let mut parser = Parser::new(Lexer::for_series(input), input, ParserOptions::default());
    parser.run(Parser::series_description)
}

/// The parse cannot go on; the reason is among the errors.
#[derive(Debug)]
struct Stop;

type Parsed<T> = Result<T, Stop>;

/// What an unexpected token is unexpected in, and what was expected instead; empty for neither.
#[derive(Clone, Copy, Debug)]
struct Context(&'static str, &'static str);

const TOP: Context = Context("", "");

struct Parser<'a> {
    lexer: Lexer<'a>,
    input: &'a str,
    options: ParserOptions,
    /// The next token, if it was read already.
    next: Option<Token>,
    /// End of the last token taken.
    last_end: usize,
    context: Context,
    /// How deep the parser is in its own recursion.
    nesting: usize,
    /// Height of the expression built last.
    height: usize,
    errors: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(lexer: Lexer<'a>, input: &'a str, options: ParserOptions) -> Self {
        Self {
            lexer,
            input,
            options,
            next: None,
            last_end: 0,
            context: TOP,
            nesting: 0,
            height: 0,
            errors: Vec::new(),
        }
    }

    /// Runs one rule over the whole input.
    fn run<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Result<T, ParseErrors> {
        if self.input.len() > MAX_QUERY_BYTES {
            let message = format!(
                "text of {} bytes is longer than the limit of {MAX_QUERY_BYTES} bytes",
                self.input.len()
            );
            let error = ParseError::new(self.input, PosRange::default(), message);
            return Err(ParseErrors(vec![error]));
        }
        let parsed = rule(self).and_then(|value| {
            if self.peek() == TokenKind::Eof { Ok(value) } else { Err(self.unexpected()) }
        });
        match parsed {
            Ok(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ParseErrors(std::mem::take(&mut self.errors))),
        }
    }

    /// The kind of the next token.
    fn peek(&mut self) -> TokenKind {
        if let Some(token) = &self.next {
            return token.kind;
        }
        let token = self.lexer.next_token();
        if let Some(message) = &token.error {
            self.errors.push(ParseError::new(self.input, token.pos(), message.to_string()));
        }
        let kind = token.kind;
        self.next = Some(token);
        kind
    }

    /// Takes the next token.
    fn take(&mut self) -> Token {
        self.peek();
        let token = self.next.take().expect("BUG: peek leaves a token");
        self.last_end = token.end;
        token
    }

    /// Takes the next token if it is of `kind`.
    fn accept(&mut self, kind: TokenKind) -> Option<Token> {
        (self.peek() == kind).then(|| self.take())
    }

    /// Takes the next token, which must be of `kind`; otherwise it is unexpected in the current context.
    fn expect(&mut self, kind: TokenKind) -> Parsed<Token> {
        self.accept(kind).ok_or_else(|| self.unexpected())
    }

    /// Records the next token as unexpected in the current context.
    fn unexpected(&mut self) -> Stop {
        self.unexpected_in(self.context)
    }

    fn unexpected_in(&mut self, Context(what, expected): Context) -> Stop {
        self.peek();
        let Some(token) = &self.next else { return Stop };
        // An error of the lexer was recorded when it was read.
        if token.kind != TokenKind::Error {
            let mut message = format!("unexpected {}", token.describe(self.input));
            if !what.is_empty() {
                message.push_str(" in ");
                message.push_str(what);
            }
            if !expected.is_empty() {
                message.push_str(", expected ");
                message.push_str(expected);
            }
            self.errors.push(ParseError::new(self.input, token.pos(), message));
        }
        Stop
    }

    /// Records an error of meaning; the parse goes on.
    fn report(&mut self, pos: PosRange, message: String) {
        self.errors.push(ParseError::new(self.input, pos, message));
    }

    /// Records an error of meaning behind which nothing sensible can be built.
    fn fail(&mut self, pos: PosRange, message: String) -> Stop {
        self.report(pos, message);
        Stop
    }

    /// Runs a rule within a context.
    fn within<T>(
        &mut self,
        context: Context,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.context, context);
        let parsed = rule(self);
        self.context = outer;
        parsed
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.too_deep());
        }
        self.nesting += 1;
        let parsed = rule(self);
        self.nesting -= 1;
        parsed
    }

    /// Notes that an expression was built over one of height `below`.
    fn grow(&mut self, below: usize) -> Parsed<()> {
        self.height = below + 1;
        if self.height > MAX_DEPTH { Err(self.too_deep()) } else { Ok(()) }
    }

    fn too_deep(&mut self) -> Stop {
        let pos = PosRange::new(self.last_end, self.last_end);
        let message = format!(
            "expression is nested too deeply: more than {MAX_NESTING} levels of parentheses or {MAX_DEPTH} of operators"
        );
        self.fail(pos, message)
    }
}
