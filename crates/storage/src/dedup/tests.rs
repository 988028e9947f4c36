//! The peer's own cases (Thanos `pkg/dedup/iter_test.go`, `downsample_test.go`), restated over columns.

use bytes::Bytes;
use gauntlet_chunk::{Encoding, XorAppender};
use gauntlet_model::Labels;

use super::*;
use crate::series_set::{ChunkData, SeriesSetBuilder};

type Samples = [(i64, f64)];

fn chunk(replica: u32, samples: &Samples) -> Chunk {
    let mut appender = XorAppender::new();
    for (t, value) in samples {
        appender.append(*t, *value);
    }
    let bytes = Bytes::from(appender.into_bytes());
    let (min_time, max_time) = (samples[0].0, samples[samples.len() - 1].0);
    Chunk {
        min_time,
        max_time,
        replica,
        data: ChunkData::Encoded { encoding: Encoding::Xor, bytes },
    }
}

fn run(chunks: Vec<Chunk>, range: TimeRange, counter: bool) -> Vec<(i64, f64)> {
    let mut builder = SeriesSetBuilder::new();
    builder.push_series(Labels::from_pairs([("__name__", "m")]));
    chunks.into_iter().for_each(|c| builder.push_chunk(c));
    let (mut scratch, mut out) = (PenaltyScratch::default(), Columns::default());
    decode_penalty(&builder.build(), 0, range, counter, &mut scratch, &mut out).unwrap();
    out.timestamps.into_iter().zip(out.values).collect()
}

fn check_pair(a: &[i64], b: &[i64], expect: &[(i64, f64)]) {
    let of = |times: &[i64], value: f64| times.iter().map(|t| (*t, value)).collect::<Vec<_>>();
    let chunks = vec![chunk(0, &of(a, 1.0)), chunk(1, &of(b, 2.0))];
    assert_eq!(run(chunks, TimeRange::all(), false), expect);
}

fn tagged(a: &[i64], value: f64) -> Vec<(i64, f64)> {
    a.iter().map(|t| (*t, value)).collect()
}

#[test]
fn pairs_stay_with_their_source() {
    let even = [10_000, 20_000, 30_000, 40_000];
    check_pair(&even, &even, &tagged(&even, 1.0));
    check_pair(&[10_100, 20_100, 30_100, 40_100], &even, &tagged(&even, 2.0));
    check_pair(&[10_000, 20_000, 40_000], &even, &tagged(&[10_000, 20_000, 40_000], 1.0));
    let gap = [10_000, 20_000, 40_000];
    check_pair(&gap, &[15_000, 25_000, 35_000, 45_000], &tagged(&gap, 1.0));
    check_pair(
        &[10_000, 20_000, 30_000, 60_000, 70_000],
        &[10_100, 20_100, 30_100, 40_100, 50_100, 60_100],
        &[(10_000, 1.0), (20_000, 1.0), (30_000, 1.0), (50_100, 2.0), (60_100, 2.0)],
    );
}

#[test]
fn a_switch_of_a_counter_is_no_reset() {
    let a = [
        (10_000, 8.0),
        (20_000, 9.0),
        (50_001, 10.0),
        (60_000, 11.0),
        (70_000, 12.0),
        (80_000, 13.0),
        (90_000, 14.0),
        (100_000, 15.0),
    ];
    let b = [(10_001, 8.0), (45_001, 8.5), (55_001, 9.5), (65_001, 10.5)];
    // The peer's test has a sample at 90000 as well: its stand-in iterator can seek backwards, which chunks cannot.
    let all = TimeRange::all();
    let counter = run(vec![chunk(0, &a), chunk(1, &b)], all, true);
    let lifted = [(45_001, 9.0), (55_001, 10.0), (65_001, 11.0)];
    assert_eq!(counter, [&a[..2], &lifted, &a[7..]].concat());
    let gauge = run(vec![chunk(0, &a), chunk(1, &b)], all, false);
    assert_eq!(gauge, [&a[..2], &b[1..], &a[7..]].concat());
}

#[test]
fn resets_are_rewritten_within_a_lane() {
    let stale = gauntlet_model::STALE_NAN;
    let first: &Samples = &[(100, 10.0), (200, 20.0), (300, 10.0), (400, 20.0), (400, 5.0)];
    let second: &Samples = &[(500, 10.0), (600, 20.0), (700, 30.0), (800, 40.0), (800, 10.0)];
    let third: &Samples = &[(900, 5.0), (1000, 10.0), (1100, 15.0)];
    let fourth: &Samples = &[(1200, 20.0), (1250, stale), (1300, 40.0)];
    let fifth: &Samples = &[(1400, 30.0), (1500, 30.0), (1600, 50.0)];
    let expect = [10, 20, 30, 40, 45, 55, 65, 75, 80, 85, 90, 95, 115, 145, 145, 165];
    let times = (1..=16).map(|i| i * 100);
    let expect: Vec<(i64, f64)> = times.zip(expect.map(f64::from)).collect();
    for repeat in 1..3 {
        let parts = [first, second, third, fourth, fifth];
        let chunks = parts.iter().flat_map(|part| (0..repeat).map(|_| chunk(0, part)));
        assert_eq!(run(chunks.collect(), TimeRange::all(), true), expect);
    }
    let cut = run(vec![chunk(0, first), chunk(0, second)], TimeRange::new(350, 550), true);
    assert_eq!(cut, expect[3..5], "the offset counts from the lane's begin");
}

#[test]
fn overlaps_go_to_their_own_lane() {
    let check = |spans: &[(i64, i64)], lanes: &[&[(i64, i64)]]| {
        let mut chunks: Vec<Chunk> =
            spans.iter().map(|(a, b)| Chunk { max_time: *b, ..chunk(0, &[(*a, 0.0)]) }).collect();
        assign_lanes(&mut chunks);
        let found: Vec<Vec<(i64, i64)>> = chunks
            .chunk_by(|a, b| a.replica == b.replica)
            .map(|lane| lane.iter().map(|c| (c.min_time, c.max_time)).collect())
            .collect();
        assert_eq!(found, lanes);
    };
    check(
        &[(0, 20), (0, 30), (21, 50), (31, 60), (100, 160)],
        &[&[(0, 20), (21, 50), (100, 160)], &[(0, 30), (31, 60)]],
    );
    check(&[(50, 55), (55, 100)], &[&[(50, 55)], &[(55, 100)]]);
    check(
        &[(0, 20), (0, 30), (1, 15), (2, 36), (16, 200), (21, 50), (31, 60), (100, 160)],
        &[
            &[(0, 20), (21, 50), (100, 160)],
            &[(0, 30), (31, 60)],
            &[(1, 15), (16, 200)],
            &[(2, 36)],
        ],
    );
}

#[test]
fn three_lanes_fold_from_the_left() {
    let lane = |replica, from: i64| {
        let samples: Vec<_> = (0..20).map(|i| (from + i * 10_000, f64::from(replica))).collect();
        chunk(replica, &samples)
    };
    let merged = run(vec![lane(0, 300), lane(1, 200), lane(2, 100)], TimeRange::all(), false);
    assert_eq!(merged.len(), 20);
    assert!(merged.iter().all(|(_, from)| *from == 2.0));
}

#[test]
fn a_range_starts_the_fold_anew() {
    let a: Vec<_> = (0..10).map(|i| (i * 1000, 0.0)).collect();
    let b: Vec<_> = (0..10).map(|i| (i * 1000 + 400, 1.0)).collect();
    let merged = run(vec![chunk(0, &a), chunk(1, &b)], TimeRange::new(3100, 8000), false);
    assert_eq!(merged, [(3400, 1.0), (4400, 1.0), (5400, 1.0), (6400, 1.0), (7400, 1.0)]);
}

#[test]
fn stale_markers_keep_their_bits() {
    let stale = gauntlet_model::STALE_NAN;
    let a = [(0, 1.0), (10_000, stale)];
    let merged = run(vec![chunk(0, &a), chunk(1, &[(1, 2.0)])], TimeRange::all(), false);
    assert!(gauntlet_model::is_stale_nan(merged[1].1));
}

#[test]
fn the_chain_keeps_every_time_once() {
    let check = |a: &[i64], b: &[i64], expect: &[(i64, f64)]| {
        let mut builder = SeriesSetBuilder::new();
        builder.push_series(Labels::from_pairs([("__name__", "m")]));
        builder.push_chunk(chunk(0, &tagged(a, 1.0)));
        builder.push_chunk(chunk(1, &tagged(b, 2.0)));
        let (mut scratch, mut out) = (PenaltyScratch::default(), Columns::default());
        let (set, all) = (builder.build(), TimeRange::all());
        decode_chain(&set, 0, all, false, &mut scratch, &mut out).unwrap();
        assert_eq!(out.timestamps.into_iter().zip(out.values).collect::<Vec<_>>(), expect);
    };
    check(&[10, 20, 30], &[10, 20, 30], &tagged(&[10, 20, 30], 1.0));
    check(&[10, 30], &[10, 20, 30], &[(10, 1.0), (20, 2.0), (30, 1.0)]);
    check(&[10, 30], &[10, 20], &[(10, 1.0), (20, 2.0), (30, 1.0)]);
    check(&[20, 30], &[10, 20], &[(10, 2.0), (20, 1.0), (30, 1.0)]);
}
