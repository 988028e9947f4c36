//! What operators hand to each other: one row of cells a series, one cell an instant.
//!
//! A cell is empty, a float or a histogram. Floats lie in one flat vector; the stale marker, which no operator produces, means
//! "no float here". Histograms lie beside, in rows of their own that only series with histograms have. A cell never has both.

use std::sync::Arc;

use gauntlet_model::histogram::FloatHistogram;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::sample::STALE_NAN_BITS;
use gauntlet_model::{Labels, STALE_NAN};
use gauntlet_runtime::Charge;
use hashbrown::HashMap;

use super::error::EngineError;

/// The float that means "no float".
pub(super) const ABSENT: f64 = STALE_NAN;

#[inline(always)]
pub(super) fn is_absent(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// The histograms of one series, one place a step.
pub(super) type HistogramRow = Box<[Option<Arc<FloatHistogram>>]>;

/// A row's label set.
#[derive(Clone, Debug, Default)]
pub(super) struct Meta {
    pub labels: Labels,
    /// With delayed name removal: the name goes at the end of the query.
    pub drop_name: bool,
}

/// One sample.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Empty,
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// Rows of equal length.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub steps: usize,
    pub metas: Vec<Meta>,
    /// `metas.len() * steps` floats.
    pub values: Vec<f64>,
    /// One entry a row, or empty if no row has histograms.
    pub histograms: Vec<Option<HistogramRow>>,
    /// What the memory was charged to.
    pub charge: Option<Arc<Charge>>,
}

impl Rows {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.metas.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    pub(super) fn floats(&self, row: usize) -> &[f64] {
        &self.values[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn floats_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn histogram_row(&self, row: usize) -> Option<&HistogramRow> {
        self.histograms.get(row).and_then(Option::as_ref)
    }

    pub(super) fn histogram(&self, row: usize, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.histogram_row(row).and_then(|cells| cells[step].as_ref())
    }

    pub(super) fn present(&self, row: usize, step: usize) -> bool {
        !is_absent(self.values[row * self.steps + step]) || self.histogram(row, step).is_some()
    }

    pub(super) fn cell(&self, row: usize, step: usize) -> Cell {
        let value = self.values[row * self.steps + step];
        if !is_absent(value) {
            return Cell::Float(value);
        }
        self.histogram(row, step).map_or(Cell::Empty, |h| Cell::Histogram(Arc::clone(h)))
    }

    /// Adds a row; `values` has `steps` floats.
    pub(super) fn push(&mut self, meta: Meta, values: &[f64], histograms: Option<HistogramRow>) {
        debug_assert_eq!(values.len(), self.steps, "BUG: row of another length");
        self.values.extend_from_slice(values);
        if histograms.is_some() || !self.histograms.is_empty() {
            self.histograms.resize_with(self.metas.len(), || None);
            self.histograms.push(histograms);
        }
        self.metas.push(meta);
    }

    /// Adds an empty row and returns its number.
    pub(super) fn push_empty(&mut self, meta: Meta) -> usize {
        self.values.resize(self.values.len() + self.steps, ABSENT);
        if !self.histograms.is_empty() {
            self.histograms.resize_with(self.metas.len() + 1, || None);
        }
        self.metas.push(meta);
        self.metas.len() - 1
    }

    /// Fills a cell.
    pub(super) fn set(&mut self, row: usize, step: usize, cell: Cell) {
        match cell {
            Cell::Empty => {}
            Cell::Float(value) => self.values[row * self.steps + step] = value,
            Cell::Histogram(histogram) => {
                self.histograms.resize_with(self.metas.len(), || None);
                let steps = self.steps;
                self.histograms[row].get_or_insert_with(|| empty_histograms(steps))[step] =
                    Some(histogram);
            }
        }
    }

    /// Keeps the rows for which `keep` says so, in order.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Self, usize) -> bool) {
        let kept: Vec<bool> = (0..self.len()).map(|row| keep(self, row)).collect();
        if kept.iter().all(|k| *k) {
            return;
        }
        let steps = self.steps;
        let mut to = 0;
        for (row, _) in kept.iter().enumerate().filter(|(_, k)| **k) {
            self.values.copy_within(row * steps..(row + 1) * steps, to * steps);
            self.metas.swap(row, to);
            if !self.histograms.is_empty() {
                self.histograms.swap(row, to);
            }
            to += 1;
        }
        self.values.truncate(to * steps);
        self.metas.truncate(to);
        if !self.histograms.is_empty() {
            self.histograms.truncate(to);
        }
    }

    /// Whether any cell of the row is filled.
    pub(super) fn row_has_cells(&self, row: usize) -> bool {
        self.floats(row).iter().any(|v| !is_absent(*v))
            || self.histogram_row(row).is_some_and(|cells| cells.iter().any(Option::is_some))
    }

    pub(super) fn drop_empty_rows(&mut self) {
        self.retain(Self::row_has_cells);
    }

    /// Cells in samples, histograms by their weight.
    pub(super) fn total_samples(&self) -> usize {
        let floats = self.values.iter().filter(|v| !is_absent(**v)).count();
        let histograms: usize = self
            .histograms
            .iter()
            .flatten()
            .flat_map(|cells| cells.iter().flatten())
            .map(|h| h.size_in_samples())
            .sum();
        floats + histograms
    }

    /// Approximate memory in bytes, label sets not counted: they are shared.
    pub(super) fn size_bytes(&self) -> u64 {
        let histograms = self.histograms.iter().flatten().map(histogram_row_bytes).sum::<u64>();
        (self.values.capacity() * 8 + self.metas.capacity() * 24) as u64 + histograms
    }

    /// Whether two rows have the same label set.
    pub(super) fn has_equal_labels(&self) -> bool {
        has_duplicates(self.metas.iter().map(|m| &m.labels))
    }

    /// Makes rows of equal label sets one. Errs if two of them have a cell at the same step.
    pub(super) fn merge_equal_labels(&mut self) -> Result<(), EngineError> {
        if self.len() < 2 || !self.has_equal_labels() {
            return Ok(());
        }
        let mut merged = Self::new(self.steps);
        let mut by_labels: HashMap<Labels, usize> = HashMap::with_capacity(self.len());
        for row in 0..self.len() {
            let meta = &self.metas[row];
            let Some(&to) = by_labels.get(&meta.labels) else {
                by_labels.insert(meta.labels.clone(), merged.len());
                let histograms = self.histogram_row(row).cloned();
                merged.push(meta.clone(), self.floats(row), histograms);
                continue;
            };
            for step in 0..self.steps {
                let cell = self.cell(row, step);
                if matches!(cell, Cell::Empty) {
                    continue;
                }
                if merged.present(to, step) {
                    return Err(EngineError::same_labels());
                }
                merged.set(to, step, cell);
            }
        }
        *self = merged;
        Ok(())
    }

    /// Repeats the only step `steps` times.
    pub(super) fn broadcast(self, steps: usize) -> Self {
        debug_assert_eq!(self.steps, 1, "BUG: more than one step to repeat");
        let mut out = Self { steps, metas: self.metas, ..Self::default() };
        out.values.reserve(out.metas.len() * steps);
        for value in self.values {
            out.values.resize(out.values.len() + steps, value);
        }
        out.histograms = self
            .histograms
            .into_iter()
            .map(|row| row.map(|cells| vec![cells[0].clone(); steps].into_boxed_slice()))
            .collect();
        out
    }
}

/// Memory of a row of histograms. Neighbours that are one and the same count once.
pub(super) fn histogram_row_bytes(row: &HistogramRow) -> u64 {
    let mut last: Option<&Arc<FloatHistogram>> = None;
    let mut bytes = row.len() * 8;
    for histogram in row.iter().flatten() {
        if !last.is_some_and(|last| Arc::ptr_eq(last, histogram)) {
            bytes += histogram_bytes(histogram);
        }
        last = Some(histogram);
    }
    bytes as u64
}

/// Memory of a histogram, its counts among them.
pub(super) fn histogram_bytes(histogram: &FloatHistogram) -> usize {
    // Of spans 8 bytes each, as of counts and bounds; what the sample count takes for them, in bytes.
    histogram.size_in_samples() * 16 + size_of::<FloatHistogram>() / 2
}

pub(super) fn empty_histograms(steps: usize) -> HistogramRow {
    vec![None; steps].into_boxed_slice()
}

/// Whether a label set comes twice.
pub(super) fn has_duplicates<'a>(labels: impl ExactSizeIterator<Item = &'a Labels>) -> bool {
    let mut seen = hashbrown::HashSet::with_capacity(labels.len());
    labels.into_iter().any(|l| !seen.insert(l))
}

/// The labels that say what a metric is, which arithmetic takes away.
pub(super) fn is_metadata_label(name: &[u8]) -> bool {
    // Nearly all names differ from all three in their first bytes.
    name.starts_with(b"__") && matches!(name, b"__name__" | b"__type__" | b"__unit__")
}

/// The label set without metric name, type and unit.
pub(super) fn strip_metadata(labels: &Labels) -> Labels {
    labels.without(&[METRIC_NAME, "__type__", "__unit__"])
}

/// A scalar at every step.
#[derive(Clone, Debug)]
pub(super) enum ScalarRow {
    Const(f64),
    Each(Vec<f64>),
}

impl ScalarRow {
    pub(super) fn get(&self, step: usize) -> f64 {
        match self {
            Self::Const(value) => *value,
            Self::Each(values) => values[step],
        }
    }

    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Const(value) => Self::Const(f(value)),
            Self::Each(mut values) => {
                values.iter_mut().for_each(|v| *v = f(*v));
                Self::Each(values)
            }
        }
    }

    pub(super) fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (Self::Const(a), Self::Const(b)) => Self::Const(f(a, b)),
            (Self::Each(mut a), b) => {
                a.iter_mut().enumerate().for_each(|(i, v)| *v = f(*v, b.get(i)));
                Self::Each(a)
            }
            (Self::Const(a), Self::Each(mut b)) => {
                b.iter_mut().for_each(|v| *v = f(a, *v));
                Self::Each(b)
            }
        }
    }

    pub(super) fn into_values(self, steps: usize) -> Vec<f64> {
        match self {
            Self::Const(value) => vec![value; steps],
            Self::Each(values) => values,
        }
    }

    /// All values that occur.
    pub(super) fn iter(&self, steps: usize) -> impl Iterator<Item = f64> + '_ {
        (0..steps).map(|i| self.get(i))
    }
}
