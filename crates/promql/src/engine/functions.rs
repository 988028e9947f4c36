//! Functions of whole vectors: presence, order and labels.

use std::cmp::Ordering;

use gauntlet_model::Labels;
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::regex::{Regex, Template};

use super::error::EngineError;
use super::eval::Evaluator;
use super::gosort;
use super::grid::Grid;
use super::node::SortKey;
use super::rows::{ABSENT, Meta, Rows, is_absent};

impl Evaluator<'_> {
    /// 1 where no row has a cell. With delayed removal `drops_name` marks the result.
    pub(super) fn absent(
        &mut self,
        rows: &Rows,
        grid: &Grid,
        labels: &Labels,
        drops_name: bool,
    ) -> Rows {
        let mut values = vec![1.0; grid.steps];
        for row in 0..rows.len() {
            for (step, value) in values.iter_mut().enumerate() {
                if rows.present(row, step) {
                    *value = ABSENT;
                }
            }
        }
        let mut out = Rows::new(grid.steps);
        if values.iter().any(|v| !is_absent(*v)) {
            let drop_name = drops_name && self.switches.delayed_name_removal;
            out.push(Meta { labels: labels.clone(), drop_name }, &values, None);
        }
        out
    }

    /// Orders the rows of an instant query; a range query's are ordered by labels in the end.
    pub(super) fn sort(
        &mut self,
        mut rows: Rows,
        key: SortKey,
        descending: bool,
        labels: &[String],
    ) -> Result<Rows, EngineError> {
        if key == SortKey::Value {
            rows.histograms.clear();
            rows.drop_empty_rows();
        }
        if rows.steps > 1 {
            return Ok(rows);
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        match key {
            SortKey::Value => {
                let value = |i: &usize| rows.values[*i];
                // Not-a-number comes last either way: the order is reversed, and there it comes first.
                gosort::sort(&mut order, |b, a| {
                    let (a, b) = (value(a), value(b));
                    a.is_nan() || if descending { a < b } else { a > b }
                });
            }
            SortKey::Labels => {
                order.sort_by(|a, b| {
                    let (a, b) = (&rows.metas[*a].labels, &rows.metas[*b].labels);
                    let ordering = by_labels(a, b, labels).then_with(|| a.cmp(b));
                    if descending { ordering.reverse() } else { ordering }
                });
            }
        }
        let mut sorted = Rows::new(1);
        for row in order {
            let histograms = rows.histograms.get_mut(row).and_then(Option::take);
            let meta = std::mem::take(&mut rows.metas[row]);
            sorted.push(meta, rows.floats(row), histograms);
        }
        Ok(sorted)
    }

    pub(super) fn label_replace(
        &mut self,
        mut rows: Rows,
        target: &str,
        source: &str,
        regex: &Regex,
        template: &Template,
    ) -> Result<Rows, EngineError> {
        for meta in &mut rows.metas {
            self.cancel.check()?;
            let value = meta.labels.value(source);
            let Some(captures) = regex.captures(value) else { continue };
            let mut expanded = String::new();
            template.expand_str(value, &captures, &mut expanded);
            meta.labels = meta.labels.to_builder().set(target, &expanded).build();
            if target == METRIC_NAME {
                meta.drop_name = false;
            }
        }
        rows.merge_equal_labels()?;
        Ok(rows)
    }

    pub(super) fn label_join(
        &mut self,
        mut rows: Rows,
        target: &str,
        separator: &str,
        sources: &[String],
    ) -> Result<Rows, EngineError> {
        for meta in &mut rows.metas {
            let values: Vec<&str> = sources.iter().map(|name| meta.labels.value(name)).collect();
            let joined = values.join(separator);
            meta.labels = meta.labels.to_builder().set(target, &joined).build();
            if target == METRIC_NAME {
                meta.drop_name = false;
            }
        }
        rows.merge_equal_labels()?;
        Ok(rows)
    }
}

fn by_labels(a: &Labels, b: &Labels, names: &[String]) -> Ordering {
    for name in names {
        let (a, b) = (a.value(name), b.value(name));
        if a != b {
            return if natural_less(a, b) { Ordering::Less } else { Ordering::Greater };
        }
    }
    Ordering::Equal
}

/// Natural order: runs of digits compare as numbers.
fn natural_less(a: &str, b: &str) -> bool {
    let (a, b) = (chunks(a), chunks(b));
    for (i, left) in a.iter().enumerate() {
        let Some(right) = b.get(i) else { return false };
        let numbers = (left.parse::<i64>(), right.parse::<i64>());
        let equal = match numbers {
            (Ok(left), Ok(right)) if left != right => return left < right,
            (Ok(_), Ok(_)) => true,
            _ => left == right,
        };
        if !equal {
            return left < right;
        }
        if i + 1 == a.len() {
            return true;
        }
        if i + 1 == b.len() {
            return false;
        }
    }
    false
}

/// Runs of digits and of other characters.
fn chunks(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for i in 1..=bytes.len() {
        if i == bytes.len() || bytes[i].is_ascii_digit() != bytes[i - 1].is_ascii_digit() {
            out.push(&text[start..i]);
            start = i;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_text_sort_as_numbers() {
        let mut names = ["a10", "a2", "a1b", "b", "a"];
        names.sort_by(|a, b| if natural_less(a, b) { Ordering::Less } else { Ordering::Greater });
        assert_eq!(names, ["a", "a1b", "a2", "a10", "b"]);
        assert_eq!(chunks("é12x"), ["é", "12", "x"]);
    }
}
