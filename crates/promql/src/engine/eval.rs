//! Running a plan: each node evaluated once, over all steps.

use std::sync::{Arc, OnceLock};

use gauntlet_runtime::{Budget, Cancel};
use gauntlet_storage::{SeriesSet, TimeRange};

use super::elementwise::{Mapper, Strip, scalar_operator};
use super::error::EngineError;
use super::grid::Grid;
use super::node::{Extension, MapOp, Node, NodeId, RangeSource, Selector, Subquery, WindowCall};
use super::profile::Profile;
use super::rows::{ABSENT, Meta, Rows, ScalarRow, is_absent, strip_metadata};
use super::scan::{METADATA_LABELS, Pipeline, Source, Stage, Tally, Tile};
use super::steps::ByStep;
use super::window::Window;
use crate::annotations::{Annotation, Annotations};
use crate::functions::FunctionId;

/// Switches of the engine that evaluation looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Switches {
    pub delayed_name_removal: bool,
    pub type_and_unit_labels: bool,
    pub use_start_timestamps: bool,
}

/// Counts samples as the peer counts those that it holds.
#[derive(Debug, Default)]
pub(super) struct SampleCount {
    pub max: usize,
    pub held: usize,
    pub peak: usize,
    /// Samples looked at, each as often as it was.
    pub total: u64,
    /// Of these, those that the step before had not looked at.
    pub read: u64,
    /// Both by step of the grid at work, where asked for.
    pub by_step: Option<ByStep>,
    pub decoded: u64,
    pub series: u64,
}

impl SampleCount {
    /// Notes that `more` are held for a moment beside those held already.
    pub(super) fn touch(&mut self, more: usize) -> Result<(), EngineError> {
        let now = self.held + more;
        self.peak = self.peak.max(now);
        if now > self.max { Err(EngineError::TooManySamples) } else { Ok(()) }
    }

    pub(super) fn hold(&mut self, more: usize) -> Result<(), EngineError> {
        self.touch(more)?;
        self.held += more;
        Ok(())
    }
}

impl SampleCount {
    /// Counts samples that the only step sees.
    pub(super) fn see_once(&mut self, samples: u64) {
        self.total += samples;
        self.read += samples;
        if let Some(by_step) = &mut self.by_step {
            by_step.add_once(samples, samples);
        }
    }
}

/// One evaluation.
pub(super) struct Evaluator<'a> {
    pub sets: &'a [SeriesSet],
    /// One a set.
    pub tallies: &'a [Tally],
    pub ranges: &'a [TimeRange],
    pub switches: Switches,
    /// Threads that tiles are spread over; with more than one this is one of the pool's.
    pub threads: usize,
    pub lookback_ms: i64,
    pub cancel: &'a Cancel,
    pub budget: &'a Arc<Budget>,
    pub annotations: Annotations,
    pub samples: SampleCount,
    /// What operators cost, where it is asked for.
    pub profile: Option<Profile>,
}

impl<'a> Evaluator<'a> {
    /// Evaluates an instant vector.
    pub(super) fn rows(&mut self, node: &Node, grid: &Grid) -> Result<Rows, EngineError> {
        self.cancel.check()?;
        let begin = self.profile.as_mut().map(Profile::begin);
        let short = |err: EngineError| err.of_operator(node.operator());
        let mut rows = self.uncharged_rows(node, grid).map_err(short)?;
        if rows.charge.is_none() && !rows.is_empty() {
            let charge = self.budget.charge(rows.size_bytes());
            rows.charge = Some(Arc::new(charge.map_err(|err| short(err.into()))?));
        }
        if let (Some(profile), Some(begin)) = (&mut self.profile, begin) {
            profile.end(node, &begin, Some(&rows));
        }
        Ok(rows)
    }

    fn uncharged_rows(&mut self, node: &Node, grid: &Grid) -> Result<Rows, EngineError> {
        if grid.steps == 0 {
            return Ok(Rows::new(0));
        }
        match node {
            Node::Instant(_) | Node::Smoothed(_) | Node::Map { .. } => {
                self.with_pipeline(node, grid, None, Self::collect)
            }
            Node::SampleTime { .. } => {
                let mut rows = self.with_pipeline_of(node, grid, None, false, Self::collect)?;
                if !self.switches.delayed_name_removal {
                    rows.merge_equal_labels()?;
                }
                Ok(rows)
            }
            Node::Window(call) => self.window_call(call, node, grid),
            Node::VectorOf(scalar) => {
                let values = self.scalar(scalar, grid)?.into_values(grid.steps);
                self.samples.hold(grid.steps)?;
                let mut rows = Rows::new(grid.steps);
                rows.push(Meta::default(), &values, None);
                Ok(rows)
            }
            Node::TimeFunction(part) => {
                let values: Vec<f64> = grid.times().map(|t| part(t / 1000)).collect();
                let mut rows = Rows::new(grid.steps);
                rows.push(Meta::default(), &values, None);
                Ok(rows)
            }
            Node::Aggregate(aggregate) => self.aggregate(aggregate, grid),
            Node::CountValues { input, label, grouping } => {
                let rows = self.rows(input, grid)?;
                self.count_values(&rows, label, grouping)
            }
            Node::VectorBinary { op, lhs, rhs, matching, return_bool, pos } => {
                let (lhs, rhs) = (self.rows(lhs, grid)?, self.rows(rhs, grid)?);
                self.vector_binary(*op, lhs, rhs, matching, *return_bool, *pos)
            }
            Node::Set { op, lhs, rhs, matching } => {
                let (lhs, rhs) = (self.rows(lhs, grid)?, self.rows(rhs, grid)?);
                self.set_operator(*op, lhs, rhs, matching)
            }
            Node::Absent { input, labels } => {
                let rows = self.rows(input, grid)?;
                Ok(self.absent(&rows, grid, labels, false))
            }
            Node::AbsentOverTime { input, labels } => {
                let rows = self.with_pipeline_of(input, grid, None, false, Self::collect)?;
                Ok(self.absent(&rows, grid, labels, true))
            }
            Node::Sort { input, key, descending, labels, pos } => {
                let rows = self.rows(input, grid)?;
                // Behind those of the input: of two that say the same the last one stays.
                if grid.steps > 1 {
                    self.annotations.add(Annotation::sort_in_range_query(*pos));
                }
                self.sort(rows, *key, *descending, labels)
            }
            Node::LabelReplace { input, target, source, regex, template } => {
                let rows = self.rows(input, grid)?;
                self.label_replace(rows, target, source, regex, template)
            }
            Node::LabelJoin { input, target, separator, sources } => {
                let rows = self.rows(input, grid)?;
                self.label_join(rows, target, separator, sources)
            }
            Node::HistogramQuantile { q, q_pos, input, pos } => {
                let q = self.scalar(q, grid)?;
                let rows = self.rows(input, grid)?;
                self.histogram_quantile(&rows, grid, &q, *q_pos, *pos)
            }
            Node::HistogramQuantiles { input, label, qs, pos } => {
                let mut rows_of_q = Vec::new();
                for (q, q_pos) in qs {
                    rows_of_q.push((self.scalar(q, grid)?, *q_pos));
                }
                let rows = self.rows(input, grid)?;
                self.histogram_quantiles(&rows, grid, label, &rows_of_q, *pos)
            }
            Node::HistogramFraction { lower, upper, input, pos } => {
                let (lower, upper) = (self.scalar(lower, grid)?, self.scalar(upper, grid)?);
                let rows = self.rows(input, grid)?;
                self.histogram_fraction(&rows, grid, &lower, &upper, *pos)
            }
            Node::Info(info) => self.info(info, grid),
            Node::Nothing(input) => {
                self.rows(input, grid)?;
                Ok(Rows::new(grid.steps))
            }
            Node::Once(inner) => {
                let rows = self.once(grid, |this| this.rows(inner, &grid.first()))?;
                let samples = rows.total_samples();
                self.samples.hold(samples.saturating_mul(grid.steps.saturating_sub(1)))?;
                Ok(rows.broadcast(grid.steps))
            }
            Node::Text(_)
            | Node::Number(_)
            | Node::Time
            | Node::ScalarOf(_)
            | Node::ScalarNegate(_)
            | Node::ScalarBinary { .. }
            | Node::ScalarMinMax { .. }
            | Node::ScalarOnce(_)
            | Node::Range { .. }
            | Node::Subquery(_) => {
                Err(EngineError::Internal("an instant vector is wanted".to_owned()))
            }
        }
    }

    /// Evaluates a scalar.
    pub(super) fn scalar(&mut self, node: &Node, grid: &Grid) -> Result<ScalarRow, EngineError> {
        let begin = self.profile.as_mut().map(Profile::begin);
        let row = self.scalar_row(node, grid)?;
        if let (Some(profile), Some(begin)) = (&mut self.profile, begin) {
            profile.end(node, &begin, None);
        }
        Ok(row)
    }

    fn scalar_row(&mut self, node: &Node, grid: &Grid) -> Result<ScalarRow, EngineError> {
        Ok(match node {
            Node::Number(value) => ScalarRow::Const(*value),
            Node::Time => ScalarRow::Each(grid.times().map(|t| t as f64 / 1000.0).collect()),
            Node::ScalarNegate(inner) => self.scalar(inner, grid)?.map(|v| -v),
            Node::ScalarBinary { op, lhs, rhs } => {
                let (lhs, rhs) = (self.scalar(lhs, grid)?, self.scalar(rhs, grid)?);
                lhs.zip(rhs, |a, b| scalar_operator(*op, a, b))
            }
            Node::ScalarMinMax { max, lhs, rhs } => {
                use gauntlet_model::gomath;
                let (lhs, rhs) = (self.scalar(lhs, grid)?, self.scalar(rhs, grid)?);
                lhs.zip(rhs, if *max { gomath::max } else { gomath::min })
            }
            Node::ScalarOf(vector) => {
                let rows = self.rows(vector, grid)?;
                let mut values = vec![ABSENT; grid.steps];
                let mut many = vec![false; grid.steps];
                for row in 0..rows.len() {
                    for (step, value) in rows.floats(row).iter().enumerate() {
                        if is_absent(*value) {
                            continue;
                        }
                        many[step] |= !is_absent(values[step]);
                        values[step] = *value;
                    }
                }
                for (value, many) in values.iter_mut().zip(many) {
                    if many || is_absent(*value) {
                        *value = f64::NAN;
                    }
                }
                ScalarRow::Each(values)
            }
            Node::ScalarOnce(inner) => {
                match self.once(grid, |this| this.scalar(inner, &grid.first()))? {
                    ScalarRow::Each(values) if !values.is_empty() => ScalarRow::Const(values[0]),
                    other => other,
                }
            }
            _ => return Err(EngineError::Internal("a scalar is wanted".to_owned())),
        })
    }

    /// Evaluates for the first step what is the same at all of them: it is seen at each, and read once.
    fn once<R>(
        &mut self,
        grid: &Grid,
        run: impl FnOnce(&mut Self) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let outer = self.samples.by_step.take();
        let (total, read) = (self.samples.total, self.samples.read);
        let result = run(self)?;
        let seen = self.samples.total - total;
        self.samples.total = total + seen * grid.steps as u64;
        self.samples.by_step = outer;
        if let Some(by_step) = &mut self.samples.by_step {
            by_step.add_once(seen, self.samples.read - read);
        }
        Ok(result)
    }

    /// Evaluates the inside of a subquery. What it saw does not count, for its consumer sees its result; what it read does.
    fn subquery_rows(
        &mut self,
        subquery: &Subquery,
        grid: &Grid,
        range_ms: i64,
    ) -> Result<Rows, EngineError> {
        // By step it has to be known what nobody covers, and where it belongs.
        let tracked = self.samples.by_step.is_some() || (grid.steps > 1 && grid.step > range_ms);
        let inner = tracked.then(|| ByStep::new(subquery.grid.steps));
        let outer = std::mem::replace(&mut self.samples.by_step, inner);
        let (total, read) = (self.samples.total, self.samples.read);
        let rows = self.rows(&subquery.inner, &subquery.grid)?;
        self.samples.total = total;
        let inner = std::mem::replace(&mut self.samples.by_step, outer);
        if let Some(inner) = inner {
            let outer = self.samples.by_step.as_mut();
            let spans = (subquery.offset_ms, range_ms);
            let taken = ByStep::take_subquery(outer, &inner, &subquery.grid, grid, spans);
            self.samples.read = read + taken;
        }
        Ok(rows)
    }

    /// Evaluates a subquery that is the whole query: what it saw counts at the only step.
    pub(super) fn root_subquery(
        &mut self,
        subquery: &Subquery,
        grid: &Grid,
    ) -> Result<Rows, EngineError> {
        self.once(grid, |this| this.rows(&subquery.inner, &subquery.grid))
    }

    /// The source of a selector's series.
    pub(super) fn source(&self, selector: &Selector) -> Source<'a> {
        static NOTHING: OnceLock<(SeriesSet, Tally)> = OnceLock::new();
        let (set, tally, range) = match selector.select {
            Some(i) => (&self.sets[i], &self.tallies[i], self.ranges[i]),
            None => {
                let (set, tally) = NOTHING.get_or_init(Default::default);
                (set, tally, TimeRange::all())
            }
        };
        Source::Set { set, range, skip_buckets: selector.skip_buckets, tally }
    }

    /// Makes a pipeline of a leaf and the maps above it, or of a materialized input and the maps above it, and lets `run` run it.
    /// With `names` that looks at no other labels, those that say what a metric is apart. Errs where rows are equal by name.
    pub(super) fn with_pipeline<R>(
        &mut self,
        node: &Node,
        grid: &Grid,
        names: Option<&[String]>,
        run: impl FnOnce(&mut Self, &Pipeline<'_>) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        self.with_pipeline_of(node, grid, names, true, run)
    }

    /// As [`Evaluator::with_pipeline`]. Unless `apart`, rows of the leaf alone may have equal label sets: `run` looks for them.
    fn with_pipeline_of<R>(
        &mut self,
        node: &Node,
        grid: &Grid,
        names: Option<&[String]>,
        apart: bool,
        run: impl FnOnce(&mut Self, &Pipeline<'_>) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let mut ops = Vec::new();
        let mut ids = Vec::new();
        let mut leaf = node;
        while let Node::Map { input, op } = leaf {
            ops.push(op);
            ids.push(Some(NodeId::of(leaf)));
            leaf = input;
        }
        ids.extend(stage_ids(leaf));
        ids.reverse();
        let mut maps = Vec::with_capacity(ops.len());
        for op in ops.into_iter().rev() {
            maps.push(self.mapper(op, grid)?);
        }
        let lookback_ms = self.lookback_ms;
        let nothing = Rows::new(grid.steps);
        let (window, inner);
        let (source, stage, drops) = match leaf {
            Node::Instant(selector) => {
                (self.source(selector), Stage::Instant { selector, lookback_ms }, false)
            }
            Node::Smoothed(selector) => {
                (self.source(selector), Stage::Smoothed { selector, lookback_ms }, false)
            }
            Node::SampleTime { start: true, .. } if !self.switches.use_start_timestamps => {
                (Source::Rows { rows: &nothing, grid: *grid }, Stage::Rows, false)
            }
            Node::SampleTime { selector, start } => {
                let stage = Stage::SampleTime {
                    selector,
                    lookback_ms,
                    start: *start,
                    mark_histograms: false,
                };
                (self.source(selector), stage, true)
            }
            Node::Window(call) => {
                window = self.window(call, grid)?;
                let source = match &call.source {
                    RangeSource::Selector { selector, .. } => self.source(selector),
                    RangeSource::Subquery(subquery) => {
                        inner = self.subquery_rows(subquery, grid, call.range_ms)?;
                        Source::Rows { rows: &inner, grid: subquery.grid }
                    }
                };
                (source, Stage::Window(&window), !keeps_name(call.func))
            }
            other => {
                inner = self.rows(other, grid)?;
                (Source::Rows { rows: &inner, grid: *grid }, Stage::Rows, false)
            }
        };
        let mut strip = if drops { Strip::Metadata } else { Strip::Nothing };
        strip = maps.iter().map(Mapper::strip).fold(strip, Ord::max);
        let delayed = self.switches.delayed_name_removal;
        let pipeline = Pipeline {
            source,
            stage,
            maps,
            grid: *grid,
            strip: if delayed { Strip::Nothing } else { strip },
            drop_name: delayed && strip != Strip::Nothing,
            names: names
                .map(|names| names.iter().map(String::as_str).chain(METADATA_LABELS).collect()),
            threads: self.threads,
            cancel: self.cancel,
            budget: self.budget,
            by_step: self.samples.by_step.is_some(),
            probe: self.profile.as_ref().map(|profile| profile.probe(ids.len())),
        };
        let unseen = pipeline.maps.is_empty() && !apart;
        if unseen || !pipeline.labels_collide()? {
            let result = run(self, &pipeline)?;
            if let (Some(profile), Some(probe)) = (&mut self.profile, pipeline.probe) {
                profile.take(probe, &ids);
            }
            return Ok(result);
        }
        // Series may become one another's equals: each map has to look at all of them.
        let maps = pipeline.maps;
        let mut rows = self.rows(leaf, grid)?;
        for map in &maps {
            rows = self.map_rows(rows, grid, map)?;
        }
        run(
            self,
            &Pipeline {
                source: Source::Rows { rows: &rows, grid: *grid },
                stage: Stage::Rows,
                maps: Vec::new(),
                grid: *grid,
                strip: Strip::Nothing,
                drop_name: false,
                names: None,
                threads: self.threads,
                cancel: self.cancel,
                budget: self.budget,
                by_step: false,
                probe: None,
            },
        )
    }

    /// One map over materialized rows; equal label sets are joined after it.
    fn map_rows(&mut self, mut rows: Rows, grid: &Grid, map: &Mapper) -> Result<Rows, EngineError> {
        for row in 0..rows.len() {
            let mut histograms = rows.histograms.get_mut(row).and_then(Option::take);
            map.apply(grid, rows.floats_mut(row), &mut histograms, &mut self.annotations);
            if let Some(slot) = rows.histograms.get_mut(row) {
                *slot = histograms;
            }
            let labels = &mut rows.metas[row].labels;
            match map.strip() {
                Strip::Nothing => {}
                Strip::Name => *labels = labels.without_name(),
                Strip::Metadata => *labels = strip_metadata(labels),
            }
        }
        rows.drop_empty_rows();
        if map.strip() != Strip::Nothing {
            rows.merge_equal_labels()?;
        }
        Ok(rows)
    }

    fn mapper(&mut self, op: &MapOp, grid: &Grid) -> Result<Mapper, EngineError> {
        Ok(match op {
            MapOp::Float(f) => Mapper::Float(*f),
            MapOp::Clamp { min, max } => {
                let mut bound = |node: &Option<Box<Node>>, open: f64| match node {
                    Some(node) => self.scalar(node, grid),
                    None => Ok(ScalarRow::Const(open)),
                };
                let min = bound(min, f64::NEG_INFINITY)?;
                Mapper::Clamp { min, max: bound(max, f64::INFINITY)? }
            }
            MapOp::Round(None) => Mapper::Round(ScalarRow::Const(1.0)),
            MapOp::Round(Some(to)) => Mapper::Round(self.scalar(to, grid)?),
            MapOp::Binary { op, scalar, swap, return_bool, pos } => Mapper::Binary {
                op: *op,
                scalar: self.scalar(scalar, grid)?,
                swap: *swap,
                return_bool: *return_bool,
                pos: *pos,
            },
            MapOp::Negate => Mapper::Negate,
            MapOp::StepTime => Mapper::StepTime,
            MapOp::Histogram(f) => Mapper::Histogram(*f),
        })
    }

    /// Evaluates a pipeline to rows; samples are counted as held.
    pub(super) fn collect(&mut self, pipeline: &Pipeline<'_>) -> Result<Rows, EngineError> {
        let mut charge = self.budget.charge(0)?;
        self.samples.series += pipeline.source.len() as u64;
        let mut rows = pipeline.collect(|tile| {
            self.note_tile(tile)?;
            let floats = (tile.values.len() * 8 + tile.series.len() * 40) as u64;
            charge.grow(floats + tile.stats.histogram_bytes)?;
            Ok(())
        })?;
        rows.charge = Some(Arc::new(charge));
        Ok(rows)
    }

    /// Takes over what a tile has to say, and counts its cells as held.
    pub(super) fn note_tile(&mut self, tile: &mut Tile) -> Result<(), EngineError> {
        self.annotations.merge(std::mem::take(&mut tile.annotations));
        self.samples.total += tile.stats.samples;
        self.samples.read += tile.stats.read;
        if let (Some(sums), Some(counts)) = (&mut self.samples.by_step, &tile.by_step) {
            sums.add(counts);
        }
        self.samples.decoded += tile.stats.decoded;
        self.samples.touch(tile.stats.widest_window)?;
        self.samples.hold(tile.stats.cells)
    }

    fn window(&mut self, call: &WindowCall, grid: &Grid) -> Result<Window, EngineError> {
        let mut params = Vec::with_capacity(call.params.len());
        for param in &call.params {
            params.push(self.scalar(param, grid)?);
        }
        let (at, offset_ms, extension) = match &call.source {
            RangeSource::Selector { selector, extension } => {
                (selector.at, selector.offset_ms, *extension)
            }
            RangeSource::Subquery(subquery) => (subquery.at, subquery.offset_ms, Extension::None),
        };
        let uses_starts = matches!(
            call.func,
            FunctionId::Rate | FunctionId::Irate | FunctionId::Increase | FunctionId::Resets
        );
        Ok(Window {
            func: call.func,
            grid: *grid,
            range_ms: call.range_ms,
            at,
            offset_ms,
            extension,
            lookback_ms: self.lookback_ms,
            params,
            pos: call.pos,
            use_start_timestamps: self.switches.use_start_timestamps && uses_starts,
            type_labels: self.switches.type_and_unit_labels,
            cancel: self.cancel.clone(),
        })
    }

    fn window_call(
        &mut self,
        call: &WindowCall,
        node: &Node,
        grid: &Grid,
    ) -> Result<Rows, EngineError> {
        let held = self.samples.held;
        let rows = self.with_pipeline_of(node, grid, None, false, Self::collect)?;
        if matches!(call.source, RangeSource::Subquery(_)) {
            self.samples.held = held;
            self.samples.hold(rows.total_samples())?;
        }
        if !self.switches.delayed_name_removal && rows.has_equal_labels() {
            return Err(EngineError::same_labels());
        }
        Ok(rows)
    }
}

/// The operators of a pipeline below its maps: the stage, then the selection where it is one of its own.
fn stage_ids(leaf: &Node) -> [Option<NodeId>; 2] {
    let stage = Some(NodeId::of(leaf));
    match leaf {
        // The selection is the stage.
        Node::Instant(_) | Node::Smoothed(_) => [stage, stage],
        Node::SampleTime { selector, .. } => [stage, Some(NodeId::of_selector(selector))],
        Node::Window(WindowCall { source: RangeSource::Selector { selector, .. }, .. }) => {
            [stage, Some(NodeId::of_selector(selector))]
        }
        Node::Window(_) => [stage, None],
        // Rows that were evaluated apart.
        _ => [None, None],
    }
}

/// Functions that act like an offset, so that the result is the metric itself.
fn keeps_name(func: FunctionId) -> bool {
    matches!(func, FunctionId::LastOverTime | FunctionId::FirstOverTime)
}
