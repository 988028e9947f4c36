//! Who has the most series, pairs and churn in a block, and with `extended` how full its chunks are. Upstream's order among equals is
//! chance; here it is that of the names.

use std::collections::BTreeMap;
use std::io::{self, Write};

use gauntlet_block::BlockReader;
use gauntlet_block::index::{IndexSource as _, SeriesEntry, SymbolCache};
use gauntlet_chunk::Encoding;
use gauntlet_chunk::histogram::{FloatHistogramSamples, HistogramSamples};
use gauntlet_model::Matcher;
use gauntlet_model::duration::GoDuration;
use gauntlet_model::labels::METRIC_NAME;

use super::ToolError;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Analysis<'a> {
    /// Entries of each list.
    pub limit: usize,
    pub extended: bool,
    /// Series to look at, and the text they were given by; none for all.
    pub selector: Option<(&'a str, Vec<Matcher>)>,
}

/// Writes the analysis of a block.
pub fn analyze(
    block: &BlockReader,
    analysis: &Analysis<'_>,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let meta = block.meta();
    let span = meta.max_time.saturating_sub(meta.min_time);
    writeln!(out, "Block ID: {}", meta.ulid)?;
    writeln!(out, "Duration: {}", GoDuration::from_ns(span.saturating_mul(1_000_000)))?;
    writeln!(out, "Total Series: {}", meta.stats.num_series)?;
    let matchers: &[Matcher] = match &analysis.selector {
        Some((text, matchers)) => {
            writeln!(out, "Matcher: {text}")?;
            matchers
        }
        None => &[],
    };
    let names = block.label_names(matchers)?;
    writeln!(out, "Label names: {}", names.len())?;
    let series = match &analysis.selector {
        Some(_) => {
            let found = block.postings(matchers)?;
            writeln!(out, "Matched series: {}", found.len())?;
            found
        }
        None => block.index().all_postings()?,
    };
    let counts = Counts::gather(block, &series, span)?;
    writeln!(out, "Postings (unique label pairs): {}", counts.pairs.len())?;
    writeln!(out, "Postings entries (total label pairs): {}", counts.entries)?;
    let share = |uncovered: u64| (uncovered as f64 / span as f64) as u64;
    let limit = analysis.limit;
    let churn = counts.pairs.iter().map(|(pair, (uncovered, _))| (pair.clone(), share(*uncovered)));
    write_most(out, "Label pairs most involved in churning", churn, limit)?;
    let churn = counts.names.iter().map(|(name, uncovered)| (name.clone(), share(*uncovered)));
    write_most(out, "Label names most involved in churning", churn, limit)?;
    let common = counts.pairs.iter().map(|(pair, (_, count))| (pair.clone(), *count));
    write_most(out, "Most common label pairs", common, limit)?;
    let (mut lengths, mut cardinalities) = (Vec::new(), Vec::new());
    for name in &names {
        let values = block.label_values(name, matchers)?;
        let length: usize = values.iter().map(String::len).sum();
        lengths.push((name.clone(), length as u64));
        cardinalities.push((name.clone(), values.len() as u64));
    }
    write_most(out, "Label names with highest cumulative label value length", lengths, limit)?;
    write_most(out, "Highest cardinality labels", cardinalities, limit)?;
    let prefix = format!("{METRIC_NAME}=");
    let metrics = counts
        .pairs
        .iter()
        .filter_map(|(pair, (_, count))| Some((pair.strip_prefix(&prefix)?.to_owned(), *count)));
    write_most(out, "Highest cardinality metric names", metrics, limit)?;
    if analysis.extended {
        write_chunks(block, &series, out)?;
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    /// `name=value`: time that its series do not cover, and their number.
    pairs: BTreeMap<String, (u64, u64)>,
    names: BTreeMap<String, u64>,
    entries: u64,
}

impl Counts {
    fn gather(block: &BlockReader, series: &[u32], span: i64) -> Result<Self, ToolError> {
        let mut counts = Self::default();
        let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
        for series_ref in series {
            block.index().series(*series_ref, true, &mut entry)?;
            let labels = block.index().labels(&entry, &mut cache)?;
            let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else {
                continue;
            };
            // As upstream, without a sign: a series longer than its block wraps.
            let uncovered = (span as u64).wrapping_sub((last.max_time - first.min_time) as u64);
            for (name, value) in &labels {
                let pair = counts.pairs.entry(format!("{name}={value}")).or_default();
                pair.0 = pair.0.wrapping_add(uncovered);
                pair.1 += 1;
                let name = counts.names.entry(name.to_owned()).or_default();
                *name = name.wrapping_add(uncovered);
                counts.entries += 1;
            }
        }
        Ok(counts)
    }
}

fn write_most(
    out: &mut dyn Write,
    title: &str,
    counts: impl IntoIterator<Item = (String, u64)>,
    limit: usize,
) -> io::Result<()> {
    writeln!(out, "\n{title}:")?;
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (key, count) in counts.iter().take(limit) {
        writeln!(out, "{count} {key}")?;
    }
    Ok(())
}

fn write_chunks(block: &BlockReader, series: &[u32], out: &mut dyn Write) -> Result<(), ToolError> {
    let mut total = 0;
    let (mut float_samples, mut float_bytes) = (Vec::new(), Vec::new());
    let (mut samples, mut bytes, mut buckets) = (Vec::new(), Vec::new(), Vec::new());
    let mut entry = SeriesEntry::default();
    for series_ref in series {
        block.index().series(*series_ref, true, &mut entry)?;
        for chunk in &entry.chunks {
            let raw = block.raw_chunk(chunk.chunk_ref)?;
            let count =
                raw.data.first_chunk::<2>().map_or(0, |n| i64::from(u16::from_be_bytes(*n)));
            total += 1;
            let Some(encoding) = Encoding::from_u8(raw.encoding) else { continue };
            if matches!(encoding, Encoding::Xor | Encoding::Xor2) {
                float_samples.push(count);
                float_bytes.push(raw.data.len() as i64);
                continue;
            }
            samples.push(count);
            bytes.push(raw.data.len() as i64);
            let counted = count_buckets(encoding, &raw.data)
                .map_err(|err| ToolError::Input(format!("chunk {}: {err}", chunk.chunk_ref)))?;
            buckets.push(counted);
        }
    }
    writeln!(out, "\nCompaction analysis:\n")?;
    write_histogram(out, "samples per float chunk", float_samples, total)?;
    write_histogram(out, "bytes per float chunk", float_bytes, total)?;
    write_histogram(out, "samples per histogram chunk", samples, total)?;
    write_histogram(out, "bytes per histogram chunk", bytes, total)?;
    write_histogram(out, "buckets per histogram chunk", buckets, total)?;
    Ok(())
}

fn count_buckets(encoding: Encoding, data: &[u8]) -> Result<i64, gauntlet_chunk::ChunkError> {
    let mut count = 0;
    if matches!(encoding, Encoding::Histogram | Encoding::HistogramSt) {
        let mut samples = HistogramSamples::new(encoding, data)?;
        while samples.advance()? {
            let h = samples.histogram();
            count += h.positive_buckets.len() + h.negative_buckets.len();
        }
    } else {
        let mut samples = FloatHistogramSamples::new(encoding, data)?;
        while samples.advance()? {
            let h = samples.histogram();
            count += h.positive_buckets.len() + h.negative_buckets.len();
        }
    }
    Ok(count as i64)
}

/// Bars of how many values fall into each step of their range.
fn write_histogram(
    out: &mut dyn Write,
    what: &str,
    mut values: Vec<i64>,
    total: i64,
) -> io::Result<()> {
    values.sort_unstable();
    let (Some(first), Some(last)) = (values.first().copied(), values.last().copied()) else {
        return writeln!(out, "{what}: N/A\n");
    };
    let mut step = 10;
    while step < (last - first) / 10 && step <= 10_000 {
        step *= 10;
    }
    let (start, end) = (first - first % step, last - last % step + step);
    let mut bars = vec![0i64; ((end - start) / step + 1) as usize];
    for value in &values {
        bars[((value - start) / step) as usize] += 1;
    }
    let average = values.iter().sum::<i64>() / values.len() as i64;
    writeln!(out, "{what} (min/avg/max): {first}/{average}/{last}")?;
    let left = end.to_string().len();
    let right = (end + step).to_string().len();
    let widest = bars.iter().max().copied().unwrap_or(0).to_string().len();
    for (at, count) in bars.iter().enumerate() {
        let low = at as i64 * step + start + 1;
        let high = (at as i64 + 1) * step + start;
        // Upstream computes in floats and cuts off.
        let bar = "#".repeat((100 * count / total.max(1)) as usize);
        writeln!(out, "[{low:left$}, {high:right$}]: {count:widest$} {bar}")?;
    }
    writeln!(out)
}
