//! The `info` function: labels of info metrics such as `target_info`, joined on job and instance.

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{Labels, Matcher};
use hashbrown::{HashMap, HashSet};

use super::elementwise::Strip;
use super::error::EngineError;
use super::eval::Evaluator;
use super::grid::Grid;
use super::node::{InfoNode, NodeId};
use super::rows::{Cell, Meta, Rows};
use super::scan::{Pipeline, Stage};

/// Labels by which an info metric says what it is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// What an info series is about: its metric and identifying labels.
type Signature = (String, Labels);

impl Evaluator<'_> {
    pub(super) fn info(&mut self, node: &InfoNode, grid: &Grid) -> Result<Rows, EngineError> {
        let base = self.rows(&node.input, grid)?;
        let is_info = |meta: &Meta| {
            let name = meta.labels.metric_name();
            node.name_matchers.iter().all(|m| m.matches(name))
        };
        let ignored: Vec<bool> = base.metas.iter().map(is_info).collect();
        let data: Vec<Matcher> = node
            .data_matchers
            .iter()
            .flatten()
            .filter(|m| m.name != METRIC_NAME)
            .cloned()
            .collect();
        let info = self.info_rows(node, grid, &base, &ignored)?;
        self.join_info(&base, &info, &ignored, &data)
    }

    /// The info series that any base series may match; cells hold the time of the sample in seconds.
    fn info_rows(
        &mut self,
        node: &InfoNode,
        grid: &Grid,
        base: &Rows,
        ignored: &[bool],
    ) -> Result<Rows, EngineError> {
        let mut wanted: [HashSet<&str>; 2] = Default::default();
        for (meta, _) in base.metas.iter().zip(ignored).filter(|(_, ignored)| !**ignored) {
            for (values, name) in wanted.iter_mut().zip(IDENTIFYING) {
                values.extend(meta.labels.get(name));
            }
        }
        if wanted.iter().all(HashSet::is_empty) {
            return Ok(Rows::new(grid.steps));
        }
        let pipeline = Pipeline {
            source: self.source(&node.selector),
            stage: Stage::SampleTime {
                selector: &node.selector,
                lookback_ms: self.lookback_ms,
                start: false,
                mark_histograms: true,
            },
            maps: Vec::new(),
            grid: *grid,
            strip: Strip::Nothing,
            drop_name: false,
            names: None,
            threads: self.threads,
            cancel: self.cancel,
            budget: self.budget,
            by_step: self.samples.by_step.is_some(),
            probe: self.profile.as_ref().map(|profile| profile.probe(2)),
        };
        let mut rows = self.collect(&pipeline)?;
        if let (Some(profile), Some(probe)) = (&mut self.profile, pipeline.probe) {
            let id = Some(NodeId::of_selector(&node.selector));
            profile.take(probe, &[id, id]);
        }
        rows.retain(|rows, row| {
            let labels = &rows.metas[row].labels;
            wanted
                .iter()
                .zip(IDENTIFYING)
                .all(|(values, name)| values.is_empty() || values.contains(labels.value(name)))
        });
        if let Some(row) = (0..rows.len()).find(|r| rows.floats(*r).contains(&f64::INFINITY)) {
            return Err(EngineError::execution(format!(
                "this should be an info metric, with float samples: {}",
                rows.metas[row].labels
            )));
        }
        Ok(rows)
    }

    fn join_info(
        &mut self,
        base: &Rows,
        info: &Rows,
        ignored: &[bool],
        data: &[Matcher],
    ) -> Result<Rows, EngineError> {
        let steps = base.steps;
        let signature = |name: &str, labels: &Labels| -> Signature {
            (name.to_owned(), labels.keep(&IDENTIFYING))
        };
        let mut by_signature: HashMap<Signature, Vec<usize>> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        for (row, meta) in info.metas.iter().enumerate() {
            let name = meta.labels.metric_name();
            if !names.contains(&name) {
                names.push(name);
            }
            by_signature.entry(signature(name, &meta.labels)).or_default().push(row);
        }
        names.sort_unstable();
        // At each step the newest sample of a signature counts.
        let mut newest: HashMap<&Signature, Vec<Option<usize>>> = HashMap::new();
        for (signature, rows) in &by_signature {
            let mut at = vec![None; steps];
            for (step, slot) in at.iter_mut().enumerate() {
                for row in rows.iter().filter(|row| info.present(**row, step)) {
                    *slot = Some(match *slot {
                        None => *row,
                        Some(other) => self.newer(base, info, other, *row, step)?,
                    });
                }
            }
            newest.insert(signature, at);
        }
        let must_match = data.iter().any(|m| !m.matches_empty());
        let mut out = Rows::new(steps);
        let mut results: HashMap<Labels, usize> = HashMap::new();
        for (row, meta) in base.metas.iter().enumerate() {
            self.cancel.check()?;
            let candidates: Vec<&Vec<Option<usize>>> = if ignored[row] {
                Vec::new()
            } else {
                let found = names.iter().map(|name| signature(name, &meta.labels));
                found.filter_map(|s| newest.get(&s)).collect()
            };
            let mut cached: HashMap<Vec<usize>, Option<Labels>> = HashMap::new();
            for step in 0..steps {
                let cell = base.cell(row, step);
                if matches!(cell, Cell::Empty) {
                    continue;
                }
                let matched: Vec<usize> = candidates.iter().filter_map(|at| at[step]).collect();
                let labels = match cached.get(&matched) {
                    Some(labels) => labels.clone(),
                    None => {
                        let drop = !ignored[row] && matched.is_empty() && must_match;
                        let labels = if drop {
                            None
                        } else {
                            Some(enrich(&meta.labels, info, &matched, data)?)
                        };
                        cached.insert(matched, labels.clone());
                        labels
                    }
                };
                let Some(labels) = labels else { continue };
                let to = *results
                    .entry(labels.clone())
                    .or_insert_with(|| out.push_empty(Meta { labels, drop_name: meta.drop_name }));
                if out.present(to, step) {
                    return Err(EngineError::same_labels());
                }
                out.set(to, step, cell);
            }
        }
        Ok(out)
    }

    /// The row with the newer sample; an error if both are equally new.
    fn newer(
        &self,
        base: &Rows,
        info: &Rows,
        a: usize,
        b: usize,
        step: usize,
    ) -> Result<usize, EngineError> {
        let time = |row: usize| (info.values[row * info.steps + step] * 1000.0).round() as i64;
        let (ta, tb) = (time(a), time(b));
        if ta != tb {
            return Ok(if ta > tb { a } else { b });
        }
        if (0..base.len()).all(|row| !base.present(row, step)) {
            // Nothing to join at this step, so nothing is compared.
            return Ok(a);
        }
        let (a, b) = (&info.metas[a].labels, &info.metas[b].labels);
        Err(EngineError::execution(format!(
            "found duplicate series for info metric: existing {a} @ {ta}, new {b} @ {tb}"
        )))
    }
}

/// The base labels with those of the matched info series.
fn enrich(
    base: &Labels,
    info: &Rows,
    matched: &[usize],
    data: &[Matcher],
) -> Result<Labels, EngineError> {
    let mut added: Vec<(&str, &str)> = Vec::new();
    for row in matched {
        for (name, value) in &info.metas[*row].labels {
            let asked = data.is_empty() || data.iter().any(|m| m.name == name);
            if name == METRIC_NAME || !asked {
                continue;
            }
            if added.iter().any(|(n, v)| *n == name && *v != value) {
                return Err(EngineError::execution(format!("conflicting label: {name}")));
            }
            if base.get(name).is_none() {
                added.push((name, value));
            }
        }
    }
    let mut labels = base.to_builder();
    for (name, value) in added {
        labels.set(name, value);
    }
    Ok(labels.build())
}
