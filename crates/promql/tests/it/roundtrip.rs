//! Printing and parsing agree: over the scripts' queries, over mutations of them, and over random words.

use gauntlet_promql::roundtrip::check;
use gauntlet_testkit::promqltest::{Command, Script};

/// A small generator of pseudo-random numbers: one seed, one run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

fn queries() -> Vec<String> {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return Vec::new() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("conformance/promql")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for command in Script::parse(&text).unwrap().commands {
            if let Command::Eval(eval) = command {
                found.push(eval.query);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn queries_and_their_mutations_round_trip() {
    let queries = queries();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for query in &queries {
        check(query);
        for _ in 0..5 {
            let mut chars: Vec<char> = query.chars().collect();
            for _ in 0..=random.below(2) {
                let at = random.below(chars.len());
                match random.below(4) {
                    0 => {
                        chars.remove(at);
                    }
                    1 => {
                        chars.insert(at, ['(', ')', '[', '-', '0', 'a', '"', '@'][random.below(8)])
                    }
                    2 => chars.truncate(at),
                    _ => {
                        let other = &queries[random.below(queries.len())];
                        chars.splice(at..at, other.chars());
                    }
                }
                if chars.is_empty() {
                    break;
                }
            }
            check(&chars.into_iter().collect::<String>());
        }
    }
}

/// Pieces that follow each other in many ways, some of them right.
const WORDS: &[&str] = &[
    "a",
    "sum",
    "by",
    "without",
    "(a)",
    "(",
    ")",
    "[5m]",
    "[5m:1m]",
    "[5m:]",
    "[step()*2]",
    "{b=\"c\"}",
    "{\"x.y\"}",
    "offset",
    "5m",
    "-5m",
    "(5m)",
    "-(5m+1)",
    "step()",
    "range()",
    "@",
    "start()",
    "end()",
    "1.5",
    "0x1f",
    "Inf",
    "NaN",
    "+",
    "-",
    "*",
    "/",
    "^",
    "%",
    "atan2",
    "==",
    "bool",
    "and",
    "or",
    "unless",
    "on",
    "ignoring",
    "(a,b)",
    "()",
    "group_left",
    "group_right",
    "fill(1)",
    "fill_left(-2)",
    "abs",
    "rate",
    "topk",
    "quantile",
    "count_values",
    "\"s\"",
    "'t'",
    ",",
    "anchored",
    "smoothed",
    "min_of",
    "max_of",
    "</",
    ">/",
    ">",
    "<=",
    "!=",
    "time()",
    "info",
    "label_replace",
    "fill",
    "step",
    "# c\n",
    "1e3",
    "300",
];

#[test]
fn random_words_round_trip() {
    let mut random = Random(42);
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..1 + random.below(12) {
            text.push_str(random.pick(WORDS));
            if random.below(3) > 0 {
                text.push(' ');
            }
        }
        check(&text);
    }
}
