//! The table of a folder's blocks.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gauntlet_block::{BlockMeta, PageCache};
use gauntlet_model::duration::GoDuration;
use gauntlet_model::size::ByteSize;
use gauntlet_runtime::Fs;

use super::{ToolError, write_table};
use crate::db::load_blocks;

/// Cache of block files while a tool runs, in bytes.
pub(super) const CACHE_BYTES: u64 = 16 << 20;

/// Writes a line for each block of `dir`, ascending by first time, under a header.
pub fn list(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    human_readable: bool,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let blocks = load_blocks(fs, dir, &PageCache::new(CACHE_BYTES), &[])?;
    if let Some(bad) = blocks.bad.first() {
        let name = bad.folder.display();
        return Err(ToolError::Input(format!("open block {name}: {}", bad.reason)));
    }
    let mut rows = vec![header()];
    for block in blocks.good.iter() {
        rows.push(row(&**fs, block.folder(), &block.meta(), human_readable)?);
    }
    Ok(write_table(out, &rows)?)
}

pub(super) fn header() -> Vec<String> {
    let names = [
        "BLOCK ULID",
        "MIN TIME",
        "MAX TIME",
        "DURATION",
        "NUM SAMPLES",
        "NUM CHUNKS",
        "NUM SERIES",
        "SIZE",
    ];
    names.map(str::to_owned).to_vec()
}

pub(super) fn row(
    fs: &dyn Fs,
    folder: &Path,
    meta: &BlockMeta,
    human_readable: bool,
) -> Result<Vec<String>, ToolError> {
    let size = i64::try_from(folder_bytes(fs, folder)?).unwrap_or(i64::MAX);
    let time = |t: i64| if human_readable { utc(t) } else { t.to_string() };
    let span = meta.max_time.saturating_sub(meta.min_time);
    Ok(vec![
        meta.ulid.to_string(),
        time(meta.min_time),
        time(meta.max_time),
        GoDuration::from_ns(span.saturating_mul(1_000_000)).to_string(),
        meta.stats.num_samples.to_string(),
        meta.stats.num_chunks.to_string(),
        meta.stats.num_series.to_string(),
        if human_readable { ByteSize(size).to_string() } else { size.to_string() },
    ])
}

/// Bytes of all files of a block.
fn folder_bytes(fs: &dyn Fs, folder: &Path) -> Result<u64, ToolError> {
    let mut sum = 0;
    for entry in fs.list(folder)? {
        sum += match entry.is_dir {
            true if entry.name == "chunks" => {
                fs.list(&folder.join(&entry.name))?.iter().map(|e| e.size_bytes).sum()
            }
            false if matches!(entry.name.as_str(), "index" | "meta.json" | "tombstones") => {
                entry.size_bytes
            }
            _ => 0,
        };
    }
    Ok(sum)
}

/// `2023-11-14 22:13:20 +0000 UTC`, the whole second towards zero.
fn utc(ms: i64) -> String {
    let seconds = ms / 1000;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01 in eras of 400 years: the leap day is the last of a year.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} +0000 UTC",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_civil() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(utc(1_700_000_000_999), "2023-11-14 22:13:20 +0000 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 +0000 UTC");
        assert_eq!(utc(-86_400_000), "1969-12-31 00:00:00 +0000 UTC");
    }
}
