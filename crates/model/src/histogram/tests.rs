//! Histogram operations against figures worked out by hand and by the peer.

use super::*;

fn span(offset: i32, length: u32) -> Span {
    Span { offset, length }
}

fn positive(schema: i32, spans: &[Span], counts: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema,
        count: counts.iter().sum(),
        sum: 1.0,
        positive_spans: spans.to_vec(),
        positive_buckets: counts.to_vec(),
        ..FloatHistogram::default()
    }
}

#[test]
fn buckets_walk_both_ways() {
    let spans = [span(-2, 2), span(0, 0), span(3, 1), span(0, 2)];
    let counts = [1.0, 2.0, 3.0, 4.0, 5.0];
    let up: Vec<_> = IndexedCounts::new(&spans, &counts).collect();
    assert_eq!(up, [(-2, 1.0), (-1, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)]);
    let mut down: Vec<_> = IndexedCounts::new(&spans, &counts).rev().collect();
    down.reverse();
    assert_eq!(up, down);
    assert_eq!(IndexedCounts::new(&spans, &counts[..3]).next_back(), Some((3, 3.0)));
    assert_eq!(IndexedCounts::new(&spans[..1], &counts).count(), 2, "spans end first");
}

#[test]
fn adding_merges_layouts_and_schemas() {
    let mut a = positive(0, &[span(0, 2), span(2, 1)], &[1.0, 2.0, 3.0]);
    let b = positive(0, &[span(-1, 2), span(1, 2)], &[10.0, 20.0, 30.0, 40.0]);
    a.add(&b).unwrap();
    let all: Vec<_> = a.positive_counts().collect();
    assert_eq!(all, [(-1, 10.0), (0, 21.0), (1, 2.0), (2, 30.0), (3, 40.0), (4, 3.0)]);
    let mut fine = positive(1, &[span(1, 4)], &[1.0, 1.0, 1.0, 1.0]);
    fine.add(&positive(0, &[span(1, 1)], &[5.0])).unwrap();
    assert_eq!(fine.schema, 0);
    assert_eq!(fine.positive_counts().collect::<Vec<_>>(), [(1, 7.0), (2, 2.0)]);
}

#[test]
fn zero_buckets_are_widened_to_a_bound() {
    let mut a = positive(0, &[span(0, 3)], &[1.0, 2.0, 3.0]);
    a.zero_threshold = 0.01;
    a.zero_count = 4.0;
    let mut b = positive(0, &[span(2, 1)], &[8.0]);
    b.zero_threshold = 1.5;
    b.zero_count = 1.0;
    a.add(&b).unwrap();
    // 1.5 cuts the bucket (1, 2], so the threshold goes to 2.
    assert_eq!(a.zero_threshold, 2.0);
    assert_eq!(a.zero_count, 4.0 + 1.0 + 2.0 + 1.0);
    assert_eq!(a.positive_counts().collect::<Vec<_>>(), [(2, 11.0)]);
}

#[test]
fn custom_bounds_are_reduced_to_common_ones() {
    let custom = |bounds: &[f64], counts: &[f64]| FloatHistogram {
        custom_values: bounds.to_vec(),
        ..positive(CUSTOM_BUCKETS_SCHEMA, &[span(0, counts.len() as u32)], counts)
    };
    let mut a = custom(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
    let done = a.add(&custom(&[2.0, 5.0], &[10.0, 20.0, 30.0])).unwrap();
    assert!(done.bounds_reconciled);
    assert_eq!(a.custom_values, [2.0]);
    assert_eq!(a.positive_buckets, [13.0, 57.0]);
    assert_eq!(a.add(&positive(0, &[], &[])), Err(IncompatibleSchemas));
}

#[test]
fn compaction_drops_and_joins() {
    let mut h = positive(0, &[span(0, 5), span(1, 2)], &[0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 3.0]);
    let mut tight = h.clone();
    tight.compact(0);
    assert_eq!(tight.positive_spans, [span(1, 1), span(2, 1), span(2, 1)]);
    assert_eq!(tight.positive_buckets, [1.0, 2.0, 3.0]);
    h.compact(2);
    assert_eq!(h.positive_spans, [span(1, 7)]);
    assert_eq!(h.positive_buckets, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 3.0]);
}

#[test]
fn resets_are_seen_in_any_bucket() {
    let a = positive(1, &[span(0, 3)], &[1.0, 2.0, 3.0]);
    let mut b = positive(1, &[span(0, 3)], &[1.0, 2.0, 4.0]);
    assert!(!b.detect_reset(&a));
    assert!(a.detect_reset(&b));
    b.positive_buckets = vec![5.0, 1.0, 4.0];
    b.count = 10.0;
    assert!(b.detect_reset(&a), "one bucket fell");
    let coarse = positive(0, &[span(0, 2)], &[1.0, 6.0]);
    assert!(!coarse.detect_reset(&a), "the schema may become coarser");
    assert!(a.detect_reset(&coarse));
    b.counter_reset_hint = CounterResetHint::NotCounterReset;
    assert!(!b.detect_reset(&a), "a hint decides");
}

#[test]
fn quantile_and_fraction_interpolate() {
    let h = positive(0, &[span(0, 2)], &[2.0, 2.0]);
    assert_eq!(h.quantile(0.5).0, 1.0);
    assert_eq!(h.quantile(0.75).0, upper_bound(1, 1, &[]));
    assert_eq!(h.quantile(-1.0).0, f64::NEG_INFINITY);
    assert_eq!(h.fraction(f64::NEG_INFINITY, 1.0).0, 0.5);
    assert_eq!(h.fraction(1.0, f64::INFINITY).0, 0.5);
}

#[test]
fn text_lists_buckets_in_order() {
    let mut h = positive(0, &[span(0, 2)], &[2.0, 0.5]);
    h.negative_spans = vec![span(1, 1)];
    h.negative_buckets = vec![3.0];
    h.zero_count = 1.0;
    h.zero_threshold = 0.001;
    h.count = 6.5;
    assert_eq!(
        h.to_string(),
        "{count:6.5, sum:1, [-2,-1):3, [-0.001,0.001]:1, (0.5,1]:2, (1,2]:0.5}"
    );
}

#[test]
fn validation_names_what_is_wrong() {
    let mut h = positive(0, &[span(0, 3)], &[1.0, 2.0]);
    assert_eq!(
        h.validate().unwrap_err().to_string(),
        "positive side: spans need 3 buckets, have 2 buckets: histogram spans specify different number of buckets than provided"
    );
    h.positive_spans = vec![span(0, 2)];
    assert_eq!(h.validate(), Ok(()));
    h.schema = 9;
    assert_eq!(h.validate(), Err(HistogramError::InvalidSchema(9)));
}
