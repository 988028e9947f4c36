//! Expressions: operators by precedence, aggregations, calls, parentheses, literals.

use gauntlet_model::duration::Duration;
use gauntlet_model::float::GoQuoted;

use super::{Context, Parsed, Parser};
use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, NumberLiteral, Paren,
    PosRange, StringLiteral, Unary, VectorMatching,
};
use crate::functions::function;
use crate::literal::{parse_number, unquote};
use crate::token::{Token, TokenKind};

const AGGREGATION: Context = Context("aggregation", "");

/// Binding power of unary minus: as multiplication, so that `-a ^ b` is `-(a ^ b)` and `-a * b` is `(-a) * b`.
const UNARY: u8 = 5;

/// Operator and its binding power, low to high; `^` alone binds to the right.
fn binary_operator(kind: TokenKind) -> Option<(BinaryOp, u8)> {
    use TokenKind as T;
    Some(match kind {
        T::Or => (BinaryOp::Or, 1),
        T::And => (BinaryOp::And, 2),
        T::Unless => (BinaryOp::Unless, 2),
        T::EqlC => (BinaryOp::Equal, 3),
        T::Neq => (BinaryOp::NotEqual, 3),
        T::Lss => (BinaryOp::Less, 3),
        T::Lte => (BinaryOp::LessOrEqual, 3),
        T::Gtr => (BinaryOp::Greater, 3),
        T::Gte => (BinaryOp::GreaterOrEqual, 3),
        T::TrimUpper => (BinaryOp::TrimUpper, 3),
        T::TrimLower => (BinaryOp::TrimLower, 3),
        T::Add => (BinaryOp::Add, 4),
        T::Sub => (BinaryOp::Sub, 4),
        T::Mul => (BinaryOp::Mul, 5),
        T::Div => (BinaryOp::Div, 5),
        T::Mod => (BinaryOp::Mod, 5),
        T::Atan2 => (BinaryOp::Atan2, 5),
        T::Pow => (BinaryOp::Pow, 6),
        _ => return None,
    })
}

impl Parser<'_> {
    /// `expr` of the grammar.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.expr_above(0)
    }

    /// An expression whose operators all bind tighter than `floor`.
    fn expr_above(&mut self, floor: u8) -> Parsed<Expr> {
        self.nested(|p| {
            let mut lhs = p.operand()?;
            let mut height = p.height;
            loop {
                let kind = p.peek();
                let Some((op, power)) = binary_operator(kind) else { break };
                if power <= floor {
                    break;
                }
                p.take();
                lhs = p.binary(lhs, op, power)?;
                height = height.max(p.height);
                p.grow(height)?;
                height = p.height;
            }
            p.height = height;
            Ok(lhs)
        })
    }

    /// The rest of a binary expression; the operator was taken.
    fn binary(&mut self, lhs: Expr, op: BinaryOp, power: u8) -> Parsed<Expr> {
        let (return_bool, matching) = self.binary_modifiers()?;
        let floor = if op == BinaryOp::Pow { power - 1 } else { power };
        let rhs = self.expr_above(floor)?;
        let filled = matching.fill_lhs.is_some() || matching.fill_rhs.is_some();
        let binary = Expr::Binary(Binary {
            op,
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
            return_bool,
            matching: Some(matching),
        });
        if filled && !self.options.fill_modifiers {
            let message = "binop fill modifiers are experimental and not enabled".to_owned();
            self.report(binary.pos(), message);
        }
        Ok(binary)
    }

    fn binary_modifiers(&mut self) -> Parsed<(bool, VectorMatching)> {
        let return_bool = self.accept(TokenKind::Bool).is_some();
        let mut matching = VectorMatching::default();
        if matches!(self.peek(), TokenKind::On | TokenKind::Ignoring) {
            matching.on = self.take().kind == TokenKind::On;
            matching.labels = self.grouping_labels()?;
            matching.card = match self.peek() {
                TokenKind::GroupLeft => Cardinality::ManyToOne,
                TokenKind::GroupRight => Cardinality::OneToMany,
                _ => Cardinality::OneToOne,
            };
            if matching.card != Cardinality::OneToOne {
                self.take();
                if self.peek() == TokenKind::LeftParen {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        match self.peek() {
            TokenKind::Fill => {
                let value = self.fill_value()?;
                (matching.fill_lhs, matching.fill_rhs) = (Some(value), Some(value));
            }
            TokenKind::FillLeft => {
                matching.fill_lhs = Some(self.fill_value()?);
                if self.peek() == TokenKind::FillRight {
                    matching.fill_rhs = Some(self.fill_value()?);
                }
            }
            TokenKind::FillRight => {
                matching.fill_rhs = Some(self.fill_value()?);
                if self.peek() == TokenKind::FillLeft {
                    matching.fill_lhs = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok((return_bool, matching))
    }

    /// `fill (number)`.
    fn fill_value(&mut self) -> Parsed<f64> {
        self.take();
        self.expect(TokenKind::LeftParen)?;
        let negative = self.accept(TokenKind::Sub).is_some();
        if !negative {
            self.accept(TokenKind::Add);
        }
        let number = self.number_or_duration()?;
        self.expect(TokenKind::RightParen)?;
        Ok(if negative { -number.value } else { number.value })
    }

    /// An operand with its modifiers: all that binds tighter than any binary operator, and unary signs.
    fn operand(&mut self) -> Parsed<Expr> {
        if matches!(self.peek(), TokenKind::Add | TokenKind::Sub) {
            return self.unary();
        }
        let expr = self.primary()?;
        self.modifiers(expr)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let sign = self.take();
        let negative = sign.kind == TokenKind::Sub;
        match self.expr_above(UNARY)? {
            Expr::Number(mut number) => {
                if negative {
                    number.value = -number.value;
                }
                number.pos.start = sign.start as u32;
                Ok(Expr::Number(number))
            }
            expr => {
                self.grow(self.height)?;
                let pos = sign.pos().to(expr.pos());
                Ok(Expr::Unary(Unary { negative, expr: Box::new(expr), pos }))
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        self.height = 1;
        match self.peek() {
            TokenKind::LeftParen => self.paren(),
            TokenKind::Number | TokenKind::Duration => Ok(Expr::Number(self.number_or_duration()?)),
            TokenKind::String => {
                let token = self.take();
                let (value, invalid_utf8) = match unquote(token.text(self.input)) {
                    Ok(value) => (value, None),
                    Err(bytes) => (
                        String::from_utf8_lossy(&bytes).into_owned(),
                        Some(bytes.into_boxed_slice()),
                    ),
                };
                Ok(Expr::String(StringLiteral { value, invalid_utf8, pos: token.pos() }))
            }
            TokenKind::LeftBrace => Ok(Expr::Vector(self.vector_selector()?)),
            kind if kind.is_metric_word() => self.named(),
            _ => Err(self.unexpected()),
        }
    }

    /// What begins with a word: a call, an aggregation or a selector.
    fn named(&mut self) -> Parsed<Expr> {
        let word = self.take();
        let next = self.peek();
        let parenthesis = next == TokenKind::LeftParen;
        match word.kind {
            TokenKind::Aggregate(op)
                if parenthesis || matches!(next, TokenKind::By | TokenKind::Without) =>
            {
                self.within(AGGREGATION, |p| p.aggregate(op, &word))
            }
            TokenKind::Identifier
            | TokenKind::Start
            | TokenKind::End
            | TokenKind::Step
            | TokenKind::Range
            | TokenKind::MaxOf
            | TokenKind::MinOf
                if parenthesis =>
            {
                self.call(&word)
            }
            _ => Ok(Expr::Vector(self.named_selector(&word)?)),
        }
    }

    fn paren(&mut self) -> Parsed<Expr> {
        let open = self.take();
        let expr = self.expr()?;
        let close = self.expect(TokenKind::RightParen)?;
        self.grow(self.height)?;
        Ok(Expr::Paren(Paren { expr: Box::new(expr), pos: open.pos().to(close.pos()) }))
    }

    fn call(&mut self, name: &Token) -> Parsed<Expr> {
        let args = self.arguments()?;
        self.grow(self.height)?;
        let text = name.text(self.input);
        let Some(func) = function(text) else {
            let message = format!("unknown function with name {}", GoQuoted(text));
            return Err(self.fail(name.pos(), message));
        };
        if func.experimental && !self.options.experimental_functions {
            self.report(name.pos(), format!("function {} is not enabled", GoQuoted(text)));
        }
        let pos = PosRange::new(name.start, self.last_end);
        Ok(Expr::Call(Call { func, args, pos }))
    }

    /// `(expr, ...)`; leaves the greatest height of them in `height`.
    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        let mut height = 0;
        if self.peek() != TokenKind::RightParen {
            args.push(self.expr()?);
            height = self.height;
            while let Some(comma) = self.accept(TokenKind::Comma) {
                if !self.peek().starts_expr() {
                    let message = "trailing commas not allowed in function call args".to_owned();
                    self.report(comma.pos(), message);
                    continue;
                }
                args.push(self.expr()?);
                height = height.max(self.height);
            }
        }
        self.expect(TokenKind::RightParen)?;
        self.height = height;
        Ok(args)
    }

    fn aggregate(&mut self, op: AggregateOp, word: &Token) -> Parsed<Expr> {
        let mut modifier = self.aggregate_modifier()?;
        let args = self.arguments()?;
        self.grow(self.height)?;
        if modifier.is_none() {
            let end = self.last_end;
            modifier = self.aggregate_modifier()?;
            if modifier.is_none() {
                self.last_end = end;
            }
        }
        let (grouping, without) = modifier.unwrap_or_default();
        let pos = PosRange::new(word.start, self.last_end);
        if args.is_empty() {
            let message = "no arguments for aggregate expression provided".to_owned();
            return Err(self.fail(pos, message));
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(self.fail(pos, message));
        }
        let wanted = if op.has_param() { 2 } else { 1 };
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(self.fail(pos, message));
        }
        let mut args = args.into_iter();
        let param = if op.has_param() { args.next().map(Box::new) } else { None };
        let expr = Box::new(args.next().expect("BUG: arguments were counted"));
        Ok(Expr::Aggregate(Aggregate { op, expr, param, grouping, without, pos }))
    }

    /// `by (...)` or `without (...)`, if there.
    fn aggregate_modifier(&mut self) -> Parsed<Option<(Vec<String>, bool)>> {
        let without = match self.peek() {
            TokenKind::By => false,
            TokenKind::Without => true,
            _ => return Ok(None),
        };
        self.take();
        Ok(Some((self.grouping_labels()?, without)))
    }

    /// A literal; `5m` is 300.
    pub(super) fn number_or_duration(&mut self) -> Parsed<NumberLiteral> {
        if !matches!(self.peek(), TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected());
        }
        let token = self.take();
        let (pos, text) = (token.pos(), token.text(self.input));
        let is_duration = token.kind == TokenKind::Duration;
        let parsed = if is_duration {
            text.parse::<Duration>().map(seconds).map_err(|e| e.to_string())
        } else {
            parse_number(text).map_err(|e| format!("error parsing number: {e}"))
        };
        let value = parsed.unwrap_or_else(|message| {
            self.report(pos, message);
            0.0
        });
        Ok(NumberLiteral { value, is_duration, pos })
    }
}

/// Whole seconds and the rest added as floats, as Go does: the last bit is part of the answer.
fn seconds(duration: Duration) -> f64 {
    let ns = duration.as_ns();
    (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9
}
