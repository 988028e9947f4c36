//! Checks a tree's meaning: types of operands and arguments, matching clauses, selectors that would select everything.
//!
//! Runs once the syntax is right. Order of checks and texts are upstream's (`promql/parser/parse.go`). It also settles what
//! depends on types: set operators match many to many, and matching exists only between instant vectors.

use gauntlet_model::float::GoQuoted;
use gauntlet_model::labels::METRIC_NAME;

use crate::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, PosRange, Subquery, Unary, ValueType,
    VectorSelector,
};
use crate::error::ParseError;
use crate::functions::FunctionId;

/// Checks `expr`, a tree of `query`; gives all that is wrong.
pub(crate) fn check(expr: &mut Expr, query: &str) -> Vec<ParseError> {
    let mut checker = Checker { query, errors: Vec::new() };
    checker.check(expr);
    checker.errors
}

struct Checker<'a> {
    query: &'a str,
    errors: Vec<ParseError>,
}

impl Checker<'_> {
    fn report(&mut self, pos: PosRange, message: impl Into<String>) {
        self.errors.push(ParseError::new(self.query, pos, message.into()));
    }

    fn check(&mut self, expr: &mut Expr) -> ValueType {
        let value_type = expr.value_type();
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Vector(selector) => self.selector(selector),
            Expr::Matrix(matrix) => self.selector(&matrix.selector),
            Expr::Paren(paren) => {
                self.check(&mut paren.expr);
            }
            Expr::StepInvariant(inner) => {
                self.check(inner);
            }
            Expr::Unary(unary) => self.unary(unary),
            Expr::Subquery(subquery) => self.subquery(subquery),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) => self.call(call),
        }
        value_type
    }

    fn expect(&mut self, expr: &mut Expr, want: ValueType, context: &str) {
        let got = self.check(expr);
        if got != want {
            let (want, got) = (want.documented(), got.documented());
            self.report(expr.pos(), format!("expected type {want} in {context}, got {got}"));
        }
    }

    fn unary(&mut self, unary: &mut Unary) {
        let got = self.check(&mut unary.expr);
        if got != ValueType::Scalar && got != ValueType::Vector {
            let got = GoQuoted(got.documented());
            self.report(
                unary.pos,
                format!("unary expression only allowed on expressions of type scalar or instant vector, got {got}"),
            );
        }
    }

    fn subquery(&mut self, subquery: &mut Subquery) {
        let got = self.check(&mut subquery.expr);
        if got != ValueType::Vector {
            let got = got.as_str();
            self.report(
                subquery.pos,
                format!("subquery is only allowed on instant vector, got {got} instead"),
            );
        }
    }

    fn aggregate(&mut self, aggregate: &mut Aggregate) {
        self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression");
        let want = match aggregate.op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        if let Some(param) = &mut aggregate.param {
            self.expect(param, want, "aggregation parameter");
        }
    }

    fn binary(&mut self, binary: &mut Binary) {
        let lhs = self.check(&mut binary.lhs);
        let rhs = self.check(&mut binary.rhs);
        let whole = binary.lhs.pos().to(binary.rhs.pos());
        let scalars = lhs == ValueType::Scalar && rhs == ValueType::Scalar;
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            let pos = self.operator_pos(binary);
            self.report(pos, "bool modifier can only be used on comparison operators");
        }
        if op.is_comparison() && !binary.return_bool && scalars {
            let pos = self.operator_pos(binary);
            self.report(pos, "comparisons between scalars must use BOOL modifier");
        }
        let operator_pos = self.operator_pos(binary);
        let mut matching = binary.matching.take();
        if let Some(m) = &mut matching {
            if op.is_set() && m.card == Cardinality::OneToOne {
                m.card = Cardinality::ManyToMany;
            }
            for label in m.labels.iter().filter(|l| m.on && m.include.contains(l)) {
                let label = GoQuoted(label);
                self.report(
                    operator_pos,
                    format!("label {label} must not occur in ON and GROUP clause at once"),
                );
            }
        }
        for (side, got) in [(&binary.lhs, lhs), (&binary.rhs, rhs)] {
            if got != ValueType::Scalar && got != ValueType::Vector {
                self.report(
                    side.pos(),
                    "binary expression must contain only scalar and instant vector types",
                );
            }
        }
        let vectors = lhs == ValueType::Vector && rhs == ValueType::Vector;
        if let Some(m) = &matching {
            let filled = m.fill_lhs.is_some() || m.fill_rhs.is_some();
            if !vectors {
                if !m.labels.is_empty() {
                    self.report(whole, "vector matching only allowed between instant vectors");
                }
                if filled {
                    self.report(
                        whole,
                        "filling in missing series only allowed between instant vectors",
                    );
                }
            } else if op.is_set() {
                if matches!(m.card, Cardinality::OneToMany | Cardinality::ManyToOne) {
                    let op = GoQuoted(op.as_str());
                    self.report(whole, format!("no grouping allowed for {op} operation"));
                }
                if m.card != Cardinality::ManyToMany {
                    self.report(whole, "set operations must always be many-to-many");
                }
                if filled {
                    self.report(whole, "filling in missing series not allowed for set operators");
                }
            }
        }
        binary.matching = matching.filter(|_| vectors);
        if op.is_set() && (lhs == ValueType::Scalar || rhs == ValueType::Scalar) {
            let op = GoQuoted(op.as_str());
            self.report(
                whole,
                format!("set operator {op} not allowed in binary scalar expression"),
            );
        }
    }

    /// Where the operator stands: behind the left side and the space that follows it.
    fn operator_pos(&self, binary: &Binary) -> PosRange {
        let (start, end) = (binary.lhs.pos().end as usize, binary.rhs.pos().start as usize);
        let between = self.query.get(start..end).unwrap_or("");
        let spaces = between.len() - between.trim_start_matches([' ', '\t', '\n', '\r']).len();
        PosRange::new(start + spaces, end)
    }

    fn call(&mut self, call: &mut Call) {
        let func = call.func;
        let (want, got) = (func.arg_types.len(), call.args.len());
        let name = GoQuoted(func.name);
        if func.variadic == 0 {
            if want != got {
                self.report(
                    call.pos,
                    format!("expected {want} argument(s) in call to {name}, got {got}"),
                );
            }
        } else {
            let least = want - 1;
            let most = least + usize::try_from(func.variadic).unwrap_or(0);
            if least > got {
                self.report(
                    call.pos,
                    format!("expected at least {least} argument(s) in call to {name}, got {got}"),
                );
            } else if func.variadic > 0 && most < got {
                self.report(
                    call.pos,
                    format!("expected at most {most} argument(s) in call to {name}, got {got}"),
                );
            }
        }
        if func.id == FunctionId::Info && got > 1 {
            self.info_selector(call);
        }
        for (i, arg) in call.args.iter_mut().enumerate() {
            if i >= func.arg_types.len() && func.variadic == 0 {
                break;
            }
            let want = func.arg_types[i.min(func.arg_types.len() - 1)];
            let got = self.check(arg);
            if got != want {
                let (want, got) = (want.documented(), got.documented());
                self.report(
                    arg.pos(),
                    format!("expected type {want} in call to function {name}, got {got}"),
                );
            }
        }
    }

    /// The second argument of `info` is no selection of series but of labels.
    fn info_selector(&mut self, call: &mut Call) {
        let pos = call.pos;
        let arg = &mut call.args[1];
        let got = arg.value_type();
        if got != ValueType::Vector {
            let (want, got) = (ValueType::Vector.documented(), got.documented());
            self.report(
                pos,
                format!("expected type {want} in call to function \"info\", got {got}"),
            );
        }
        match arg {
            Expr::Vector(selector) if selector.name.is_empty() => {
                selector.bypass_empty_check = true;
            }
            Expr::Vector(selector) => {
                let pos = selector.pos;
                self.report(pos, "expected label selectors only, got vector selector instead");
            }
            other => {
                let pos = other.pos();
                self.report(pos, "expected label selectors only");
            }
        }
    }

    fn selector(&mut self, selector: &VectorSelector) {
        if let Some((_, others)) = selector.matchers.split_last()
            && !selector.name.is_empty()
        {
            for matcher in others.iter().filter(|m| m.name == METRIC_NAME) {
                let (first, second) = (GoQuoted(&selector.name), GoQuoted(&matcher.value));
                self.report(
                    selector.pos,
                    format!("metric name must not be set twice: {first} or {second}"),
                );
            }
            return;
        }
        if !selector.bypass_empty_check && selector.matchers.iter().all(|m| m.matches_empty()) {
            self.report(
                selector.pos,
                "vector selector must contain at least one non-empty matcher",
            );
        }
    }
}
