//! Adding and subtracting histograms: reset hints, zero buckets, schemas and custom bounds are made to agree first.

use super::bounds::exponential_bound;
use super::compact::SpanBuilder;
use super::resolution::kahan_reduce;
use super::sums::{kahan_add, kahan_sub};
use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, IndexedCounts, Span};

/// What had to be made to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    /// One side was known to follow a counter reset, the other not to.
    pub counter_reset_collision: bool,
    /// Custom bounds differed and were reduced to those that both have.
    pub bounds_reconciled: bool,
}

/// One histogram has exponential buckets, the other custom ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
)]
pub struct IncompatibleSchemas;

impl FloatHistogram {
    /// Adds `other`. The result may have empty buckets: see [`FloatHistogram::compact`].
    pub fn add(&mut self, other: &Self) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, false)
    }

    /// Subtracts `other`. The hint follows the rules of addition.
    pub fn sub(&mut self, other: &Self) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, true)
    }

    fn combine(&mut self, other: &Self, negate: bool) -> Result<Combined, IncompatibleSchemas> {
        self.check_schemas(other)?;
        let counter_reset_collision = self.adjust_reset_hint(other);
        let sign = if negate { -1.0 } else { 1.0 };
        if !self.uses_custom_buckets() {
            let (zero_count, _) = self.reconcile_zero_buckets(other, None);
            self.zero_count += sign * zero_count;
        }
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        if self.uses_custom_buckets() {
            let bounds_reconciled = self.combine_custom(other, None, negate);
            return Ok(Combined { counter_reset_collision, bounds_reconciled });
        }
        if other.schema < self.schema {
            let _ = self.reduce_resolution(other.schema);
        }
        let reduced;
        let other = if other.schema > self.schema {
            reduced = other.copy_to_schema(self.schema);
            &reduced
        } else {
            other
        };
        let at = Place { schema: self.schema, threshold: self.zero_threshold, negate };
        at.add_side(
            (&mut self.positive_spans, &mut self.positive_buckets),
            (&other.positive_spans, &other.positive_buckets),
        );
        at.add_side(
            (&mut self.negative_spans, &mut self.negative_buckets),
            (&other.negative_spans, &other.negative_buckets),
        );
        Ok(Combined { counter_reset_collision, bounds_reconciled: false })
    }

    /// Adds `other` with compensated sums; `compensation` is made by the first addition and must be passed on.
    pub fn kahan_add(
        &mut self,
        other: &Self,
        compensation: &mut Option<Self>,
    ) -> Result<Combined, IncompatibleSchemas> {
        self.check_schemas(other)?;
        let counter_reset_collision = self.adjust_reset_hint(other);
        let comp = compensation.get_or_insert_with(|| self.new_compensation());
        if !self.uses_custom_buckets() {
            let (zero_count, zero_c) = self.reconcile_zero_buckets(other, Some(comp));
            (self.zero_count, comp.zero_count) =
                kahan_add(zero_count, self.zero_count, comp.zero_count);
            (self.zero_count, comp.zero_count) =
                kahan_add(zero_c, self.zero_count, comp.zero_count);
        }
        (self.count, comp.count) = kahan_add(other.count, self.count, comp.count);
        (self.sum, comp.sum) = kahan_add(other.sum, self.sum, comp.sum);
        if self.uses_custom_buckets() {
            let bounds_reconciled = self.combine_custom(other, Some(comp), false);
            comp.positive_spans.clone_from(&self.positive_spans);
            return Ok(Combined { counter_reset_collision, bounds_reconciled });
        }
        if other.schema < self.schema {
            self.kahan_reduce_to(other.schema, comp);
        }
        let at = Place { schema: self.schema, threshold: self.zero_threshold, negate: false };
        let sides = [
            (
                (&mut self.positive_spans, &mut self.positive_buckets, &mut comp.positive_buckets),
                (&other.positive_spans, &other.positive_buckets),
            ),
            (
                (&mut self.negative_spans, &mut self.negative_buckets, &mut comp.negative_buckets),
                (&other.negative_spans, &other.negative_buckets),
            ),
        ];
        for (own, (spans, counts)) in sides {
            if other.schema > at.schema {
                let zeros = vec![0.0; counts.len()];
                let (spans, counts, c) =
                    kahan_reduce(spans, counts, &zeros, other.schema, at.schema);
                at.kahan_add_side(own, (&spans, &counts, Some(&c)));
            } else {
                at.kahan_add_side(own, (spans, counts, None));
            }
        }
        comp.schema = self.schema;
        comp.zero_threshold = self.zero_threshold;
        comp.positive_spans.clone_from(&self.positive_spans);
        comp.negative_spans.clone_from(&self.negative_spans);
        Ok(Combined { counter_reset_collision, bounds_reconciled: false })
    }

    fn kahan_reduce_to(&mut self, schema: i32, comp: &mut Self) {
        (self.positive_spans, self.positive_buckets, comp.positive_buckets) = kahan_reduce(
            &self.positive_spans,
            &self.positive_buckets,
            &comp.positive_buckets,
            self.schema,
            schema,
        );
        (self.negative_spans, self.negative_buckets, comp.negative_buckets) = kahan_reduce(
            &self.negative_spans,
            &self.negative_buckets,
            &comp.negative_buckets,
            self.schema,
            schema,
        );
        self.schema = schema;
    }

    fn new_compensation(&self) -> Self {
        Self {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_values: self.custom_values.clone(),
            positive_buckets: vec![0.0; self.positive_buckets.len()],
            negative_buckets: vec![0.0; self.negative_buckets.len()],
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            ..Self::default()
        }
    }

    fn check_schemas(&self, other: &Self) -> Result<(), IncompatibleSchemas> {
        if self.uses_custom_buckets() == other.uses_custom_buckets() {
            Ok(())
        } else {
            Err(IncompatibleSchemas)
        }
    }

    /// Returns whether one is known to follow a reset and the other not to.
    fn adjust_reset_hint(&mut self, other: &Self) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        match (self.counter_reset_hint, other.counter_reset_hint) {
            (own, others) if own == others => {}
            (Gauge, _) | (_, Gauge) => self.counter_reset_hint = Gauge,
            (Unknown, _) | (_, Unknown) => self.counter_reset_hint = Unknown,
            _ => {
                self.counter_reset_hint = Unknown;
                return true;
            }
        }
        false
    }

    /// Returns whether the bounds had to be reconciled.
    fn combine_custom(&mut self, other: &Self, comp: Option<&mut Self>, negate: bool) -> bool {
        if self.custom_values == other.custom_values {
            let at = Place { schema: CUSTOM_BUCKETS_SCHEMA, threshold: 0.0, negate };
            let theirs = (other.positive_spans.as_slice(), other.positive_buckets.as_slice());
            match comp {
                Some(comp) => at.kahan_add_side(
                    (
                        &mut self.positive_spans,
                        &mut self.positive_buckets,
                        &mut comp.positive_buckets,
                    ),
                    (theirs.0, theirs.1, None),
                ),
                None => at.add_side(
                    (&mut self.positive_spans, &mut self.positive_buckets),
                    (theirs.0, theirs.1),
                ),
            }
            return false;
        }
        let bounds = common_bounds(&self.custom_values, &other.custom_values);
        let mut counts = vec![0.0; bounds.len() + 1];
        let mut cs = vec![0.0; bounds.len() + 1];
        let mut place = Placement { bounds: &bounds, counts: &mut counts, cs: &mut cs };
        place.take(self, comp.as_deref().map(|c| c.positive_buckets.as_slice()), false);
        place.take(other, None, negate);
        let mut builder = SpanBuilder::default();
        self.positive_buckets.clear();
        let mut kept_cs = Vec::new();
        for (i, (count, c)) in counts.into_iter().zip(cs).enumerate() {
            if count != 0.0 || c != 0.0 {
                builder.push(i as i32);
                self.positive_buckets.push(count);
                kept_cs.push(c);
            }
        }
        self.positive_spans = builder.spans;
        if let Some(comp) = comp {
            comp.positive_buckets = kept_cs;
            comp.custom_values.clone_from(&bounds);
        }
        self.custom_values = bounds;
        true
    }
}

/// Bounds that both ascending lists have.
fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut i, mut j) = (0, 0);
    let mut common = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            common.push(a[i]);
            i += 1;
            j += 1;
        } else if a[i] < b[j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// Counts of custom buckets being put into the buckets of fewer bounds.
struct Placement<'a> {
    bounds: &'a [f64],
    counts: &'a mut [f64],
    cs: &'a mut [f64],
}

impl Placement<'_> {
    fn take(&mut self, from: &FloatHistogram, comp: Option<&[f64]>, negate: bool) {
        let mut at = 0;
        for (i, (index, count)) in from.positive_counts().enumerate() {
            let mut target = self.bounds.len();
            let bound = usize::try_from(index).ok().and_then(|i| from.custom_values.get(i));
            if let Some(bound) = bound {
                while at < self.bounds.len() && self.bounds[at] < *bound {
                    at += 1;
                }
                target = at;
            }
            let (sum, c) = (&mut self.counts[target], &mut self.cs[target]);
            if negate {
                (*sum, *c) = kahan_sub(count, *sum, *c);
                continue;
            }
            (*sum, *c) = kahan_add(count, *sum, *c);
            if let Some(extra) = comp.and_then(|comp| comp.get(i)) {
                (*sum, *c) = kahan_add(*extra, *sum, *c);
            }
        }
    }
}

/// How one side's buckets are added: buckets that end at or below the threshold are in the zero bucket already.
#[derive(Clone, Copy)]
struct Place {
    schema: i32,
    threshold: f64,
    negate: bool,
}

impl Place {
    fn in_zero_bucket(&self, index: i32) -> bool {
        self.schema != CUSTOM_BUCKETS_SCHEMA
            && exponential_bound(index, self.schema) <= self.threshold
    }

    fn sign(&self) -> f64 {
        if self.negate { -1.0 } else { 1.0 }
    }

    /// Whether counts can be added one to one.
    fn same_layout(&self, own: (&[Span], &[f64]), other: (&[Span], &[f64])) -> bool {
        own.1.len() == other.1.len()
            && own.0 == other.0
            && IndexedCounts::new(other.0, other.1).size_hint().0 == other.1.len()
            && !other.0.first().is_some_and(|span| self.in_zero_bucket(span.offset))
    }

    fn add_side(&self, own: (&mut Vec<Span>, &mut Vec<f64>), other: (&[Span], &[f64])) {
        let sign = self.sign();
        if self.same_layout((own.0, own.1), other) {
            for (sum, count) in own.1.iter_mut().zip(other.1) {
                *sum += sign * count;
            }
            return;
        }
        let (spans, counts) = self.merge((own.0, own.1), other, |sum, _, count, _| {
            *sum += count;
        });
        *own.0 = spans;
        *own.1 = counts.into_iter().map(|(sum, _)| sum).collect();
    }

    fn kahan_add_side(
        &self,
        own: (&mut Vec<Span>, &mut Vec<f64>, &mut Vec<f64>),
        other: (&[Span], &[f64], Option<&[f64]>),
    ) {
        let sign = self.sign();
        own.2.resize(own.1.len(), 0.0);
        if other.2.is_none() && self.same_layout((own.0, own.1), (other.0, other.1)) {
            for ((sum, c), count) in own.1.iter_mut().zip(own.2.iter_mut()).zip(other.1) {
                (*sum, *c) = kahan_add(sign * count, *sum, *c);
            }
            return;
        }
        let own_c = std::mem::take(own.2);
        let (spans, counts) =
            self.merge_with((own.0, own.1, &own_c), other, |sum, c, count, extra| {
                (*sum, *c) = kahan_add(count, *sum, *c);
                if extra != 0.0 {
                    (*sum, *c) = kahan_add(extra, *sum, *c);
                }
            });
        *own.0 = spans;
        (*own.1, *own.2) = counts.into_iter().unzip();
    }

    fn merge(
        &self,
        own: (&[Span], &[f64]),
        other: (&[Span], &[f64]),
        add: impl Fn(&mut f64, &mut f64, f64, f64),
    ) -> (Vec<Span>, Vec<(f64, f64)>) {
        self.merge_with((own.0, own.1, &[]), (other.0, other.1, None), add)
    }

    /// The union of both sides' buckets, ascending; `add` joins counts (and compensations) of buckets that both have.
    fn merge_with(
        &self,
        own: (&[Span], &[f64], &[f64]),
        other: (&[Span], &[f64], Option<&[f64]>),
        add: impl Fn(&mut f64, &mut f64, f64, f64),
    ) -> (Vec<Span>, Vec<(f64, f64)>) {
        let sign = self.sign();
        let at = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
        let mut mine = IndexedCounts::new(own.0, own.1)
            .enumerate()
            .map(|(i, (index, count))| (index, count, at(own.2, i)))
            .peekable();
        let mut theirs = IndexedCounts::new(other.0, other.1)
            .enumerate()
            .map(|(i, (index, count))| {
                (index, sign * count, sign * other.2.map_or(0.0, |c| at(c, i)))
            })
            .skip_while(|(index, ..)| self.in_zero_bucket(*index))
            .peekable();
        let mut builder = SpanBuilder::default();
        let mut counts = Vec::with_capacity(own.1.len().max(other.1.len()));
        loop {
            let (index, count) = match (mine.peek(), theirs.peek()) {
                (Some(&(a, sum, c)), Some(&(b, count, extra))) if a == b => {
                    let (mut sum, mut c) = (sum, c);
                    add(&mut sum, &mut c, count, extra);
                    mine.next();
                    theirs.next();
                    (a, (sum, c))
                }
                (Some(&(a, sum, c)), None) => {
                    mine.next();
                    (a, (sum, c))
                }
                (Some(&(a, sum, c)), Some(&(b, ..))) if a < b => {
                    mine.next();
                    (a, (sum, c))
                }
                (_, Some(&(b, count, extra))) => {
                    theirs.next();
                    (b, (count, extra))
                }
                (None, None) => break,
            };
            builder.push(index);
            counts.push(count);
        }
        (builder.spans, counts)
    }
}
