//! How long a query will take, guessed from its plan and selections: for a small one the way to the CPU pool and back, with threads
//! to be woken, costs more than the query.

use gauntlet_storage::SeriesSet;

use super::node::Plan;

/// Finding a series and its chunks.
const SERIES_NS: u64 = 1000;
/// Decoding a sample.
const SAMPLE_NS: u64 = 6;
/// A cell of the answer.
const CELL_NS: u64 = 15;
/// A sample in a step's window.
const SEEN_NS: u64 = 3;
/// Usual distance of samples in ms.
const INTERVAL_MS: u64 = 15_000;

/// Whether the query takes at most `most_ns`.
pub(super) fn is_within(most_ns: u64, plan: &Plan, sets: &[SeriesSet]) -> bool {
    let steps = plan.grid.steps as u64;
    let of_selection = |(spec, set): (&super::node::SelectSpec, &SeriesSet)| {
        let span_ms = spec.range.max.saturating_sub(spec.range.min).max(0) as u64;
        let seen = spec.hints.range_ms.max(0) as u64 / INTERVAL_MS;
        let samples = if spec.hints.latest_only { 1 } else { span_ms / INTERVAL_MS + 1 };
        let of_cells = steps.saturating_mul(CELL_NS + seen * SEEN_NS);
        let of_series = (SERIES_NS + samples.saturating_mul(SAMPLE_NS)).saturating_add(of_cells);
        of_series.saturating_mul(set.len() as u64)
    };
    let efforts = plan.selects.iter().zip(sets).map(of_selection);
    let sum = efforts.fold(steps.saturating_mul(CELL_NS), u64::saturating_add);
    !plan.has_subqueries && sum <= most_ns
}
