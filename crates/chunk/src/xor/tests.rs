//! XOR chunks: what is encoded is decoded, bounds hold, damaged bytes give errors.

use proptest::prelude::*;

use super::*;

fn encode(samples: &[(Timestamp, f64)]) -> Vec<u8> {
    let mut appender = XorAppender::new();
    for (t, value) in samples {
        assert!(appender.append(*t, *value));
    }
    appender.into_bytes()
}

fn decode_range(chunk: &[u8], min_t: Timestamp, max_t: Timestamp) -> Vec<(Timestamp, u64)> {
    let mut out = Columns::default();
    decode(chunk, min_t, max_t, &mut out).unwrap();
    assert_eq!(out.timestamps.len(), out.values.len());
    out.timestamps.iter().zip(&out.values).map(|(t, v)| (*t, v.to_bits())).collect()
}

fn bits(samples: &[(Timestamp, f64)]) -> Vec<(Timestamp, u64)> {
    samples.iter().map(|(t, v)| (*t, v.to_bits())).collect()
}

#[test]
fn an_empty_chunk_has_no_samples() {
    assert_eq!(XorAppender::new().bytes(), [0, 0]);
    assert!(decode_range(&[0, 0], i64::MIN, i64::MAX).is_empty());
}

#[test]
fn known_bytes() {
    // Worked out by hand from the format page: 1000 varint, 1.0, delta 15, then "0" + "0", then "0" + "11" with a window.
    let chunk = encode(&[(1000, 1.0), (1015, 1.0), (1030, 1.0), (1045, 2.0)]);
    let mut expect = vec![0, 4, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 15];
    // value of sample 2: 0; sample 3: 0 0; sample 4: 0, 11, leading 1 (00001), 10 or so significant bits.
    // 1.0 ^ 2.0 = 0x7ff0_0000_0000_0000: leading 1, trailing 52, 11 significant bits, all ones.
    expect.extend([0b0000_1100, 0b0010_0101, 0b1111_1111, 0b1111_0000]);
    assert_eq!(chunk, expect);
}

#[test]
fn a_range_keeps_both_of_its_ends() {
    let samples: Vec<_> = (0..200).map(|i| (i * 10, (i / 7) as f64)).collect();
    let chunk = encode(&samples);
    for (min_t, max_t) in
        [(0, 1990), (5, 1985), (100, 100), (101, 109), (500, 400), (-9, -1), (2000, 3000)]
    {
        let expect: Vec<_> =
            samples.iter().filter(|(t, _)| (min_t..=max_t).contains(t)).copied().collect();
        assert_eq!(decode_range(&chunk, min_t, max_t), bits(&expect), "{min_t}..={max_t}");
    }
}

#[test]
fn decoding_appends_behind_what_is_there() {
    let mut out = Columns::default();
    out.push_float(-5, 7.0);
    out.set_last_start(-9);
    decode(&encode(&[(1, 1.0), (2, 2.0), (3, 3.0)]), 2, 9, &mut out).unwrap();
    assert_eq!(out.timestamps, [-5, 2, 3]);
    assert_eq!(out.values, [7.0, 2.0, 3.0]);
    assert_eq!(out.start_timestamps, [-9, 0, 0]);
}

#[test]
fn a_failed_decode_leaves_the_columns_as_they_were() {
    let chunk = encode(&(0..50).map(|i| (i * 15_000, i as f64 * 1.1)).collect::<Vec<_>>());
    for cut in 0..chunk.len() {
        let mut out = Columns::default();
        out.push_float(1, 1.0);
        assert!(decode(&chunk[..cut], i64::MIN, i64::MAX, &mut out).is_err(), "{cut}");
        assert_eq!((out.timestamps.len(), out.values.len()), (1, 1));
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_without_reserving_for_it() {
    let mut out = Columns::default();
    assert!(decode(&[0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0, 9, &mut out).is_err());
    assert!(out.timestamps.capacity() < 100);
}

#[test]
fn steps_stop_where_the_slab_ends() {
    let mut slab = [0xffu8; 64];
    let mut state = XorState::default();
    let mut samples = Vec::new();
    for i in 0..100 {
        let sample = (i * 15_000, f64::from_bits(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64)));
        if !state.append(&mut slab, sample.0, sample.1) {
            break;
        }
        samples.push(sample);
    }
    assert!(samples.len() >= 3, "{}", samples.len());
    assert_eq!(decode_range(&slab[..state.len_bytes()], i64::MIN, i64::MAX), bits(&samples));
}

fn any_samples() -> impl Strategy<Value = Vec<(Timestamp, f64)>> {
    let delta = prop_oneof![
        5 => Just(15_000i64),
        2 => 14_000i64..16_000,
        1 => -200_000i64..900_000,
        1 => any::<i64>(),
    ];
    let value = prop_oneof![
        4 => Just(1.0f64),
        3 => (0u32..1000).prop_map(f64::from),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(gauntlet_model::STALE_NAN),
    ];
    prop::collection::vec((delta, value), 0..300).prop_map(|steps| {
        let mut t = 1_700_000_000_000i64;
        steps
            .into_iter()
            .map(|(delta, value)| {
                t = t.wrapping_add(delta);
                (t, value)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(samples in any_samples()) {
        let chunk = encode(&samples);
        prop_assert_eq!(decode_range(&chunk, i64::MIN, i64::MAX), bits(&samples));
    }

    #[test]
    fn a_resumed_appender_goes_on(samples in any_samples(), at in 0usize..300) {
        let at = at.min(samples.len());
        let mut appender = XorAppender::resume(&encode(&samples[..at])).unwrap();
        for (t, value) in &samples[at..] {
            appender.append(*t, *value);
        }
        prop_assert_eq!(decode_range(appender.bytes(), i64::MIN, i64::MAX), bits(&samples));
    }

    #[test]
    fn any_bytes_decode_or_err(bytes in prop::collection::vec(any::<u8>(), 0..200), min_t: i64, max_t: i64) {
        let mut out = Columns::default();
        let _ = decode(&bytes, min_t, max_t, &mut out);
        prop_assert_eq!(out.timestamps.len(), out.values.len());
    }
}
