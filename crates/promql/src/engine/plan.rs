//! From the syntax tree to the plan: durations and query constants folded, `@` and offsets resolved to instants, what does not
//! change from step to step hoisted, selections collected and shared.

use std::sync::Arc;

use gauntlet_model::{Labels, LabelsBuilder, MatchOp, Matcher, Timestamp};
use gauntlet_storage::{SelectHints, TimeRange};

use super::error::EngineError;
use super::grid::Grid;
use super::node::{
    AggregateNode, Extension, Grouping, MapOp, Node, NodeId, Origin, Plan, RangeSource, SelectSpec,
    Selector, Subquery,
};
use crate::ast::{self, AggregateOp, At, BinaryOp, Expr, PosRange, ValueType};
use crate::functions::FunctionId;

mod calls;
mod duration;
mod invariant;

pub(super) use duration::go_seconds;

/// What planning needs to know beside the expression.
pub(super) struct PlanContext<'a> {
    pub start: Timestamp,
    pub end: Timestamp,
    /// The query's step in ms; 0 for an instant query.
    pub step_ms: i64,
    pub lookback_ms: i64,
    pub default_subquery_step: &'a (dyn Fn(i64) -> i64 + Send + Sync),
    /// Hints that are the same for all selections.
    pub hints: &'a SelectHints,
}

/// Plans a checked expression.
pub(super) fn plan(expr: &Expr, context: &PlanContext<'_>) -> Result<Plan, EngineError> {
    let grid = if context.step_ms == 0 {
        Grid::instant(context.start)
    } else {
        Grid::new(context.start, context.end, context.step_ms)
    };
    let mut planner = Planner {
        context,
        selects: Vec::new(),
        has_subqueries: false,
        origins: Vec::new(),
        stats: Stats::default(),
    };
    let root = planner.boxed(expr, grid, Path::default())?;
    let Planner { selects, has_subqueries, origins, .. } = planner;
    Ok(Plan { root, grid, selects, has_subqueries, origins })
}

/// Whether only count and sum of histograms are needed below, found on the way down.
#[derive(Clone, Copy, Default)]
struct Stats {
    /// A function that reads only count and sum is above.
    wanted: bool,
    /// Something nearer needs whole histograms.
    blocked: bool,
}

/// What is above a selector, for hints.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    /// The nearest function or aggregation; empty beyond a binary operator.
    func: &'a str,
    /// Labels of the aggregation directly above, and whether they are kept.
    grouping: Option<(&'a [String], bool)>,
}

struct Planner<'a> {
    context: &'a PlanContext<'a>,
    selects: Vec<SelectSpec>,
    has_subqueries: bool,
    origins: Vec<(NodeId, Origin)>,
    stats: Stats,
}

impl Planner<'_> {
    /// Plans `expr`; if it is the same at every step, for the first step alone.
    fn hoisted(&mut self, expr: &Expr, grid: Grid, path: Path<'_>) -> Result<Node, EngineError> {
        if grid.steps > 1 {
            let invariance = invariant::of(expr);
            if invariance.invariant && invariance.wrap {
                return self.once(expr, grid, path);
            }
        }
        self.node(expr, grid, path)
    }

    fn once(&mut self, expr: &Expr, grid: Grid, path: Path<'_>) -> Result<Node, EngineError> {
        let node = self.node(expr, grid.first(), path)?;
        Ok(match node {
            Node::Number(_) | Node::Text(_) => node,
            node if expr.value_type() == ValueType::Scalar => {
                Node::ScalarOnce(self.placed(node, expr))
            }
            node => Node::Once(self.placed(node, expr)),
        })
    }

    fn node(&mut self, expr: &Expr, grid: Grid, path: Path<'_>) -> Result<Node, EngineError> {
        let below = Path { grouping: None, ..path };
        match expr {
            Expr::Number(number) => Ok(Node::Number(number.value)),
            Expr::String(text) => Ok(Node::Text(text.value.clone())),
            Expr::Paren(paren) => self.node(&paren.expr, grid, below),
            Expr::StepInvariant(inner) => self.once(inner, grid, below),
            Expr::Vector(selector) => {
                let planned = self.selector(selector, grid, None, path)?;
                Ok(if selector.smoothed { Node::Smoothed(planned) } else { Node::Instant(planned) })
            }
            Expr::Matrix(matrix) => {
                let range_ms = self.range(matrix)?;
                let selector = self.selector(&matrix.selector, grid, Some(range_ms), below)?;
                Ok(Node::Range { selector, range_ms, extension: extension(&matrix.selector) })
            }
            Expr::Subquery(subquery) => Ok(Node::Subquery(self.subquery(subquery, grid, below)?.0)),
            Expr::Unary(unary) => {
                let inner = self.node(&unary.expr, grid, below)?;
                Ok(match (unary.negative, unary.expr.value_type()) {
                    (false, _) => inner,
                    (true, ValueType::Scalar) => {
                        Node::ScalarNegate(self.placed(inner, &unary.expr))
                    }
                    (true, _) => {
                        Node::Map { input: self.placed(inner, &unary.expr), op: MapOp::Negate }
                    }
                })
            }
            Expr::Binary(binary) => self.binary(expr, binary, grid),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, grid),
            Expr::Call(call) => self.call(call, grid),
        }
    }

    fn boxed(&mut self, expr: &Expr, grid: Grid, path: Path<'_>) -> Result<Box<Node>, EngineError> {
        let node = self.hoisted(expr, grid, path)?;
        Ok(self.placed(node, expr))
    }

    /// [`Self::placed`] for a node that a call makes beside its own.
    fn placed_call(&mut self, node: Node, call: &ast::Call) -> Box<Node> {
        let node = Box::new(node);
        let origin = Origin { pos: call.pos, name: call.func.name.to_owned() };
        self.origins.push((NodeId::of(&node), origin));
        node
    }

    /// Notes where a node comes from that stays where it is, in a vector that grows no more.
    fn note_origin(&mut self, node: &Node, expr: &Expr) {
        self.origins.push((NodeId::of(node), Origin::of(expr)));
    }

    /// Puts a node where it stays, and notes where in the query it comes from.
    fn placed(&mut self, node: Node, expr: &Expr) -> Box<Node> {
        let node = Box::new(node);
        self.origins.push((NodeId::of(&node), Origin::of(expr)));
        node
    }

    fn binary(
        &mut self,
        whole: &Expr,
        binary: &ast::Binary,
        grid: Grid,
    ) -> Result<Node, EngineError> {
        let outer = self.stats;
        if matches!(binary.op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
            self.stats = Stats { blocked: true, wanted: false };
        }
        let lhs = self.boxed(&binary.lhs, grid, Path::default());
        let rhs = self.boxed(&binary.rhs, grid, Path::default());
        self.stats = outer;
        let (lhs, rhs) = (lhs?, rhs?);
        let pos = whole.pos();
        let op = binary.op;
        let return_bool = binary.return_bool;
        let map = |input, scalar, swap| Node::Map {
            input,
            op: MapOp::Binary { op, scalar, swap, return_bool, pos },
        };
        Ok(match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (ValueType::Scalar, ValueType::Scalar) => Node::ScalarBinary { op, lhs, rhs },
            (ValueType::Scalar, _) => map(rhs, lhs, true),
            (_, ValueType::Scalar) => map(lhs, rhs, false),
            _ => {
                let matching = binary.matching.clone().unwrap_or_default();
                if op.is_set() {
                    Node::Set { op, lhs, rhs, matching }
                } else {
                    Node::VectorBinary { op, lhs, rhs, matching, return_bool, pos }
                }
            }
        })
    }

    fn aggregate(&mut self, aggregate: &ast::Aggregate, grid: Grid) -> Result<Node, EngineError> {
        let mut names = aggregate.grouping.clone();
        names.sort_unstable();
        names.dedup();
        let path = Path {
            func: aggregate.op.as_str(),
            grouping: Some((&aggregate.grouping, !aggregate.without)),
        };
        let operand = unparen(&aggregate.expr);
        let input = self.node(operand, grid, path)?;
        let input = self.placed(input, operand);
        let mut grouping = Grouping { names, without: aggregate.without };
        if aggregate.op == AggregateOp::CountValues {
            let label = match aggregate.param.as_deref().map(unparen) {
                Some(Expr::String(label)) => label,
                _ => return Err(EngineError::execution("count_values needs a label name")),
            };
            if !label.is_label_name() {
                return Err(EngineError::execution(format!(
                    "invalid label name {}",
                    label.quoted()
                )));
            }
            if !grouping.without && !grouping.names.contains(&label.value) {
                grouping.names.push(label.value.clone());
                grouping.names.sort_unstable();
            }
            return Ok(Node::CountValues { input, label: label.value.clone(), grouping });
        }
        let param = match aggregate.param.as_deref() {
            Some(param) => Some(self.boxed(unparen(param), grid, Path::default())?),
            None => None,
        };
        let param_pos =
            aggregate.param.as_deref().map_or(PosRange::default(), |p| unparen(p).pos());
        Ok(Node::Aggregate(AggregateNode {
            op: aggregate.op,
            input,
            param,
            param_pos,
            grouping,
            pos: aggregate.pos,
            input_pos: operand.pos(),
        }))
    }

    fn at(&self, at: Option<At>) -> Option<Timestamp> {
        Some(match at? {
            At::Timestamp(t) => t,
            At::Start => self.context.start,
            At::End => self.context.end,
        })
    }

    fn selector(
        &mut self,
        selector: &ast::VectorSelector,
        grid: Grid,
        range_ms: Option<i64>,
        path: Path<'_>,
    ) -> Result<Selector, EngineError> {
        let at = self.at(selector.at);
        let offset_ms = self.offset(&selector.offset)?;
        let matchers: Arc<[Matcher]> = selector.matchers.clone().into();
        let mut planned = Selector {
            select: None,
            at,
            offset_ms,
            skip_buckets: self.stats.wanted && !self.stats.blocked,
            pos: selector.pos,
        };
        if grid.steps == 0 {
            return Ok(planned);
        }
        let lookback = self.context.lookback_ms;
        let (first, last) = at.map_or((grid.start, grid.last()), |at| (at, at));
        let extension = extension(selector);
        let back = match (range_ms, extension) {
            (None, _) => lookback,
            (Some(range), Extension::None) => range,
            (Some(range), _) => range.saturating_add(lookback),
        };
        let ahead = if extension == Extension::Smoothed { lookback } else { 0 };
        let range = TimeRange::new(
            first.saturating_sub(offset_ms).saturating_sub(back).saturating_add(1),
            last.saturating_sub(offset_ms).saturating_add(ahead),
        );
        let step_ms = if grid.steps == 1 && self.context.step_ms == 0 { 0 } else { grid.step };
        let hints = SelectHints {
            step_ms,
            range_ms: range_ms.unwrap_or(0),
            func: path.func.to_owned(),
            grouping: path.grouping.map_or_else(Vec::new, |(names, _)| names.to_vec()),
            by: path.grouping.is_some_and(|(_, by)| by),
            // Removing replicas needs to see which one was followed.
            latest_only: range_ms.is_none()
                && grid.steps == 1
                && !selector.smoothed
                && self.context.hints.replica_labels.is_empty(),
            ..self.context.hints.clone()
        };
        planned.select = Some(self.share(SelectSpec { matchers, range, hints }));
        Ok(planned)
    }

    /// The number of an equal selection, widened to the range wanted, or of a new one.
    fn share(&mut self, spec: SelectSpec) -> usize {
        let equal = |other: &SelectSpec| {
            let (a, b) = (&other.hints, &spec.hints);
            other.matchers == spec.matchers
                && a.func == b.func
                && a.grouping == b.grouping
                && a.by == b.by
                && a.step_ms == b.step_ms
        };
        if let Some(i) = self.selects.iter().position(equal) {
            let found = &mut self.selects[i];
            found.hints.latest_only &= spec.hints.latest_only && found.range.max == spec.range.max;
            found.range.min = found.range.min.min(spec.range.min);
            found.range.max = found.range.max.max(spec.range.max);
            found.hints.range_ms = found.hints.range_ms.max(spec.hints.range_ms);
            return i;
        }
        self.selects.push(spec);
        self.selects.len() - 1
    }

    /// The subquery and its range.
    fn subquery(
        &mut self,
        subquery: &ast::Subquery,
        grid: Grid,
        path: Path<'_>,
    ) -> Result<(Subquery, i64), EngineError> {
        let at = self.at(subquery.at);
        let offset_ms = self.offset(&subquery.offset)?;
        let range_ms = self.duration(subquery.range_expr.as_deref(), subquery.range_ms)?;
        let step_ms = self.duration(subquery.step_expr.as_deref(), subquery.step_ms)?;
        let step_ms =
            if step_ms == 0 { (self.context.default_subquery_step)(range_ms) } else { step_ms };
        let step_ms = step_ms.max(1);
        let (first, last) = at.map_or((grid.start, grid.last()), |at| (at, at));
        let left = first.saturating_sub(offset_ms).saturating_sub(range_ms);
        // The first multiple of the step behind the open left end.
        let mut start = step_ms * (left / step_ms);
        if start <= left {
            start = start.saturating_add(step_ms);
        }
        let inner_grid = if grid.steps == 0 {
            Grid { start, step: step_ms, steps: 0 }
        } else {
            Grid::new(start, last.saturating_sub(offset_ms), step_ms)
        };
        self.has_subqueries = true;
        // Counter resets between the inner instants are only seen with buckets.
        let outer = std::mem::replace(&mut self.stats, Stats { blocked: true, wanted: false });
        let inner = if invariant::of(&subquery.expr).invariant && inner_grid.steps > 1 {
            self.once(&subquery.expr, inner_grid, path)
        } else {
            self.node(&subquery.expr, inner_grid, path)
        };
        self.stats = outer;
        let inner = self.placed(inner?, &subquery.expr);
        Ok((Subquery { inner, grid: inner_grid, at, offset_ms }, range_ms))
    }

    /// The range source of an argument, its range and its position.
    fn range_source(
        &mut self,
        arg: &Expr,
        grid: Grid,
        path: Path<'_>,
    ) -> Result<(RangeSource, i64, PosRange), EngineError> {
        match arg {
            Expr::Matrix(matrix) => {
                let range_ms = self.range(matrix)?;
                let selector = self.selector(&matrix.selector, grid, Some(range_ms), path)?;
                let extension = extension(&matrix.selector);
                Ok((RangeSource::Selector { selector, extension }, range_ms, matrix.pos))
            }
            Expr::Subquery(subquery) => {
                let (subquery, range_ms) = self.subquery(subquery, grid, path)?;
                // The peer puts the result in the subquery's place and loses the position.
                Ok((RangeSource::Subquery(subquery), range_ms, PosRange::default()))
            }
            Expr::Paren(paren) => self.range_source(&paren.expr, grid, path),
            other => Err(EngineError::Internal(format!(
                "a range vector is wanted where there is {}",
                other.value_type().documented()
            ))),
        }
    }
}

fn extension(selector: &ast::VectorSelector) -> Extension {
    if selector.anchored {
        Extension::Anchored
    } else if selector.smoothed {
        Extension::Smoothed
    } else {
        Extension::None
    }
}

/// The expression inside parentheses.
fn unparen(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => unparen(&paren.expr),
        other => other,
    }
}

/// Labels that an absent vector would have had: those that the selector fixes.
fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match expr {
        Expr::Vector(selector) => &selector.matchers,
        Expr::Matrix(matrix) => &matrix.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|m| m.name != gauntlet_model::labels::METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            labels.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels.del(&matcher.name);
        }
    }
    labels.build()
}

/// The function's id if it folds to a constant of the query.
fn query_constant(call: &ast::Call, context: &PlanContext<'_>) -> Option<f64> {
    let seconds = duration::go_seconds;
    Some(match call.func.id {
        FunctionId::Start => context.start as f64 / 1000.0,
        FunctionId::End => context.end as f64 / 1000.0,
        FunctionId::Range => seconds(context.end.saturating_sub(context.start)),
        FunctionId::Step if context.start == context.end => 0.0,
        FunctionId::Step => seconds(context.step_ms),
        _ => return None,
    })
}
