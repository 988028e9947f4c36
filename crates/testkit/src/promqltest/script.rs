//! The text of a script as commands.

use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_model::regex::Regex;
use gauntlet_model::{Labels, Timestamp};
use gauntlet_promql::{Expr, ParserOptions, parse, parse_series_description};

use super::expand::{SequenceValue, expand};

/// Why a text is no script.
#[derive(Clone, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    pub message: String,
}

/// A parsed script.
#[derive(Debug, Default)]
pub struct Script {
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

/// Series to be stored.
#[derive(Debug)]
pub struct Load {
    /// From 1.
    pub line: usize,
    pub step_ms: i64,
    /// Also make native histograms with custom buckets of classic ones.
    pub with_nhcb: bool,
    pub series: Vec<LoadSeries>,
}

/// One series; value `i` has time `i * step_ms`.
#[derive(Debug)]
pub struct LoadSeries {
    pub labels: Labels,
    pub values: Vec<SequenceValue>,
    /// Start timestamp of each sample, as an offset in ms from the sample's own time; empty if none has one.
    pub starts: Vec<Option<i64>>,
}

/// When a query is evaluated, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    Instant { at: Timestamp },
    Range { start: Timestamp, end: Timestamp, step_ms: i64 },
}

/// A query and what it must answer.
#[derive(Debug)]
pub struct Eval {
    /// From 1.
    pub line: usize,
    pub query: String,
    pub timing: Timing,
    pub ordered: bool,
    /// It must fail; with one of these texts, if there are any.
    pub fail: bool,
    pub fail_texts: Vec<TextMatch>,
    /// At least one warning or info.
    pub any_warning: bool,
    pub any_info: bool,
    /// Every one of these must be found, and nothing else.
    pub warnings: Vec<TextMatch>,
    pub infos: Vec<TextMatch>,
    pub no_warning: bool,
    pub no_info: bool,
    pub expected: Expected,
    /// Not to be repeated as a range query.
    pub instant_only: bool,
}

/// The answer expected.
#[derive(Debug)]
pub enum Expected {
    Scalar(f64),
    /// The default where nothing is said: an empty string.
    String(String),
    /// Series, or samples of a vector: (place in the list from 1, values). Value `i` has time `start + i * step_ms`.
    Series {
        series: BTreeMap<Labels, (usize, Vec<SequenceValue>)>,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
    },
}

/// A text, or a pattern for one.
#[derive(Debug)]
pub enum TextMatch {
    Text(String),
    Pattern(Regex),
    Any,
}

impl TextMatch {
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(expected) => expected == text,
            Self::Pattern(regex) => regex.is_match(text),
            Self::Any => true,
        }
    }
}

type Result<T> = std::result::Result<T, ScriptError>;

impl Script {
    /// Parses a script.
    pub fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> = text
            .split('\n')
            .map(|line| {
                let line = line.trim();
                if line.starts_with('#') { "" } else { line }
            })
            .collect();
        let mut parser = ScriptParser { lines, at: 0 };
        let mut commands = Vec::new();
        while let Some(line) = parser.next_command() {
            let word = line.split([' ', '\t']).next().unwrap_or("").to_ascii_lowercase();
            commands.push(if word == "clear" {
                Command::Clear
            } else if word.starts_with("load") {
                Command::Load(parser.load(line)?)
            } else if word.starts_with("eval") {
                Command::Eval(Box::new(parser.eval(line)?))
            } else {
                return parser.fail(format!("invalid command {line:?}"));
            });
        }
        Ok(Self { commands })
    }
}

struct ScriptParser<'a> {
    lines: Vec<&'a str>,
    /// Index behind the line read last, so its number from 1.
    at: usize,
}

impl<'a> ScriptParser<'a> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(ScriptError { line: self.at, message: message.into() })
    }

    fn next_command(&mut self) -> Option<&'a str> {
        loop {
            let line = *self.lines.get(self.at)?;
            self.at += 1;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// The next line of the block, which an empty line ends.
    fn next_line(&mut self) -> Option<&'a str> {
        let line = *self.lines.get(self.at).filter(|l| !l.is_empty())?;
        self.at += 1;
        Some(line)
    }

    fn duration(&self, text: &str) -> Result<i64> {
        match text.parse::<Duration>() {
            Ok(duration) => Ok(duration.as_ms()),
            Err(err) => self.fail(format!("invalid duration {text:?}: {err}")),
        }
    }

    fn series(&self, line: &str) -> Result<(Labels, Vec<SequenceValue>)> {
        let parsed = parse_series_description(line).map_err(|e| e.to_string());
        let expanded = parsed.and_then(|s| Ok((s.labels.clone(), expand(&s.items)?)));
        expanded.or_else(|message| self.fail(message))
    }

    fn load(&mut self, head: &str) -> Result<Load> {
        let (word, step) = head.split_once([' ', '\t']).unwrap_or((head, ""));
        let with_nhcb = match word {
            "load" => false,
            "load_with_nhcb" => true,
            _ => return self.fail("invalid load command. (load[_with_nhcb] <step:duration>)"),
        };
        let step_ms = self.duration(step.trim())?;
        let mut load = Load { line: self.at, step_ms, with_nhcb, series: Vec::new() };
        let mut starts: Option<(Labels, Vec<Option<i64>>)> = None;
        while let Some(line) = self.next_line() {
            let word = line.split([' ', '\t']).next().unwrap_or("");
            if let Some(metric) = word.strip_suffix("@st") {
                if starts.is_some() {
                    return self.fail("@st line has no following sample line");
                }
                let (labels, _) = self.series(&format!("{metric} _"))?;
                let items = line[word.len()..].split_whitespace();
                let parsed: std::result::Result<Vec<_>, String> = items.map(start_item).collect();
                match parsed {
                    Ok(items) => starts = Some((labels, items.concat())),
                    Err(message) => return self.fail(format!("invalid @st sequence: {message}")),
                }
                continue;
            }
            let (labels, values) = self.series(line)?;
            let starts = match starts.take() {
                None => Vec::new(),
                Some((of, _)) if of != labels => {
                    return self.fail("@st metric does not match the following sample line metric");
                }
                Some((_, starts)) if starts.len() != values.len() => {
                    return self.fail("@st line and sample line differ in length");
                }
                Some((_, starts)) => starts,
            };
            load.series.retain(|s| s.labels != labels);
            load.series.push(LoadSeries { labels, values, starts });
        }
        if starts.is_some() {
            return self.fail("@st line has no following sample line");
        }
        Ok(load)
    }

    fn eval(&mut self, head: &str) -> Result<Eval> {
        let mut eval = self.eval_head(head)?;
        let mut series = BTreeMap::new();
        let (mut start, mut end, mut step_ms) = match eval.timing {
            Timing::Instant { at } => (at, at, 0),
            Timing::Range { start, end, step_ms } => (start, end, step_ms),
        };
        let mut range_vector = false;
        let mut place = 0;
        let mut text = None;
        let mut scalar = None;
        while let Some(line) = self.next_line() {
            place += 1;
            if let Some(rest) = line.strip_prefix("expected_fail_message").filter(|_| eval.fail) {
                eval.fail_texts.push(TextMatch::Text(rest.trim().to_owned()));
                break;
            }
            if let Some(rest) = line.strip_prefix("expected_fail_regexp").filter(|_| eval.fail) {
                let pattern = self.pattern(rest.trim())?;
                eval.fail_texts.push(pattern);
                break;
            }
            if let Some(rest) = line.strip_prefix("expect range vector") {
                (start, end, step_ms) = match self.range_words(rest)? {
                    (range, "") => range,
                    _ => return self.fail(format!("invalid range vector definition {line:?}")),
                };
                range_vector = true;
                eval.instant_only = true;
                continue;
            }
            if let Some(rest) = line.strip_prefix("expect string") {
                text = Some(self.string_literal(rest.trim())?);
                eval.instant_only = true;
                continue;
            }
            if line.split(' ').next() == Some("expect") {
                self.expectation(&mut eval, line)?;
                place -= 1;
                continue;
            }
            if let Some(number) = number(line) {
                scalar = Some(number);
                break;
            }
            let (labels, values) = self.series(line)?;
            let instant = matches!(eval.timing, Timing::Instant { .. });
            if values.len() > 1 && instant && !range_vector {
                return self.fail("expecting multiple values in instant evaluation not allowed");
            }
            series.insert(labels, (place, values));
        }
        if range_vector {
            // Upstream evaluates such a query at the end of the range that it expects.
            eval.timing = Timing::Instant { at: end };
        }
        eval.expected = match (scalar, text) {
            (Some(number), _) => Expected::Scalar(number),
            (None, Some(text)) => Expected::String(text),
            (None, None) => Expected::Series { series, start, end, step_ms },
        };
        Ok(eval)
    }

    fn eval_head(&self, head: &str) -> Result<Eval> {
        let (word, rest) = take_word(head);
        let modifier = word.get(4..).unwrap_or("");
        let (kind, rest) = take_word(rest);
        let (timing, query) = match kind {
            "instant" => {
                let (at, rest) = take_word(rest);
                if at != "at" {
                    return self.fail("invalid evaluation command: no time");
                }
                let (time, query) = take_word(rest);
                (Timing::Instant { at: self.duration(time)? }, query)
            }
            "range" => {
                let ((start, end, step_ms), query) = self.range_words(rest)?;
                (Timing::Range { start, end, step_ms }, query)
            }
            _ => return self.fail("invalid evaluation command"),
        };
        if let Err(err) = parse(query, &ParserOptions::all()) {
            return self.fail(err.to_string());
        }
        let mut eval = Eval {
            line: self.at,
            query: query.to_owned(),
            timing,
            ordered: false,
            fail: false,
            fail_texts: Vec::new(),
            any_warning: false,
            any_info: false,
            warnings: Vec::new(),
            infos: Vec::new(),
            no_warning: false,
            no_info: false,
            expected: Expected::Scalar(0.0),
            instant_only: false,
        };
        match modifier {
            "" => {}
            "_ordered" => eval.ordered = true,
            "_fail" => eval.fail = true,
            "_warn" => eval.any_warning = true,
            "_info" => eval.any_info = true,
            _ => return self.fail(format!("invalid evaluation command {word:?}")),
        }
        Ok(eval)
    }

    /// `from <d> to <d> step <d> rest`.
    fn range_words<'t>(&self, text: &'t str) -> Result<((i64, i64, i64), &'t str)> {
        let mut values = [0; 3];
        let mut rest = text.trim_start();
        for (value, want) in values.iter_mut().zip(["from", "to", "step"]) {
            let (word, behind) = take_word(rest);
            if word != want {
                return self.fail(format!("expected {want:?}, found {word:?}"));
            }
            let (duration, behind) = take_word(behind);
            *value = self.duration(duration)?;
            rest = behind;
        }
        let [start, end, step_ms] = values;
        if end < start {
            return self.fail("invalid test definition, end timestamp is before start timestamp");
        }
        Ok(((start, end, step_ms), rest))
    }

    /// `expect <kind> [msg|regex:<text>]`.
    fn expectation(&self, eval: &mut Eval, line: &str) -> Result<()> {
        let (_, rest) = take_word(line);
        let (kind, rest) = take_word(rest);
        let text = if rest.is_empty() {
            TextMatch::Any
        } else if let Some(text) = rest.strip_prefix("msg:") {
            TextMatch::Text(text.trim().to_owned())
        } else if let Some(pattern) = rest.strip_prefix("regex:") {
            self.pattern(pattern.trim())?
        } else {
            return self.fail(format!("invalid expect statement {line:?}"));
        };
        match kind {
            "ordered" => eval.ordered = true,
            "fail" => {
                eval.fail = true;
                eval.fail_texts.push(text);
            }
            "warn" => eval.warnings.push(text),
            "info" => eval.infos.push(text),
            "no_warn" => eval.no_warning = true,
            "no_info" => eval.no_info = true,
            _ => return self.fail(format!("invalid expected error/annotation type {kind}")),
        }
        Ok(())
    }

    fn pattern(&self, pattern: &str) -> Result<TextMatch> {
        match Regex::new(pattern) {
            Ok(regex) => Ok(TextMatch::Pattern(regex)),
            Err(err) => self.fail(format!("invalid regex {pattern}: {err}")),
        }
    }

    fn string_literal(&self, text: &str) -> Result<String> {
        match parse(text, &ParserOptions::default()) {
            Ok(Expr::String(literal)) => Ok(literal.value),
            _ => self.fail("expected string literal not valid"),
        }
    }
}

/// Splits at the first run of spaces.
fn take_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// The line as a scalar, if it is one.
fn number(line: &str) -> Option<f64> {
    let (negative, digits) = match line.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix('+').unwrap_or(line)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | 'i' | 'I' | 'n' | 'N'))
    {
        return None;
    }
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()? as f64,
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

/// One item of an `@st` line: `_`, `_xN`, `<d>`, `<d>xN`, `<d>+<d>xN`, `<d>-<d>xN`, with signed durations.
fn start_item(item: &str) -> std::result::Result<Vec<Option<i64>>, String> {
    let count = |text: &str| text.parse::<usize>().map_err(|_| format!("bad count in {item:?}"));
    if item == "_" {
        return Ok(vec![None]);
    }
    if let Some(n) = item.strip_prefix("_x") {
        return Ok(vec![None; count(n)?]);
    }
    let (base, rest) = signed_duration(item)?;
    if rest.is_empty() {
        return Ok(vec![Some(base)]);
    }
    if let Some(n) = rest.strip_prefix('x') {
        return Ok(vec![Some(base); count(n)? + 1]);
    }
    let (step, rest) = signed_duration(rest)?;
    let n = rest.strip_prefix('x').ok_or_else(|| format!("no count in {item:?}"))?;
    Ok((0..=count(n)? as i64).map(|i| Some(base + i * step)).collect())
}

/// A duration with a sign at the start of `text`, in ms, and what follows it.
fn signed_duration(text: &str) -> std::result::Result<(i64, &str), String> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let unit =
        unsigned[digits..].bytes().take_while(|b| b.is_ascii_alphabetic() && *b != b'x').count();
    let (duration, rest) = unsigned.split_at(digits + unit);
    let ms = duration.parse::<Duration>().map_err(|e| e.to_string())?.as_ms();
    Ok((if negative { -ms } else { ms }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_becomes_commands() {
        let script = Script::parse(
            "# comment\nload_with_nhcb 5m\n  m@st -1m+30sx1\n  m 1+1x1\n\nclear\n\
             eval range from 0 to 10m step 5m m # not a comment here\n  expect no_warn\n  {a=\"b\"} 1 _ stale\n\n\
             eval_ordered instant at 1m vector(1)\n  {} 1\n\neval instant at 0 1\n  -1.5e3\n",
        )
        .unwrap();
        assert_eq!(script.commands.len(), 5);
        let Command::Load(load) = &script.commands[0] else { panic!() };
        assert!(load.with_nhcb && load.step_ms == 300_000);
        assert_eq!(load.series[0].starts, [Some(-60_000), Some(-30_000)]);
        let Command::Eval(eval) = &script.commands[4] else { panic!() };
        assert!(matches!(eval.expected, Expected::Scalar(v) if v == -1500.0));
    }
}
