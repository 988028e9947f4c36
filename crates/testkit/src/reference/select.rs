//! Selectors and subqueries.

use std::rc::Rc;

use gauntlet_chunk::Columns;
use gauntlet_model::{Labels, Timestamp, is_stale_nan};
use gauntlet_promql::Expr;
use gauntlet_promql::ast::{At, Offset, VectorSelector};
use gauntlet_storage::{DecodeScratch, TimeRange};

use super::{Element, LOOKBACK_MS, Point, Run, SUBQUERY_STEP_MS, Window, unsupported};
use crate::promqltest::SampleValue;

/// Series with all their samples.
pub(super) type Decoded = Vec<(Labels, Columns)>;

/// What a range selector gives at one instant: samples later than `start`, up to and with `end`.
pub(super) struct Windows {
    pub(super) windows: Vec<Window>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Run<'_> {
    /// The instant that a selector evaluated at `t` looks at.
    fn reference_time(
        &self,
        t: Timestamp,
        at: Option<At>,
        offset: &Offset,
    ) -> Result<Timestamp, String> {
        let base = match at {
            None => t,
            Some(At::Timestamp(at)) => at,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
        };
        Ok(base - self.duration(offset.original_ms, offset.expr.as_deref(), true)?)
    }

    /// All samples of each series that match, decoded once per query.
    fn series(&mut self, selector: &VectorSelector) -> Result<Rc<Decoded>, String> {
        if selector.anchored || selector.smoothed {
            return unsupported("anchored and smoothed");
        }
        if let Some((_, series)) = self.decoded.iter().find(|(m, _)| *m == selector.matchers) {
            return Ok(series.clone());
        }
        let set = self.store.select_now(&selector.matchers, TimeRange::all());
        let mut scratch = DecodeScratch::default();
        let mut found = Vec::new();
        for i in 0..set.len() {
            let mut columns = Columns::default();
            set.decode(i, TimeRange::all(), &mut scratch, &mut columns)
                .map_err(|e| e.to_string())?;
            found.push((set.labels(i).clone(), columns));
        }
        let found = Rc::new(found);
        self.decoded.push((selector.matchers.clone(), found.clone()));
        Ok(found)
    }

    pub(super) fn instant_selector(
        &mut self,
        selector: &VectorSelector,
        t: Timestamp,
    ) -> Result<Vec<Element>, String> {
        let at = self.reference_time(t, selector.at, &selector.offset)?;
        let mut elements = Vec::new();
        for (labels, columns) in self.series(selector)?.iter() {
            let labels = labels.clone();
            let last = points(columns).filter(|p| p.t <= at && p.t > at - LOOKBACK_MS).last();
            if let Some(point) = last.filter(|p| !is_stale(&p.value)) {
                let Point { t, start, value } = point;
                elements.push(Element { labels, drop_name: false, value, t, start });
            }
        }
        Ok(elements)
    }

    /// The windows of a range selector or subquery.
    pub(super) fn windows(&mut self, expr: &Expr, t: Timestamp) -> Result<Windows, String> {
        match expr.unparen() {
            Expr::Matrix(e) => {
                let range = self.duration(e.range_ms, e.range_expr.as_deref(), false)?;
                let end = self.reference_time(t, e.selector.at, &e.selector.offset)?;
                let start = end - range;
                let mut windows = Vec::new();
                for (labels, columns) in self.series(&e.selector)?.iter() {
                    let labels = labels.clone();
                    let within = |p: &Point| p.t > start && p.t <= end && !is_stale(&p.value);
                    let points: Vec<Point> = points(columns).filter(within).collect();
                    if !points.is_empty() {
                        windows.push(Window { labels, drop_name: false, points });
                    }
                }
                Ok(Windows { windows, start, end })
            }
            Expr::Subquery(e) => {
                let range = self.duration(e.range_ms, e.range_expr.as_deref(), false)?;
                let step = match self.duration(e.step_ms, e.step_expr.as_deref(), false)? {
                    0 => SUBQUERY_STEP_MS,
                    step => step,
                };
                let end = self.reference_time(t, e.at, &e.offset)?;
                let start = end - range;
                let mut windows: Vec<Window> = Vec::new();
                // Steps are whole multiples of the step since the epoch, the first later than `start`.
                let mut at = (start.div_euclid(step) + 1) * step;
                while at <= end {
                    for element in self.vector(&e.expr, at)? {
                        let point = Point { t: at, start: 0, value: element.value };
                        match windows.iter_mut().find(|w| w.labels == element.labels) {
                            Some(window) => window.points.push(point),
                            None => windows.push(Window {
                                labels: element.labels,
                                drop_name: element.drop_name,
                                points: vec![point],
                            }),
                        }
                    }
                    at += step;
                }
                Ok(Windows { windows, start, end })
            }
            _ => Err("BUG: checked by the parser".to_owned()),
        }
    }
}

fn points(columns: &Columns) -> impl Iterator<Item = Point> + '_ {
    (0..columns.len()).map(|i| Point {
        t: columns.timestamps[i],
        start: columns.start_timestamps.get(i).copied().unwrap_or(0),
        value: match columns.histogram(i) {
            Some(histogram) => SampleValue::Histogram(histogram.clone()),
            None => SampleValue::Float(columns.values[i]),
        },
    })
}

fn is_stale(value: &SampleValue) -> bool {
    match value {
        SampleValue::Float(value) => is_stale_nan(*value),
        SampleValue::Histogram(histogram) => is_stale_nan(histogram.sum),
    }
}
