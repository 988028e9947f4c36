//! Functions of instant vectors and scalars.

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::regex::{Regex, Template};
use gauntlet_model::{Labels, MatchOp, Timestamp, gomath};
use gauntlet_promql::ast::Call;
use gauntlet_promql::{Annotation, Expr, FunctionId, ValueType};

use super::range::clamp;
use super::{Element, Ev, Run, SAME_LABELSET, calendar, float_of, map_floats, unsupported};
use crate::promqltest::SampleValue;

impl Run<'_> {
    pub(super) fn call(&mut self, e: &Call, t: Timestamp) -> Result<Ev, String> {
        use FunctionId as F;
        let ranged = e.args.iter().position(|a| a.value_type() == ValueType::Matrix);
        if let Some(arg) = ranged {
            return self.range_call(e, arg, t).map(Ev::Vector);
        }
        let id = e.func.id;
        if let Some(f) = plain(id) {
            let elements = self.vector(&e.args[0], t)?;
            return Ok(Ev::Vector(map_floats(elements, f)));
        }
        if let Some(f) = dated(id) {
            return self.dated(e, t, f).map(Ev::Vector);
        }
        Ok(match id {
            F::Pi => Ev::Scalar(std::f64::consts::PI),
            F::Time => Ev::Scalar(t as f64 / 1000.0),
            F::Start => Ev::Scalar(self.start as f64 / 1000.0),
            F::End => Ev::Scalar(self.end as f64 / 1000.0),
            F::Range => Ev::Scalar((self.end - self.start) as f64 / 1000.0),
            F::Step => Ev::Scalar(self.step_ms as f64 / 1000.0),
            F::MaxOf | F::MinOf => {
                let (a, b) = (self.scalar(&e.args[0], t)?, self.scalar(&e.args[1], t)?);
                Ev::Scalar(if id == F::MaxOf { gomath::max(a, b) } else { gomath::min(a, b) })
            }
            F::Vector => {
                let value = self.scalar(&e.args[0], t)?;
                Ev::Vector(vec![Element::float(Labels::empty(), false, value, t)])
            }
            F::Scalar => {
                let elements = self.vector(&e.args[0], t)?;
                let mut floats = elements.iter().filter_map(|e| match e.value {
                    SampleValue::Float(value) => Some(value),
                    SampleValue::Histogram(_) => None,
                });
                match (floats.next(), floats.next()) {
                    (Some(value), None) => Ev::Scalar(value),
                    _ => Ev::Scalar(f64::NAN),
                }
            }
            F::Absent => {
                let present = !self.vector(&e.args[0], t)?.is_empty();
                let absent = Element::float(absent_labels(&e.args[0]), false, 1.0, t);
                Ev::Vector(if present { Vec::new() } else { vec![absent] })
            }
            F::Timestamp | F::StartTimestamp => {
                // Only a selector knows the times of its samples.
                let selector = matches!(e.args[0].unparen(), Expr::Vector(_));
                if id == F::StartTimestamp && !selector {
                    return Ok(Ev::Vector(Vec::new()));
                }
                let elements = self.vector(&e.args[0], t)?.into_iter().map(|e| {
                    let time = match id {
                        F::StartTimestamp => e.start,
                        _ if selector => e.t,
                        _ => t,
                    };
                    Element::float(e.labels, true, time as f64 / 1000.0, t)
                });
                Ev::Vector(elements.collect())
            }
            F::Round => {
                let nearest = match e.args.get(1) {
                    Some(arg) => self.scalar(arg, t)?,
                    None => 1.0,
                };
                let inverse = 1.0 / nearest;
                let elements = self.vector(&e.args[0], t)?;
                Ev::Vector(map_floats(elements, |v| (v * inverse + 0.5).floor() / inverse))
            }
            F::Clamp | F::ClampMin | F::ClampMax => {
                let first = self.scalar(&e.args[1], t)?;
                let elements = self.vector(&e.args[0], t)?;
                match id {
                    F::ClampMin => Ev::Vector(map_floats(elements, |v| gomath::max(first, v))),
                    F::ClampMax => Ev::Vector(map_floats(elements, |v| gomath::min(first, v))),
                    _ => {
                        let max = self.scalar(&e.args[2], t)?;
                        if max < first {
                            return Ok(Ev::Vector(Vec::new()));
                        }
                        Ev::Vector(map_floats(elements, |v| clamp(v, first, max)))
                    }
                }
            }
            F::Sort | F::SortDesc => {
                self.warn_of_sort(e);
                let mut elements = self.vector(&e.args[0], t)?;
                elements.retain(|e| matches!(e.value, SampleValue::Float(_)));
                let value = |e: &Element| float_of(&e.value).unwrap_or(f64::NAN);
                elements.sort_by(|a, b| {
                    let (a, b) = (value(a), value(b));
                    let order = if id == F::Sort { a.partial_cmp(&b) } else { b.partial_cmp(&a) };
                    order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
                });
                Ev::Vector(elements)
            }
            F::LabelReplace => Ev::Vector(self.label_replace(e, t)?),
            F::LabelJoin => Ev::Vector(self.label_join(e, t)?),
            _ => return unsupported(e.func.name),
        })
    }

    fn warn_of_sort(&mut self, e: &Call) {
        if self.start != self.end {
            self.annotations.add(Annotation::sort_in_range_query(e.pos));
        }
    }

    fn dated(
        &mut self,
        e: &Call,
        t: Timestamp,
        f: fn(i128) -> i64,
    ) -> Result<Vec<Element>, String> {
        match e.args.first() {
            None => {
                let value = f(i128::from(t / 1000)) as f64;
                Ok(vec![Element::float(Labels::empty(), false, value, t)])
            }
            Some(arg) => {
                let elements = self.vector(arg, t)?;
                Ok(map_floats(elements, |v| f(calendar::seconds_of(v)) as f64))
            }
        }
    }

    fn label_replace(&mut self, e: &Call, t: Timestamp) -> Result<Vec<Element>, String> {
        let [dst, replacement, src, pattern] = [1, 2, 3, 4].map(|i| text(&e.args[i]));
        let regex = Regex::relabel(pattern)
            .map_err(|_| format!("invalid regular expression in label_replace(): {pattern}"))?;
        if !is_label_name(&e.args[1]) {
            return unsupported("invalid destination label");
        }
        let mut elements = self.vector(&e.args[0], t)?;
        let template = Template::new(replacement.as_bytes(), &regex);
        for element in &mut elements {
            let value = element.labels.value(src).to_owned();
            if let Some(captures) = regex.captures(&value) {
                let mut replaced = Vec::new();
                template.expand(value.as_bytes(), &captures, &mut replaced);
                set_label(element, dst, &String::from_utf8_lossy(&replaced));
            }
        }
        distinct(elements)
    }

    fn label_join(&mut self, e: &Call, t: Timestamp) -> Result<Vec<Element>, String> {
        let (dst, separator) = (text(&e.args[1]), text(&e.args[2]));
        if !e.args[3..].iter().chain([&e.args[1]]).all(is_label_name) {
            return unsupported("invalid label");
        }
        let mut elements = self.vector(&e.args[0], t)?;
        for element in &mut elements {
            let values: Vec<&str> =
                e.args[3..].iter().map(|a| element.labels.value(text(a))).collect();
            let joined = values.join(separator);
            set_label(element, dst, &joined);
        }
        distinct(elements)
    }
}

fn text(expr: &Expr) -> &str {
    match expr.unparen() {
        Expr::String(literal) => &literal.value,
        _ => "",
    }
}

fn is_label_name(expr: &Expr) -> bool {
    matches!(expr.unparen(), Expr::String(l) if !l.value.is_empty() && l.invalid_utf8.is_none())
}

fn set_label(element: &mut Element, name: &str, value: &str) {
    let mut builder = element.labels.to_builder();
    builder.set(name, value);
    element.labels = builder.build();
    if name == METRIC_NAME {
        element.drop_name = false;
    }
}

fn distinct(elements: Vec<Element>) -> Result<Vec<Element>, String> {
    for (i, element) in elements.iter().enumerate() {
        if elements[..i].iter().any(|e| e.labels == element.labels) {
            return Err(SAME_LABELSET.to_owned());
        }
    }
    Ok(elements)
}

/// Labels that a selector's equality matchers give to what is absent.
pub(super) fn absent_labels(expr: &Expr) -> Labels {
    let matchers = match expr.unparen() {
        Expr::Vector(e) => &e.matchers,
        Expr::Matrix(e) => &e.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut builder = Labels::empty().to_builder();
    let mut seen = Vec::new();
    for matcher in matchers.iter().filter(|m| m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&&matcher.name) {
            builder.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            builder.del(&matcher.name);
        }
    }
    builder.build()
}

/// Functions of one number.
fn plain(id: FunctionId) -> Option<fn(f64) -> f64> {
    use FunctionId as F;
    Some(match id {
        F::Abs => f64::abs,
        F::Ceil => f64::ceil,
        F::Floor => f64::floor,
        F::Sqrt => f64::sqrt,
        F::Exp => gomath::exp,
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
        F::Deg => |v| v * 180.0 / std::f64::consts::PI,
        F::Rad => |v| v * std::f64::consts::PI / 180.0,
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

/// Functions of a time in seconds.
fn dated(id: FunctionId) -> Option<fn(i128) -> i64> {
    use FunctionId as F;
    Some(match id {
        F::Minute => |s| (s.rem_euclid(3600) / 60) as i64,
        F::Hour => |s| (s.rem_euclid(86_400) / 3600) as i64,
        F::DayOfMonth => |s| calendar::date(s).2,
        F::DayOfWeek => calendar::day_of_week,
        F::DayOfYear => calendar::day_of_year,
        F::DaysInMonth => |s| {
            let (year, month, _) = calendar::date(s);
            calendar::days_in_month(year, month)
        },
        F::Month => |s| calendar::date(s).1,
        F::Year => |s| calendar::date(s).0,
        _ => return None,
    })
}
