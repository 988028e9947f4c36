//! Runs the peers' sample bodies through the parsers: what `cargo xtask conformance textparse` counts.
//!
//! A body passes if every line gives the entry it must, the quick path and the scanner agree on all of them, and a second pass that knows each
//! series' length gives the same samples again.

use std::io;
use std::path::Path;

use crate::media::MediaType;
use crate::parser::{Entry, Parser, ParserOptions};
use crate::series::ScratchLabels;

/// How a run went: bodies that passed, bodies in all, and why others failed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub passed: usize,
    pub total: usize,
    pub failures: Vec<String>,
}

/// Checks every `*.prom.txt` and `*.om.txt` in `dir` (`conformance/textparse`).
pub fn run(dir: &Path) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut paths: Vec<_> =
        std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let media_type = if name.ends_with(".om.txt") {
            MediaType::OpenMetrics
        } else if name.ends_with(".prom.txt") {
            MediaType::Text
        } else {
            continue;
        };
        let mut body = std::fs::read(&path)?;
        if media_type == MediaType::OpenMetrics && !body.trim_ascii_end().ends_with(b"# EOF") {
            // Upstream keeps some of them without their end.
            body.extend_from_slice(b"# EOF\n");
        }
        outcome.total += 1;
        match check(&body, media_type) {
            Ok(()) => outcome.passed += 1,
            Err(err) => outcome.failures.push(format!("{name}: {err}")),
        }
    }
    Ok(outcome)
}

fn check(body: &[u8], media_type: MediaType) -> Result<(), String> {
    let quick = Parser::new(body, media_type, ParserOptions::default());
    let careful = Parser::careful(body, media_type);
    let first = describe(quick, &[])?;
    if first.entries != describe(careful, &[])?.entries {
        return Err("quick path and scanner differ".into());
    }
    let known = Parser::new(body, media_type, ParserOptions::default());
    if first.entries != describe(known, &first.lengths)?.entries {
        return Err("a pass with known series differs".into());
    }
    let lines = body.split(|c| *c == b'\n').filter(|line| !line.is_empty());
    // In the text format it is a comment as any other.
    let is_end = |line: &[u8]| media_type == MediaType::OpenMetrics && line == b"# EOF";
    let expected = lines.filter(|line| !is_end(line)).count();
    if first.entries.len() != expected {
        return Err(format!("{} entries of {expected} lines", first.entries.len()));
    }
    Ok(())
}

struct Described {
    entries: Vec<String>,
    /// Of the series texts, in order.
    lengths: Vec<usize>,
}

fn describe(mut parser: Parser<'_>, known: &[usize]) -> Result<Described, String> {
    let mut out = Described { entries: Vec::new(), lengths: Vec::new() };
    let mut scratch = ScratchLabels::default();
    let mut text = String::new();
    let mut series = 0;
    loop {
        let next = known.get(series).copied();
        let entry = parser.next_known(|_| next).map_err(|err| err.to_string())?;
        let Some(entry) = entry else { return Ok(out) };
        let line = match entry {
            Entry::Series => {
                series += 1;
                parser.labels(&mut scratch).map_err(|err| err.to_string())?;
                let sample = parser.sample();
                out.lengths.push(sample.raw.len());
                let labels: Vec<_> = scratch.iter().collect();
                let bits = sample.value.to_bits();
                format!("{labels:?} {bits:x} {:?} {}", sample.timestamp, parser.has_exemplars())
            }
            Entry::Help => {
                parser.help(&mut text);
                format!("help {:?} {text}", parser.name())
            }
            Entry::Type => format!("type {:?} {:?}", parser.name(), parser.metric_type()),
            Entry::Unit => format!("unit {:?} {:?}", parser.name(), parser.unit()),
            Entry::Comment => "comment".into(),
            Entry::Histogram => return Err("a histogram in a text body".into()),
        };
        out.entries.push(line);
    }
}

/// Parses any bytes in every format and with every option: what the fuzz target calls. It must return.
pub fn exercise(data: &[u8]) {
    let all = ParserOptions {
        type_and_unit_labels: true,
        convert_classic_to_nhcb: true,
        keep_classic: true,
        skip_created: true,
        ..ParserOptions::default()
    };
    let mut scratch = ScratchLabels::default();
    let mut exemplars = Vec::new();
    for media_type in [MediaType::Text, MediaType::OpenMetrics, MediaType::Protobuf] {
        for options in [ParserOptions::default(), all] {
            let mut parser = Parser::new(data, media_type, options);
            while let Ok(Some(_)) = parser.next() {
                let _ = parser.labels(&mut scratch);
                let _ = parser.start_timestamp();
                parser.exemplars(&mut exemplars);
                exemplars.clear();
                let _ = parser.take_histogram();
            }
        }
    }
}
