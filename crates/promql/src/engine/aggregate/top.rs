//! `topk` and `bottomk` of few over one group, without the rows of all series: each step keeps its heap while rows pass by.
//!
//! Groups and many candidates are `select`'s, which looks at materialized rows; the answers are the same.

use hashbrown::HashMap;

use super::select::{Entry, ascending, descending};
use crate::annotations::Annotation;
use crate::ast::AggregateOp;
use crate::engine::error::EngineError;
use crate::engine::eval::Evaluator;
use crate::engine::gosort::{heap_fix_first, heap_push, sort};
use crate::engine::grid::Grid;
use crate::engine::node::AggregateNode;
use crate::engine::rows::{Meta, Rows, ScalarRow, is_absent};

/// Above this many candidates a step, heaps would take more than rows.
const MAX_KEPT: f64 = 32.0;

/// How many are to be kept, if that is for this file.
pub(super) fn kept(node: &AggregateNode, param: Option<&ScalarRow>) -> Option<usize> {
    let of_all = node.grouping.names.is_empty() && !node.grouping.without;
    let ranks = matches!(node.op, AggregateOp::Topk | AggregateOp::Bottomk);
    match param {
        Some(ScalarRow::Const(k)) if ranks && of_all && (1.0..=MAX_KEPT).contains(k) => {
            Some(*k as usize)
        }
        _ => None,
    }
}

/// The candidates of each step.
struct Heaps {
    op: AggregateOp,
    kept: usize,
    heaps: Vec<Vec<Entry>>,
    /// What a value has to pass at a step to be looked at; not-a-number where any is.
    bars: Vec<f64>,
}

impl Heaps {
    fn new(op: AggregateOp, kept: usize, steps: usize) -> Self {
        let heaps = (0..steps).map(|_| Vec::with_capacity(kept)).collect();
        Self { op, kept, heaps, bars: vec![f64::NAN; steps] }
    }

    /// Offers a row's values; returns whether one was taken.
    fn offer(&mut self, row: usize, values: &[f64]) -> bool {
        let mut taken = false;
        for (step, value) in values.iter().enumerate() {
            let bar = self.bars[step];
            let falls_short = match self.op {
                AggregateOp::Topk => *value <= bar,
                _ => *value >= bar,
            };
            if !falls_short && !is_absent(*value) {
                taken |= self.put(step, Entry { value: *value, row });
            }
        }
        taken
    }

    fn put(&mut self, step: usize, entry: Entry) -> bool {
        let heap = &mut self.heaps[step];
        let less = if self.op == AggregateOp::Topk { ascending } else { descending };
        if heap.len() < self.kept {
            heap_push(heap, entry, less);
        } else {
            let first = heap[0].value;
            let wins = match self.op {
                AggregateOp::Topk => first < entry.value,
                _ => first > entry.value,
            };
            if !wins && (!first.is_nan() || entry.value.is_nan()) {
                return false;
            }
            heap[0] = entry;
            heap_fix_first(heap, less);
        }
        if heap.len() == self.kept {
            self.bars[step] = heap[0].value;
        }
        true
    }

    /// The rows that have a place, in the order of the answer: that of rank for one step, else that of input.
    fn order(&mut self) -> Vec<usize> {
        if let [heap] = &mut self.heaps[..] {
            match self.op {
                AggregateOp::Topk => sort(heap, |a, b| ascending(b, a)),
                _ => sort(heap, |a, b| descending(b, a)),
            }
            return heap.iter().map(|entry| entry.row).collect();
        }
        let mut rows: Vec<usize> = self.heaps.iter().flatten().map(|entry| entry.row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

impl Evaluator<'_> {
    pub(super) fn top(
        &mut self,
        node: &AggregateNode,
        grid: &Grid,
        kept: usize,
    ) -> Result<Rows, EngineError> {
        let steps = grid.steps;
        let per_step = kept * size_of::<Entry>() + size_of::<Vec<Entry>>() + size_of::<f64>();
        let mut charge = self.budget.charge((steps * per_step) as u64)?;
        self.with_pipeline(&node.input, grid, None, |this, pipeline| {
            let mut heaps = Heaps::new(node.op, kept, steps);
            let mut metas: HashMap<usize, Meta> = HashMap::new();
            let (mut rows, mut has_histograms) = (0, false);
            this.samples.series += pipeline.source.len() as u64;
            pipeline.run(|tile| {
                this.note_tile(tile)?;
                for (i, (series, labels)) in tile.series.iter().zip(&tile.labels).enumerate() {
                    has_histograms |= tile.histogram_row(i).is_some();
                    if heaps.offer(rows, tile.floats(i, steps)) {
                        let meta = pipeline.meta(*series as usize, labels);
                        charge.grow((meta.labels.size_bytes() + 64) as u64)?;
                        metas.insert(rows, meta);
                    }
                    rows += 1;
                }
                Ok(())
            })?;
            if has_histograms {
                let op = node.op.as_str();
                this.annotations.add(Annotation::histogram_ignored_in_aggregation(op, node.pos));
            }
            let order = heaps.order();
            let mut out = Rows::new(steps);
            let mut places: HashMap<usize, usize> = HashMap::with_capacity(order.len());
            for row in order {
                let meta = metas.remove(&row).expect("BUG: a row that was taken has a label set");
                places.insert(row, out.push_empty(meta));
            }
            for (step, heap) in heaps.heaps.iter().enumerate() {
                for entry in heap {
                    out.values[places[&entry.row] * steps + step] = entry.value;
                }
            }
            Ok(out)
        })
    }
}
