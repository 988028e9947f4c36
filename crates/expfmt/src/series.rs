//! The raw text of a series, `name{label="value",...}`, taken apart on demand.
//!
//! Scanning a body only finds where a series' text ends. Its labels are decoded here, and only for series that the caller does
//! not know yet, into a scratch that it reuses. The text was checked by the scanner before; a text that was not gives an error.

use gauntlet_model::MetricType;
use gauntlet_model::labels::{MAX_LEN_BYTES, METRIC_NAME};

use crate::lex::{is_name_byte, is_name_start};
use crate::number::push_openmetrics_float;

/// A decoded label set as exposed: with empty values, which matter to `honor_labels`. Reused from series to series.
#[derive(Clone, Debug, Default)]
pub struct ScratchLabels {
    text: String,
    /// End of the name and end of the value; the name begins where the pair before ends.
    pairs: Vec<Pair>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    start: u32,
    name_end: u32,
    end: u32,
}

/// Why labels could not be decoded; the texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    #[error("label name \"{0}\" is not unique: invalid sample")]
    Duplicate(String),
    #[error("invalid metric name or label names: {0}")]
    InvalidName(String),
    #[error("label of {0} bytes is longer than {MAX_LEN_BYTES}")]
    TooLong(usize),
}

impl ScratchLabels {
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Appends a pair; [`ScratchLabels::finish`] brings them into order.
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len() as u32;
        self.text.push_str(name);
        let name_end = self.text.len() as u32;
        self.text.push_str(value);
        self.pairs.push(Pair { start, name_end, end: self.text.len() as u32 });
    }

    /// Pairs in ascending order of name, empty values included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|p| self.pair(*p))
    }

    /// The value of `name`: `Some("")` where it was exposed empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Sorts the pairs; a name that comes twice is an error.
    pub fn finish(&mut self) -> Result<(), LabelsError> {
        let text = &self.text;
        let name = |p: &Pair| &text[p.start as usize..p.name_end as usize];
        self.pairs.sort_by(|a, b| name(a).cmp(name(b)));
        match self.pairs.windows(2).find(|w| name(&w[0]) == name(&w[1])) {
            Some(twice) => Err(LabelsError::Duplicate(name(&twice[0]).to_owned())),
            None => Ok(()),
        }
    }

    fn pair(&self, p: Pair) -> (&str, &str) {
        let name = &self.text[p.start as usize..p.name_end as usize];
        (name, &self.text[p.name_end as usize..p.end as usize])
    }
}

/// How labels are decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecodeOptions<'a> {
    pub(crate) metric_type: MetricType,
    pub(crate) unit: &'a str,
    /// Adds `__type__` and `__unit__` and drops exposed ones that they would shadow.
    pub(crate) type_and_unit: bool,
}

impl DecodeOptions<'_> {
    /// Whether an exposed label yields to the metadata's.
    pub(crate) fn shadows(&self, name: &str) -> bool {
        self.type_and_unit
            && match name {
                "__type__" => self.metric_type != MetricType::Unknown,
                "__unit__" => !self.unit.is_empty(),
                _ => false,
            }
    }

    pub(crate) fn push_metadata(&self, out: &mut ScratchLabels) {
        if self.type_and_unit {
            if self.metric_type != MetricType::Unknown {
                out.push("__type__", self.metric_type.as_str());
            }
            if !self.unit.is_empty() {
                out.push("__unit__", self.unit);
            }
        }
    }
}

/// Decodes `raw` into `out`. `le` of histograms and `quantile` of summaries are brought to OpenMetrics' number form.
pub(crate) fn decode(
    raw: &[u8],
    options: DecodeOptions<'_>,
    out: &mut ScratchLabels,
) -> Result<(), LabelsError> {
    out.clear();
    if raw.len() > MAX_LEN_BYTES {
        return Err(LabelsError::TooLong(raw.len()));
    }
    let mut walker = Walker { raw, pos: 0 };
    let mut name_buf = String::new();
    let mut value_buf = String::new();
    if walker.peek() != b'{' {
        out.push(METRIC_NAME, walker.name()?);
    }
    walker.skip(b" \t");
    if walker.peek() == b'{' {
        walker.pos += 1;
        loop {
            walker.skip(b" \t,");
            match walker.peek() {
                b'}' | 0 => break,
                b'"' => walker.string(&mut name_buf)?,
                _ => {
                    name_buf.clear();
                    name_buf.push_str(walker.name()?);
                }
            }
            walker.skip(b" \t");
            if walker.peek() != b'=' {
                out.push(METRIC_NAME, &name_buf);
                continue;
            }
            walker.pos += 1;
            walker.skip(b" \t\0");
            walker.string(&mut value_buf)?;
            if !options.shadows(&name_buf) {
                normalise(options.metric_type, &name_buf, &mut value_buf);
                out.push(&name_buf, &value_buf);
            }
        }
    }
    options.push_metadata(out);
    out.finish()
}

/// Decodes the labels of an exemplar, `{label="value",...}`. Upstream leaves their escapes as they stand.
pub(crate) fn decode_exemplar(raw: &[u8], out: &mut ScratchLabels) -> Result<(), LabelsError> {
    out.clear();
    let mut walker = Walker { raw, pos: 1 };
    loop {
        walker.skip(b",");
        if matches!(walker.peek(), b'}' | 0) {
            return out.finish();
        }
        let name = if walker.peek() == b'"' { walker.raw_string()? } else { walker.name()? };
        walker.skip(b"=");
        let value = walker.raw_string()?;
        out.push(name, value);
    }
}

/// Brings a bucket bound or quantile to OpenMetrics' form (`1` to `1.0`), if it is one and a number.
fn normalise(metric_type: MetricType, name: &str, value: &mut String) {
    let is_number = match metric_type {
        MetricType::Summary => name == "quantile",
        MetricType::Histogram => name == "le",
        _ => false,
    };
    if !is_number {
        return;
    }
    if let Ok(number) = crate::number::parse_float(value.as_bytes()) {
        value.clear();
        push_openmetrics_float(value, number);
    }
}

struct Walker<'a> {
    raw: &'a [u8],
    pos: usize,
}

impl<'a> Walker<'a> {
    fn peek(&self) -> u8 {
        self.raw.get(self.pos).copied().unwrap_or(0)
    }

    fn skip(&mut self, set: &[u8]) {
        while self.raw.get(self.pos).is_some_and(|c| set.contains(c)) {
            self.pos += 1;
        }
    }

    fn invalid(&self) -> LabelsError {
        LabelsError::InvalidName(crate::number::quote_bytes(self.raw))
    }

    fn name(&mut self) -> Result<&'a str, LabelsError> {
        let start = self.pos;
        while self.raw.get(self.pos).is_some_and(|&c| is_name_byte(c) || c == b':') {
            self.pos += 1;
        }
        let name = &self.raw[start..self.pos];
        if !name.first().is_some_and(|&c| is_name_start(c) || c == b':') {
            return Err(self.invalid());
        }
        std::str::from_utf8(name).map_err(|_| self.invalid())
    }

    /// The bytes between the quotes; stands at the opening quote.
    fn raw_string(&mut self) -> Result<&'a str, LabelsError> {
        if self.peek() != b'"' {
            return Err(self.invalid());
        }
        let start = self.pos + 1;
        let mut i = start;
        loop {
            match self.raw.get(i) {
                Some(b'"') => break,
                Some(b'\\') => i += 2,
                Some(_) => i += 1,
                None => return Err(self.invalid()),
            }
        }
        self.pos = i + 1;
        std::str::from_utf8(&self.raw[start..i]).map_err(|_| self.invalid())
    }

    /// The string with its escapes resolved: `\"`, `\\`, `\n`; others stand as they are.
    fn string(&mut self, out: &mut String) -> Result<(), LabelsError> {
        let text = self.raw_string()?;
        out.clear();
        unescape(text, true, out);
        Ok(())
    }
}

/// Resolves `\\` and `\n`, and `\"` where `quotes` says so; other backslashes stand.
pub(crate) fn unescape(text: &str, quotes: bool, out: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (c, len) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'n') => ('\n', 2),
            Some(b'"') if quotes => ('"', 2),
            _ => ('\\', 1),
        };
        out.push(c);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(raw: &str, metric_type: MetricType) -> String {
        let mut out = ScratchLabels::default();
        let options = DecodeOptions { metric_type, ..DecodeOptions::default() };
        match decode(raw.as_bytes(), options, &mut out) {
            Ok(()) => out.iter().map(|(n, v)| format!("{n}={v:?} ")).collect(),
            Err(err) => err.to_string(),
        }
    }

    #[test]
    fn series_texts_come_apart() {
        use MetricType::{Histogram, Summary, Unknown};
        for (raw, metric_type, expect) in [
            ("a", Unknown, r#"__name__="a" "#),
            (r#"a:b{x="1",y="2",}"#, Unknown, r#"__name__="a:b" x="1" y="2" "#),
            (r#"a { y = "2" x= "1" }"#, Unknown, r#"__name__="a" x="1" y="2" "#),
            (r#"{"a.b",l="v"}"#, Unknown, r#"__name__="a.b" l="v" "#),
            (r#"{l="v", "a\"b"}"#, Unknown, r#"__name__="a\"b" l="v" "#),
            (r#"a{x="q\"\\\n\t"}"#, Unknown, r#"__name__="a" x="q\"\\\n\\t" "#),
            (r#"a{x=""}"#, Unknown, r#"__name__="a" x="" "#),
            (r#"a{le="1"}"#, Histogram, r#"__name__="a" le="1.0" "#),
            (r#"a{le="1"}"#, Unknown, r#"__name__="a" le="1" "#),
            (r#"a{quantile="0.50"}"#, Summary, r#"__name__="a" quantile="0.5" "#),
            (r#"a{quantile="x"}"#, Summary, r#"__name__="a" quantile="x" "#),
            (r#"a{x="1",x="2"}"#, Unknown, r#"label name "x" is not unique: invalid sample"#),
        ] {
            assert_eq!(labels(raw, metric_type), expect, "{raw}");
        }
    }
}
