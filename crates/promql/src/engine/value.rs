//! Answers of queries, made to be written out: label sets once, timestamps implied where they are evenly spaced.

use std::sync::Arc;

use gauntlet_chunk::Columns;
use gauntlet_model::{FloatHistogram, Labels, Timestamp};

use super::grid::Grid;
use super::rows::{Rows, is_absent};
use crate::ast::ValueType;

/// A query's answer.
#[derive(Clone, Debug)]
pub enum Value {
    Scalar { t: Timestamp, value: f64 },
    String { t: Timestamp, text: String },
    Vector(Vec<Sample>),
    Matrix(Matrix),
}

impl Value {
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Scalar { .. } => ValueType::Scalar,
            Self::String { .. } => ValueType::String,
            Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) => ValueType::Matrix,
        }
    }
}

/// One element of an instant vector.
#[derive(Clone, Debug)]
pub struct Sample {
    pub labels: Labels,
    pub t: Timestamp,
    pub value: SampleValue,
}

#[derive(Clone, Debug)]
pub enum SampleValue {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// Whether a place in a [`Matrix::row`] has no float.
#[inline]
pub fn is_no_float(value: f64) -> bool {
    is_absent(value)
}

/// Series in ascending order of label set.
#[derive(Clone, Debug)]
pub struct Matrix(Content);

#[derive(Clone, Debug)]
enum Content {
    /// One cell an instant.
    Steps { grid: Grid, rows: Rows },
    /// Samples at times of their own.
    Samples(Vec<(Labels, Columns)>),
}

impl Matrix {
    /// Of rows over a grid; sorts them.
    pub(super) fn from_rows(grid: Grid, mut rows: Rows) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| rows.metas[*a].labels.cmp(&rows.metas[*b].labels));
        if order.windows(2).any(|w| w[0] > w[1]) {
            let mut sorted = Rows::new(rows.steps);
            sorted.values.reserve(rows.values.len());
            for row in order {
                let histograms = rows.histograms.get_mut(row).and_then(Option::take);
                let meta = std::mem::take(&mut rows.metas[row]);
                sorted.push(meta, rows.floats(row), histograms);
            }
            rows = sorted;
        }
        Self(Content::Steps { grid, rows })
    }

    /// Of samples; sorts the series.
    pub(super) fn from_samples(mut series: Vec<(Labels, Columns)>) -> Self {
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self(Content::Samples(series))
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        match &self.0 {
            Content::Steps { rows, .. } => rows.len(),
            Content::Samples(series) => series.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `series` series.
    pub fn truncate(&mut self, series: usize) {
        match &mut self.0 {
            Content::Steps { rows, .. } => {
                let mut row = 0;
                rows.retain(|_, _| {
                    row += 1;
                    row <= series
                });
            }
            Content::Samples(all) => all.truncate(series),
        }
    }

    /// The grid that all series share, where the answer has one.
    pub fn grid(&self) -> Option<Grid> {
        match &self.0 {
            Content::Steps { grid, .. } => Some(*grid),
            Content::Samples(_) => None,
        }
    }

    pub fn labels(&self, series: usize) -> &Labels {
        match &self.0 {
            Content::Steps { rows, .. } => &rows.metas[series].labels,
            Content::Samples(all) => &all[series].0,
        }
    }

    /// Whether the series has histograms.
    pub fn has_histograms(&self, series: usize) -> bool {
        match &self.0 {
            Content::Steps { rows, .. } => rows.histogram_row(series).is_some(),
            Content::Samples(all) => !all[series].1.histograms.is_empty(),
        }
    }

    /// The floats of a series by step of [`Matrix::grid`]; see [`is_no_float`]. `None` where samples have times of their own.
    pub fn row(&self, series: usize) -> Option<&[f64]> {
        match &self.0 {
            Content::Steps { rows, .. } => Some(rows.floats(series)),
            Content::Samples(_) => None,
        }
    }

    /// Float samples of a series, ascending by time.
    pub fn floats(&self, series: usize) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
        let (steps, samples) = match &self.0 {
            Content::Steps { grid, rows } => {
                let cells = rows.floats(series).iter().enumerate();
                (
                    Some(cells.filter(|(_, v)| !is_absent(**v)).map(|(i, v)| (grid.time(i), *v))),
                    None,
                )
            }
            Content::Samples(all) => {
                let columns = &all[series].1;
                let floats = (0..columns.len())
                    .filter(|i| columns.histogram(*i).is_none())
                    .map(|i| (columns.timestamps[i], columns.values[i]));
                (None, Some(floats))
            }
        };
        steps.into_iter().flatten().chain(samples.into_iter().flatten())
    }

    /// Histogram samples of a series, ascending by time.
    pub fn histograms(
        &self,
        series: usize,
    ) -> impl Iterator<Item = (Timestamp, &Arc<FloatHistogram>)> + '_ {
        let (steps, samples) = match &self.0 {
            Content::Steps { grid, rows } => {
                let cells = rows.histogram_row(series).map(|cells| cells.iter().enumerate());
                let cells = cells.into_iter().flatten();
                (Some(cells.filter_map(|(i, h)| Some((grid.time(i), h.as_ref()?)))), None)
            }
            Content::Samples(all) => {
                let columns = &all[series].1;
                let cells =
                    columns.histograms.iter().map(|(i, h)| (columns.timestamps[*i as usize], h));
                (None, Some(cells))
            }
        };
        steps.into_iter().flatten().chain(samples.into_iter().flatten())
    }
}
