//! Selectors and what may follow an expression: `[range]`, `[range:step]`, `offset`, `@`, `anchored`, `smoothed`.

use gauntlet_model::Matcher;
use gauntlet_model::labels::METRIC_NAME;

use super::{Context, Parsed, Parser};
use crate::ast::{
    At, DurationExpr, Expr, MatrixSelector, Offset, PosRange, Subquery, VectorSelector,
};
use crate::token::{Token, TokenKind};

const RANGE: Context =
    Context("subquery or range selector", "number, duration, step(), or range()");
const RANGE_END: Context = Context("subquery or range", "\":\" or \"]\"");
const STEP: Context = Context("subquery selector", "number, duration, step(), range(), or \"]\"");
const STEP_END: Context = Context("subquery selector", "\"]\"");
const OFFSET: Context = Context("offset", "number, duration, step(), or range()");
const AT: Context = Context("@", "timestamp");

/// The places of an expression that `offset` and `@` set.
struct Timing<'e> {
    offset: &'e mut Offset,
    at: &'e mut Option<At>,
    pos: &'e mut PosRange,
}

fn timing(expr: &mut Expr) -> Option<Timing<'_>> {
    match expr {
        Expr::Vector(e) => Some(Timing { offset: &mut e.offset, at: &mut e.at, pos: &mut e.pos }),
        Expr::Matrix(e) => {
            Some(Timing { offset: &mut e.selector.offset, at: &mut e.selector.at, pos: &mut e.pos })
        }
        Expr::Subquery(e) => Some(Timing { offset: &mut e.offset, at: &mut e.at, pos: &mut e.pos }),
        _ => None,
    }
}

/// A literal duration in ms, or the expression that will give it.
fn split_duration(expr: DurationExpr) -> (i64, Option<Box<DurationExpr>>) {
    match expr {
        DurationExpr::Number(number) => (seconds_to_ms(number.value), None),
        expr => (0, Some(Box::new(expr))),
    }
}

/// Rounds to whole ns, as the peer keeps durations, then cuts to ms.
fn seconds_to_ms(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64 / 1_000_000
}

impl Parser<'_> {
    /// A selector that begins here, with or without a name.
    pub(super) fn vector_selector(&mut self) -> Parsed<VectorSelector> {
        if self.peek() == TokenKind::LeftBrace {
            let start = self.next_start();
            let matchers = self.label_matchers()?;
            let pos = PosRange::new(start, self.last_end);
            return Ok(VectorSelector { matchers, pos, ..VectorSelector::default() });
        }
        if !self.peek().is_metric_word() {
            return Err(self.unexpected());
        }
        let name = self.take();
        self.named_selector(&name)
    }

    /// A selector whose name was taken.
    pub(super) fn named_selector(&mut self, name: &Token) -> Parsed<VectorSelector> {
        let mut matchers = Vec::new();
        if self.peek() == TokenKind::LeftBrace {
            matchers = self.label_matchers()?;
        } else {
            self.last_end = name.end;
        }
        let text = name.text(self.input).to_owned();
        matchers.push(Matcher::equal(METRIC_NAME, &text));
        let pos = PosRange::new(name.start, self.last_end);
        Ok(VectorSelector { name: text, matchers, pos, ..VectorSelector::default() })
    }

    fn next_start(&mut self) -> usize {
        self.peek();
        self.next.as_ref().map_or(0, |t| t.start)
    }

    /// Everything behind an expression that binds tighter than operators.
    pub(super) fn modifiers(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            expr = match self.peek() {
                TokenKind::LeftBracket => self.brackets(expr)?,
                TokenKind::Offset => self.offset(expr)?,
                TokenKind::At => self.at(expr)?,
                TokenKind::Anchored | TokenKind::Smoothed => self.extended(expr),
                _ => return Ok(expr),
            };
        }
    }

    fn brackets(&mut self, expr: Expr) -> Parsed<Expr> {
        let open = self.take();
        let range = self.within(RANGE, Self::positive_duration)?;
        match self.peek() {
            TokenKind::RightBracket => {
                let close = self.take();
                self.matrix(expr, range, open.pos().to(close.pos()))
            }
            TokenKind::Colon => {
                self.take();
                let step = match self.peek() {
                    TokenKind::RightBracket => None,
                    _ => Some(self.within(STEP, Self::positive_duration)?),
                };
                let Some(close) = self.accept(TokenKind::RightBracket) else {
                    return Err(self.unexpected_in(STEP_END));
                };
                self.grow(self.height)?;
                let pos = expr.pos().to(close.pos());
                let (range_ms, range_expr) = split_duration(range);
                let (step_ms, step_expr) = step.map_or((0, None), split_duration);
                Ok(Expr::Subquery(Subquery {
                    expr: Box::new(expr),
                    range_ms,
                    range_expr,
                    step_ms,
                    step_expr,
                    offset: Offset::default(),
                    at: None,
                    pos,
                }))
            }
            _ => Err(self.unexpected_in(RANGE_END)),
        }
    }

    fn matrix(&mut self, expr: Expr, range: DurationExpr, brackets: PosRange) -> Parsed<Expr> {
        let Expr::Vector(selector) = expr else {
            let message = "ranges only allowed for vector selectors".to_owned();
            return Err(self.fail(brackets, message));
        };
        if selector.offset.original_ms != 0 || selector.offset.expr.is_some() {
            self.report(brackets, "no offset modifiers allowed before range".to_owned());
        } else if selector.at.is_some() {
            self.report(brackets, "no @ modifiers allowed before range".to_owned());
        }
        self.grow(self.height)?;
        let pos = selector.pos.to(brackets);
        let (range_ms, range_expr) = split_duration(range);
        Ok(Expr::Matrix(MatrixSelector { selector: Box::new(selector), range_ms, range_expr, pos }))
    }

    fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.take();
        let duration = self.within(OFFSET, Self::offset_duration)?;
        let whole = expr.pos();
        let end = duration.pos().end;
        let Some(timing) = timing(&mut expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.report(whole, message.to_owned());
            return Ok(expr);
        };
        let twice = timing.offset.original_ms != 0 || timing.offset.expr.is_some();
        if !twice {
            (timing.offset.original_ms, timing.offset.expr) = split_duration(duration);
        }
        timing.pos.end = end;
        if twice {
            self.report(whole, "offset may not be set multiple times".to_owned());
        }
        Ok(expr)
    }

    fn at(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.take();
        let at = self.within(AT, Self::at_time)?;
        let whole = expr.pos();
        let at = match at {
            AtTime::Named(at) => at,
            AtTime::Seconds(seconds) => {
                let limit = i64::MAX as f64;
                if !seconds.is_finite() || seconds >= limit || seconds <= -limit {
                    let message =
                        format!("timestamp out of bounds for @ modifier: {}", go_fixed(seconds));
                    self.report(whole, message);
                }
                At::Timestamp((seconds * 1000.0).round() as i64)
            }
        };
        let end = self.last_end as u32;
        let Some(timing) = timing(&mut expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.report(whole, message.to_owned());
            return Ok(expr);
        };
        if timing.at.is_some() {
            self.report(whole, "@ <timestamp> may not be set multiple times".to_owned());
        } else {
            *timing.at = Some(at);
            timing.pos.end = end;
        }
        Ok(expr)
    }

    fn at_time(&mut self) -> Parsed<AtTime> {
        let named = match self.peek() {
            TokenKind::Start => Some(At::Start),
            TokenKind::End => Some(At::End),
            _ => None,
        };
        if let Some(at) = named {
            self.take();
            self.expect(TokenKind::LeftParen)?;
            self.expect(TokenKind::RightParen)?;
            return Ok(AtTime::Named(at));
        }
        let negative = self.accept(TokenKind::Sub).is_some();
        if !negative {
            self.accept(TokenKind::Add);
        }
        let seconds = self.number_or_duration()?.value;
        Ok(AtTime::Seconds(if negative { -seconds } else { seconds }))
    }

    /// `anchored` or `smoothed`.
    fn extended(&mut self, mut expr: Expr) -> Expr {
        let anchored = self.take().kind == TokenKind::Anchored;
        let name = if anchored { "anchored" } else { "smoothed" };
        let pos = expr.pos();
        if !self.options.extended_range_selectors {
            self.report(pos, format!("{name} modifier is experimental and not enabled"));
            return expr;
        }
        let selector = match &mut expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut *matrix.selector,
            Expr::Subquery(_) => {
                self.report(pos, format!("{name} modifier is not supported for subqueries"));
                return expr;
            }
            _ => {
                self.report(pos, format!("{name} modifier not implemented"));
                return expr;
            }
        };
        let flag = if anchored { &mut selector.anchored } else { &mut selector.smoothed };
        *flag = true;
        if selector.anchored && selector.smoothed {
            let message = "anchored and smoothed modifiers cannot be used together".to_owned();
            self.report(pos, message);
        }
        expr
    }
}

/// What follows `@`.
enum AtTime {
    Named(At),
    Seconds(f64),
}

/// Go's `%f`.
fn go_fixed(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value:.6}")
    }
}
