//! Binary operators.

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, Timestamp, gomath};
use gauntlet_promql::ast::{Binary, BinaryOp, Cardinality, VectorMatching};

use super::{Element, Ev, Run, float_of, unsupported, without_metadata};
use crate::promqltest::SampleValue;

impl Run<'_> {
    pub(super) fn binary(&mut self, e: &Binary, t: Timestamp) -> Result<Ev, String> {
        let (lhs, rhs) = (self.eval(&e.lhs, t)?, self.eval(&e.rhs, t)?);
        match (lhs, rhs) {
            (Ev::Scalar(lhs), Ev::Scalar(rhs)) => {
                let (value, keep) = apply(e.op, lhs, rhs)?;
                Ok(Ev::Scalar(if e.op.is_comparison() { number(keep) } else { value }))
            }
            (Ev::Vector(lhs), Ev::Scalar(rhs)) => with_scalar(e, lhs, rhs, false).map(Ev::Vector),
            (Ev::Scalar(lhs), Ev::Vector(rhs)) => with_scalar(e, rhs, lhs, true).map(Ev::Vector),
            (Ev::Vector(lhs), Ev::Vector(rhs)) => {
                let matching = e.matching.clone().unwrap_or_default();
                if e.op.is_set() {
                    return Ok(Ev::Vector(set_operation(e.op, &matching, lhs, rhs)));
                }
                join(e, &matching, lhs, rhs).map(Ev::Vector)
            }
            _ => Err("BUG: checked by the parser".to_owned()),
        }
    }
}

fn number(truth: bool) -> f64 {
    if truth { 1.0 } else { 0.0 }
}

fn apply(op: BinaryOp, lhs: f64, rhs: f64) -> Result<(f64, bool), String> {
    Ok(match op {
        BinaryOp::Add => (lhs + rhs, true),
        BinaryOp::Sub => (lhs - rhs, true),
        BinaryOp::Mul => (lhs * rhs, true),
        BinaryOp::Div => (lhs / rhs, true),
        BinaryOp::Mod => (gomath::fmod(lhs, rhs), true),
        BinaryOp::Pow => (gomath::pow(lhs, rhs), true),
        BinaryOp::Atan2 => (gomath::atan2(lhs, rhs), true),
        BinaryOp::Equal => (lhs, lhs == rhs),
        BinaryOp::NotEqual => (lhs, lhs != rhs),
        BinaryOp::Less => (lhs, lhs < rhs),
        BinaryOp::LessOrEqual => (lhs, lhs <= rhs),
        BinaryOp::Greater => (lhs, lhs > rhs),
        BinaryOp::GreaterOrEqual => (lhs, lhs >= rhs),
        BinaryOp::TrimUpper | BinaryOp::TrimLower => return unsupported("trimming"),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
            return Err("BUG: set operators take no values".to_owned());
        }
    })
}

fn with_scalar(
    e: &Binary,
    vector: Vec<Element>,
    scalar: f64,
    scalar_is_left: bool,
) -> Result<Vec<Element>, String> {
    let mut out = Vec::new();
    for mut element in vector {
        let own = float_of(&element.value)?;
        let (lhs, rhs) = if scalar_is_left { (scalar, own) } else { (own, scalar) };
        let (mut value, mut keep) = apply(e.op, lhs, rhs)?;
        if e.op.is_comparison() && scalar_is_left {
            value = own;
        }
        if e.return_bool {
            (value, keep) = (number(keep), true);
        }
        if keep {
            element.value = SampleValue::Float(value);
            element.drop_name |= e.return_bool || !e.op.is_comparison();
            out.push(element);
        }
    }
    Ok(out)
}

/// The labels by which series match.
fn key(matching: &VectorMatching, labels: &Labels) -> Labels {
    let mut names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
    if matching.on {
        return labels.keep(&names);
    }
    names.push(METRIC_NAME);
    labels.without(&names)
}

fn set_operation(
    op: BinaryOp,
    matching: &VectorMatching,
    lhs: Vec<Element>,
    rhs: Vec<Element>,
) -> Vec<Element> {
    let has = |side: &[Element], element: &Element| {
        let wanted = key(matching, &element.labels);
        side.iter().any(|e| key(matching, &e.labels) == wanted)
    };
    match op {
        BinaryOp::And => lhs.into_iter().filter(|e| has(&rhs, e)).collect(),
        BinaryOp::Unless => lhs.into_iter().filter(|e| !has(&rhs, e)).collect(),
        _ => {
            let others: Vec<Element> = rhs.into_iter().filter(|e| !has(&lhs, e)).collect();
            lhs.into_iter().chain(others).collect()
        }
    }
}

/// Arithmetic and comparisons between vectors. `many` is the left side, but for `group_right`.
fn join(
    e: &Binary,
    matching: &VectorMatching,
    lhs: Vec<Element>,
    rhs: Vec<Element>,
) -> Result<Vec<Element>, String> {
    let filled = matching.fill_lhs.is_some() || matching.fill_rhs.is_some();
    if (lhs.is_empty() && rhs.is_empty()) || ((lhs.is_empty() || rhs.is_empty()) && !filled) {
        return Ok(Vec::new());
    }
    let swapped = matching.card == Cardinality::OneToMany;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    for (i, a) in one.iter().enumerate() {
        let group = key(matching, &a.labels);
        if let Some(b) = one[..i].iter().find(|b| key(matching, &b.labels) == group) {
            let side = if swapped { "left" } else { "right" };
            let (mut a, mut b) = (a.labels.to_string(), b.labels.to_string());
            if a > b {
                std::mem::swap(&mut a, &mut b);
            }
            return Err(format!(
                "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
            ));
        }
    }
    let mut join = Join { e, matching, swapped, results: Vec::new(), out: Vec::new() };
    for element in &many {
        let group = key(matching, &element.labels);
        match one.iter().find(|o| key(matching, &o.labels) == group) {
            Some(other) => join.pair(&group, element, other)?,
            None => {
                if let Some(value) = matching.fill_rhs {
                    let other = Element::float(group.clone(), false, value, 0);
                    join.pair(&group, element, &other)?;
                }
            }
        }
    }
    if let Some(value) = matching.fill_lhs {
        for other in &one {
            let group = key(matching, &other.labels);
            if join.results.iter().all(|(g, _)| *g != group) {
                let element = Element::float(group.clone(), false, value, 0);
                join.pair(&group, &element, other)?;
            }
        }
    }
    Ok(join.out)
}

struct Join<'a> {
    e: &'a Binary,
    matching: &'a VectorMatching,
    swapped: bool,
    /// Group and labels of every result, also of those that were filtered out.
    results: Vec<(Labels, Labels)>,
    out: Vec<Element>,
}

impl Join<'_> {
    fn pair(&mut self, group: &Labels, many: &Element, one: &Element) -> Result<(), String> {
        let e = self.e;
        let (mut lhs, mut rhs) = (float_of(&many.value)?, float_of(&one.value)?);
        if self.swapped {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        let (mut value, keep) = apply(e.op, lhs, rhs)?;
        if e.return_bool {
            value = number(keep);
        }
        let labels = self.result_labels(&many.labels, &one.labels);
        if self.matching.card == Cardinality::OneToOne {
            if self.results.iter().any(|(g, _)| g == group) {
                return Err("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".to_owned());
            }
        } else if self.results.iter().any(|(g, l)| g == group && *l == labels) {
            return Err("multiple matches for labels: grouping labels must ensure unique matches"
                .to_owned());
        }
        self.results.push((group.clone(), labels.clone()));
        if keep || e.return_bool {
            self.out.push(Element::float(labels, e.return_bool, value, many.t));
        }
        Ok(())
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let base = if self.e.op.is_comparison() { many.clone() } else { without_metadata(many) };
        let names: Vec<&str> = self.matching.labels.iter().map(String::as_str).collect();
        let base = match self.matching.card {
            Cardinality::OneToOne if self.matching.on => base.keep(&names),
            Cardinality::OneToOne => base.without(&names),
            _ => base,
        };
        let mut builder = base.to_builder();
        for name in &self.matching.include {
            builder.set(name, one.value(name));
        }
        builder.build()
    }
}
