//! Values of a series description, one per step.

use gauntlet_model::FloatHistogram;
use gauntlet_promql::parser::{HistogramSeries, SeriesItem};

/// One step of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceValue {
    Omitted,
    Float(f64),
    /// `hint_is_set`: the counter reset hint was written out and must be compared.
    Histogram {
        histogram: Box<FloatHistogram>,
        hint_is_set: bool,
    },
}

/// Expands items. Errs where histograms cannot be combined.
pub fn expand(items: &[SeriesItem]) -> Result<Vec<SequenceValue>, String> {
    let mut values = Vec::new();
    for item in items {
        match item {
            SeriesItem::Omitted { count } => {
                values.extend((0..*count).map(|_| SequenceValue::Omitted));
            }
            SeriesItem::Floats { start, step, times } => {
                let mut value = *start;
                for i in 0..=*times {
                    values.push(SequenceValue::Float(value));
                    if i < *times && (*step != 0.0) {
                        value += step;
                    }
                }
            }
            SeriesItem::Histograms(series) => expand_histograms(series, &mut values)?,
        }
    }
    Ok(values)
}

fn expand_histograms(
    series: &HistogramSeries,
    values: &mut Vec<SequenceValue>,
) -> Result<(), String> {
    let hint_is_set = series.hint_is_set;
    let mut current = series.start.clone();
    for i in 0..=series.times {
        let histogram = Box::new(current.clone());
        values.push(SequenceValue::Histogram { histogram, hint_is_set });
        let Some(step) = series.step.as_ref().filter(|_| i < series.times) else { continue };
        if current.schema > step.schema {
            return Err(format!(
                "error combining histograms: cannot merge from schema {} to {}",
                step.schema, current.schema
            ));
        }
        let combined = if series.subtract { current.sub(step) } else { current.add(step) };
        combined.map_err(|e| e.to_string())?;
    }
    Ok(())
}
