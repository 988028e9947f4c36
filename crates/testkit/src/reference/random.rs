//! Random series and random well-typed queries, to compare two engines with each other.
//!
//! Series are what stores really hold: counters with resets, gauges, gaps, late starts, stale markers, NaN and infinities.
//! Queries use every float function and operator. One seed gives one run.

use std::sync::Arc;

use gauntlet_model::{Labels, STALE_NAN, Timestamp};

use crate::promqltest::{MemoryStore, SampleValue, TestEngine, Value};

use super::UNSUPPORTED;

/// A small generator of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// End of the data in ms.
const END_MS: Timestamp = 3_600_000;

/// Series `m0_total`..`m2` with labels `a`, `b` over an hour.
pub fn random_store(random: &mut Random) -> Result<MemoryStore, String> {
    let mut store = MemoryStore::new();
    for metric in ["m0_total", "m1_total", "m2", "m3"] {
        for a in ["1", "2", "3"] {
            for b in ["x", "y"] {
                if random.one_in(6) {
                    continue;
                }
                let labels = Labels::from_pairs([("__name__", metric), ("a", a), ("b", b)]);
                fill(&mut store, random, &labels, metric.ends_with("_total"))?;
            }
        }
    }
    store.encode()?;
    Ok(store)
}

fn fill(
    store: &mut MemoryStore,
    random: &mut Random,
    labels: &Labels,
    counter: bool,
) -> Result<(), String> {
    let interval = [1_000, 15_000, 15_000, 30_000, 60_000][random.below(5) as usize];
    let mut t = random.below(interval as u64 * 2) as i64;
    let mut value = random.below(1000) as f64 / 4.0;
    while t < END_MS {
        match random.below(if counter { 60 } else { 40 }) {
            0 => value = 0.0,
            1 => {
                store.append(labels, 0, t, STALE_NAN, None)?;
                t += interval * random.below(30) as i64;
            }
            2 if !counter => value = f64::NAN,
            3 if !counter => value = f64::INFINITY,
            4 if !counter => value = -1e300,
            5 => t += interval * random.below(20) as i64,
            _ if counter => value += random.below(100) as f64 / 8.0,
            _ => value = random.below(2_000_000) as f64 / 1000.0 - 1000.0,
        }
        // A marker may already stand at this time.
        if !store.has_sample_at(labels, t) {
            store.append(labels, 0, t, value, None)?;
        }
        t += interval;
        if random.one_in(10) {
            t += random.below(500) as i64;
        }
    }
    Ok(())
}

/// A query that answers an instant vector or a scalar.
pub fn random_query(random: &mut Random) -> String {
    let depth = 1 + random.below(4) as u32;
    if random.one_in(12) { scalar(random, depth) } else { vector(random, depth) }
}

fn selector(random: &mut Random) -> String {
    let name = random.pick(&["m0_total", "m1_total", "m2", "m3", "m9"]);
    let matchers = ["", "", "", "{a=\"1\"}", "{a!=\"2\"}", "{a=~\"1|3\",b=\"x\"}", "{b!~\"x\"}"];
    format!("{name}{}", random.pick(&matchers))
}

fn modifiers(random: &mut Random) -> &'static str {
    random.pick(&[
        "",
        "",
        "",
        "",
        " offset 1m",
        " offset -90s",
        " @ 1800",
        " @ start()",
        " @ end() offset 5m",
    ])
}

fn matrix(random: &mut Random, depth: u32) -> String {
    let range = random.pick(&["1m", "5m", "10m", "37s", "1h", "1s"]);
    if depth > 0 && random.one_in(4) {
        let step = random.pick(&["", "1m", "13s", "5m"]);
        return format!("({})[{range}:{step}]{}", vector(random, depth - 1), modifiers(random));
    }
    format!("{}[{range}]{}", selector(random), modifiers(random))
}

fn scalar(random: &mut Random, depth: u32) -> String {
    match random.below(if depth == 0 { 3 } else { 6 }) {
        0 => random.pick(&["0", "1", "2.5", "-3", "0.5", "100", "1e3"]).to_owned(),
        1 => "time()".to_owned(),
        2 => "5m".to_owned(),
        3 => format!("scalar({})", vector(random, depth - 1)),
        4 => format!("({} + {})", scalar(random, depth - 1), scalar(random, depth - 1)),
        _ => format!("({} > bool {})", scalar(random, depth - 1), scalar(random, depth - 1)),
    }
}

fn vector(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return format!("{}{}", selector(random), modifiers(random));
    }
    match random.below(12) {
        0 => format!("{}{}", selector(random), modifiers(random)),
        1 | 2 => {
            let function = random.pick(&[
                "rate",
                "rate",
                "increase",
                "delta",
                "irate",
                "idelta",
                "deriv",
                "changes",
                "resets",
                "avg_over_time",
                "sum_over_time",
                "min_over_time",
                "max_over_time",
                "count_over_time",
                "stddev_over_time",
                "stdvar_over_time",
                "last_over_time",
                "first_over_time",
                "present_over_time",
                "absent_over_time",
                "mad_over_time",
                "ts_of_max_over_time",
                "ts_of_min_over_time",
                "ts_of_first_over_time",
                "ts_of_last_over_time",
            ]);
            format!("{function}({})", matrix(random, depth - 1))
        }
        3 => match random.below(3) {
            0 => {
                format!("quantile_over_time({}, {})", scalar(random, 0), matrix(random, depth - 1))
            }
            1 => format!("predict_linear({}, {})", matrix(random, depth - 1), scalar(random, 0)),
            _ => format!("double_exponential_smoothing({}, 0.3, 0.7)", matrix(random, depth - 1)),
        },
        4 | 5 => aggregation(random, depth),
        6 => {
            let function = random.pick(&[
                "abs",
                "ceil",
                "floor",
                "exp",
                "ln",
                "log2",
                "log10",
                "sqrt",
                "sgn",
                "round",
                "sin",
                "atan",
                "tanh",
                "deg",
                "timestamp",
                "hour",
                "day_of_year",
                "days_in_month",
                "month",
                "year",
                "minute",
                "day_of_week",
                "absent",
                "sort",
                "-",
                "+",
            ]);
            format!("{function}({})", vector(random, depth - 1))
        }
        7 => match random.below(4) {
            0 => format!("clamp({}, -10, {})", vector(random, depth - 1), scalar(random, 0)),
            1 => format!("clamp_max({}, {})", vector(random, depth - 1), scalar(random, 0)),
            2 => format!("vector({})", scalar(random, depth - 1)),
            _ => format!("round({}, {})", vector(random, depth - 1), scalar(random, 0)),
        },
        8 => {
            let label = random.pick(&["c", "a", "__name__"]);
            let inner = vector(random, depth - 1);
            if random.one_in(2) {
                format!("label_replace({inner}, \"{label}\", \"${{1}}z\", \"b\", \"(.*)\")")
            } else {
                format!("label_join({inner}, \"{label}\", \"-\", \"a\", \"b\")")
            }
        }
        9 => {
            let op = random.pick(&[
                "+", "-", "*", "/", "%", "^", "atan2", ">", "<=", "==", "!= bool", "< bool",
            ]);
            let (vector, scalar) = (vector(random, depth - 1), scalar(random, depth - 1));
            if random.one_in(2) {
                format!("{vector} {op} {scalar}")
            } else {
                format!("{scalar} {op} {vector}")
            }
        }
        10 => {
            let op = random.pick(&["and", "or", "unless"]);
            let on = random.pick(&["", "", " on (a)", " ignoring (b)", " on ()"]);
            format!("({}) {op}{on} ({})", vector(random, depth - 1), vector(random, depth - 1))
        }
        _ => {
            let op = random.pick(&["+", "-", "*", "/", ">", "<", "== bool", ">= bool"]);
            let on = random.pick(&[
                "",
                "",
                "",
                " on (a, b)",
                " on (a) group_left ()",
                " ignoring (b) group_right ()",
                " fill (0)",
                " on (a, b) fill_left (1)",
                " on (a) group_left (b)",
            ]);
            format!("({}) {op}{on} ({})", vector(random, depth - 1), vector(random, depth - 1))
        }
    }
}

fn aggregation(random: &mut Random, depth: u32) -> String {
    let by = random.pick(&[
        "",
        "",
        " by (a)",
        " by (a, b)",
        " without (a)",
        " by (__name__)",
        " without ()",
    ]);
    let inner = vector(random, depth - 1);
    match random.below(8) {
        0 => {
            format!("quantile{by} ({}, {inner})", random.pick(&["0", "0.5", "0.9", "1", "2", "-1"]))
        }
        1 => format!("topk{by} ({}, {inner})", random.pick(&["1", "2", "100"])),
        2 => format!("count_values{by} (\"v\", {inner})"),
        3 => format!("limitk{by} ({}, {inner})", random.pick(&["1", "3"])),
        4 => format!("limit_ratio{by} ({}, {inner})", random.pick(&["0.5", "-0.3", "1"])),
        _ => {
            let op =
                random.pick(&["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]);
            format!("{op}{by} ({inner})")
        }
    }
}

/// How answers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// Bit by bit; all NaNs are one.
    Exact,
    /// Within a relative 1e-6.
    Almost,
}

/// Asks both engines `count` random queries, as instant and as range queries, over stores made from `seed`; gives a text
/// for each difference. Where one of them answers [`UNSUPPORTED`], nothing is compared. An error must meet an error;
/// their texts may differ. An engine that evaluates subqueries also between the windows that need them, as the peer does,
/// may fail there: an error of a query with a subquery is not compared.
pub fn differences(
    a: &dyn TestEngine,
    b: &dyn TestEngine,
    seed: u64,
    count: usize,
    sameness: Sameness,
) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut found = Vec::new();
    let mut store = Arc::new(MemoryStore::new());
    for i in 0..count {
        if i % 50 == 0 {
            match random_store(&mut random) {
                Ok(made) => store = Arc::new(made),
                Err(err) => return vec![format!("BUG: random series are refused: {err}")],
            }
        }
        let query = random_query(&mut random);
        let at = random.below(END_MS as u64 + 600_000) as i64;
        let step_ms = [1_000, 15_000, 60_000, 77_777, 300_000][random.below(5) as usize];
        let end = (at + step_ms * random.below(30) as i64).min(END_MS + 600_000).max(at);
        let instant = (a.instant(&store, &query, at), b.instant(&store, &query, at));
        let ranged =
            (a.range(&store, &query, at, end, step_ms), b.range(&store, &query, at, end, step_ms));
        for (kind, (a, b)) in [("instant", instant), ("range", ranged)] {
            let skip =
                |r: &Result<_, String>| r.as_ref().is_err_and(|e| e.starts_with(UNSUPPORTED));
            if skip(&a) || skip(&b) {
                continue;
            }
            let a = a.map(|answer| canonical(answer.value));
            let b = b.map(|answer| canonical(answer.value));
            let subquery = query.contains(':');
            let same = match (&a, &b) {
                (Err(_), Err(_)) => true,
                (Err(_), _) | (_, Err(_)) if subquery => true,
                (Ok(a), Ok(b)) => same_answer(a, b, sameness),
                _ => false,
            };
            if !same {
                found.push(format!(
                    "seed {seed}, query {i}, {kind} at {at} to {end} step {step_ms}: {query}\n  a: {a:?}\n  b: {b:?}"
                ));
            }
        }
    }
    found
}

type Points = Vec<(Labels, Vec<(Timestamp, SampleValue)>)>;

/// A value as series in order of label sets; the order of a vector is left out.
fn canonical(value: Value) -> Points {
    let mut series: Points = match value {
        Value::Scalar(value) => vec![(Labels::empty(), vec![(0, SampleValue::Float(value))])],
        Value::String(text) => {
            vec![(Labels::from_pairs([("text", text)]), Vec::new())]
        }
        Value::Vector(samples) => {
            samples.into_iter().map(|(labels, value)| (labels, vec![(0, value)])).collect()
        }
        Value::Matrix(series) => series,
    };
    series.sort_by(|a, b| a.0.cmp(&b.0));
    series
}

fn same_answer(a: &Points, b: &Points, sameness: Sameness) -> bool {
    let same_float = |a: f64, b: f64| match sameness {
        Sameness::Exact => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        Sameness::Almost => crate::promqltest::almost_equal(a, b),
    };
    let same_point = |(a, b): (&(i64, SampleValue), &(i64, SampleValue))| {
        a.0 == b.0
            && match (&a.1, &b.1) {
                (SampleValue::Float(a), SampleValue::Float(b)) => same_float(*a, *b),
                (a, b) => a == b,
            }
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|((la, pa), (lb, pb))| {
            la == lb && pa.len() == pb.len() && pa.iter().zip(pb).all(same_point)
        })
}
