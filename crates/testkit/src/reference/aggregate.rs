//! Aggregations over labels.

use gauntlet_model::float::plain_float;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, Timestamp};
use gauntlet_promql::ast::{Aggregate, AggregateOp, Expr};
use gauntlet_promql::{Annotation, PosRange};

use super::range::{kahan_add, mean, quantile};
use super::{Element, Run, float_of, unsupported};
use crate::promqltest::SampleValue;

impl Run<'_> {
    pub(super) fn aggregate(
        &mut self,
        e: &Aggregate,
        t: Timestamp,
    ) -> Result<Vec<Element>, String> {
        use AggregateOp as A;
        if e.op == A::CountValues {
            return self.count_values(e, t);
        }
        let param = match &e.param {
            Some(param) => self.scalar(param, t)?,
            None => 0.0,
        };
        let elements = self.vector(&e.expr, t)?;
        let mut groups: Vec<(Labels, Vec<Element>)> = Vec::new();
        for element in elements {
            let labels = group_labels(&element.labels, &e.grouping, e.without);
            match groups.iter_mut().find(|(l, _)| *l == labels) {
                Some((_, members)) => members.push(element),
                None => groups.push((labels, vec![element])),
            }
        }
        let param_pos = e.param.as_deref().map_or(PosRange::default(), Expr::pos);
        match e.op {
            A::Quantile if !(0.0..=1.0).contains(&param) => {
                self.annotations.add(Annotation::invalid_quantile(param, param_pos));
            }
            A::LimitRatio if param.abs() > 1.0 => {
                let capped = if param > 0.0 { 1.0 } else { -1.0 };
                self.annotations.add(Annotation::invalid_ratio(param, capped, param_pos));
            }
            A::Topk | A::Bottomk | A::Limitk if param.is_nan() => {
                return Err("Parameter value is NaN".to_owned());
            }
            A::LimitRatio if param.is_nan() => return Err("Ratio value is NaN".to_owned()),
            _ => {}
        }
        let mut out = Vec::new();
        for (labels, members) in groups {
            if matches!(e.op, A::Topk | A::Bottomk | A::Limitk | A::LimitRatio) {
                out.extend(choose(e.op, param, members, self.step_ms == 0)?);
                continue;
            }
            let drop_name = members.iter().any(|m| m.drop_name);
            let value = match e.op {
                A::Count => members.len() as f64,
                A::Group => 1.0,
                _ => {
                    let values: Vec<f64> =
                        members.iter().map(|m| float_of(&m.value)).collect::<Result<_, _>>()?;
                    fold(e.op, param, &values)?
                }
            };
            out.push(Element::float(labels, drop_name, value, t));
        }
        Ok(out)
    }

    fn count_values(&mut self, e: &Aggregate, t: Timestamp) -> Result<Vec<Element>, String> {
        let Some(Expr::String(label)) = e.param.as_deref().map(Expr::unparen) else {
            return Err("BUG: checked by the parser".to_owned());
        };
        if label.value.is_empty() || label.invalid_utf8.is_some() {
            return Err(format!("invalid label name {}", label.quoted()));
        }
        let mut grouping = e.grouping.clone();
        if !e.without {
            grouping.push(label.value.clone());
        }
        let mut counts: Vec<(Labels, f64)> = Vec::new();
        for element in self.vector(&e.expr, t)? {
            let text = plain_float(float_of(&element.value)?);
            let mut labels = element.labels.to_builder();
            labels.set(&label.value, &text);
            let labels = group_labels(&labels.build(), &grouping, e.without);
            match counts.iter_mut().find(|(l, _)| *l == labels) {
                Some((_, count)) => *count += 1.0,
                None => counts.push((labels, 1.0)),
            }
        }
        Ok(counts.into_iter().map(|(l, count)| Element::float(l, false, count, t)).collect())
    }
}

fn group_labels(labels: &Labels, grouping: &[String], without: bool) -> Labels {
    let mut names: Vec<&str> = grouping.iter().map(String::as_str).collect();
    if !without {
        return labels.keep(&names);
    }
    names.push(METRIC_NAME);
    labels.without(&names)
}

fn fold(op: AggregateOp, param: f64, values: &[f64]) -> Result<f64, String> {
    use AggregateOp as A;
    let replace_if = |better: fn(f64, f64) -> bool| {
        values[1..]
            .iter()
            .fold(values[0], |best, v| if better(*v, best) || best.is_nan() { *v } else { best })
    };
    Ok(match op {
        A::Sum => {
            let (mut sum, mut c) = (values[0], 0.0);
            for value in &values[1..] {
                (sum, c) = kahan_add(*value, sum, c);
            }
            sum + c
        }
        A::Avg => mean(values),
        A::Min => replace_if(|value, best| value < best),
        A::Max => replace_if(|value, best| value > best),
        A::Quantile => quantile(param, values),
        A::Stddev => variance(values).sqrt(),
        A::Stdvar => variance(values),
        _ => return unsupported(op.as_str()),
    })
}

/// Welford's method without compensation.
fn variance(values: &[f64]) -> f64 {
    let mut mean = values[0];
    let mut sum = if mean.is_finite() { 0.0 } else { f64::NAN };
    for (i, value) in values.iter().enumerate().skip(1) {
        let delta = value - mean;
        mean += delta / (i + 1) as f64;
        sum += delta * (value - mean);
    }
    sum / values.len() as f64
}

/// Chosen members: `ranked`, or in the order in which they came.
fn choose(
    op: AggregateOp,
    param: f64,
    members: Vec<Element>,
    ranked: bool,
) -> Result<Vec<Element>, String> {
    let k = if param >= 1.0 { (param as usize).min(members.len()) } else { 0 };
    match op {
        AggregateOp::Limitk => return Ok(members.into_iter().take(k).collect()),
        AggregateOp::LimitRatio => {
            let ratio = param.clamp(-1.0, 1.0);
            let chosen = |m: &Element| {
                let place = m.labels.hash() as f64 / u64::MAX as f64;
                (ratio >= 0.0 && place < ratio) || (ratio < 0.0 && place >= 1.0 + ratio)
            };
            return Ok(members.into_iter().filter(chosen).collect());
        }
        _ => {}
    }
    if let Some(histogram) = members.iter().find(|m| matches!(m.value, SampleValue::Histogram(_))) {
        float_of(&histogram.value)?;
    }
    let value = |m: &Element| float_of(&m.value).unwrap_or(f64::NAN);
    let mut sorted: Vec<(usize, Element)> = members.into_iter().enumerate().collect();
    // Not-a-numbers come last whichever end is wanted.
    sorted.sort_by(|a, b| {
        let (a, b) = (value(&a.1), value(&b.1));
        let order = if op == AggregateOp::Topk { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
        order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
    sorted.truncate(k);
    if !ranked {
        sorted.sort_by_key(|(place, _)| *place);
    }
    Ok(sorted.into_iter().map(|(_, member)| member).collect())
}
