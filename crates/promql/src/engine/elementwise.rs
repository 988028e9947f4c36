//! What happens to each cell alone: mathematics, binary operators with a scalar, functions of single histograms.

use std::sync::Arc;

use gauntlet_model::histogram::CounterResetHint;
use gauntlet_model::{FloatHistogram, gomath};

use super::grid::Grid;
use super::rows::{ABSENT, Cell, HistogramRow, ScalarRow, is_absent};
use crate::annotations::{Annotation, Annotations, HistogramOperation};
use crate::ast::{BinaryOp, PosRange};

/// A map with its scalars evaluated.
#[derive(Debug)]
pub(super) enum Mapper {
    Float(fn(f64) -> f64),
    Clamp { min: ScalarRow, max: ScalarRow },
    Round(ScalarRow),
    Binary { op: BinaryOp, scalar: ScalarRow, swap: bool, return_bool: bool, pos: PosRange },
    Negate,
    StepTime,
    Histogram(fn(&FloatHistogram) -> f64),
}

/// What a map takes from label sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strip {
    #[default]
    Nothing,
    Name,
    /// Name, type and unit.
    Metadata,
}

/// Whether the operator's result is no longer what the metric's name says.
pub(super) fn changes_meaning(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Mul | Div | Mod | Pow | Atan2)
}

impl Mapper {
    pub(super) fn strip(&self) -> Strip {
        match self {
            Self::Binary { op, return_bool, .. } if !changes_meaning(*op) && !return_bool => {
                Strip::Nothing
            }
            Self::Histogram(_) => Strip::Name,
            _ => Strip::Metadata,
        }
    }

    /// Changes a row in place.
    pub(super) fn apply(
        &self,
        grid: &Grid,
        values: &mut [f64],
        histograms: &mut Option<HistogramRow>,
        annotations: &mut Annotations,
    ) {
        match self {
            Self::Float(f) => {
                *histograms = None;
                each(values, |_, v| f(v));
            }
            Self::Clamp { min, max } => {
                *histograms = None;
                each(values, |i, v| {
                    let (min, max) = (min.get(i), max.get(i));
                    if max < min { ABSENT } else { gomath::max(min, gomath::min(max, v)) }
                });
            }
            Self::Round(to) => {
                *histograms = None;
                each(values, |i, v| {
                    let inverse = 1.0 / to.get(i);
                    (v * inverse + 0.5).floor() / inverse
                });
            }
            Self::Negate => {
                each(values, |_, v| -v);
                for histogram in histograms.iter_mut().flat_map(|row| row.iter_mut().flatten()) {
                    Arc::make_mut(histogram).mul(-1.0);
                }
            }
            Self::StepTime => {
                for (i, value) in values.iter_mut().enumerate() {
                    let filled = !is_absent(*value)
                        || histograms.as_ref().is_some_and(|row| row[i].is_some());
                    if filled {
                        *value = grid.time(i) as f64 / 1000.0;
                    }
                }
                *histograms = None;
            }
            Self::Histogram(f) => {
                for (i, value) in values.iter_mut().enumerate() {
                    let histogram = histograms.as_ref().and_then(|row| row[i].as_ref());
                    *value = histogram.map_or(ABSENT, |h| f(h));
                }
                *histograms = None;
            }
            Self::Binary { op, scalar, swap, return_bool, pos } => {
                let with = ScalarOp { op: *op, swap: *swap, return_bool: *return_bool, pos: *pos };
                with.apply(scalar, values, histograms, annotations);
            }
        }
    }
}

/// Applies `f` to the floats that are there.
#[inline(always)]
fn each(values: &mut [f64], f: impl Fn(usize, f64) -> f64) {
    for (i, value) in values.iter_mut().enumerate() {
        if !is_absent(*value) {
            *value = f(i, *value);
        }
    }
}

/// A binary operator between cells and a scalar.
struct ScalarOp {
    op: BinaryOp,
    swap: bool,
    return_bool: bool,
    pos: PosRange,
}

impl ScalarOp {
    fn apply(
        &self,
        scalar: &ScalarRow,
        values: &mut [f64],
        histograms: &mut Option<HistogramRow>,
        annotations: &mut Annotations,
    ) {
        if self.op.is_comparison() {
            self.compare(scalar, values);
        } else if matches!(self.op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
            if values.iter().any(|v| !is_absent(*v)) {
                let name = self.op.as_str();
                annotations.add(Annotation::incompatible_types("float", name, "float", self.pos));
                values.fill(ABSENT);
            }
        } else {
            let op = arithmetic(self.op);
            if self.swap {
                each(values, |i, v| op(scalar.get(i), v));
            } else {
                each(values, |i, v| op(v, scalar.get(i)));
            }
        }
        if let Some(row) = histograms {
            let mut any = false;
            for (i, cell) in row.iter_mut().enumerate() {
                let Some(histogram) = cell.take() else { continue };
                match self.histogram(&histogram, scalar.get(i), annotations) {
                    Cell::Empty => {}
                    Cell::Float(value) => values[i] = value,
                    Cell::Histogram(result) => {
                        *cell = Some(result);
                        any = true;
                    }
                }
            }
            if !any {
                *histograms = None;
            }
        }
    }

    fn compare(&self, scalar: &ScalarRow, values: &mut [f64]) {
        let holds = comparison(self.op);
        let (swap, as_bool) = (self.swap, self.return_bool);
        each(values, |i, v| {
            let s = scalar.get(i);
            let kept = if swap { holds(s, v) } else { holds(v, s) };
            if as_bool {
                f64::from(u8::from(kept))
            } else if kept {
                v
            } else {
                ABSENT
            }
        });
    }

    fn histogram(
        &self,
        histogram: &Arc<FloatHistogram>,
        scalar: f64,
        annotations: &mut Annotations,
    ) -> Cell {
        let changed = |f: &dyn Fn(&mut FloatHistogram)| {
            let mut copy = FloatHistogram::clone(histogram);
            f(&mut copy);
            Cell::Histogram(Arc::new(copy))
        };
        let result = match (self.op, self.swap) {
            (BinaryOp::Mul, _) => changed(&|h| {
                h.mul(scalar);
                h.compact(0);
            }),
            (BinaryOp::Div, false) => changed(&|h| {
                h.div(scalar);
                h.compact(0);
            }),
            (BinaryOp::TrimUpper, false) => changed(&|h| h.trim(scalar, true)),
            (BinaryOp::TrimLower, false) => changed(&|h| h.trim(scalar, false)),
            _ => {
                let (lhs, rhs) =
                    if self.swap { ("float", "histogram") } else { ("histogram", "float") };
                let name = self.op.as_str();
                annotations.add(Annotation::incompatible_types(lhs, name, rhs, self.pos));
                return Cell::Empty;
            }
        };
        if self.return_bool { Cell::Float(1.0) } else { result }
    }
}

/// The arithmetic of an operator that has one.
pub(super) fn arithmetic(op: BinaryOp) -> fn(f64, f64) -> f64 {
    match op {
        BinaryOp::Add => |a, b| a + b,
        BinaryOp::Sub => |a, b| a - b,
        BinaryOp::Mul => |a, b| a * b,
        BinaryOp::Div => |a, b| a / b,
        BinaryOp::Mod => gomath::fmod,
        BinaryOp::Pow => gomath::pow,
        BinaryOp::Atan2 => gomath::atan2,
        _ => |_, _| f64::NAN,
    }
}

/// Whether a comparison holds; false for other operators.
pub(super) fn comparison(op: BinaryOp) -> fn(f64, f64) -> bool {
    match op {
        BinaryOp::Equal => |a, b| a == b,
        BinaryOp::NotEqual => |a, b| a != b,
        BinaryOp::Less => |a, b| a < b,
        BinaryOp::LessOrEqual => |a, b| a <= b,
        BinaryOp::Greater => |a, b| a > b,
        BinaryOp::GreaterOrEqual => |a, b| a >= b,
        _ => |_, _| false,
    }
}

/// A binary operator between two rows of floats, where both have one; the other places of `out` are left as they are.
pub(super) fn combine_rows(
    op: BinaryOp,
    return_bool: bool,
    lhs: &[f64],
    rhs: &[f64],
    out: &mut [f64],
) {
    #[inline(always)]
    fn each(lhs: &[f64], rhs: &[f64], out: &mut [f64], f: impl Fn(f64, f64) -> f64) {
        for ((a, b), out) in lhs.iter().zip(rhs).zip(out) {
            let there = !is_absent(*a) & !is_absent(*b);
            *out = if there { f(*a, *b) } else { *out };
        }
    }
    match op {
        // One loop each for those that are asked most.
        BinaryOp::Add => each(lhs, rhs, out, |a, b| a + b),
        BinaryOp::Sub => each(lhs, rhs, out, |a, b| a - b),
        BinaryOp::Mul => each(lhs, rhs, out, |a, b| a * b),
        BinaryOp::Div => each(lhs, rhs, out, |a, b| a / b),
        op if op.is_comparison() => {
            let holds = comparison(op);
            each(lhs, rhs, out, |a, b| match (return_bool, holds(a, b)) {
                (true, kept) => f64::from(u8::from(kept)),
                (false, true) => a,
                (false, false) => ABSENT,
            });
        }
        op => {
            let f = arithmetic(op);
            for ((a, b), out) in lhs.iter().zip(rhs).zip(out) {
                if !is_absent(*a) && !is_absent(*b) {
                    *out = f(*a, *b);
                }
            }
        }
    }
}

/// An operator between two scalars.
pub(super) fn scalar_operator(op: BinaryOp, a: f64, b: f64) -> f64 {
    if op.is_comparison() {
        f64::from(u8::from(comparison(op)(a, b)))
    } else {
        arithmetic(op)(a, b)
    }
}

/// What an operator between two cells answers.
pub(super) enum Outcome {
    /// The value, and whether a filter keeps it.
    Value(Cell, bool),
    /// Nothing: the cells do not fit, which was noted.
    Nothing,
}

/// An operator between two filled cells, at least one of them a histogram or the operator a trim.
pub(super) fn combine_cells(
    op: BinaryOp,
    lhs: &Cell,
    rhs: &Cell,
    pos: PosRange,
    annotations: &mut Annotations,
) -> Outcome {
    let histogram = |h: FloatHistogram| Outcome::Value(Cell::Histogram(Arc::new(h)), true);
    match (lhs, rhs) {
        (Cell::Float(a), Cell::Float(b))
            if !matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) =>
        {
            if op.is_comparison() {
                Outcome::Value(Cell::Float(*a), comparison(op)(*a, *b))
            } else {
                Outcome::Value(Cell::Float(arithmetic(op)(*a, *b)), true)
            }
        }
        (Cell::Float(a), Cell::Histogram(h)) if op == BinaryOp::Mul => {
            let mut h = FloatHistogram::clone(h);
            h.mul(*a);
            h.compact(0);
            histogram(h)
        }
        (Cell::Histogram(h), Cell::Float(b))
            if matches!(
                op,
                BinaryOp::Mul | BinaryOp::Div | BinaryOp::TrimUpper | BinaryOp::TrimLower
            ) =>
        {
            let mut h = FloatHistogram::clone(h);
            match op {
                BinaryOp::Mul => h.mul(*b),
                BinaryOp::Div => h.div(*b),
                _ => h.trim(*b, op == BinaryOp::TrimUpper),
            }
            if matches!(op, BinaryOp::Mul | BinaryOp::Div) {
                h.compact(0);
            }
            histogram(h)
        }
        (Cell::Histogram(a), Cell::Histogram(b))
            if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) =>
        {
            let kept = a.same_data(b) == (op == BinaryOp::Equal);
            Outcome::Value(Cell::Histogram(Arc::clone(a)), kept)
        }
        (Cell::Histogram(a), Cell::Histogram(b)) if matches!(op, BinaryOp::Add | BinaryOp::Sub) => {
            let add = op == BinaryOp::Add;
            let mut h = FloatHistogram::clone(a);
            let done = if add { h.add(b) } else { h.sub(b) };
            let Ok(done) = done else {
                annotations.add(Annotation::incompatible_bucket_layout(op.as_str(), pos));
                return Outcome::Nothing;
            };
            let operation =
                if add { HistogramOperation::Addition } else { HistogramOperation::Subtraction };
            if !add {
                h.counter_reset_hint = CounterResetHint::Gauge;
            }
            if done.counter_reset_collision {
                // The peer makes an error of it, and so no result.
                annotations.add(Annotation::counter_reset_collision(operation, pos));
                return Outcome::Nothing;
            }
            if done.bounds_reconciled {
                annotations.add(Annotation::mismatched_custom_buckets(operation, pos));
            }
            h.compact(0);
            histogram(h)
        }
        _ => {
            let name = |cell: &Cell| match cell {
                Cell::Histogram(_) => "histogram",
                _ => "float",
            };
            let (lhs, rhs) = (name(lhs), name(rhs));
            annotations.add(Annotation::incompatible_types(lhs, op.as_str(), rhs, pos));
            Outcome::Nothing
        }
    }
}
