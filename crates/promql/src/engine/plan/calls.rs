//! Planning of function calls.

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::regex::{Regex, Template};
use gauntlet_model::{FloatHistogram, MatchOp, Matcher, gomath};

use super::{Path, Planner, Stats, absent_labels, query_constant, unparen};
use crate::ast::{self, Expr, PosRange};
use crate::engine::calendar;
use crate::engine::error::EngineError;
use crate::engine::grid::Grid;
use crate::engine::node::{Extension, InfoNode, MapOp, Node, RangeSource, SortKey, WindowCall};
use crate::functions::FunctionId;

impl Planner<'_> {
    pub(super) fn call(&mut self, call: &ast::Call, grid: Grid) -> Result<Node, EngineError> {
        let outer = self.stats;
        match call.func.id {
            FunctionId::HistogramCount | FunctionId::HistogramSum | FunctionId::HistogramAvg => {
                self.stats.wanted = true;
            }
            FunctionId::HistogramQuantile
            | FunctionId::HistogramQuantiles
            | FunctionId::HistogramFraction => {
                self.stats = Stats { blocked: true, wanted: false };
            }
            _ => {}
        }
        let node = self.call_inner(call, grid);
        self.stats = outer;
        node
    }

    fn call_inner(&mut self, call: &ast::Call, grid: Grid) -> Result<Node, EngineError> {
        use FunctionId as F;
        if let Some(value) = query_constant(call, self.context) {
            return Ok(Node::Number(value));
        }
        let path = Path { func: call.func.name, grouping: None };
        let args: Vec<&Expr> = call.args.iter().map(unparen).collect();
        let pos = |i: usize| args.get(i).map_or(PosRange::default(), |arg| arg.pos());
        let func = call.func.id;
        if let Some(value) = float_function(func) {
            return self.map(args[0], grid, path, MapOp::Float(value));
        }
        if let Some(value) = histogram_function(func) {
            return self.map(args[0], grid, path, MapOp::Histogram(value));
        }
        if let Some(part) = calendar::function(func) {
            return match args.first() {
                None => Ok(Node::TimeFunction(part)),
                Some(arg) => self.map(arg, grid, path, MapOp::Float(calendar::of_float(func))),
            };
        }
        Ok(match func {
            F::Pi => Node::Number(std::f64::consts::PI),
            F::Time => Node::Time,
            F::Scalar => Node::ScalarOf(self.boxed(args[0], grid, path)?),
            F::Vector => Node::VectorOf(self.boxed(args[0], grid, path)?),
            F::MaxOf | F::MinOf => Node::ScalarMinMax {
                max: func == F::MaxOf,
                lhs: self.boxed(args[0], grid, path)?,
                rhs: self.boxed(args[1], grid, path)?,
            },
            F::Timestamp | F::StartTimestamp => {
                let start = func == F::StartTimestamp;
                match args[0] {
                    Expr::Vector(selector) => Node::SampleTime {
                        selector: self.selector(selector, grid, None, path)?,
                        start,
                    },
                    _ if start => Node::Nothing(self.boxed(args[0], grid, path)?),
                    _ => return self.map(args[0], grid, path, MapOp::StepTime),
                }
            }
            F::Clamp => {
                let min = Some(self.boxed(args[1], grid, path)?);
                let max = Some(self.boxed(args[2], grid, path)?);
                return self.map(args[0], grid, path, MapOp::Clamp { min, max });
            }
            F::ClampMin => {
                let min = Some(self.boxed(args[1], grid, path)?);
                return self.map(args[0], grid, path, MapOp::Clamp { min, max: None });
            }
            F::ClampMax => {
                let max = Some(self.boxed(args[1], grid, path)?);
                return self.map(args[0], grid, path, MapOp::Clamp { min: None, max });
            }
            F::Round => {
                let to = match args.get(1) {
                    Some(to) => Some(self.boxed(to, grid, path)?),
                    None => None,
                };
                return self.map(args[0], grid, path, MapOp::Round(to));
            }
            F::Absent => Node::Absent {
                input: self.boxed(args[0], grid, path)?,
                labels: absent_labels(args[0]),
            },
            F::Sort | F::SortDesc | F::SortByLabel | F::SortByLabelDesc => Node::Sort {
                input: self.boxed(args[0], grid, path)?,
                key: if matches!(func, F::Sort | F::SortDesc) {
                    SortKey::Value
                } else {
                    SortKey::Labels
                },
                descending: matches!(func, F::SortDesc | F::SortByLabelDesc),
                labels: args[1..].iter().map(|arg| text(arg)).collect(),
                pos: call.pos,
            },
            F::LabelReplace => self.label_replace(&args, grid, path)?,
            F::LabelJoin => self.label_join(&args, grid, path)?,
            F::HistogramQuantile => Node::HistogramQuantile {
                q: self.boxed(args[0], grid, path)?,
                q_pos: pos(0),
                input: self.boxed(args[1], grid, path)?,
                pos: pos(1),
            },
            F::HistogramQuantiles => {
                let mut qs = Vec::new();
                for arg in &args[2..] {
                    qs.push((self.hoisted(arg, grid, path)?, arg.pos()));
                }
                for ((q, _), arg) in qs.iter().zip(&args[2..]) {
                    self.note_origin(q, arg);
                }
                Node::HistogramQuantiles {
                    input: self.boxed(args[0], grid, path)?,
                    label: text(args[1]),
                    qs,
                    pos: pos(0),
                }
            }
            F::HistogramFraction => Node::HistogramFraction {
                lower: self.boxed(args[0], grid, path)?,
                upper: self.boxed(args[1], grid, path)?,
                input: self.boxed(args[2], grid, path)?,
                pos: pos(2),
            },
            F::Info => self.info(&args, grid, path)?,
            F::AbsentOverTime => {
                let labels = absent_labels(args[0]);
                let window = Node::Window(self.window(func, &args, grid, path)?);
                let input = self.placed_call(window, call);
                Node::AbsentOverTime { input, labels }
            }
            _ => Node::Window(self.window(func, &args, grid, path)?),
        })
    }

    fn map(
        &mut self,
        input: &Expr,
        grid: Grid,
        path: Path<'_>,
        op: MapOp,
    ) -> Result<Node, EngineError> {
        Ok(Node::Map { input: self.boxed(input, grid, path)?, op })
    }

    fn window(
        &mut self,
        func: FunctionId,
        args: &[&Expr],
        grid: Grid,
        path: Path<'_>,
    ) -> Result<WindowCall, EngineError> {
        let mut source = None;
        let mut params = Vec::new();
        let mut param_args = Vec::new();
        let mut first_pos = None;
        for arg in args {
            let is_range = matches!(arg, Expr::Matrix(_) | Expr::Subquery(_));
            let pos = if is_range && source.is_none() {
                let (found, range_ms, pos) = self.range_source(arg, grid, path)?;
                source = Some((found, range_ms));
                pos
            } else {
                params.push(self.hoisted(arg, grid, path)?);
                param_args.push(*arg);
                arg.pos()
            };
            first_pos.get_or_insert(pos);
        }
        for (param, arg) in params.iter().zip(param_args) {
            self.note_origin(param, arg);
        }
        let Some((source, range_ms)) = source else {
            return Err(EngineError::Internal(format!(
                "{func:?} is not evaluated without a range"
            )));
        };
        if let RangeSource::Selector { extension, .. } = &source {
            check_extension(func, *extension)?;
        }
        Ok(WindowCall { func, source, range_ms, params, pos: first_pos.unwrap_or_default() })
    }

    fn label_replace(
        &mut self,
        args: &[&Expr],
        grid: Grid,
        path: Path<'_>,
    ) -> Result<Node, EngineError> {
        let [target, replacement, source, pattern] = [1, 2, 3, 4].map(|i| text(args[i]));
        let regex = Regex::relabel(&pattern).map_err(|_| {
            EngineError::execution(format!(
                "invalid regular expression in label_replace(): {pattern}"
            ))
        })?;
        if !is_label_name(args[1]) {
            return Err(EngineError::execution(format!(
                "invalid destination label name in label_replace(): {target}"
            )));
        }
        let template = Template::new(replacement.as_bytes(), &regex);
        let input = self.boxed(args[0], grid, path)?;
        Ok(Node::LabelReplace { input, target, source, regex, template })
    }

    fn label_join(
        &mut self,
        args: &[&Expr],
        grid: Grid,
        path: Path<'_>,
    ) -> Result<Node, EngineError> {
        let (target, separator) = (text(args[1]), text(args[2]));
        let sources: Vec<String> = args[3..].iter().map(|arg| text(arg)).collect();
        if let Some(source) = args[3..].iter().find(|source| !is_label_name(source)) {
            return Err(EngineError::execution(format!(
                "invalid source label name in label_join(): {}",
                text(source)
            )));
        }
        if !is_label_name(args[1]) {
            return Err(EngineError::execution(format!(
                "invalid destination label name in label_join(): {target}"
            )));
        }
        let input = self.boxed(args[0], grid, path)?;
        Ok(Node::LabelJoin { input, target, separator, sources })
    }

    fn info(&mut self, args: &[&Expr], grid: Grid, path: Path<'_>) -> Result<Node, EngineError> {
        let input = self.boxed(args[0], grid, path)?;
        let data_matchers = match args.get(1) {
            Some(Expr::Vector(selector)) => Some(selector.matchers.clone()),
            _ => None,
        };
        let own: Vec<Matcher> = match &data_matchers {
            Some(matchers) => matchers.iter().filter(|m| m.name == METRIC_NAME).cloned().collect(),
            None => vec![Matcher::equal(METRIC_NAME, "target_info")],
        };
        let positive = own.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex));
        let name_matchers = if positive {
            own
        } else if own.is_empty() {
            vec![Matcher::equal(METRIC_NAME, "target_info")]
        } else {
            let any_info = Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info")
                .map_err(|err| EngineError::Internal(err.to_string()))?;
            std::iter::once(any_info).chain(own).collect()
        };
        let (at, offset_ms) = self.info_time(args[0], &mut Vec::new())?.unwrap_or((None, 0));
        let selector = ast::VectorSelector {
            matchers: data_matchers
                .iter()
                .flatten()
                .filter(|m| m.name != METRIC_NAME)
                .chain(&name_matchers)
                .cloned()
                .collect(),
            at: at.map(ast::At::Timestamp),
            offset: ast::Offset { original_ms: offset_ms, ..ast::Offset::default() },
            ..ast::VectorSelector::default()
        };
        let selector = self.selector(&selector, grid, None, path)?;
        Ok(Node::Info(Box::new(InfoNode { input, selector, data_matchers, name_matchers })))
    }

    /// `@` and offset of the first selector of an expression, enclosing subqueries counted in up to the first `@`.
    fn info_time<'e>(
        &self,
        expr: &'e Expr,
        subqueries: &mut Vec<&'e ast::Subquery>,
    ) -> Result<Option<(Option<i64>, i64)>, EngineError> {
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &matrix.selector,
            Expr::Subquery(subquery) => {
                subqueries.push(subquery);
                let found = self.info_time(&subquery.expr, subqueries);
                subqueries.pop();
                return found;
            }
            other => {
                for child in other.children() {
                    if let Some(found) = self.info_time(child, subqueries)? {
                        return Ok(Some(found));
                    }
                }
                return Ok(None);
            }
        };
        let mut at = self.at(selector.at);
        let mut offset = self.offset(&selector.offset)?;
        for subquery in subqueries.iter().rev() {
            if at.is_some() {
                break;
            }
            offset = offset.saturating_add(self.offset(&subquery.offset)?);
            at = self.at(subquery.at);
        }
        Ok(Some((at, offset)))
    }
}

fn check_extension(func: FunctionId, extension: Extension) -> Result<(), EngineError> {
    use FunctionId::{Changes, Delta, Increase, Rate, Resets};
    let (fits, modifier, list) = match extension {
        Extension::None => return Ok(()),
        Extension::Anchored => (
            matches!(func, Changes | Delta | Increase | Rate | Resets),
            "anchored",
            "changes, delta, increase, rate, resets",
        ),
        Extension::Smoothed => {
            (matches!(func, Delta | Increase | Rate), "smoothed", "delta, increase, rate")
        }
    };
    if fits {
        return Ok(());
    }
    let name = crate::functions::FUNCTIONS.iter().find(|f| f.id == func).map_or("", |f| f.name);
    Err(EngineError::execution(format!(
        "{modifier} modifier can only be used with: {list} - not with {name}"
    )))
}

/// A string argument.
fn text(expr: &Expr) -> String {
    match unparen(expr) {
        Expr::String(text) => text.value.clone(),
        _ => String::new(),
    }
}

/// Whether a string argument can name a label.
fn is_label_name(expr: &Expr) -> bool {
    matches!(unparen(expr), Expr::String(text) if text.is_label_name())
}

fn float_function(func: FunctionId) -> Option<fn(f64) -> f64> {
    use FunctionId as F;
    Some(match func {
        F::Abs => f64::abs,
        F::Ceil => f64::ceil,
        F::Floor => f64::floor,
        F::Exp => gomath::exp,
        F::Sqrt => f64::sqrt,
        F::Ln => gomath::log,
        F::Log2 => gomath::log2,
        F::Log10 => gomath::log10,
        F::Sin => gomath::sin,
        F::Cos => gomath::cos,
        F::Tan => gomath::tan,
        F::Asin => gomath::asin,
        F::Acos => gomath::acos,
        F::Atan => gomath::atan,
        F::Sinh => gomath::sinh,
        F::Cosh => gomath::cosh,
        F::Tanh => gomath::tanh,
        F::Asinh => gomath::asinh,
        F::Acosh => gomath::acosh,
        F::Atanh => gomath::atanh,
        F::Rad => |v| v * std::f64::consts::PI / 180.0,
        F::Deg => |v| v * 180.0 / std::f64::consts::PI,
        F::Sgn => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        _ => return None,
    })
}

fn histogram_function(func: FunctionId) -> Option<fn(&FloatHistogram) -> f64> {
    use FunctionId as F;
    Some(match func {
        F::HistogramCount => |h| h.count,
        F::HistogramSum => |h| h.sum,
        F::HistogramAvg => |h| h.sum / h.count,
        F::HistogramStdvar => gauntlet_model::histogram::variance,
        F::HistogramStddev => |h| gauntlet_model::histogram::variance(h).sqrt(),
        _ => return None,
    })
}
