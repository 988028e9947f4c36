//! Aggregations over labels.
//!
//! Sums, means and their like fold rows into the state of their group as they come, in order of series, so that compensated sums
//! agree with the peer's to the last bit. A short `topk` (`top`) takes them as they come, too. What has to see all values of a step
//! at once (`select`) works on materialized rows.

mod fold;
mod groups;
mod select;
mod top;

use super::error::EngineError;
use super::eval::Evaluator;
use super::grid::Grid;
use super::node::AggregateNode;
use super::rows::Rows;
use crate::ast::AggregateOp;

use fold::Fold;
pub(super) use groups::Groups;

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &mut self,
        node: &AggregateNode,
        grid: &Grid,
    ) -> Result<Rows, EngineError> {
        use AggregateOp::{Avg, Count, Group, Max, Min, Stddev, Stdvar, Sum};
        let held = self.samples.held;
        let rows = match node.op {
            Sum | Avg | Count | Group | Min | Max | Stddev | Stdvar => self.fold(node, grid)?,
            _ => {
                let param = match &node.param {
                    Some(param) => Some(self.scalar(param, grid)?),
                    None => None,
                };
                if let Some(kept) = top::kept(node, param.as_ref()) {
                    self.top(node, grid, kept)?
                } else {
                    let input = self.with_pipeline(&node.input, grid, None, Self::collect)?;
                    self.select(node, grid, input, param)?
                }
            }
        };
        self.samples.held = held;
        self.samples.hold(rows.total_samples())?;
        Ok(rows)
    }

    fn fold(&mut self, node: &AggregateNode, grid: &Grid) -> Result<Rows, EngineError> {
        let steps = grid.steps;
        let names = (!node.grouping.without).then_some(&node.grouping.names[..]);
        let (groups, fold, charge) =
            self.with_pipeline(&node.input, grid, names, |this, pipeline| {
                let mut groups = Groups::new(&node.grouping);
                let mut fold = Fold::new(node.op, steps, node.input_pos);
                let mut charge = this.budget.charge(0)?;
                this.samples.series += pipeline.source.len() as u64;
                pipeline.run(|tile| {
                    this.note_tile(tile)?;
                    for (row, (series, labels)) in tile.series.iter().zip(&tile.labels).enumerate()
                    {
                        let group = groups.of(labels, pipeline.strip);
                        if fold.groups() < groups.len() {
                            charge.grow(fold.bytes_per_group())?;
                            fold.add_group();
                        }
                        if pipeline.drop_name || pipeline.source.drop_name(*series as usize) {
                            fold.mark_drop_name(group);
                        }
                        charge.grow(fold.histogram_growth(group, tile.histogram_row(row)))?;
                        fold.take(
                            group,
                            tile.floats(row, steps),
                            tile.histogram_row(row),
                            labels,
                            &mut this.annotations,
                        );
                    }
                    Ok(())
                })?;
                Ok((groups.into_labels(), fold, charge))
            })?;
        let mut rows = fold.finish(groups, &mut self.annotations);
        if let Some(profile) = &mut self.profile {
            profile.note_state(charge.bytes());
        }
        drop(charge);
        rows.drop_empty_rows();
        Ok(rows)
    }
}
