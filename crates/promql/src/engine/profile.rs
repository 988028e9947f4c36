//! What each operator of a running query did and cost. Only kept when asked for: a query that is not analysed pays nothing.
//!
//! CPU time is an operator's own. Operators of one pipeline (a selection, the function over it, the maps above) run row by row
//! in the workers; their share of a tile's CPU time is told apart by the monotonic clock.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use gauntlet_runtime::Clock;
use hashbrown::HashMap;

use super::node::{Node, NodeId};
use super::rows::Rows;

/// What one operator did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorStats {
    /// Series that it gave, those without any sample not counted.
    pub series: u64,
    /// Samples that it gave.
    pub samples: u64,
    /// Samples that it looked at, each as often as it was. Of selections and functions over ranges only.
    pub samples_seen: u64,
    /// Samples and bytes of chunks that were decoded. Of selections only.
    pub samples_decoded: u64,
    pub bytes_decoded: u64,
    /// Most bytes held at once for its result and state.
    pub peak_bytes: u64,
    /// CPU time of its own, on all threads, inputs not counted.
    pub cpu: Duration,
    /// From its begin to its end, inputs counted. Operators of one pipeline have the pipeline's.
    pub wall: Duration,
    /// Tiles of series that workers took; 0 where it did not run in tiles.
    pub tiles: u64,
    /// Times that it was evaluated.
    pub calls: u64,
}

/// The operators' figures, and the clock they are taken with.
#[derive(Debug)]
pub(super) struct Profile {
    clock: Arc<dyn Clock>,
    operators: HashMap<NodeId, OperatorStats>,
    /// CPU time of what was called by the operators at work, innermost last.
    inner_cpu: Vec<Duration>,
    /// Of the operator that ends next.
    state_bytes: u64,
}

/// The begin of an operator.
#[derive(Debug)]
pub(super) struct Begin {
    wall: Duration,
    cpu: Duration,
}

impl Profile {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, operators: HashMap::new(), inner_cpu: Vec::new(), state_bytes: 0 }
    }

    pub(super) fn begin(&mut self) -> Begin {
        self.inner_cpu.push(Duration::ZERO);
        Begin { wall: self.clock.monotonic(), cpu: self.clock.thread_cpu() }
    }

    /// Ends an operator that gave `rows`, or a scalar.
    pub(super) fn end(&mut self, node: &Node, begin: &Begin, rows: Option<&Rows>) {
        let wall = self.clock.monotonic().saturating_sub(begin.wall);
        let whole = self.clock.thread_cpu().saturating_sub(begin.cpu);
        let inner = self.inner_cpu.pop().unwrap_or_default();
        if let Some(outer) = self.inner_cpu.last_mut() {
            *outer += whole;
        }
        let state_bytes = std::mem::take(&mut self.state_bytes);
        let stats = self.operators.entry(NodeId::of(node)).or_default();
        stats.cpu += whole.saturating_sub(inner);
        // The pipeline's wall time is within.
        stats.wall = if rows.is_some() { wall } else { stats.wall + wall };
        stats.calls += 1;
        if let Some(rows) = rows {
            stats.series = rows.len() as u64;
            stats.samples = rows.total_samples() as u64;
            stats.peak_bytes = stats.peak_bytes.max(rows.size_bytes() + state_bytes);
        }
    }

    /// Notes the bytes of state that the operator at work held beside its rows.
    pub(super) fn note_state(&mut self, bytes: u64) {
        self.state_bytes = bytes;
    }

    pub(super) fn operator(&mut self, id: NodeId) -> &mut OperatorStats {
        self.operators.entry(id).or_default()
    }

    pub(super) fn get(&self, id: NodeId) -> Option<OperatorStats> {
        self.operators.get(&id).copied()
    }

    pub(super) fn probe(&self, operators: usize) -> Probe {
        Probe {
            clock: Arc::clone(&self.clock),
            begin: self.clock.monotonic(),
            total: Mutex::new(ProbeTotal {
                operators: vec![OperatorStats::default(); operators],
                outer_cpu: Duration::ZERO,
                own_cpu: Duration::ZERO,
            }),
        }
    }

    /// Takes over what a pipeline did; `ids` are its operators, the selection first, `None` for those that have no node.
    pub(super) fn take(&mut self, probe: Probe, ids: &[Option<NodeId>]) {
        let wall = self.clock.monotonic().saturating_sub(probe.begin);
        let total = probe.total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(outer) = self.inner_cpu.last_mut() {
            *outer += total.outer_cpu.saturating_sub(total.own_cpu);
        }
        for (stats, id) in total.operators.iter().zip(ids) {
            let Some(id) = id else { continue };
            let sum = self.operators.entry(*id).or_default();
            sum.series += stats.series;
            sum.samples += stats.samples;
            sum.samples_seen += stats.samples_seen;
            sum.samples_decoded += stats.samples_decoded;
            sum.bytes_decoded += stats.bytes_decoded;
            sum.tiles += stats.tiles;
            sum.cpu += stats.cpu;
            sum.wall += wall;
            sum.calls += 1;
        }
    }
}

/// Measures a pipeline: the selection, the stage over it, and each map.
#[derive(Debug)]
pub(super) struct Probe {
    clock: Arc<dyn Clock>,
    begin: Duration,
    total: Mutex<ProbeTotal>,
}

#[derive(Debug)]
struct ProbeTotal {
    operators: Vec<OperatorStats>,
    /// CPU time of the caller's thread that went to tiles: not the caller's own.
    outer_cpu: Duration,
    /// Of that what was the caller's own after all.
    own_cpu: Duration,
}

/// One tile under measurement.
#[derive(Debug)]
pub(super) struct TileProbe {
    pub operators: Vec<OperatorStats>,
    cpu: Duration,
    last: Duration,
}

impl Probe {
    pub(super) fn tile(&self, operators: usize) -> TileProbe {
        TileProbe {
            operators: vec![OperatorStats::default(); operators],
            cpu: self.clock.thread_cpu(),
            last: self.clock.monotonic(),
        }
    }

    /// Gives the time since the last lap to an operator.
    pub(super) fn lap(&self, tile: &mut TileProbe, operator: usize) {
        let now = self.clock.monotonic();
        tile.operators[operator].wall += now.saturating_sub(tile.last);
        tile.last = now;
    }

    /// Ends a tile: its CPU time is shared out by the laps.
    pub(super) fn end_tile(&self, tile: TileProbe) {
        let cpu = self.clock.thread_cpu().saturating_sub(tile.cpu);
        let laps: Duration = tile.operators.iter().map(|o| o.wall).sum();
        let mut total = self.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (sum, stats) in total.operators.iter_mut().zip(&tile.operators) {
            sum.series += stats.series;
            sum.samples += stats.samples;
            sum.samples_seen += stats.samples_seen;
            sum.samples_decoded += stats.samples_decoded;
            sum.bytes_decoded += stats.bytes_decoded;
            sum.tiles += 1;
            if !laps.is_zero() {
                sum.cpu += cpu.mul_f64(stats.wall.as_secs_f64() / laps.as_secs_f64());
            }
        }
    }

    /// Runs tiles on behalf of the caller, whose own time this is not.
    pub(super) fn outside<R>(probe: Option<&Self>, work: impl FnOnce() -> R) -> R {
        let Some(probe) = probe else { return work() };
        let before = probe.clock.thread_cpu();
        let result = work();
        let took = probe.clock.thread_cpu().saturating_sub(before);
        probe.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).outer_cpu += took;
        result
    }
    /// Runs work of the caller in between.
    pub(super) fn inside<R>(probe: Option<&Self>, work: impl FnOnce() -> R) -> R {
        let Some(probe) = probe else { return work() };
        let before = probe.clock.thread_cpu();
        let result = work();
        let took = probe.clock.thread_cpu().saturating_sub(before);
        probe.total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).own_cpu += took;
        result
    }
}
