//! What `promtool tsdb` says of data folders and makes of files, byte for byte where upstream's own order is fixed. Writes to whatever
//! it is given; knows no command line and no query language.

pub mod analyze;
pub mod backfill;
pub mod bench;
pub mod dump;
pub mod list;

use std::io;
use std::path::Path;

use gauntlet_block::Ulid;
use gauntlet_runtime::Fs;

/// Why a tool ended early.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("{0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Tsdb(#[from] crate::TsdbError),
    #[error("{0}")]
    Block(#[from] gauntlet_block::BlockError),
    #[error("{0}")]
    Query(#[from] gauntlet_storage::QueryError),
    #[error("{0}")]
    Append(#[from] gauntlet_storage::AppendError),
    #[error("{0}")]
    Input(String),
}

/// The block folder whose name has the latest time, as `analyze` takes it without being told.
pub fn last_block(fs: &dyn Fs, dir: &Path) -> Result<Ulid, ToolError> {
    let entries = fs.list(dir).map_err(|err| ToolError::Input(go_path_error(dir, &err)))?;
    let mut last: Option<Ulid> = None;
    for entry in entries {
        if let Ok(ulid) = entry.name.parse::<Ulid>()
            && last.is_none_or(|last| ulid.timestamp_ms() > last.timestamp_ms())
        {
            last = Some(ulid);
        }
    }
    last.ok_or_else(|| ToolError::Input("no blocks found".to_owned()))
}

/// A name for a new block.
pub fn new_ulid(clock: &dyn gauntlet_runtime::Clock) -> Ulid {
    crate::db::new_ulid(clock)
}

/// Opens one block of a folder for reading.
pub fn open_block(
    fs: &std::sync::Arc<dyn Fs>,
    dir: &Path,
    block: &str,
) -> Result<std::sync::Arc<gauntlet_block::BlockReader>, ToolError> {
    let name = match block {
        "" => last_block(&**fs, dir)?.to_string(),
        name => name.to_owned(),
    };
    let cache = gauntlet_block::PageCache::new(list::CACHE_BYTES);
    Ok(gauntlet_block::BlockReader::open(fs, &dir.join(name), &cache)?)
}

/// An error of the system as Go words it.
fn go_path_error(path: &Path, err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => format!("open {}: no such file or directory", path.display()),
        _ => format!("open {}: {err}", path.display()),
    }
}

/// Aligns cells as Go's tabwriter does with a least width of 13 and a padding of 2; the last column is not padded.
fn write_table(out: &mut dyn io::Write, rows: &[Vec<String>]) -> io::Result<()> {
    const LEAST: usize = 13;
    const PADDING: usize = 2;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (widest + PADDING).max(LEAST)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                writeln!(out, "{cell}")?;
            } else {
                write!(out, "{cell:<width$}", width = widths[column])?;
            }
        }
    }
    Ok(())
}
