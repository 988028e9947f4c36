//! A PromQL evaluator that is slow and plain: it walks the tree once for each step and holds nothing between steps.
//!
//! The engine's property tests compare with it. It shares the parser and the elementary functions with the engine and
//! nothing else. Floats only: a histogram where a value is needed, `info`, the `histogram_*` functions, `anchored` and
//! `smoothed` end in an error that starts with [`UNSUPPORTED`]. Of two equal values `topk` keeps the one that came first.
//! Order of summation is the order of series, as in the peer; where the peer's own order is chance, so is a last bit.

mod aggregate;
mod binary;
mod calendar;
mod call;
pub mod random;
mod range;
mod select;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, Matcher, Timestamp, gomath};
use gauntlet_promql::ast::{DurationExpr, DurationOp};
use gauntlet_promql::{Annotations, Expr, ParserOptions, parse};

use select::Decoded;

use crate::promqltest::{Answer, MemoryStore, SampleValue, TestEngine, Value};

/// How errors begin that say what this evaluator cannot do.
pub const UNSUPPORTED: &str = "reference: unsupported";

/// How far back an instant selector looks, in ms.
const LOOKBACK_MS: i64 = 300_000;
/// Step of subqueries that name none, in ms.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// See the file's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl TestEngine for Reference {
    fn instant(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        at: Timestamp,
    ) -> Result<Answer, String> {
        let expr = parse(query, &ParserOptions::all()).map_err(|e| e.to_string())?;
        let mut run = Run::new(store, at, at, 0);
        let value = match run.eval(&expr, at)? {
            Ev::Scalar(value) => Value::Scalar(value),
            Ev::Text(text) => Value::String(text),
            Ev::Vector(elements) => {
                let mut seen = Vec::new();
                for element in elements {
                    let labels = element.final_labels();
                    if seen.iter().any(|(l, _)| *l == labels) {
                        return Err(SAME_LABELSET.to_owned());
                    }
                    seen.push((labels, element.value));
                }
                Value::Vector(seen)
            }
            Ev::Matrix(windows) => {
                let mut series = BTreeMap::new();
                for window in windows {
                    let labels = final_labels(&window.labels, window.drop_name);
                    let points: &mut Vec<_> = series.entry(labels).or_default();
                    points.extend(window.points.into_iter().map(|p| (p.t, p.value)));
                }
                Value::Matrix(merged(series)?)
            }
        };
        Ok(Answer { value, annotations: run.annotations })
    }

    fn range(
        &self,
        store: &Arc<MemoryStore>,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    ) -> Result<Answer, String> {
        let expr = parse(query, &ParserOptions::all()).map_err(|e| e.to_string())?;
        let mut run = Run::new(store, start, end, step_ms);
        let mut series: BTreeMap<Labels, Vec<(Timestamp, SampleValue)>> = BTreeMap::new();
        let mut t = start;
        while t <= end {
            match run.eval(&expr, t)? {
                Ev::Scalar(value) => {
                    series.entry(Labels::empty()).or_default().push((t, SampleValue::Float(value)));
                }
                Ev::Vector(elements) => {
                    for element in elements {
                        let labels = element.final_labels();
                        series.entry(labels).or_default().push((t, element.value));
                    }
                }
                Ev::Text(_) | Ev::Matrix(_) => return Err("no range query".to_owned()),
            }
            t += step_ms.max(1);
        }
        Ok(Answer { value: Value::Matrix(merged(series)?), annotations: run.annotations })
    }
}

const SAME_LABELSET: &str = "vector cannot contain metrics with the same labelset";

type Series = (Labels, Vec<(Timestamp, SampleValue)>);

/// Points by time; two at one time are an error.
fn merged(series: BTreeMap<Labels, Vec<(Timestamp, SampleValue)>>) -> Result<Vec<Series>, String> {
    let mut out = Vec::new();
    for (labels, mut points) in series {
        points.sort_by_key(|(t, _)| *t);
        if points.windows(2).any(|w| w[0].0 == w[1].0) {
            return Err(SAME_LABELSET.to_owned());
        }
        out.push((labels, points));
    }
    Ok(out)
}

/// What an expression evaluates to at one instant.
enum Ev {
    Scalar(f64),
    Text(String),
    Vector(Vec<Element>),
    Matrix(Vec<Window>),
}

/// An element of a vector. The name is dropped at the very end.
#[derive(Clone, Debug)]
struct Element {
    labels: Labels,
    drop_name: bool,
    value: SampleValue,
    /// Time and start timestamp of the sample itself.
    t: Timestamp,
    start: Timestamp,
}

impl Element {
    fn float(labels: Labels, drop_name: bool, value: f64, t: Timestamp) -> Self {
        Self { labels, drop_name, value: SampleValue::Float(value), t, start: 0 }
    }

    fn final_labels(&self) -> Labels {
        final_labels(&self.labels, self.drop_name)
    }
}

fn final_labels(labels: &Labels, drop_name: bool) -> Labels {
    if drop_name { without_metadata(labels) } else { labels.clone() }
}

fn without_metadata(labels: &Labels) -> Labels {
    labels.without(&[METRIC_NAME, "__type__", "__unit__"])
}

/// Samples of one series within a range.
#[derive(Clone, Debug)]
struct Window {
    labels: Labels,
    drop_name: bool,
    points: Vec<Point>,
}

#[derive(Clone, Debug)]
struct Point {
    t: Timestamp,
    start: Timestamp,
    value: SampleValue,
}

struct Run<'a> {
    store: &'a MemoryStore,
    start: Timestamp,
    end: Timestamp,
    step_ms: i64,
    annotations: Annotations,
    /// What was selected so far.
    decoded: Vec<(Vec<Matcher>, Rc<Decoded>)>,
}

fn unsupported<T>(what: &str) -> Result<T, String> {
    Err(format!("{UNSUPPORTED}: {what}"))
}

fn float_of(value: &SampleValue) -> Result<f64, String> {
    match value {
        SampleValue::Float(value) => Ok(*value),
        SampleValue::Histogram(_) => unsupported("histograms"),
    }
}

impl<'a> Run<'a> {
    fn new(store: &'a MemoryStore, start: Timestamp, end: Timestamp, step_ms: i64) -> Self {
        Self {
            store,
            start,
            end,
            step_ms,
            annotations: Annotations::default(),
            decoded: Vec::new(),
        }
    }

    fn eval(&mut self, expr: &Expr, t: Timestamp) -> Result<Ev, String> {
        Ok(match expr {
            Expr::Number(e) => Ev::Scalar(e.value),
            Expr::String(e) => Ev::Text(e.value.clone()),
            Expr::Paren(e) => self.eval(&e.expr, t)?,
            Expr::StepInvariant(e) => self.eval(e, t)?,
            Expr::Vector(e) => Ev::Vector(self.instant_selector(e, t)?),
            Expr::Matrix(_) | Expr::Subquery(_) => Ev::Matrix(self.windows(expr, t)?.windows),
            Expr::Unary(e) => match self.eval(&e.expr, t)? {
                Ev::Scalar(value) => Ev::Scalar(if e.negative { -value } else { value }),
                Ev::Vector(elements) if e.negative => {
                    if elements.iter().any(|e| matches!(e.value, SampleValue::Histogram(_))) {
                        return unsupported("histograms");
                    }
                    Ev::Vector(map_floats(elements, |v| -v))
                }
                other => other,
            },
            Expr::Binary(e) => self.binary(e, t)?,
            Expr::Aggregate(e) => Ev::Vector(self.aggregate(e, t)?),
            Expr::Call(e) => self.call(e, t)?,
        })
    }

    fn vector(&mut self, expr: &Expr, t: Timestamp) -> Result<Vec<Element>, String> {
        match self.eval(expr, t)? {
            Ev::Vector(elements) => Ok(elements),
            _ => Err("BUG: checked by the parser".to_owned()),
        }
    }

    fn scalar(&mut self, expr: &Expr, t: Timestamp) -> Result<f64, String> {
        match self.eval(expr, t)? {
            Ev::Scalar(value) => Ok(value),
            _ => Err("BUG: checked by the parser".to_owned()),
        }
    }

    /// A duration in ms: a literal, or an expression worked out.
    fn duration(
        &self,
        ms: i64,
        expr: Option<&DurationExpr>,
        negative: bool,
    ) -> Result<i64, String> {
        let Some(expr) = expr else { return Ok(ms) };
        let seconds = self.seconds(expr);
        let pos = expr.pos();
        if !seconds.is_finite() {
            return Err(format!("{}:{}: duration is NaN or infinite", pos.start, pos.end));
        }
        if seconds <= 0.0 && !negative {
            return Err(format!("{}:{}: duration must be greater than 0", pos.start, pos.end));
        }
        Ok((seconds * 1000.0) as i64)
    }

    fn seconds(&self, expr: &DurationExpr) -> f64 {
        match expr {
            DurationExpr::Number(e) => e.value,
            DurationExpr::Step { .. } => self.step_ms as f64 / 1000.0,
            DurationExpr::Range { .. } => (self.end - self.start) as f64 / 1000.0,
            DurationExpr::Unary { negative, expr, .. } => {
                let value = self.seconds(expr);
                if *negative { -value } else { value }
            }
            DurationExpr::MinMax { max, lhs, rhs, .. } => {
                let (lhs, rhs) = (self.seconds(lhs), self.seconds(rhs));
                if *max { gomath::max(lhs, rhs) } else { gomath::min(lhs, rhs) }
            }
            DurationExpr::Binary { op, lhs, rhs, .. } => {
                let (lhs, rhs) = (self.seconds(lhs), self.seconds(rhs));
                match op {
                    DurationOp::Add => lhs + rhs,
                    DurationOp::Sub => lhs - rhs,
                    DurationOp::Mul => lhs * rhs,
                    DurationOp::Div => lhs / rhs,
                    DurationOp::Mod => gomath::fmod(lhs, rhs),
                    DurationOp::Pow => gomath::pow(lhs, rhs),
                }
            }
        }
    }
}

/// Applies a function to every float; histograms and the name go.
fn map_floats(elements: Vec<Element>, f: impl Fn(f64) -> f64) -> Vec<Element> {
    let apply = |element: Element| match element.value {
        SampleValue::Float(value) => {
            Some(Element { value: SampleValue::Float(f(value)), drop_name: true, ..element })
        }
        SampleValue::Histogram(_) => None,
    };
    elements.into_iter().filter_map(apply).collect()
}
