//! All samples of a folder as text: head and blocks, as they were when the tool began. The server may run meanwhile.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;

use futures::FutureExt as _;
use gauntlet_chunk::{Columns, Encoding};
use gauntlet_model::float::{GoQuoted, push_go_float, push_plain_float};
use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{FloatHistogram, Labels, Matcher};
use gauntlet_storage::{
    DecodeScratch, QueryError, Queryable, SelectRequest, SeriesSet, TimeRange, merge_sets,
};

use super::ToolError;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// `{labels} value timestamp`
    Prom,
    /// A JSON object of labels a series, without samples.
    SeriesJson,
    /// OpenMetrics, without native histograms.
    OpenMetrics,
}

/// Writes the samples of the series that any of the selectors accepts.
pub fn dump(
    storage: &dyn Queryable,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    format: DumpFormat,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let mut sets = Vec::new();
    for matchers in selectors {
        let request = SelectRequest::new(matchers.clone(), range);
        let selected = storage.select(&request).now_or_never();
        let gone = || QueryError::Unavailable("the folder is read without waiting".to_owned());
        sets.push(selected.ok_or_else(gone)??);
    }
    let set = if sets.len() == 1 { sets.remove(0) } else { merge_sets(sets) };
    match format {
        DumpFormat::Prom => dump_prom(&set, range, out)?,
        DumpFormat::SeriesJson => dump_series(&set, out)?,
        DumpFormat::OpenMetrics => dump_openmetrics(&set, range, out)?,
    }
    match set.warnings.is_empty() {
        true => Ok(()),
        false => Err(ToolError::Input(set.warnings.join("\n"))),
    }
}

fn dump_prom(set: &SeriesSet, range: TimeRange, out: &mut dyn Write) -> Result<(), ToolError> {
    let mut line = String::new();
    each_series(set, range, |labels, columns, is_whole| {
        let prefix = labels.to_string();
        for at in 0..columns.len() {
            line.clear();
            line.push_str(&prefix);
            line.push(' ');
            match columns.histogram(at) {
                Some(histogram) if is_whole => push_whole(&mut line, histogram),
                Some(histogram) => {
                    let _ = write!(line, "{histogram}");
                }
                None => push_go_float(&mut line, columns.values[at]),
            }
            let _ = writeln!(line, " {}", columns.timestamps[at]);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    })
}

fn dump_series(set: &SeriesSet, out: &mut dyn Write) -> Result<(), ToolError> {
    let mut seen = BTreeSet::new();
    for index in 0..set.len() {
        let mut line = String::from("{");
        for (i, (name, value)) in set.labels(index).iter().enumerate() {
            line.push_str(if i > 0 { "," } else { "" });
            push_json_text(&mut line, name);
            line.push(':');
            push_json_text(&mut line, value);
        }
        line.push('}');
        if seen.insert(line.clone()) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn dump_openmetrics(
    set: &SeriesSet,
    range: TimeRange,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let mut line = String::new();
    each_series(set, range, |labels, columns, _| {
        let mut prefix = labels.metric_name().to_owned();
        prefix.push('{');
        let others = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        for (i, (name, value)) in others.enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(prefix, "{comma}{name}={}", GoQuoted(value));
        }
        prefix.push_str("} ");
        for at in 0..columns.len() {
            // A histogram ends the series here, as upstream's loop does.
            if columns.histogram(at).is_some() {
                break;
            }
            line.clear();
            line.push_str(&prefix);
            push_go_float(&mut line, columns.values[at]);
            let _ = writeln!(line, " {:.3}", columns.timestamps[at] as f64 / 1000.0);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    })?;
    Ok(writeln!(out, "# EOF")?)
}

/// Calls `each` with labels and samples, and whether histograms have whole counts.
fn each_series(
    set: &SeriesSet,
    range: TimeRange,
    mut each: impl FnMut(&Labels, &Columns, bool) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
    let mut bytes = Vec::new();
    for index in 0..set.len() {
        set.decode(index, range, &mut scratch, &mut columns)?;
        let mut is_whole = false;
        if !columns.histograms.is_empty() {
            for chunk in set.chunks(index) {
                let (encoding, _) = set.chunk_bytes(chunk, &mut bytes)?;
                is_whole |= matches!(encoding, Encoding::Histogram | Encoding::HistogramSt);
            }
        }
        each(set.labels(index), &columns, is_whole)?;
    }
    Ok(())
}

/// A histogram of whole counts, which are printed without exponents.
fn push_whole(out: &mut String, histogram: &FloatHistogram) {
    out.push_str("{count:");
    push_plain_float(out, histogram.count);
    out.push_str(", sum:");
    push_go_float(out, histogram.sum);
    let negative: Vec<_> = histogram.negative_bucket_iter().rev().collect();
    let zero = (histogram.zero_count != 0.0).then(|| histogram.zero_bucket());
    for bucket in negative.into_iter().chain(zero).chain(histogram.positive_bucket_iter()) {
        if bucket.count == 0.0 {
            continue;
        }
        out.push_str(if bucket.lower_inclusive { ", [" } else { ", (" });
        push_go_float(out, bucket.lower);
        out.push(',');
        push_go_float(out, bucket.upper);
        out.push_str(if bucket.upper_inclusive { "]:" } else { "):" });
        push_plain_float(out, bucket.count);
    }
    out.push('}');
}

/// A string as Go's JSON encoder writes it.
fn push_json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
