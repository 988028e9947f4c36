//! The syntax tree of a PromQL expression.
//!
//! Built by the parser, printed by the printer, rewritten by the planner. Positions are byte offsets into the query text.
//! Times and durations are milliseconds. What needs the evaluation context (duration expressions, `@ start()`) stays
//! symbolic here; the planner resolves it. Nothing in this file evaluates.

use std::fmt::Write as _;

use gauntlet_model::float::GoQuoted;
use gauntlet_model::{Matcher, Timestamp};

use crate::functions::Function;

/// Bytes `start..end` of the query text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PosRange {
    pub start: u32,
    pub end: u32,
}

impl PosRange {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    None,
    Vector,
    Scalar,
    Matrix,
    String,
}

impl ValueType {
    /// The name in JSON answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vector => "vector",
            Self::Scalar => "scalar",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }

    /// The name in error texts and documentation.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            other => other.as_str(),
        }
    }
}

/// Any expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Number(NumberLiteral),
    String(StringLiteral),
    Vector(VectorSelector),
    Matrix(MatrixSelector),
    Subquery(Subquery),
    Unary(Unary),
    Binary(Binary),
    Aggregate(Aggregate),
    Call(Call),
    Paren(Paren),
    /// Never made by the parser: the planner wraps what has the same value at every step.
    StepInvariant(Box<Expr>),
}

/// `1.5`, `0x1f`, `Inf`, or a duration such as `5m`, which is its seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    pub value: f64,
    /// Written as a duration, and printed so.
    pub is_duration: bool,
    pub pos: PosRange,
}

/// A quoted text, unescaped.
#[derive(Clone, Debug, PartialEq)]
pub struct StringLiteral {
    /// The text; where escapes made what is no UTF-8 (`"\xff"`), U+FFFD stands for it.
    pub value: String,
    /// The bytes, where they are no UTF-8. Such a text is good for error messages only: labels are UTF-8.
    pub invalid_utf8: Option<Box<[u8]>>,
    pub pos: PosRange,
}

impl StringLiteral {
    /// Whether the text can name a label.
    pub fn is_label_name(&self) -> bool {
        !self.value.is_empty() && self.invalid_utf8.is_none()
    }

    /// The text in double quotes as Go's `%q` prints it.
    pub fn quoted(&self) -> String {
        let Some(bytes) = &self.invalid_utf8 else { return GoQuoted(&self.value).to_string() };
        let mut out = String::from("\"");
        for chunk in bytes.utf8_chunks() {
            let valid = GoQuoted(chunk.valid()).to_string();
            out.push_str(&valid[1..valid.len() - 1]);
            for byte in chunk.invalid() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
        out.push('"');
        out
    }
}

/// The `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Timestamp(Timestamp),
    Start,
    End,
}

/// The `offset` of a selector or subquery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offset {
    /// As written, where it is a literal: positive looks back. 0 where there is none or `expr` has it.
    pub original_ms: i64,
    /// A duration expression to be resolved by the planner, which stores the result in `original_ms`.
    pub expr: Option<Box<DurationExpr>>,
    /// The offset to evaluate with, after `@` and enclosing subqueries were taken into account. The parser leaves 0.
    pub effective_ms: i64,
}

/// Series by name and matchers, at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorSelector {
    /// The metric name before the braces; `matchers` then also has its equality matcher, last. Empty where the name is
    /// given within the braces: look for the matcher of `__name__`.
    pub name: String,
    pub matchers: Vec<Matcher>,
    pub offset: Offset,
    pub at: Option<At>,
    pub anchored: bool,
    pub smoothed: bool,
    /// Selects labels of info metrics (second argument of `info`): may match everything.
    pub bypass_empty_check: bool,
    /// The planner's mark that only count and sum of histograms are used.
    pub skip_histogram_buckets: bool,
    pub pos: PosRange,
}

/// A vector selector over a range. Modifiers (`offset`, `@`, ...) are stored in `selector`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    pub selector: Box<VectorSelector>,
    /// 0 where `range_expr` has it.
    pub range_ms: i64,
    pub range_expr: Option<Box<DurationExpr>>,
    /// From the selector's start to behind the last modifier.
    pub pos: PosRange,
}

/// `expr[range:step]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    pub expr: Box<Expr>,
    pub range_ms: i64,
    pub range_expr: Option<Box<DurationExpr>>,
    /// 0 means the default step.
    pub step_ms: i64,
    pub step_expr: Option<Box<DurationExpr>>,
    pub offset: Offset,
    pub at: Option<At>,
    pub pos: PosRange,
}

/// `-expr` or `+expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    pub negative: bool,
    pub expr: Box<Expr>,
    pub pos: PosRange,
}

/// `(expr)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    pub expr: Box<Expr>,
    pub pos: PosRange,
}

/// `lhs op rhs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    pub op: BinaryOp,
    pub lhs: Box<Expr>,
    pub rhs: Box<Expr>,
    /// A comparison that answers 0 or 1 and filters nothing.
    pub return_bool: bool,
    /// `Some` exactly where both sides are instant vectors.
    pub matching: Option<VectorMatching>,
}

/// How many series of each side may be in one match group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cardinality {
    #[default]
    OneToOne,
    /// `group_left`.
    ManyToOne,
    /// `group_right`.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

impl Cardinality {
    /// The name in error texts and in the tree as JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// How series of two vectors find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorMatching {
    pub card: Cardinality,
    /// Labels of `on(...)` or `ignoring(...)`, in the order written.
    pub labels: Vec<String>,
    /// `on`: `labels` are those that must agree. Otherwise all but `labels` must agree.
    pub on: bool,
    /// Labels of `group_left(...)` or `group_right(...)`.
    pub include: Vec<String>,
    pub fill_lhs: Option<f64>,
    pub fill_rhs: Option<f64>,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `</`: keeps the part of histograms below a threshold.
    TrimUpper,
    /// `>/`: keeps the part of histograms above a threshold.
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// `==`, `!=`, `<`, `<=`, `>`, `>=`.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// `and`, `or`, `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// An aggregation over labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub op: AggregateOp,
    pub expr: Box<Expr>,
    /// `k` of topk, quantile's phi, the label of count_values, ...
    pub param: Option<Box<Expr>>,
    /// In the order written.
    pub grouping: Vec<String>,
    /// `without`: all labels but `grouping`.
    pub without: bool,
    pub pos: PosRange,
}

/// Aggregators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it takes a parameter before the vector.
    pub fn has_param(self) -> bool {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        matches!(self, Topk | Bottomk | CountValues | Quantile | Limitk | LimitRatio)
    }

    /// Needs the feature flag `promql-experimental-functions`.
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

/// `function(args...)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub func: &'static Function,
    pub args: Vec<Expr>,
    pub pos: PosRange,
}

/// A duration computed from literals, the query's step and the query's range. Values are seconds. `wrapped` means written in
/// parentheses.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    Number(NumberLiteral),
    /// `step()`.
    Step {
        wrapped: bool,
        pos: PosRange,
    },
    /// `range()`.
    Range {
        wrapped: bool,
        pos: PosRange,
    },
    /// `-x`; `+x` prints as `x`, and a wrapped `+5m` is how `(5m)` is kept.
    Unary {
        negative: bool,
        expr: Box<DurationExpr>,
        wrapped: bool,
        pos: PosRange,
    },
    /// `x op y`.
    Binary {
        op: DurationOp,
        lhs: Box<DurationExpr>,
        rhs: Box<DurationExpr>,
        wrapped: bool,
        pos: PosRange,
    },
    /// `min_of(x, y)` or `max_of(x, y)`.
    MinMax {
        max: bool,
        lhs: Box<DurationExpr>,
        rhs: Box<DurationExpr>,
        wrapped: bool,
        pos: PosRange,
    },
}

/// Operators of duration expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl DurationOp {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }
}

impl DurationExpr {
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Number(n) => n.pos,
            Self::Step { pos, .. } | Self::Range { pos, .. } => *pos,
            Self::Unary { pos, .. } | Self::Binary { pos, .. } | Self::MinMax { pos, .. } => *pos,
        }
    }
}

impl Expr {
    /// The type of the value. Total: arguments were checked while parsing.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Unary(e) => e.expr.value_type(),
            Self::Paren(e) => e.expr.value_type(),
            Self::Call(e) => e.func.return_type,
            Self::StepInvariant(e) => e.value_type(),
            Self::Binary(e) => {
                let scalars = e.lhs.value_type() == ValueType::Scalar
                    && e.rhs.value_type() == ValueType::Scalar;
                if scalars { ValueType::Scalar } else { ValueType::Vector }
            }
        }
    }

    /// Where the expression stands in the query.
    pub fn pos(&self) -> PosRange {
        match self {
            Self::Number(e) => e.pos,
            Self::String(e) => e.pos,
            Self::Vector(e) => e.pos,
            Self::Matrix(e) => e.pos,
            Self::Subquery(e) => e.pos,
            Self::Unary(e) => e.pos,
            Self::Binary(e) => e.lhs.pos().to(e.rhs.pos()),
            Self::Aggregate(e) => e.pos,
            Self::Call(e) => e.pos,
            Self::Paren(e) => e.pos,
            Self::StepInvariant(e) => e.pos(),
        }
    }

    /// The expression within any parentheses.
    pub fn unparen(&self) -> &Expr {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// The sub-expressions, in the order in which upstream visits them (an aggregation's operand before its parameter).
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Subquery(e) => vec![&e.expr],
            Self::Unary(e) => vec![&e.expr],
            Self::Paren(e) => vec![&e.expr],
            Self::StepInvariant(e) => vec![e],
            Self::Binary(e) => vec![&e.lhs, &e.rhs],
            Self::Aggregate(e) => std::iter::once(&*e.expr).chain(e.param.as_deref()).collect(),
            Self::Call(e) => e.args.iter().collect(),
        }
    }

    /// Calls `visit` for this expression and all below it, parents first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// The matchers of every selector, left to right.
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut found = Vec::new();
        self.walk(&mut |expr| match expr {
            Self::Vector(e) => found.push(e.matchers.as_slice()),
            Self::Matrix(e) => found.push(e.selector.matchers.as_slice()),
            _ => {}
        });
        found
    }
}
