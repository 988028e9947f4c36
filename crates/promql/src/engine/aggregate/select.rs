//! Aggregations that see all values of a step at once: topk, bottomk, quantile, limits, counts of values.

use gauntlet_model::Labels;
use gauntlet_model::float::{go_float, plain_float};
use hashbrown::HashMap;

use super::groups::Groups;
use crate::annotations::Annotation;
use crate::ast::AggregateOp;
use crate::engine::elementwise::Strip;
use crate::engine::error::EngineError;
use crate::engine::eval::Evaluator;
use crate::engine::gosort::{heap_fix_first, heap_push, sort};
use crate::engine::grid::Grid;
use crate::engine::node::{AggregateNode, Grouping};
use crate::engine::rows::{ABSENT, Cell, Meta, Rows, ScalarRow, is_absent};
use crate::engine::window::quantile::quantile;
use gauntlet_model::gomath;

/// An element of a group's heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) value: f64,
    pub(super) row: usize,
}

/// Ascending, not-a-number first.
pub(super) fn ascending(a: &Entry, b: &Entry) -> bool {
    a.value.is_nan() || a.value < b.value
}

/// Descending, not-a-number first.
pub(super) fn descending(a: &Entry, b: &Entry) -> bool {
    a.value.is_nan() || a.value > b.value
}

impl Evaluator<'_> {
    pub(super) fn select(
        &mut self,
        node: &AggregateNode,
        grid: &Grid,
        input: Rows,
        param: Option<ScalarRow>,
    ) -> Result<Rows, EngineError> {
        let steps = grid.steps;
        let param = param.unwrap_or(ScalarRow::Const(0.0));
        let (mut least, mut most, mut has_nan) = (f64::MAX, -f64::MAX, false);
        for value in param.iter(steps) {
            least = gomath::min(least, value);
            most = gomath::max(most, value);
            has_nan |= value.is_nan();
        }
        if let ScalarRow::Const(value) = param {
            (least, most) = (value, value);
        }
        let mut groups = Groups::new(&node.grouping);
        let group_of: Vec<usize> =
            input.metas.iter().map(|meta| groups.of(&meta.labels, Strip::Nothing)).collect();
        let of_group = (group_of, groups.into_labels());
        match node.op {
            AggregateOp::Quantile => {
                let pos = node.param_pos;
                if has_nan {
                    self.annotations.add(Annotation::invalid_quantile(f64::NAN, pos));
                }
                if most > 1.0 {
                    self.annotations.add(Annotation::invalid_quantile(most, pos));
                }
                if least < 0.0 {
                    self.annotations.add(Annotation::invalid_quantile(least, pos));
                }
                Ok(self.quantile(node, &input, of_group, &param))
            }
            AggregateOp::LimitRatio => {
                if most == 0.0 && least == 0.0 {
                    return Ok(Rows::new(steps));
                }
                if has_nan {
                    return Err(EngineError::execution("Ratio value is NaN"));
                }
                let pos = node.param_pos;
                if most > 1.0 {
                    self.annotations.add(Annotation::invalid_ratio(most, 1.0, pos));
                }
                if least < -1.0 {
                    self.annotations.add(Annotation::invalid_ratio(least, -1.0, pos));
                }
                self.keep_some(node, input, of_group, &param)
            }
            _ => {
                if most < 1.0 {
                    return Ok(Rows::new(steps));
                }
                if has_nan {
                    return Err(EngineError::execution("Parameter value is NaN"));
                }
                if least <= -9_223_372_036_854_775_808.0 {
                    let text = format!("Scalar value {} underflows int64", go_float(least));
                    return Err(EngineError::execution(text));
                }
                if most >= 9_223_372_036_854_774_784.0 {
                    let text = format!("Scalar value {} overflows int64", go_float(most));
                    return Err(EngineError::execution(text));
                }
                self.keep_some(node, input, of_group, &param)
            }
        }
    }

    fn quantile(
        &mut self,
        node: &AggregateNode,
        input: &Rows,
        (group_of, labels): (Vec<usize>, Vec<Labels>),
        param: &ScalarRow,
    ) -> Rows {
        let steps = input.steps;
        if input.histograms.iter().flatten().any(|row| row.iter().any(Option::is_some)) {
            self.annotations
                .add(Annotation::histogram_ignored_in_aggregation("quantile", node.input_pos));
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); labels.len()];
        for (row, group) in group_of.iter().enumerate() {
            members[*group].push(row);
        }
        let mut out = Rows::new(steps);
        let mut buffer = Vec::new();
        for (members, labels) in members.iter().zip(labels) {
            let drop_name = members.iter().any(|row| input.metas[*row].drop_name);
            let to = out.push_empty(Meta { labels, drop_name });
            for step in 0..steps {
                buffer.clear();
                let values = members.iter().map(|row| input.values[row * steps + step]);
                buffer.extend(values.filter(|v| !is_absent(*v)));
                if !buffer.is_empty() {
                    out.values[to * steps + step] = quantile(param.get(step), &mut buffer);
                }
            }
        }
        out.drop_empty_rows();
        out
    }

    /// topk, bottomk, limitk and limit_ratio: some samples of each group, unchanged.
    fn keep_some(
        &mut self,
        node: &AggregateNode,
        input: Rows,
        (group_of, labels): (Vec<usize>, Vec<Labels>),
        param: &ScalarRow,
    ) -> Result<Rows, EngineError> {
        let steps = input.steps;
        let mut kept = vec![false; if steps > 1 { input.len() * steps } else { 0 }];
        let mut order = Vec::new();
        let mut heaps: Vec<Vec<Entry>> = vec![Vec::new(); labels.len()];
        // Only a ratio asks for them.
        let offsets: Vec<f64> = if node.op == AggregateOp::LimitRatio {
            let offset = |meta: &Meta| meta.labels.hash() as f64 / u64::MAX as f64;
            input.metas.iter().map(offset).collect()
        } else {
            Vec::new()
        };
        for step in 0..steps {
            self.cancel.check()?;
            heaps.iter_mut().for_each(Vec::clear);
            let ignored =
                fill_heaps(node.op, &input, step, &group_of, param.get(step), &offsets, &mut heaps);
            if ignored {
                self.annotations
                    .add(Annotation::histogram_ignored_in_aggregation(node.op.as_str(), node.pos));
            }
            for heap in &mut heaps {
                match node.op {
                    AggregateOp::Topk if heap.len() > 1 => sort(heap, |a, b| ascending(b, a)),
                    AggregateOp::Bottomk if heap.len() > 1 => sort(heap, |a, b| descending(b, a)),
                    _ => {}
                }
                for entry in heap.iter() {
                    if steps > 1 {
                        kept[entry.row * steps + step] = true;
                    } else {
                        order.push(entry.row);
                    }
                }
            }
        }
        if steps == 1 {
            let mut out = Rows::new(1);
            for row in order {
                let meta = input.metas[row].clone();
                out.push(meta, input.floats(row), input.histogram_row(row).cloned());
            }
            return Ok(out);
        }
        let mut out = input;
        for (value, kept) in out.values.iter_mut().zip(&kept) {
            if !kept {
                *value = ABSENT;
            }
        }
        for (row, cells) in out.histograms.iter_mut().enumerate() {
            for (step, cell) in cells.iter_mut().flat_map(|cells| cells.iter_mut().enumerate()) {
                if !kept[row * steps + step] {
                    *cell = None;
                }
            }
        }
        out.drop_empty_rows();
        Ok(out)
    }

    /// `count_values`: how often each value occurs in a group.
    pub(in crate::engine) fn count_values(
        &mut self,
        input: &Rows,
        label: &str,
        grouping: &Grouping,
    ) -> Result<Rows, EngineError> {
        let held = self.samples.held;
        let steps = input.steps;
        let mut out = Rows::new(steps);
        let mut by_labels: HashMap<Labels, usize> = HashMap::new();
        let mut groups = Groups::new(grouping);
        let mut of_group: Vec<usize> = Vec::new();
        for row in 0..input.len() {
            self.cancel.check()?;
            let mut builder = input.metas[row].labels.to_builder();
            let mut last: Option<(u64, usize)> = None;
            for step in 0..steps {
                let cell = input.cell(row, step);
                let text = match &cell {
                    Cell::Empty => continue,
                    Cell::Float(value) => {
                        if let Some((bits, to)) = last
                            && bits == value.to_bits()
                        {
                            bump(&mut out, to, step);
                            continue;
                        }
                        plain_float(*value)
                    }
                    Cell::Histogram(histogram) => histogram.to_string(),
                };
                builder.set(label, &text);
                let group = groups.of(&builder.build(), Strip::Nothing);
                if group == of_group.len() {
                    let labels = groups.labels()[group].clone();
                    let to = *by_labels
                        .entry(labels.clone())
                        .or_insert_with(|| out.push_empty(Meta { labels, drop_name: false }));
                    of_group.push(to);
                }
                let to = of_group[group];
                bump(&mut out, to, step);
                if let Cell::Float(value) = cell {
                    last = Some((value.to_bits(), to));
                }
            }
        }
        self.samples.held = held;
        self.samples.hold(out.total_samples())?;
        Ok(out)
    }
}

fn bump(rows: &mut Rows, row: usize, step: usize) {
    let cell = &mut rows.values[row * rows.steps + step];
    *cell = if is_absent(*cell) { 1.0 } else { *cell + 1.0 };
}

/// Fills the heaps of all groups for one step; returns whether histograms were ignored.
fn fill_heaps(
    op: AggregateOp,
    input: &Rows,
    step: usize,
    group_of: &[usize],
    param: f64,
    offsets: &[f64],
    heaps: &mut [Vec<Entry>],
) -> bool {
    let mut ignored = false;
    let k = if param.is_nan() { 0 } else { (param as i64).min(input.len() as i64) };
    if op != AggregateOp::LimitRatio && k < 1 || op == AggregateOp::LimitRatio && param == 0.0 {
        return false;
    }
    let k = k.max(0) as usize;
    let ratio = param.clamp(-1.0, 1.0);
    for (row, group) in group_of.iter().enumerate() {
        let value = input.values[row * input.steps + step];
        let histogram = is_absent(value);
        if histogram && input.histogram(row, step).is_none() {
            continue;
        }
        let value = if histogram { 0.0 } else { value };
        let heap = &mut heaps[*group];
        let entry = Entry { value, row };
        match op {
            AggregateOp::Topk | AggregateOp::Bottomk if histogram => ignored = true,
            AggregateOp::Topk => {
                if heap.len() < k {
                    heap_push(heap, entry, ascending);
                } else if heap[0].value < value || (heap[0].value.is_nan() && !value.is_nan()) {
                    heap[0] = entry;
                    heap_fix_first(heap, ascending);
                }
            }
            AggregateOp::Bottomk => {
                if heap.len() < k {
                    heap_push(heap, entry, descending);
                } else if heap[0].value > value || (heap[0].value.is_nan() && !value.is_nan()) {
                    heap[0] = entry;
                    heap_fix_first(heap, descending);
                }
            }
            AggregateOp::LimitRatio => {
                let offset = offsets[row];
                let inside = if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio };
                if inside {
                    heap_push(heap, entry, ascending);
                }
            }
            _ => {
                if heap.len() < k {
                    heap_push(heap, entry, ascending);
                }
            }
        }
    }
    ignored
}
