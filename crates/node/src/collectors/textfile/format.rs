//! The text exposition format 0.0.4, reading side, as far as text files need it: families with their metrics. Also the shell
//! patterns of directory names.

use std::collections::BTreeMap;

use crate::collector::Kind;
use crate::error::Malformed;
use crate::scan;

#[derive(Debug, PartialEq)]
pub(crate) struct Family {
    pub(super) name: String,
    pub(super) help: Option<String>,
    pub(super) kind: Kind,
    pub(super) metrics: Vec<Metric>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: Value,
    pub(super) timestamp: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Plain(f64),
    /// Buckets or quantiles (bound, value), in the order of the file.
    Compound {
        parts: Vec<(f64, f64)>,
        sum: f64,
        count: f64,
    },
}

/// All families in ascending order of their names.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Family>, Malformed> {
    let text = std::str::from_utf8(input).map_err(|_| Malformed::new("invalid UTF-8"))?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(Malformed::new("unexpected end of input stream"));
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut typed: BTreeMap<String, Kind> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches([' ', '\t']);
        let result = match line.strip_prefix('#') {
            _ if line.is_empty() => Ok(()),
            Some(comment) => comment_line(comment, &mut families, &mut typed),
            None => sample_line(line, &mut families, &typed),
        };
        result.map_err(|e| Malformed(format!("line {}: {}", number + 1, e.0)))?;
    }
    Ok(families.into_values().filter(|f| !f.metrics.is_empty()).collect())
}

fn comment_line(
    comment: &str,
    families: &mut BTreeMap<String, Family>,
    typed: &mut BTreeMap<String, Kind>,
) -> Result<(), Malformed> {
    let comment = comment.trim_start_matches([' ', '\t']);
    let (word, rest) = comment.split_once([' ', '\t']).unwrap_or((comment, ""));
    if word != "HELP" && word != "TYPE" {
        return Ok(());
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let (name, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    if !is_name(name, true) {
        return Err(scan::bad("a metric name", name));
    }
    if word == "HELP" {
        if rest.trim_matches([' ', '\t']).is_empty() {
            return Ok(()); // counts as no help
        }
        let family = entry(families, name, Kind::Untyped);
        if family.help.is_some() {
            return Err(Malformed(format!("second HELP line for metric name {name:?}")));
        }
        family.help = Some(unescape(rest.trim_start_matches([' ', '\t']), false)?);
        return Ok(());
    }
    let kind = match rest.trim() {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "untyped" => Kind::Untyped,
        "summary" => Kind::Summary,
        "histogram" => Kind::Histogram,
        other => return Err(Malformed(format!("unknown metric type {other:?}"))),
    };
    let family = entry(families, name, kind);
    if typed.contains_key(name) || !family.metrics.is_empty() {
        return Err(Malformed(format!(
            "second TYPE line for metric name {name:?}, or TYPE reported after samples"
        )));
    }
    family.kind = kind;
    typed.insert(name.to_owned(), kind);
    Ok(())
}

fn sample_line(
    line: &str,
    families: &mut BTreeMap<String, Family>,
    typed: &BTreeMap<String, Kind>,
) -> Result<(), Malformed> {
    let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err(scan::bad("a metric name", name));
    }
    let mut rest = rest.trim_start_matches([' ', '\t']);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let mut words = rest.split([' ', '\t']).filter(|w| !w.is_empty());
    let value = float(words.next().ok_or_else(|| Malformed::new("expected a value"))?)?;
    let timestamp = match words.next() {
        None => false,
        Some(word) => scan::i64(word).map(|_| true)?,
    };
    if let Some(extra) = words.next() {
        return Err(Malformed(format!("spurious string after timestamp: {extra:?}")));
    }
    let (base, part) = part_of(name, typed);
    let kind = typed.get(base).copied().unwrap_or(Kind::Untyped);
    let family = entry(families, base, kind);
    let bound = match part {
        Part::Whole | Part::Sum | Part::Count => None,
        Part::Quantile => Some(take_bound(&mut labels, "quantile")?),
        Part::Bucket => Some(take_bound(&mut labels, "le")?),
    };
    labels.sort();
    if labels.windows(2).any(|w| w[0].0 == w[1].0) {
        return Err(Malformed(format!("duplicate label names for metric {name:?}")));
    }
    if let Part::Whole = part {
        family.metrics.push(Metric { labels, value: Value::Plain(value), timestamp });
        return Ok(());
    }
    let at = family.metrics.iter().position(|m| m.labels == labels).unwrap_or_else(|| {
        let value = Value::Compound { parts: Vec::new(), sum: 0.0, count: 0.0 };
        family.metrics.push(Metric { labels, value, timestamp: false });
        family.metrics.len() - 1
    });
    let metric = &mut family.metrics[at];
    metric.timestamp |= timestamp;
    if let Value::Compound { parts, sum, count } = &mut metric.value {
        match (part, bound) {
            (_, Some(bound)) => parts.push((bound, value)),
            (Part::Sum, None) => *sum = value,
            _ => *count = value.trunc(),
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Part {
    Whole,
    Bucket,
    Quantile,
    Sum,
    Count,
}

/// Which family a sample belongs to: histograms and summaries announced before own their suffixes.
fn part_of<'a>(name: &'a str, typed: &BTreeMap<String, Kind>) -> (&'a str, Part) {
    let is = |base: &str, kind: Kind| typed.get(base) == Some(&kind);
    if is(name, Kind::Summary) {
        return (name, Part::Quantile);
    }
    for (suffix, part) in [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)]
    {
        if let Some(base) = name.strip_suffix(suffix) {
            let summary = is(base, Kind::Summary) && !matches!(part, Part::Bucket);
            if is(base, Kind::Histogram) || summary {
                return (base, part);
            }
        }
    }
    (name, Part::Whole)
}

fn entry<'a>(families: &'a mut BTreeMap<String, Family>, name: &str, kind: Kind) -> &'a mut Family {
    families.entry(name.to_owned()).or_insert_with(|| Family {
        name: name.to_owned(),
        help: None,
        kind,
        metrics: Vec::new(),
    })
}

fn take_bound(labels: &mut Vec<(String, String)>, name: &str) -> Result<f64, Malformed> {
    let at = labels.iter().position(|(n, _)| n == name);
    let at = at.ok_or_else(|| Malformed(format!("expected a label {name}")))?;
    float(&labels.remove(at).1)
}

/// Reads label pairs up to the closing brace and gives the rest of the line.
fn read_labels<'a>(
    mut rest: &'a str,
    labels: &mut Vec<(String, String)>,
) -> Result<&'a str, Malformed> {
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, value) =
            rest.split_once('=').ok_or_else(|| scan::bad("a label name and =", rest))?;
        let name = name.trim_end_matches([' ', '\t']);
        if !is_name(name, false) {
            return Err(scan::bad("a label name", name));
        }
        let value = value.trim_start_matches([' ', '\t']);
        let value = value.strip_prefix('"').ok_or_else(|| scan::bad("a quoted value", value))?;
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(|| Malformed::new("label value does not end"))?;
        labels.push((name.to_owned(), unescape(&value[..end], true)?));
        rest = value[end + 1..].trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if !rest.starts_with('}') {
            return Err(scan::bad("a comma or closing brace", rest));
        }
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String, Malformed> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('\\') => plain.push('\\'),
            Some('"') if quotes => plain.push('"'),
            other => {
                return Err(Malformed(format!(
                    "invalid escape sequence '\\{}'",
                    other.unwrap_or(' ')
                )));
            }
        }
    }
    Ok(plain)
}

/// A value as the format allows it: decimal, or an infinity, or not a number.
fn float(word: &str) -> Result<f64, Malformed> {
    if word.contains(['_', 'p', 'P', 'x', 'X']) {
        return Err(scan::bad("a number", word));
    }
    scan::f64(word)
}

fn is_name(name: &str, colon: bool) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || (colon && c == ':'))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':'))
}

/// Whether a name matches a shell pattern of `*`, `?`, `[a-z]`, `[^a]` and backslash escapes.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], name[n]),
            Some(b'\\') => (pattern.get(p + 1) == Some(&name[n])).then_some(2),
            Some(byte) => (*byte == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(size), _) => {
                p += size;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// Size of a class at the start of the pattern that holds the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|b| *b == b']')? + 2;
    let (negated, set) = match pattern[1] {
        b'^' | b'!' => (true, &pattern[2..end]),
        _ => (false, &pattern[1..end]),
    };
    let mut found = false;
    let mut i = 0;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == b'-' {
            found |= (set[i]..=set[i + 2]).contains(&byte);
            i += 3;
        } else {
            found |= set[i] == byte;
            i += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_with_types_and_escapes() {
        let text = b"# HELP m a\\nb\n# TYPE m counter\nm{x=\"a\\\"b\",} 1\n m 2 77\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 5\nh_count 4\nplain 7\n";
        let families = parse(text).unwrap();
        let names: Vec<&str> = families.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["h", "m", "plain"]);
        assert_eq!(
            families[0].metrics[0].value,
            Value::Compound { parts: vec![(1.0, 3.0)], sum: 5.0, count: 4.0 }
        );
        assert_eq!(families[1].metrics[0].labels, [("x".to_owned(), "a\"b".to_owned())]);
        assert!(families[1].metrics[1].timestamp);
        assert_eq!(families[1].help.as_deref(), Some("a\nb"));
        assert_eq!(families[2].kind, Kind::Untyped);
    }

    #[test]
    fn broken_files_are_refused() {
        for text in [
            "m 1",
            "m x\n",
            "m{a=\"b} 1\n",
            "1m 1\n",
            "m 1\n# TYPE m gauge\n",
            "m{a=\"b\" 1\n",
            "m 1 2 3\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expect) in [
            ("two*", "two_files", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxc", false),
            ("[a-c]?", "bz", true),
            ("[^a-c]?", "bz", false),
            ("\\*", "*", true),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expect, "{pattern} {name}");
        }
    }
}
