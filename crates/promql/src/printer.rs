//! Prints a tree back as text: on one line (`Display`), or broken and indented ([`pretty`], the `format_query` API).
//!
//! Both equal upstream's (`promql/parser/printer.go`, `prettier.go`), its oddities included: `+x` keeps its sign, matchers
//! are sorted by their text, and a subquery that fits its line is not indented.

use std::fmt::{self, Write as _};

use gauntlet_model::duration::Duration;
use gauntlet_model::float::{GoQuoted, go_float, plain_float};
use gauntlet_model::labels::{METRIC_NAME, is_legacy_label_name};
use gauntlet_model::{MatchOp, Matcher};

use crate::ast::{
    Aggregate, At, Binary, Cardinality, DurationExpr, Expr, MatrixSelector, NumberLiteral, Offset,
    Subquery, VectorSelector,
};

/// Longest line in bytes that [`pretty`] leaves unbroken.
pub const MAX_LINE_BYTES: usize = 100;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::String(string) => f.write_str(&string.quoted()),
            Self::Vector(selector) => selector.fmt(f),
            Self::Matrix(matrix) => matrix.fmt(f),
            Self::Subquery(e) => write!(f, "{}{}", e.expr, SubquerySuffix(e)),
            Self::Unary(e) => write!(f, "{}{}", sign(e.negative), e.expr),
            Self::Paren(e) => write!(f, "({})", e.expr),
            Self::StepInvariant(e) => e.fmt(f),
            Self::Binary(e) => write!(f, "{} {} {}", e.lhs, Operator(e), e.rhs),
            Self::Aggregate(e) => {
                write!(f, "{}(", Aggregation(e))?;
                if let Some(param) = &e.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", e.expr)
            }
            Self::Call(e) => {
                write!(f, "{}(", e.func.name)?;
                for (i, arg) in e.args.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    arg.fmt(f)?;
                }
                f.write_str(")")
            }
        }
    }
}

fn sign(negative: bool) -> char {
    if negative { '-' } else { '+' }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&plain_float(self.value));
        }
        if self.value < 0.0 {
            f.write_str("-")?;
        }
        Duration::from_ns((self.value.abs() * 1e9) as i64).fmt(f)
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_series(f)?;
        fmt_at(f, self.at)?;
        self.fmt_extended(f)?;
        fmt_offset(f, &self.offset)
    }
}

impl VectorSelector {
    fn fmt_series(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_name = |m: &Matcher| {
            m.name == METRIC_NAME
                && m.op == MatchOp::Equal
                && m.value == self.name
                && !m.value.is_empty()
        };
        let mut texts: Vec<String> =
            self.matchers.iter().filter(|m| !is_name(m)).map(Matcher::to_string).collect();
        texts.sort_unstable();
        f.write_str(&self.name)?;
        if texts.is_empty() { Ok(()) } else { write!(f, "{{{}}}", texts.join(",")) }
    }

    fn fmt_extended(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.anchored, self.smoothed) {
            (true, _) => " anchored",
            (_, true) => " smoothed",
            _ => "",
        })
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector.fmt_series(f)?;
        f.write_str("[")?;
        fmt_duration(f, self.range_ms, self.range_expr.as_deref())?;
        f.write_str("]")?;
        self.selector.fmt_extended(f)?;
        fmt_at(f, self.selector.at)?;
        fmt_offset(f, &self.selector.offset)
    }
}

/// `[range:step] @ time offset duration`.
struct SubquerySuffix<'a>(&'a Subquery);

impl fmt::Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.0;
        f.write_str("[")?;
        fmt_duration(f, e.range_ms, e.range_expr.as_deref())?;
        f.write_str(":")?;
        if e.step_ms != 0 || e.step_expr.is_some() {
            fmt_duration(f, e.step_ms, e.step_expr.as_deref())?;
        }
        f.write_str("]")?;
        fmt_at(f, e.at)?;
        fmt_offset(f, &e.offset)
    }
}

fn fmt_duration(f: &mut fmt::Formatter<'_>, ms: i64, expr: Option<&DurationExpr>) -> fmt::Result {
    match expr {
        Some(expr) => write!(f, "{expr}"),
        None => write!(f, "{}", Duration::from_ms(ms)),
    }
}

fn fmt_at(f: &mut fmt::Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
        Some(At::Timestamp(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0),
    }
}

fn fmt_offset(f: &mut fmt::Formatter<'_>, offset: &Offset) -> fmt::Result {
    if let Some(expr) = &offset.expr {
        return write!(f, " offset {expr}");
    }
    match offset.original_ms {
        0 => Ok(()),
        ms if ms > 0 => write!(f, " offset {}", Duration::from_ms(ms)),
        ms => write!(f, " offset -{}", Duration::from_ms(ms.saturating_neg())),
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrapped = match self {
            Self::Number(_) => false,
            Self::Step { wrapped, .. }
            | Self::Range { wrapped, .. }
            | Self::Unary { wrapped, .. }
            | Self::Binary { wrapped, .. }
            | Self::MinMax { wrapped, .. } => *wrapped,
        };
        if wrapped {
            f.write_str("(")?;
        }
        match self {
            Self::Number(number) => number.fmt(f)?,
            Self::Step { .. } => f.write_str("step()")?,
            Self::Range { .. } => f.write_str("range()")?,
            Self::Unary { negative: true, expr, .. } => write!(f, "-{expr}")?,
            Self::Unary { expr, .. } => expr.fmt(f)?,
            Self::Binary { op, lhs, rhs, .. } => write!(f, "{lhs} {} {rhs}", op.as_str())?,
            Self::MinMax { max, lhs, rhs, .. } => {
                write!(f, "{}({lhs}, {rhs})", if *max { "max_of" } else { "min_of" })?;
            }
        }
        if wrapped { f.write_str(")") } else { Ok(()) }
    }
}

/// The operator of a binary expression with all its modifiers.
struct Operator<'a>(&'a Binary);

impl fmt::Display for Operator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.0;
        f.write_str(e.op.as_str())?;
        if e.return_bool {
            f.write_str(" bool")?;
        }
        let Some(m) = &e.matching else { return Ok(()) };
        let group = match m.card {
            Cardinality::ManyToOne => Some("left"),
            Cardinality::OneToMany => Some("right"),
            _ => None,
        };
        if !m.labels.is_empty() || m.on || group.is_some() {
            let clause = if m.on { "on" } else { "ignoring" };
            write!(f, " {clause} ({})", LabelList(&m.labels))?;
        }
        if let Some(side) = group {
            write!(f, " group_{side} ({})", LabelList(&m.include))?;
        }
        match (m.fill_lhs, m.fill_rhs) {
            (Some(lhs), Some(rhs)) if lhs == rhs => write!(f, " fill ({})", go_float(lhs)),
            (lhs, rhs) => {
                if let Some(value) = lhs {
                    write!(f, " fill_left ({})", go_float(value))?;
                }
                if let Some(value) = rhs {
                    write!(f, " fill_right ({})", go_float(value))?;
                }
                Ok(())
            }
        }
    }
}

/// An aggregator and its grouping.
struct Aggregation<'a>(&'a Aggregate);

impl fmt::Display for Aggregation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.0;
        f.write_str(e.op.as_str())?;
        if e.without {
            write!(f, " without ({}) ", LabelList(&e.grouping))
        } else if e.grouping.is_empty() {
            Ok(())
        } else {
            write!(f, " by ({}) ", LabelList(&e.grouping))
        }
    }
}

struct LabelList<'a>(&'a [String]);

impl fmt::Display for LabelList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                f.write_str(name)?;
            } else {
                GoQuoted(name).fmt(f)?;
            }
        }
        Ok(())
    }
}

/// The expression broken into lines where it is longer than [`MAX_LINE_BYTES`], indented by two spaces a level.
pub fn pretty(expr: &Expr) -> String {
    pretty_within(expr, MAX_LINE_BYTES)
}

/// [`pretty`] for another length of lines.
pub fn pretty_within(expr: &Expr, max_line_bytes: usize) -> String {
    let mut pretty = Pretty { out: String::new(), max_line_bytes };
    pretty.push(expr, 0);
    pretty.out
}

struct Pretty {
    out: String,
    max_line_bytes: usize,
}

impl Pretty {
    fn push(&mut self, expr: &Expr, level: usize) {
        let breaks = self.needs_split(expr);
        match expr {
            Expr::StepInvariant(e) => return self.push(e, level),
            Expr::Subquery(e) if breaks => {
                self.push(&e.expr, level);
                let _ = write!(self.out, "{}", SubquerySuffix(e));
                return;
            }
            Expr::Subquery(_) => {
                let _ = write!(self.out, "{expr}");
                return;
            }
            Expr::Binary(e) if breaks => {
                // The operator stands at this level, its sides one deeper.
                self.push(&e.lhs, level + 1);
                self.out.push('\n');
                self.indent(level);
                let _ = writeln!(self.out, "{}", Operator(e));
                self.push(&e.rhs, level + 1);
                return;
            }
            _ => self.indent(level),
        }
        match expr {
            Expr::Unary(e) => {
                self.out.push(sign(e.negative));
                let child = Self { out: String::new(), max_line_bytes: self.max_line_bytes };
                let child = child.text_of(&e.expr, level);
                self.out.push_str(child.trim());
            }
            Expr::Aggregate(e) if breaks => {
                let _ = writeln!(self.out, "{}(", Aggregation(e));
                self.list(e.param.iter().chain([&e.expr]).map(|b| &**b), level);
            }
            Expr::Call(e) if breaks => {
                let _ = writeln!(self.out, "{}(", e.func.name);
                self.list(e.args.iter(), level);
            }
            Expr::Paren(e) if breaks => {
                self.out.push_str("(\n");
                self.list([&*e.expr].into_iter(), level);
            }
            _ => {
                let _ = write!(self.out, "{expr}");
            }
        }
    }

    /// Items one level deeper, a line each, and the closing parenthesis.
    fn list<'a>(&mut self, items: impl Iterator<Item = &'a Expr>, level: usize) {
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.out.push_str(",\n");
            }
            self.push(item, level + 1);
        }
        self.out.push('\n');
        self.indent(level);
        self.out.push(')');
    }

    fn indent(&mut self, level: usize) {
        for _ in 0..level {
            self.out.push_str("  ");
        }
    }

    /// Whether the expression is longer than a line. Prints no further than that.
    fn needs_split(&self, expr: &Expr) -> bool {
        write!(Line { left: self.max_line_bytes }, "{expr}").is_err()
    }
    fn text_of(mut self, expr: &Expr, level: usize) -> String {
        self.push(expr, level);
        self.out
    }
}

/// Takes so many bytes and refuses more.
struct Line {
    left: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{ParserOptions, parse};

    /// `input` prints as `expect`, which prints as itself.
    fn check(input: &str, expect: &str) {
        for text in [input, expect] {
            let expr = parse(text, &ParserOptions::all()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(expr.to_string(), expect, "{text}");
        }
    }

    #[test]
    fn expressions_print_in_normal_form() {
        for (input, expect) in [
            ("sum(a)by(b)", "sum by (b) (a)"),
            ("sum by() (a)", "sum(a)"),
            ("sum without() (a)", "sum without () (a)"),
            ("topk(5, a)", "topk(5, a)"),
            ("a-on(b)c", "a - on (b) c"),
            ("a-ignoring()c", "a - c"),
            ("a - on() c", "a - on () c"),
            ("a - ignoring() group_left c", "a - ignoring () group_left () c"),
            ("a * on(x) group_right(y,\"z z\") c", "a * on (x) group_right (y, \"z z\") c"),
            ("a + fill(1) b", "a + fill (1) b"),
            ("a + fill_right(2) fill_left(1) b", "a + fill_left (1) fill_right (2) b"),
            ("up > bool 0", "up > bool 0"),
            ("a[1h30m] offset 1d", "a[1h30m] offset 1d"),
            ("a offset -7m", "a offset -7m"),
            ("a{b='c',a!~'d'}", "a{a!~\"d\",b=\"c\"}"),
            ("{'a.b', c='d'}", "{__name__=\"a.b\",c=\"d\"}"),
            ("a @ 10.5", "a @ 10.500"),
            ("a[5m] @ start() offset 1m", "a[5m] @ start() offset 1m"),
            ("a[5m:] @ end()", "a[5m:] @ end()"),
            ("a[5m:10s] offset 3m", "a[5m:10s] offset 3m"),
            ("a[5m]smoothed", "a[5m] smoothed"),
            ("a anchored @ 1", "a @ 1.000 anchored"),
            ("+a", "+a"),
            ("-(1)", "-(1)"),
            ("1.0e3 + 0x10", "1000 + 16"),
            ("5m", "5m"),
            ("-5m", "-5m"),
            ("300", "300"),
            ("a[300]", "a[5m]"),
            ("a[5m*2]", "a[5m * 2]"),
            ("a[(5m)]", "a[(5m)]"),
            ("a[-(5m)+10m]", "a[-(5m) + 10m]"),
            ("a offset -(5m)", "a offset -(5m)"),
            ("a offset -step()", "a offset -step()"),
            ("a[5m+step():min_of(step(),1m)]", "a[5m + step():min_of(step(), 1m)]"),
            ("'a\\'b'", "\"a'b\""),
            ("NaN", "NaN"),
            ("-Inf", "-Inf"),
        ] {
            check(input, expect);
        }
    }
}
