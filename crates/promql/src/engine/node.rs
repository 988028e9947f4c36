//! The typed plan: what is computed from what, with every name, offset and instant resolved.
//!
//! Made by `plan`, run by `eval`. A node is of one type: scalar, instant vector (rows), range vector or string; which one is said
//! where the node is documented.

use std::sync::Arc;

use gauntlet_model::regex::{Regex, Template};
use gauntlet_model::{FloatHistogram, Labels, Matcher, Timestamp};
use gauntlet_storage::{SelectHints, TimeRange};

use super::grid::Grid;
use crate::ast::{AggregateOp, BinaryOp, Expr, PosRange, VectorMatching};
use crate::functions::FunctionId;

/// A plan and the selections that it reads.
#[derive(Debug)]
pub(super) struct Plan {
    pub root: Box<Node>,
    pub grid: Grid,
    pub selects: Vec<SelectSpec>,
    pub has_subqueries: bool,
    /// Where nodes come from, for explaining the plan.
    pub origins: Vec<(NodeId, Origin)>,
}

/// Tells the nodes of one plan apart, as long as the plan lives: nodes do not move once they are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(usize);

impl NodeId {
    pub(super) fn of(node: &Node) -> Self {
        Self(std::ptr::from_ref(node) as usize)
    }

    /// The selector inside a window: an operator of its own that has no node.
    pub(super) fn of_selector(selector: &Selector) -> Self {
        // Selectors are larger than a byte and lie behind the node's start or at it; an odd number is no node's.
        Self(std::ptr::from_ref(selector) as usize + 1)
    }
}

/// Where in the query an operator comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub pos: PosRange,
    /// The function's, operator's or aggregation's name; the metric's for a selector.
    pub name: String,
}

impl Origin {
    pub(super) fn of(expr: &Expr) -> Self {
        let name = match expr {
            Expr::Call(call) => call.func.name.to_owned(),
            Expr::Binary(binary) => binary.op.as_str().to_owned(),
            Expr::Aggregate(aggregate) => aggregate.op.as_str().to_owned(),
            Expr::Unary(unary) => (if unary.negative { "-" } else { "+" }).to_owned(),
            Expr::Paren(paren) => return Self { pos: expr.pos(), ..Self::of(&paren.expr) },
            Expr::StepInvariant(inner) => return Self::of(inner),
            Expr::Vector(selector) => selector.name.clone(),
            Expr::Matrix(matrix) => matrix.selector.name.clone(),
            Expr::Number(_) | Expr::String(_) | Expr::Subquery(_) => String::new(),
        };
        Self { pos: expr.pos(), name }
    }
}

/// One selection: asked once, however many nodes read it.
#[derive(Clone, Debug)]
pub(super) struct SelectSpec {
    pub matchers: Arc<[Matcher]>,
    pub range: TimeRange,
    pub hints: SelectHints,
}

/// Reads a selection.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    /// Index into [`Plan::selects`]; `None` where there is no instant to read for.
    pub select: Option<usize>,
    pub at: Option<Timestamp>,
    pub offset_ms: i64,
    /// Only count and sum of histograms are needed.
    pub skip_buckets: bool,
    pub pos: PosRange,
}

impl Selector {
    /// The instant whose data step `i` shows.
    pub(super) fn reference(&self, grid: &Grid, i: usize) -> Timestamp {
        reference(grid, i, self.at, self.offset_ms)
    }
}

/// Where a range function's samples come from.
#[derive(Debug)]
pub(super) enum RangeSource {
    Selector { selector: Selector, extension: Extension },
    Subquery(Subquery),
}

/// How a range is extended at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    None,
    Anchored,
    Smoothed,
}

#[derive(Debug)]
pub(super) struct Subquery {
    pub inner: Box<Node>,
    /// The instants at which the inner expression is evaluated.
    pub grid: Grid,
    pub at: Option<Timestamp>,
    pub offset_ms: i64,
}

pub(super) fn reference(grid: &Grid, i: usize, at: Option<Timestamp>, offset_ms: i64) -> Timestamp {
    at.unwrap_or_else(|| grid.time(i)).saturating_sub(offset_ms)
}

/// A function over ranges.
#[derive(Debug)]
pub(super) struct WindowCall {
    pub func: FunctionId,
    pub source: RangeSource,
    pub range_ms: i64,
    /// Scalar arguments in order.
    pub params: Vec<Node>,
    /// Position of the first argument, which annotations point at.
    pub pos: PosRange,
}

/// What happens to each cell alone.
#[derive(Debug)]
pub(super) enum MapOp {
    /// A function of floats; histograms are dropped.
    Float(fn(f64) -> f64),
    Clamp {
        min: Option<Box<Node>>,
        max: Option<Box<Node>>,
    },
    Round(Option<Box<Node>>),
    /// A binary operator whose other side is a scalar; `swap`: the scalar is on the left.
    Binary {
        op: BinaryOp,
        scalar: Box<Node>,
        swap: bool,
        return_bool: bool,
        pos: PosRange,
    },
    Negate,
    /// `timestamp` of a computed vector: the evaluation's instant.
    StepTime,
    /// A float of each histogram; floats are dropped.
    Histogram(fn(&FloatHistogram) -> f64),
}

/// An aggregation over labels.
#[derive(Debug)]
pub(super) struct AggregateNode {
    pub op: AggregateOp,
    pub input: Box<Node>,
    pub param: Option<Box<Node>>,
    pub param_pos: PosRange,
    pub grouping: Grouping,
    pub pos: PosRange,
    pub input_pos: PosRange,
}

/// Which labels tell groups apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Grouping {
    /// Ascending, each once.
    pub names: Vec<String>,
    pub without: bool,
}

/// The `info` function.
#[derive(Debug)]
pub(super) struct InfoNode {
    pub input: Box<Node>,
    pub selector: Selector,
    /// Matchers of the second argument; `None` without one.
    pub data_matchers: Option<Vec<Matcher>>,
    /// Matchers on the info metric's name.
    pub name_matchers: Vec<Matcher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    Value,
    Labels,
}

/// A node of the plan.
#[derive(Debug)]
pub(super) enum Node {
    // Strings.
    Text(String),

    // Scalars.
    Number(f64),
    Time,
    ScalarOf(Box<Node>),
    ScalarNegate(Box<Node>),
    ScalarBinary {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    ScalarMinMax {
        max: bool,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    /// A scalar that is the same at every step.
    ScalarOnce(Box<Node>),

    // Instant vectors.
    Instant(Selector),
    Smoothed(Selector),
    /// `timestamp` (or `start_timestamp`) of a selector's samples.
    SampleTime {
        selector: Selector,
        start: bool,
    },
    Window(WindowCall),
    VectorOf(Box<Node>),
    /// A function of the instant alone.
    TimeFunction(fn(i64) -> f64),
    Map {
        input: Box<Node>,
        op: MapOp,
    },
    Aggregate(AggregateNode),
    CountValues {
        input: Box<Node>,
        label: String,
        grouping: Grouping,
    },
    VectorBinary {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
        matching: VectorMatching,
        return_bool: bool,
        pos: PosRange,
    },
    Set {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
        matching: VectorMatching,
    },
    Absent {
        input: Box<Node>,
        labels: Labels,
    },
    /// The input is a window of that function.
    AbsentOverTime {
        input: Box<Node>,
        labels: Labels,
    },
    Sort {
        input: Box<Node>,
        key: SortKey,
        descending: bool,
        labels: Vec<String>,
        pos: PosRange,
    },
    LabelReplace {
        input: Box<Node>,
        target: String,
        source: String,
        regex: Regex,
        template: Template,
    },
    LabelJoin {
        input: Box<Node>,
        target: String,
        separator: String,
        sources: Vec<String>,
    },
    HistogramQuantile {
        q: Box<Node>,
        q_pos: PosRange,
        input: Box<Node>,
        pos: PosRange,
    },
    HistogramQuantiles {
        input: Box<Node>,
        label: String,
        qs: Vec<(Node, PosRange)>,
        pos: PosRange,
    },
    HistogramFraction {
        lower: Box<Node>,
        upper: Box<Node>,
        input: Box<Node>,
        pos: PosRange,
    },
    Info(Box<InfoNode>),
    /// Evaluates its input and answers nothing.
    Nothing(Box<Node>),
    /// An instant vector that is the same at every step.
    Once(Box<Node>),

    // Range vectors: only at the root of an instant query.
    Range {
        selector: Selector,
        range_ms: i64,
        extension: Extension,
    },
    Subquery(Subquery),
}

impl Node {
    /// What kind of operator it is, as explanations and errors call it.
    pub(super) fn operator(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number(_) => "number",
            Self::Time => "time",
            Self::ScalarOf(_) => "scalarOf",
            Self::ScalarNegate(_) => "negate",
            Self::ScalarBinary { .. } => "binary",
            Self::ScalarMinMax { .. } => "minMax",
            Self::ScalarOnce(_) | Self::Once(_) => "once",
            Self::Instant(_) | Self::Smoothed(_) | Self::Range { .. } => "select",
            Self::SampleTime { .. } => "sampleTime",
            Self::Window(_) => "window",
            Self::VectorOf(_) => "vectorOf",
            Self::TimeFunction(_) => "timeFunction",
            Self::Map { .. } => "map",
            Self::Aggregate(_) => "aggregate",
            Self::CountValues { .. } => "countValues",
            Self::VectorBinary { .. } => "join",
            Self::Set { .. } => "set",
            Self::Absent { .. } | Self::AbsentOverTime { .. } => "absent",
            Self::Sort { .. } => "sort",
            Self::LabelReplace { .. } => "labelReplace",
            Self::LabelJoin { .. } => "labelJoin",
            Self::HistogramQuantile { .. } => "histogramQuantile",
            Self::HistogramQuantiles { .. } => "histogramQuantiles",
            Self::HistogramFraction { .. } => "histogramFraction",
            Self::Info(_) => "info",
            Self::Nothing(_) => "nothing",
            Self::Subquery(_) => "subquery",
        }
    }
}
