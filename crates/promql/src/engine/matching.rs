//! Binary operators between vectors: who matches whom is found once a pair of series, then all steps are computed at once.

use gauntlet_model::Labels;
use gauntlet_model::labels::METRIC_NAME;
use hashbrown::HashMap;

use super::elementwise::{
    Outcome, arithmetic, changes_meaning, combine_cells, combine_rows, comparison,
};
use super::error::EngineError;
use super::eval::Evaluator;
use super::rows::{ABSENT, Cell, Meta, Rows, is_absent, is_metadata_label};
use crate::annotations::Annotations;
use crate::ast::{BinaryOp, Cardinality, PosRange, VectorMatching};

/// Numbers label sets by the labels that must agree.
struct Signatures<'a> {
    matching: &'a VectorMatching,
    by_key: HashMap<Box<[u8]>, u32>,
    key: Vec<u8>,
}

impl<'a> Signatures<'a> {
    fn new(matching: &'a VectorMatching) -> Self {
        Self { matching, by_key: HashMap::new(), key: Vec::new() }
    }

    fn of(&mut self, labels: &Labels) -> u32 {
        self.key.clear();
        for pair in labels.iter_bytes().filter(|pair| counts(self.matching, pair.name)) {
            self.key.extend_from_slice(pair.encoded);
        }
        let next = self.by_key.len() as u32;
        *self.by_key.entry_ref(&self.key[..]).or_insert(next)
    }

    fn of_rows(&mut self, rows: &Rows) -> Vec<u32> {
        rows.metas.iter().map(|meta| self.of(&meta.labels)).collect()
    }

    fn len(&self) -> usize {
        self.by_key.len()
    }
}

/// Whether a label must agree.
fn counts(matching: &VectorMatching, name: &[u8]) -> bool {
    let named = matching.labels.iter().any(|l| l.as_bytes() == name);
    if matching.on { named } else { !named && name != METRIC_NAME.as_bytes() }
}

/// The labels that must agree.
fn match_labels(matching: &VectorMatching, labels: &Labels) -> Labels {
    labels.filter_bytes(|name| counts(matching, name))
}

/// The "one" side of a match group, step by step.
enum OneSide {
    Nobody,
    Single(usize),
    /// Row by step, `NOBODY` where there is none.
    Many(Vec<u32>),
}

const NOBODY: u32 = u32::MAX;
/// Stands for the fill value in the place of a row.
const FILL: u32 = u32::MAX - 1;

/// What is wrong at which step; the earliest is reported.
struct Fault {
    step: usize,
    /// Duplicates on the one side are found before others.
    phase: u8,
    row: usize,
    error: EngineError,
}

fn note(fault: &mut Option<Fault>, new: Fault) {
    let key = |f: &Fault| (f.step, f.phase, f.row);
    if fault.as_ref().is_none_or(|old| key(&new) < key(old)) {
        *fault = Some(new);
    }
}

/// One operation between two vectors.
struct Join<'a> {
    op: BinaryOp,
    matching: &'a VectorMatching,
    return_bool: bool,
    pos: PosRange,
    /// The sides were exchanged, so that the "many" side is the first.
    swapped: bool,
    /// Names are removed at the end of the query.
    delayed: bool,
    many: &'a Rows,
    one: &'a Rows,
    fault: Option<Fault>,
    out: Rows,
    /// For rows whose label set others of the match group may have too: where they matched, kept or not.
    matched: Vec<Option<(u32, Vec<bool>)>>,
}

impl Evaluator<'_> {
    pub(super) fn vector_binary(
        &mut self,
        op: BinaryOp,
        lhs: Rows,
        rhs: Rows,
        matching: &VectorMatching,
        return_bool: bool,
        pos: PosRange,
    ) -> Result<Rows, EngineError> {
        let steps = lhs.steps;
        let held = self.samples.held;
        let swapped = matching.card == Cardinality::OneToMany;
        let (many, one) = if swapped { (&rhs, &lhs) } else { (&lhs, &rhs) };
        let has_fill = matching.fill_lhs.is_some() || matching.fill_rhs.is_some();
        let mut out = Rows::new(steps);
        // As a rule each row of the many side gives one.
        let charge = self.budget.charge((many.len() * steps * 8) as u64)?;
        if (!many.is_empty() && !one.is_empty()) || has_fill {
            let mut join = Join {
                op,
                matching,
                return_bool,
                pos,
                swapped,
                delayed: self.switches.delayed_name_removal,
                many,
                one,
                fault: None,
                out,
                matched: Vec::new(),
            };
            join.run(self)?;
            if let Some(fault) = join.fault {
                return Err(fault.error);
            }
            out = join.out;
            if return_bool {
                let delayed = self.switches.delayed_name_removal;
                out.metas.iter_mut().for_each(|meta| meta.drop_name = delayed);
            }
        }
        self.finish_join(&mut out)?;
        out.charge = Some(std::sync::Arc::new(charge));
        let in_use = lhs.len().max(rhs.len()) * steps;
        self.samples.touch(out.total_samples().min(in_use))?;
        self.samples.held = held.saturating_sub(lhs.total_samples() + rhs.total_samples());
        self.samples.hold(out.total_samples())?;
        Ok(out)
    }

    fn finish_join(&self, out: &mut Rows) -> Result<(), EngineError> {
        out.drop_empty_rows();
        if self.switches.delayed_name_removal && out.steps == 1 {
            return Ok(());
        }
        out.merge_equal_labels()
    }

    /// and, or, unless.
    pub(super) fn set_operator(
        &mut self,
        op: BinaryOp,
        mut lhs: Rows,
        mut rhs: Rows,
        matching: &VectorMatching,
    ) -> Result<Rows, EngineError> {
        let steps = lhs.steps;
        let mut signatures = Signatures::new(matching);
        let left = signatures.of_rows(&lhs);
        let right = signatures.of_rows(&rhs);
        let (of, by) = if op == BinaryOp::Or { (&lhs, &left) } else { (&rhs, &right) };
        // Where a signature is present on the side that decides.
        let mut present = vec![false; signatures.len() * steps];
        for (row, signature) in by.iter().enumerate() {
            self.cancel.check()?;
            let mask = &mut present[*signature as usize * steps..][..steps];
            for (step, seen) in mask.iter_mut().enumerate() {
                *seen |= of.present(row, step);
            }
        }
        let keep = |rows: &mut Rows, signatures: &[u32], wanted: bool| {
            for (row, signature) in signatures.iter().enumerate() {
                let mask = &present[*signature as usize * steps..][..steps];
                for (value, seen) in rows.floats_mut(row).iter_mut().zip(mask) {
                    if *seen != wanted {
                        *value = ABSENT;
                    }
                }
                if let Some(Some(cells)) = rows.histograms.get_mut(row) {
                    for (cell, _) in cells.iter_mut().zip(mask).filter(|(_, s)| **s != wanted) {
                        *cell = None;
                    }
                }
            }
        };
        let mut out = match op {
            BinaryOp::And => {
                keep(&mut lhs, &left, true);
                lhs
            }
            BinaryOp::Unless => {
                keep(&mut lhs, &left, false);
                lhs
            }
            _ => {
                keep(&mut rhs, &right, false);
                for row in 0..rhs.len() {
                    if rhs.row_has_cells(row) {
                        let histograms = rhs.histograms.get_mut(row).and_then(Option::take);
                        let meta = std::mem::take(&mut rhs.metas[row]);
                        lhs.push(meta, rhs.floats(row), histograms);
                    }
                }
                lhs
            }
        };
        self.finish_join(&mut out)?;
        Ok(out)
    }
}

impl Join<'_> {
    fn run(&mut self, evaluator: &mut Evaluator<'_>) -> Result<(), EngineError> {
        let mut signatures = Signatures::new(self.matching);
        let many_signatures = signatures.of_rows(self.many);
        let one_signatures = signatures.of_rows(self.one);
        let mut ones: Vec<Vec<usize>> = vec![Vec::new(); signatures.len()];
        for (row, signature) in one_signatures.iter().enumerate() {
            ones[*signature as usize].push(row);
        }
        let mut manies = vec![0u32; signatures.len()];
        for signature in &many_signatures {
            manies[*signature as usize] += 1;
        }
        let sides: Vec<OneSide> = ones.iter().map(|rows| self.one_side(rows)).collect();
        let steps = self.many.steps;
        // For one-to-one matches with several rows on the left: where one matched already.
        let mut taken: HashMap<u32, Vec<bool>> = HashMap::new();
        for (row, signature) in many_signatures.iter().enumerate() {
            evaluator.cancel.check()?;
            let alone = manies[*signature as usize] == 1;
            if alone && self.emit_plain(row, &sides[*signature as usize]) {
                continue;
            }
            let matches = self.matches(row, &sides[*signature as usize]);
            for (partner, mask) in matches {
                let guard =
                    (!alone && self.matching.card != Cardinality::OneToOne).then_some(*signature);
                let met = self.emit(row, partner, mask, guard, &mut evaluator.annotations);
                if alone || self.matching.card != Cardinality::OneToOne {
                    continue;
                }
                let taken = taken.entry(*signature).or_insert_with(|| vec![false; steps]);
                for step in (0..steps).filter(|step| met[*step]) {
                    if std::mem::replace(&mut taken[step], true) {
                        let text = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
                        let error = EngineError::execution(text);
                        note(&mut self.fault, Fault { step, phase: 1, row, error });
                    }
                }
            }
        }
        self.fill_many(&one_signatures, &many_signatures, evaluator);
        self.check_unique_matches();
        Ok(())
    }

    /// Computes a row that is alone in its match group with its only partner, where all is floats and nothing is filled in: the
    /// common case, without a mask. Returns whether that was it.
    fn emit_plain(&mut self, row: usize, side: &OneSide) -> bool {
        let OneSide::Single(one) = side else { return false };
        let trims = matches!(self.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        if trims
            || self.matching.fill_rhs.is_some()
            || self.matching.fill_lhs.is_some()
            || self.many.histogram_row(row).is_some()
            || self.one.histogram_row(*one).is_some()
        {
            return false;
        }
        let (many, one) = ((self.many, row), (self.one, *one));
        let labels = self.result_labels(&many.0.metas[many.1].labels, &one.0.metas[one.1].labels);
        let to = self.out.push_empty(Meta { labels, drop_name: false });
        let (lhs, rhs) = if self.swapped { (one, many) } else { (many, one) };
        let (lhs, rhs) = (lhs.0.floats(lhs.1), rhs.0.floats(rhs.1));
        combine_rows(self.op, self.return_bool, lhs, rhs, self.out.floats_mut(to));
        self.matched.resize_with(to + 1, || None);
        true
    }

    /// The one side of a match group, with its duplicates noted.
    fn one_side(&mut self, rows: &[usize]) -> OneSide {
        match rows {
            [] => OneSide::Nobody,
            [row] => OneSide::Single(*row),
            rows => {
                let steps = self.one.steps;
                let mut table = vec![NOBODY; steps];
                for row in rows {
                    for (step, slot) in table.iter_mut().enumerate() {
                        if !self.one.present(*row, step) {
                            continue;
                        }
                        if *slot == NOBODY {
                            *slot = *row as u32;
                        } else if self.compared_at(step) {
                            let error = self.duplicate(*slot as usize, *row);
                            note(&mut self.fault, Fault { step, phase: 0, row: *row, error });
                        }
                    }
                }
                OneSide::Many(table)
            }
        }
    }

    /// Whether the step is looked at: with nothing on the other side and no fill value nothing is compared.
    fn compared_at(&self, step: usize) -> bool {
        self.matching.fill_lhs.is_some()
            || self.matching.fill_rhs.is_some()
            || (0..self.many.len()).any(|row| self.many.present(row, step))
    }

    fn duplicate(&self, a: usize, b: usize) -> EngineError {
        let (a, b) = (&self.one.metas[a].labels, &self.one.metas[b].labels);
        let group = match_labels(self.matching, b);
        let side = if self.swapped { "left" } else { "right" };
        let (mut first, mut second) = (b.to_string(), a.to_string());
        if first > second {
            std::mem::swap(&mut first, &mut second);
        }
        EngineError::execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }

    /// The partners of a row of the many side, each with the steps at which they meet.
    fn matches(&self, row: usize, side: &OneSide) -> Vec<(u32, Mask)> {
        let steps = self.many.steps;
        let fill = self.matching.fill_rhs.is_some();
        let meet = |there: &dyn Fn(usize) -> bool| -> Mask {
            (0..steps).map(|step| self.many.present(row, step) && there(step)).collect()
        };
        match side {
            OneSide::Nobody if fill => return vec![(FILL, meet(&|_| true))],
            OneSide::Nobody => return Vec::new(),
            OneSide::Single(one) if !fill => {
                return vec![(*one as u32, meet(&|step| self.one.present(*one, step)))];
            }
            _ => {}
        }
        let mut found: Vec<(u32, Mask)> = Vec::new();
        for step in (0..steps).filter(|step| self.many.present(row, *step)) {
            let mut partner = match side {
                OneSide::Single(one) if self.one.present(*one, step) => *one as u32,
                OneSide::Many(table) => table[step],
                _ => NOBODY,
            };
            if partner == NOBODY {
                if !fill {
                    continue;
                }
                partner = FILL;
            }
            let i = found.iter().position(|(p, _)| *p == partner).unwrap_or_else(|| {
                found.push((partner, vec![false; steps]));
                found.len() - 1
            });
            found[i].1[step] = true;
        }
        found
    }

    /// Computes a pair of rows; `guard` is the match group if others in it may give the same label set. Returns where they met:
    /// samples that the operator is not defined for do not meet.
    fn emit(
        &mut self,
        row: usize,
        partner: u32,
        mask: Mask,
        guard: Option<u32>,
        annotations: &mut Annotations,
    ) -> Mask {
        let many_labels = &self.many.metas[row].labels;
        let labels = if partner == FILL {
            let one_labels = match_labels(self.matching, many_labels);
            self.result_labels(many_labels, &one_labels)
        } else {
            self.result_labels(many_labels, &self.one.metas[partner as usize].labels)
        };
        let many = Side { rows: self.many, row, fill: 0.0 };
        let fill = self.matching.fill_rhs.unwrap_or(0.0);
        let one = Side { rows: self.one, row: partner as usize, fill };
        self.compute(labels, &many, &one, mask, guard, annotations)
    }

    fn compute(
        &mut self,
        labels: Labels,
        many: &Side<'_>,
        one: &Side<'_>,
        mut mask: Mask,
        guard: Option<u32>,
        annotations: &mut Annotations,
    ) -> Mask {
        let (lhs, rhs) = if self.swapped { (one, many) } else { (many, one) };
        let to = self.out.push_empty(Meta { labels, drop_name: false });
        let trims = matches!(self.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        let plain = !trims && lhs.histograms().is_none() && rhs.histograms().is_none();
        if plain {
            let out = self.out.floats_mut(to);
            if self.op.is_comparison() {
                let holds = comparison(self.op);
                let as_bool = self.return_bool;
                for (step, cell) in out.iter_mut().enumerate().filter(|(i, _)| mask[*i]) {
                    let (a, b) = (lhs.float(step), rhs.float(step));
                    let kept = holds(a, b);
                    *cell = match (as_bool, kept) {
                        (true, kept) => f64::from(u8::from(kept)),
                        (false, true) => a,
                        (false, false) => ABSENT,
                    };
                }
            } else {
                let op = arithmetic(self.op);
                for (step, cell) in out.iter_mut().enumerate().filter(|(i, _)| mask[*i]) {
                    *cell = op(lhs.float(step), rhs.float(step));
                }
            }
        } else {
            for (step, met) in mask.iter_mut().enumerate().filter(|(_, met)| **met) {
                let (a, b) = (lhs.cell(step), rhs.cell(step));
                let Outcome::Value(value, kept) =
                    combine_cells(self.op, &a, &b, self.pos, annotations)
                else {
                    *met = false;
                    continue;
                };
                let cell = match (self.return_bool, kept) {
                    (true, kept) => Cell::Float(f64::from(u8::from(kept))),
                    (false, true) => value,
                    (false, false) => Cell::Empty,
                };
                self.out.set(to, step, cell);
            }
        }
        self.matched.resize_with(to, || None);
        self.matched.push(guard.map(|group| (group, mask.clone())));
        mask
    }

    /// Computes rows of the one side that nobody matched with the fill value of the other.
    fn fill_many(
        &mut self,
        one_signatures: &[u32],
        many_signatures: &[u32],
        evaluator: &mut Evaluator<'_>,
    ) {
        let Some(fill) = self.matching.fill_lhs else { return };
        let steps = self.one.steps;
        let mut matched: HashMap<u32, Vec<bool>> = HashMap::new();
        for (row, signature) in many_signatures.iter().enumerate() {
            let mask = matched.entry(*signature).or_insert_with(|| vec![false; steps]);
            for (step, seen) in mask.iter_mut().enumerate() {
                *seen |= self.many.present(row, step);
            }
        }
        let mut last: HashMap<u32, Vec<bool>> = HashMap::new();
        for (row, signature) in one_signatures.iter().enumerate() {
            let matched = matched.get(signature);
            let earlier = last.entry(*signature).or_insert_with(|| vec![false; steps]);
            let mut any = false;
            let mask: Vec<bool> = (0..steps)
                .map(|step| {
                    let free = self.one.present(row, step) && !matched.is_some_and(|m| m[step]);
                    // A second row of the group at the same step is a duplicate, noted before.
                    let first = free && !earlier[step];
                    earlier[step] |= free;
                    any |= first;
                    first
                })
                .collect();
            if !any {
                continue;
            }
            let one_labels = &self.one.metas[row].labels;
            let many_labels = match_labels(self.matching, one_labels);
            let labels = self.result_labels(&many_labels, one_labels);
            let many = Side { rows: self.many, row: FILL as usize, fill };
            let one = Side { rows: self.one, row, fill: 0.0 };
            let annotations = &mut evaluator.annotations;
            self.compute(labels, &many, &one, mask, None, annotations);
        }
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = self.matching;
        // A bool result loses its name at once, or, with delayed removal, at the end.
        let strips = changes_meaning(self.op) || (self.return_bool && !self.delayed);
        let keep = |name: &[u8]| {
            !(strips && is_metadata_label(name))
                && (matching.card != Cardinality::OneToOne
                    || matching.labels.iter().any(|l| l.as_bytes() == name) == matching.on)
        };
        if matching.include.is_empty() {
            return many.filter_bytes(keep);
        }
        let mut set: Vec<(&str, &str)> =
            matching.include.iter().map(|name| (name.as_str(), one.value(name))).collect();
        set.sort_unstable();
        set.dedup();
        many.rewrite(keep, &set)
    }

    /// In a match group of many-to-one every label set may be given once a step.
    fn check_unique_matches(&mut self) {
        let mut seen: HashMap<(u32, &Labels), Vec<bool>> = HashMap::new();
        let mut found: Option<(usize, usize)> = None;
        for (row, guarded) in self.matched.iter().enumerate() {
            let Some((group, mask)) = guarded else { continue };
            let labels = &self.out.metas[row].labels;
            let before = seen.entry((*group, labels)).or_insert_with(|| vec![false; mask.len()]);
            for (step, matched) in mask.iter().enumerate().filter(|(_, m)| **m) {
                if std::mem::replace(&mut before[step], *matched)
                    && found.is_none_or(|best| (step, row) < best)
                {
                    found = Some((step, row));
                }
            }
        }
        if let Some((step, row)) = found {
            let text = "multiple matches for labels: grouping labels must ensure unique matches";
            let error = EngineError::execution(text);
            note(&mut self.fault, Fault { step, phase: 1, row, error });
        }
    }
}

/// The steps at which a pair meets.
type Mask = Vec<bool>;

/// A row, or a fill value in its place.
struct Side<'a> {
    rows: &'a Rows,
    row: usize,
    fill: f64,
}

impl Side<'_> {
    fn is_fill(&self) -> bool {
        self.row >= self.rows.len()
    }

    #[inline(always)]
    fn float(&self, step: usize) -> f64 {
        if self.is_fill() { self.fill } else { self.rows.values[self.row * self.rows.steps + step] }
    }

    fn histograms(&self) -> Option<&super::rows::HistogramRow> {
        if self.is_fill() { None } else { self.rows.histogram_row(self.row) }
    }

    fn cell(&self, step: usize) -> Cell {
        let value = self.float(step);
        if is_absent(value) { self.rows.cell(self.row, step) } else { Cell::Float(value) }
    }
}
