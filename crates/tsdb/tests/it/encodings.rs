//! Chunks of encoding 4 and with start timestamps: the head makes those that upstream's makes of the same samples. `encodings.txt`
//! has a line for each chunk of the first block that upstream 3.14 made: features, series, first and last time, encoding, bytes,
//! checksum of them. Late samples have more chunks there than here.

use gauntlet_block::BlockMeta;
use gauntlet_chunk::Columns;
use gauntlet_encoding::crc32c;
use gauntlet_model::histogram::Span;
use gauntlet_model::{Histogram, Labels, STALE_NAN, SeriesRef};
use gauntlet_storage::{AppendOptions, Appendable, DecodeScratch, SelectRequest, TimeRange};
use gauntlet_tsdb::{Db, Options};

use crate::support::{any, open, select};

const RECORDED: &str = include_str!("encodings.txt");
const BEGIN: i64 = 1_700_000_000_000;
const STEPS: i64 = 500;

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

    fn start(&mut self, mode: i64, i: i64, t: i64) -> i64 {
        match mode {
            1 => BEGIN - 5000,
            2 if i >= 30 => BEGIN + i / 50 * 60_000,
            3 => t - (self.next() % 20_000) as i64,
            _ => 0,
        }
    }
}

fn labels(name: &str, s: i64) -> Labels {
    Labels::from_pairs([("__name__", name.to_owned()), ("s", s.to_string())])
}

fn histogram(i: i64) -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: i as u64,
        count: (4 * i + 4) as u64,
        sum: i as f64 * 1.5,
        positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
        positive_buckets: vec![i, 1, 2],
        ..Histogram::default()
    }
}

fn options(features: &str) -> Options {
    Options {
        xor2: true,
        histogram_starts: features == "all",
        store_starts: features != "xor2",
        out_of_order_window_ms: 3600 * 1000,
        ..Options::default()
    }
}

/// Appends what the recording was made of. `each` is called between the commits.
fn write(db: Db, mut each: impl FnMut(Db, i64) -> Db) -> Db {
    let (mut db, mut numbers) = (db, Numbers(77));
    for i in 0..STEPS {
        let t = BEGIN + i * 15_000;
        let mut app = db.appender(AppendOptions::default());
        for s in 0..4 {
            let mut at = t + (numbers.next() % 100) as i64;
            if s == 3 && i % 7 == 3 {
                at -= 600_007;
            }
            app.start_of_next(numbers.start(s, i, at));
            app.append(SeriesRef(0), &labels("f", s), at, numbers.float(i)).unwrap();
        }
        for s in 0..2 {
            app.start_of_next(numbers.start(s + 2, i, t));
            let h = histogram(i + 1);
            match s {
                0 => app.append_histogram(SeriesRef(0), &labels("h", s), t, h),
                _ => app.append_float_histogram(SeriesRef(0), &labels("h", s), t, h.to_float()),
            }
            .unwrap();
        }
        app.commit().unwrap();
        db = each(db, i);
    }
    db
}

/// The chunks of blocks, as a recording has them.
fn chunks(db: &Db, wanted: impl Fn(&BlockMeta) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for block in db.blocks().iter().filter(|block| wanted(&block.meta())) {
        let request = SelectRequest::new(vec![any()], TimeRange::all());
        let set = block.select_series(&request).unwrap();
        for i in 0..set.len() {
            for chunk in set.chunks(i) {
                let mut buffer = Vec::new();
                let (encoding, data) = set.chunk_bytes(chunk, &mut buffer).unwrap();
                lines.push(format!(
                    "{}{} {} {} {} {} {:08x}",
                    set.labels(i).get("__name__").unwrap(),
                    set.labels(i).get("s").unwrap(),
                    chunk.min_time - BEGIN,
                    chunk.max_time - BEGIN,
                    encoding as u8,
                    data.len(),
                    crc32c(data),
                ));
            }
        }
    }
    lines.sort_unstable();
    lines
}

fn recorded(features: &str) -> Vec<&'static str> {
    let of = |line: &'static str| line.strip_prefix(features)?.strip_prefix(' ');
    let mut lines: Vec<&str> = RECORDED.lines().filter_map(of).collect();
    lines.sort_unstable();
    lines
}

/// Samples with their start timestamps.
type Started = Vec<(Labels, Vec<(i64, i64, u64)>)>;

fn read(db: &Db) -> Started {
    let range = TimeRange::all();
    let set = select(db, vec![any()], range);
    let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
    let mut out = Vec::new();
    for i in 0..set.len() {
        set.decode(i, range, &mut scratch, &mut columns).unwrap();
        let start = |i: usize| columns.start_timestamps.get(i).copied().unwrap_or(0);
        let value = |i: usize| columns.histogram(i).map_or(columns.values[i], |h| h.sum);
        let samples = (0..columns.len())
            .map(|i| (columns.timestamps[i], start(i), value(i).to_bits()))
            .collect();
        out.push((set.labels(i).clone(), samples));
    }
    out
}

#[test]
fn blocks_have_the_chunks_that_upstream_makes() {
    for features in ["xor2", "all", "nohist"] {
        let dir = tempfile::tempdir().unwrap();
        let db = write(open(dir.path(), options(features)), |db, _| db);
        let before = read(&db);
        db.flush_head().unwrap();
        let in_order = |meta: &BlockMeta| meta.compaction.hints.is_empty();
        assert_eq!(
            chunks(&db, |meta| in_order(meta) && meta.max_time == BEGIN + 6_400_000),
            recorded(features),
            "{features}"
        );
        assert!(read(&db) == before, "{features}: what is read changes with its place");
    }
}

#[test]
fn start_timestamps_are_there_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let db = write(open(dir.path(), options("all")), |db, _| db);
    let before = read(&db);
    for (labels, samples) in &before {
        let (mut numbers, s) = (Numbers(0), labels.get("s").unwrap());
        for (t, start, _) in samples {
            let i = (t - BEGIN).div_euclid(15_000);
            let expect = match (labels.get("__name__").unwrap(), s) {
                ("f", "3") | ("h", "1") => *t - 20_000..*t + 1,
                ("f", mode) => {
                    let start = numbers.start(mode.parse().unwrap(), i, *t);
                    start..start + 1
                }
                _ => {
                    let start = numbers.start(2, i, *t);
                    start..start + 1
                }
            };
            assert!(expect.contains(start), "{labels:?} at {t}: {start}");
        }
    }
    drop(db);
    let db = open(dir.path(), options("all"));
    assert!(read(&db) == before, "a restart changes what is read");
    // A deletion writes a chunk anew.
    db.delete(&[any()], BEGIN + 1_000_000, BEGIN + 1_100_000).unwrap();
    let mut left = before;
    for (_, samples) in &mut left {
        samples.retain(|(t, ..)| !(BEGIN + 1_000_000..=BEGIN + 1_100_000).contains(t));
    }
    assert!(read(&db) == left, "a deletion changes what stays");
}

#[test]
fn the_encoding_changes_with_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), Options { store_starts: false, xor2: false, ..options("all") });
    let db = write(db, |db, i| {
        db.head().set_xor2(i / 50 % 2 == 1);
        db
    });
    let before = read(&db);
    assert!(before.iter().flat_map(|(_, samples)| samples).all(|(_, start, _)| *start == 0));
    db.flush_head().unwrap();
    let encodings: Vec<String> = chunks(&db, |_| true)
        .iter()
        .filter_map(|line| line.split(' ').nth(3).map(str::to_owned))
        .collect();
    for encoding in ["1", "4", "5", "6"] {
        assert!(encodings.iter().any(|found| found == encoding), "none of encoding {encoding}");
    }
    assert!(read(&db) == before);
}
