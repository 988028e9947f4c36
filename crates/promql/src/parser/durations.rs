//! Duration expressions: literals, `step()`, `range()`, `min_of`, `max_of` and arithmetic on them.

use super::{Parsed, Parser};
use crate::ast::{DurationExpr, DurationOp, NumberLiteral, PosRange};
use crate::token::{Token, TokenKind};

const UNARY: u8 = 2;

fn operator(kind: TokenKind) -> Option<(DurationOp, u8)> {
    Some(match kind {
        TokenKind::Add => (DurationOp::Add, 1),
        TokenKind::Sub => (DurationOp::Sub, 1),
        TokenKind::Mul => (DurationOp::Mul, 2),
        TokenKind::Div => (DurationOp::Div, 2),
        TokenKind::Mod => (DurationOp::Mod, 2),
        TokenKind::Pow => (DurationOp::Pow, 3),
        _ => return None,
    })
}

/// Whether seconds are beyond what the peer's durations (i64 nanoseconds) hold. So is NaN, which the peer lets through to
/// become the least duration there is.
fn out_of_range(seconds: f64) -> bool {
    let limit = 9_223_372_036.854_776;
    !(-limit..=limit).contains(&seconds)
}

fn is_zero(expr: &DurationExpr) -> bool {
    matches!(expr, DurationExpr::Number(n) if n.value == 0.0)
}

fn zero(pos: PosRange) -> DurationExpr {
    DurationExpr::Number(NumberLiteral { value: 0.0, is_duration: false, pos })
}

impl Parser<'_> {
    /// What may stand in brackets: a literal must be above zero.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        let expr = self.duration_above(0)?;
        if let DurationExpr::Number(number) = &expr
            && number.value <= 0.0
        {
            self.report(number.pos, "duration must be greater than 0".to_owned());
        }
        Ok(expr)
    }

    /// What may follow `offset`. A literal, a call or a signed parenthesis takes no operator behind it:
    /// `foo offset 5m + 1` adds 1 to the selector. An unsigned parenthesis does.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        match self.peek() {
            TokenKind::LeftParen => self.duration_above(0),
            TokenKind::Add | TokenKind::Sub => {
                let sign = self.take();
                match self.peek() {
                    TokenKind::LeftParen => {
                        let open = self.take();
                        let inner = self.nested(|p| p.duration_above(0))?;
                        self.expect(TokenKind::RightParen)?;
                        let pos = PosRange::new(open.start, self.last_end);
                        let wrapped = wrap(inner, pos);
                        Ok(self.signed(&sign, wrapped))
                    }
                    TokenKind::Number | TokenKind::Duration => {
                        let inner = self.literal()?;
                        Ok(self.signed(&sign, inner))
                    }
                    TokenKind::Add | TokenKind::Sub => {
                        let inner = self.duration_above(UNARY)?;
                        let first = self.signed(&sign, inner);
                        self.operators(first, 0)
                    }
                    _ => {
                        let inner = self.duration_operand()?;
                        let pos = sign.pos().to(inner.pos());
                        let negative = sign.kind == TokenKind::Sub;
                        let expr = Box::new(inner);
                        Ok(DurationExpr::Unary { negative, expr, wrapped: false, pos })
                    }
                }
            }
            _ => self.duration_operand(),
        }
    }

    /// An expression whose operators all bind tighter than `floor`.
    fn duration_above(&mut self, floor: u8) -> Parsed<DurationExpr> {
        self.nested(|p| {
            let first = p.duration_operand()?;
            p.operators(first, floor)
        })
    }

    fn operators(&mut self, mut lhs: DurationExpr, floor: u8) -> Parsed<DurationExpr> {
        let mut depth = self.nesting;
        loop {
            let Some((op, power)) = operator(self.peek()) else { return Ok(lhs) };
            if power <= floor {
                return Ok(lhs);
            }
            // A chain grows the tree to the left without recursion here: count it as nesting.
            depth += 1;
            if depth > super::MAX_DEPTH {
                return Err(self.too_deep());
            }
            let sign = self.take();
            let rhs = self.duration_above(if op == DurationOp::Pow { power - 1 } else { power })?;
            self.require_duration_expressions(lhs.pos());
            let pos = lhs.pos().to(rhs.pos());
            let by_zero = match op {
                DurationOp::Div => Some("division by zero"),
                DurationOp::Mod => Some("modulo by zero"),
                _ => None,
            };
            if let Some(message) = by_zero
                && is_zero(&rhs)
            {
                self.report(sign.pos(), message.to_owned());
                lhs = zero(pos);
                continue;
            }
            let (left, right) = (Box::new(lhs), Box::new(rhs));
            lhs = DurationExpr::Binary { op, lhs: left, rhs: right, wrapped: false, pos };
        }
    }

    fn duration_operand(&mut self) -> Parsed<DurationExpr> {
        match self.peek() {
            TokenKind::Number | TokenKind::Duration => self.literal(),
            TokenKind::Add | TokenKind::Sub => {
                let sign = self.take();
                let inner = self.duration_above(UNARY)?;
                Ok(self.signed(&sign, inner))
            }
            TokenKind::Step | TokenKind::Range => {
                let word = self.take();
                self.expect(TokenKind::LeftParen)?;
                let close = self.expect(TokenKind::RightParen)?;
                let pos = word.pos().to(close.pos());
                self.require_duration_expressions(pos);
                Ok(if word.kind == TokenKind::Step {
                    DurationExpr::Step { wrapped: false, pos }
                } else {
                    DurationExpr::Range { wrapped: false, pos }
                })
            }
            TokenKind::MaxOf | TokenKind::MinOf => {
                let word = self.take();
                self.expect(TokenKind::LeftParen)?;
                let lhs = Box::new(self.duration_above(0)?);
                self.expect(TokenKind::Comma)?;
                let rhs = Box::new(self.duration_above(0)?);
                let close = self.expect(TokenKind::RightParen)?;
                let pos = word.pos().to(close.pos());
                self.require_duration_expressions(pos);
                let max = word.kind == TokenKind::MaxOf;
                Ok(DurationExpr::MinMax { max, lhs, rhs, wrapped: false, pos })
            }
            TokenKind::LeftParen => {
                let open = self.take();
                let inner = self.duration_above(0)?;
                let close = self.expect(TokenKind::RightParen)?;
                self.require_duration_expressions(inner.pos());
                Ok(wrap(inner, open.pos().to(close.pos())))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self) -> Parsed<DurationExpr> {
        let number = self.number_or_duration()?;
        if out_of_range(number.value) {
            self.report(number.pos, "duration out of range".to_owned());
            return Ok(zero(number.pos));
        }
        Ok(DurationExpr::Number(number))
    }

    /// Applies a sign: literals take it themselves, a plus in front of anything else vanishes.
    fn signed(&mut self, sign: &Token, expr: DurationExpr) -> DurationExpr {
        let negative = sign.kind == TokenKind::Sub;
        let pos = sign.pos().to(expr.pos());
        match expr {
            DurationExpr::Number(mut number) => {
                if negative {
                    number.value = -number.value;
                }
                number.pos = pos;
                DurationExpr::Number(number)
            }
            expr if negative => {
                DurationExpr::Unary { negative, expr: Box::new(expr), wrapped: false, pos }
            }
            expr => expr,
        }
    }

    fn require_duration_expressions(&mut self, pos: PosRange) {
        if !self.options.duration_expressions {
            self.report(pos, "experimental duration expression is not enabled".to_owned());
        }
    }
}

/// Marks an expression as written in parentheses. A literal is put under a plus sign that holds the mark.
fn wrap(expr: DurationExpr, parens: PosRange) -> DurationExpr {
    use DurationExpr::{Binary, MinMax, Number, Range, Step, Unary};
    match expr {
        Number(number) => {
            let expr = Box::new(Number(number));
            Unary { negative: false, expr, wrapped: true, pos: parens }
        }
        Step { pos, .. } => Step { wrapped: true, pos },
        Range { pos, .. } => Range { wrapped: true, pos },
        Unary { negative, expr, pos, .. } => Unary { negative, expr, wrapped: true, pos },
        Binary { op, lhs, rhs, pos, .. } => Binary { op, lhs, rhs, wrapped: true, pos },
        MinMax { max, lhs, rhs, pos, .. } => MinMax { max, lhs, rhs, wrapped: true, pos },
    }
}
