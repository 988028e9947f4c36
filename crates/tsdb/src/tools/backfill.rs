//! Blocks from an OpenMetrics file whose samples have timestamps, for filling in the past. One block for each range of the least width;
//! the file is parsed once for each, so that memory holds one range alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gauntlet_block::{BlockReader, PageCache, Ulid};
use gauntlet_expfmt::{Entry, MediaType, Parser, ParserOptions, ScratchLabels};
use gauntlet_model::{Labels, SeriesRef, Timestamp};
use gauntlet_runtime::Fs;
use gauntlet_storage::{AppendOptions, Appendable as _};

use super::list::{CACHE_BYTES, header, row};
use super::{ToolError, write_table};
use crate::head::Head;
use crate::options::{DEFAULT_BLOCK_MS, Options};

/// Samples of a batch.
const BATCH: usize = 5000;
/// Widths of blocks grow by this factor, so many times.
const WIDENINGS: u32 = 9;
const FACTOR: i64 = 3;

/// How blocks are made and shown.
#[derive(Clone, Debug, Default)]
pub struct Backfill {
    pub human_readable: bool,
    pub quiet: bool,
    /// Widest block in ms; blocks are two hours wide, or as much of that times a power of three as fits.
    pub max_block_ms: i64,
    /// Labels that each series gets.
    pub labels: BTreeMap<String, String>,
}

impl Backfill {
    /// Makes blocks of `input` below `dest` and writes a line for each to `out`. `ulid` names them.
    pub fn run(
        &self,
        fs: &Arc<dyn Fs>,
        input: &[u8],
        dest: &Path,
        mut ulid: impl FnMut() -> Ulid,
        out: &mut dyn Write,
    ) -> Result<(), ToolError> {
        fs.create_dir_all(dest)?;
        let bounds = bounds(input)
            .map_err(|err| ToolError::Input(format!("getting min and max timestamp: {err}")))?;
        let Some((min_t, max_t)) = bounds else { return Ok(()) };
        let width = block_width(self.max_block_ms);
        let mut start = width * (min_t / width);
        let mut next: Option<Timestamp> = None;
        let mut wrote_header = false;
        while start <= max_t {
            let end = start + width;
            // Ranges before the next sample have none.
            if next.is_none_or(|next| next < end) {
                let made = self.make_block(fs, input, dest, start..end, &mut ulid, &mut next);
                let made = made.map_err(|err| {
                    ToolError::Input(format!("block creation: process blocks: {err}"))
                })?;
                if let Some(block) = made.filter(|_| !self.quiet) {
                    let row = row(&**fs, block.folder(), &block.meta(), self.human_readable)?;
                    let rows = if wrote_header { vec![row] } else { vec![header(), row] };
                    write_table(out, &rows)?;
                    wrote_header = true;
                }
            }
            start = end;
        }
        Ok(())
    }

    /// Makes the block of a range; `next` becomes the time of the first sample behind it.
    fn make_block(
        &self,
        fs: &Arc<dyn Fs>,
        input: &[u8],
        dest: &Path,
        range: std::ops::Range<Timestamp>,
        ulid: &mut impl FnMut() -> Ulid,
        next: &mut Option<Timestamp>,
    ) -> Result<Option<Arc<BlockReader>>, ToolError> {
        *next = None;
        let name = ulid();
        // A folder of this name is removed when a database opens, should this process end before it does so itself.
        let scratch = dest.join(format!("{name}{}", gauntlet_block::writer::DELETION_SUFFIX));
        // A head takes samples of half its width: with twice the range it takes all of it, in any order of series.
        let options = Options { min_block_ms: 2 * (range.end - range.start), ..Options::default() };
        let head = Head::open_unlogged(&scratch, &options, fs)?;
        let filled = self.fill(&head, input, range, next);
        let made = filled.and_then(|()| {
            if head.min_time() > head.max_time() {
                return Ok(None);
            }
            let (min_t, end) = (head.min_time(), head.max_time() + 1);
            let meta = head.write_block(dest, name, min_t, end)?;
            let Some(meta) = meta else { return Ok(None) };
            let folder = dest.join(meta.ulid.to_string());
            Ok(Some(BlockReader::open(fs, &folder, &PageCache::new(CACHE_BYTES))?))
        });
        drop(head);
        fs.remove_dir_all(&scratch)?;
        made
    }

    fn fill(
        &self,
        head: &Head,
        input: &[u8],
        range: std::ops::Range<Timestamp>,
        next: &mut Option<Timestamp>,
    ) -> Result<(), ToolError> {
        let mut parser = parser(input);
        let mut scratch = ScratchLabels::default();
        let (mut app, mut batched) = (head.appender(AppendOptions::default()), 0);
        while let Some(entry) = parser.next().map_err(|err| wrong("parse", &err))? {
            if entry != Entry::Series {
                continue;
            }
            let sample = parser.sample();
            let (Some(t), value) = (sample.timestamp, sample.value) else {
                return Err(ToolError::Input(NO_TIMESTAMP.to_owned()));
            };
            if t >= range.end {
                *next = Some(next.map_or(t, |next| next.min(t)));
            }
            if !range.contains(&t) {
                continue;
            }
            scratch.clear();
            parser.labels(&mut scratch).map_err(|err| wrong("parse", &err))?;
            let labels = self.labels_of(&scratch);
            app.append(SeriesRef(0), &labels, t, value).map_err(|err| wrong("add sample", &err))?;
            batched += 1;
            if batched == BATCH {
                app.commit().map_err(|err| wrong("commit", &err))?;
                (app, batched) = (head.appender(AppendOptions::default()), 0);
            }
        }
        app.commit().map_err(|err| wrong("commit", &err))
    }

    fn labels_of(&self, exposed: &ScratchLabels) -> Labels {
        let exposed = exposed.iter().filter(|(name, _)| !self.labels.contains_key(*name));
        let own = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Labels::from_pairs(exposed.chain(own).filter(|(_, value)| !value.is_empty()))
    }
}

const NO_TIMESTAMP: &str = "expected timestamp for series got none";

fn wrong(step: &str, err: &dyn std::fmt::Display) -> ToolError {
    ToolError::Input(format!("{step}: {err}"))
}

fn parser(input: &[u8]) -> Parser<'_> {
    Parser::new(input, MediaType::OpenMetrics, ParserOptions::default())
}

/// Least and greatest time of the samples.
fn bounds(input: &[u8]) -> Result<Option<(Timestamp, Timestamp)>, ToolError> {
    let mut parser = parser(input);
    let mut bounds: Option<(Timestamp, Timestamp)> = None;
    while let Some(entry) = parser.next().map_err(|err| wrong("next", &err))? {
        if entry == Entry::Series {
            let t = parser.sample().timestamp;
            let t = t.ok_or_else(|| ToolError::Input(NO_TIMESTAMP.to_owned()))?;
            let (low, high) = bounds.get_or_insert((t, t));
            (*low, *high) = ((*low).min(t), (*high).max(t));
        }
    }
    Ok(bounds)
}

/// The widest of the usual widths that is not above `max`.
fn block_width(max: i64) -> i64 {
    let widths = (0..=WIDENINGS).map(|n| DEFAULT_BLOCK_MS * FACTOR.pow(n));
    widths.take_while(|width| *width <= max).last().unwrap_or(DEFAULT_BLOCK_MS)
}

#[cfg(test)]
mod tests {
    use gauntlet_runtime::SystemFs;

    use super::*;

    #[test]
    fn widths_are_those_of_compaction() {
        let hour = 3_600_000;
        for (max, width) in [(0, 2), (2, 2), (5, 2), (6, 6), (17, 6), (18, 18), (30 * 24, 486)] {
            assert_eq!(block_width(max * hour), width * hour, "{max} hours");
        }
    }

    #[test]
    fn a_file_becomes_blocks_of_two_hours() {
        let dir = tempfile::tempdir().unwrap();
        let mut text = String::from("# TYPE m gauge\n");
        for step in 0..100 {
            text.push_str(&format!("m{{n=\"1\"}} {step} {}\n", step * 300));
        }
        text.push_str("m{n=\"2\"} 7 90000\n# EOF\n");
        let tool = Backfill {
            labels: [("job".to_owned(), "past".to_owned())].into(),
            ..Backfill::default()
        };
        let (mut n, mut out) = (0, Vec::new());
        let ulid = || {
            n += 1;
            Ulid::from_parts(n, 7)
        };
        tool.run(&SystemFs::shared(), text.as_bytes(), dir.path(), ulid, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        // Five ranges with samples of the first series, and one far behind.
        assert_eq!(text.lines().count(), 1 + 5 + 1, "{text}");
        let samples: Vec<&str> =
            text.lines().skip(1).map(|l| l.split_ascii_whitespace().nth(4).unwrap()).collect();
        assert_eq!(samples, ["24", "24", "24", "24", "4", "1"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6, "nothing else is left");
        let run = |text: &str| {
            let ulid = || Ulid::from_parts(99, 9);
            let fs = SystemFs::shared();
            tool.run(&fs, text.as_bytes(), dir.path(), ulid, &mut Vec::new())
        };
        assert!(run("m 1\n# EOF\n").unwrap_err().to_string().contains("expected timestamp"));
        assert!(run("m 1 1\n").is_err(), "no end");
        run("# EOF\n").unwrap();
    }
}
