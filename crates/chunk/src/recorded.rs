//! Chunks with start timestamps, byte by byte as upstream 3.14 writes them. `recorded/start_times.txt` has a line for each: encoding,
//! how the start timestamps go, bytes in hexadecimal.

use gauntlet_model::histogram::Span;
use gauntlet_model::{Histogram, STALE_NAN, Timestamp};

use crate::histogram::{Appended, HistogramSamples};
use crate::{
    Encoding, FloatHistogramAppender, HistogramAppender, SampleValue, Xor2Appender, read_samples,
};

const RECORDED: &str = include_str!("recorded/start_times.txt");
const BEGIN: Timestamp = 1_700_000_000_000;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn float(&mut self, i: i64) -> f64 {
        match self.next() % 8 {
            0 => STALE_NAN,
            1 => self.next() as f64 / 7.0,
            _ => (i / 5) as f64,
        }
    }

    fn start(&mut self, mode: u64, i: i64, t: Timestamp) -> Timestamp {
        match mode {
            1 => BEGIN - 5000,
            2 if i >= 30 => BEGIN + i / 50 * 60_000,
            3 => t - (self.next() % 20_000) as i64,
            _ => 0,
        }
    }
}

fn histogram(i: i64) -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: i as u64,
        count: (i + 3 * i + 4) as u64,
        sum: i as f64 * 1.5,
        positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
        positive_buckets: vec![i, 1, 2],
        ..Histogram::default()
    }
}

fn written(kind: &str, mode: u64) -> (Encoding, Vec<u8>) {
    let (mut numbers, mut t) = (Numbers(mode + 1), BEGIN);
    if kind == "xor2" {
        let mut appender = Xor2Appender::new();
        for i in 0..150 {
            let start = numbers.start(mode, i, t);
            appender.append(start, t, numbers.float(i));
            t += 15_000;
            if numbers.next().is_multiple_of(4) {
                t += (numbers.next() % 5000) as i64;
            }
        }
        return (Encoding::Xor2, appender.into_bytes());
    }
    let mut whole = HistogramAppender::new(true);
    let mut float = FloatHistogramAppender::new(true);
    for i in 0..40 {
        let (start, h) = (numbers.start(mode, i, t), histogram(i + 1));
        let (a, b) = (
            whole.append(None, start, t, &h, false).unwrap(),
            float.append(None, start, t, &h.to_float(), false).unwrap(),
        );
        assert!(matches!((a, b), (Appended::Same, Appended::Same)));
        t += 15_000 + (numbers.next() % 3) as i64;
    }
    match kind {
        "histogram" => (Encoding::HistogramSt, whole.into_bytes()),
        _ => (Encoding::FloatHistogramSt, float.into_bytes()),
    }
}

#[test]
fn chunks_are_the_recorded_ones_and_give_back_what_was_written() {
    let mut lines = 0;
    for line in RECORDED.lines() {
        let mut words = line.split(' ');
        let (kind, mode) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let (encoding, bytes) = written(kind, mode);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, words.next().unwrap(), "{kind} {mode}");
        let (mut numbers, mut t) = (Numbers(mode + 1), BEGIN);
        for (i, sample) in (0..).zip(read_samples(encoding, &bytes).unwrap()) {
            let start = numbers.start(mode, i, t);
            assert_eq!((sample.t, sample.start), (t, start), "{kind} {mode} sample {i}");
            match sample.value {
                SampleValue::Float(value) => {
                    assert_eq!(value.to_bits(), numbers.float(i).to_bits());
                    t += 15_000;
                    if numbers.next().is_multiple_of(4) {
                        t += (numbers.next() % 5000) as i64;
                    }
                }
                SampleValue::Histogram(h) => {
                    assert_eq!(h.positive_buckets, histogram(i + 1).positive_buckets);
                    t += 15_000 + (numbers.next() % 3) as i64;
                }
                SampleValue::FloatHistogram(h) => {
                    assert_eq!(h.count, histogram(i + 1).count as f64);
                    t += 15_000 + (numbers.next() % 3) as i64;
                }
            }
        }
        lines += 1;
    }
    assert_eq!(lines, 12);
}

#[test]
fn a_chunk_that_is_gone_on_with_is_the_same() {
    let (_, bytes) = written("histogram", 3);
    let mut samples = HistogramSamples::new(Encoding::HistogramSt, &bytes).unwrap();
    let mut appender = HistogramAppender::new(true);
    while samples.advance().unwrap() {
        // After the first few: as upstream's, a writer that begins anew does not know that there was no window yet.
        if appender.count() % 10 == 9 {
            appender = HistogramAppender::resume(Encoding::HistogramSt, appender.bytes()).unwrap();
        }
        let (start, t) = (samples.start_timestamp(), samples.timestamp());
        appender.append(None, start, t, &samples.histogram(), false).unwrap();
    }
    assert_eq!(appender.bytes(), bytes);
}
