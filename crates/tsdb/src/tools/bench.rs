//! The write benchmark: scrapes of recorded label sets into a new database, as fast as it takes them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::duration::GoDuration;
use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::{Clock, Fs};
use gauntlet_storage::{AppendOptions, Appendable as _};

use super::ToolError;
use crate::db::Db;
use crate::options::Options;

/// Distance of scrapes in ms.
const STEP_MS: i64 = 30_000;
/// Series of a batch, and scrapes of it in a row.
const BATCH_SERIES: usize = 1000;
const BATCH_SCRAPES: usize = 100;

/// Runs the benchmark below `dest`, which is made anew. `input` has a label set a line: `{"name":"value",...}`.
pub fn write(
    fs: &Arc<dyn Fs>,
    clock: &Arc<dyn Clock>,
    dest: &Path,
    input: &[u8],
    metrics: usize,
    scrapes: usize,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    fs.remove_dir_all(dest)?;
    fs.create_dir_all(dest)?;
    let storage = dest.join("storage");
    let db = Db::open(&storage, Options::default(), Arc::clone(clock), Arc::clone(fs))?;
    db.wait_replayed()?;
    let (all, _) = stage(clock, out, "readData", |_| read_labels(input, metrics))?;
    let (total, took) = stage(clock, out, "ingestScrapes", |out| {
        let total = ingest(&db, &all, scrapes)?;
        writeln!(out, "ingestion completed")?;
        Ok(total)
    })?;
    writeln!(out, " > total samples: {total}")?;
    let rate = total as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    writeln!(out, " > samples/sec: {}", gauntlet_model::float::go_float(rate))?;
    stage(clock, out, "stopStorage", |_| Ok(db.close()?))?;
    Ok(())
}

fn stage<T>(
    clock: &Arc<dyn Clock>,
    out: &mut dyn Write,
    name: &str,
    work: impl FnOnce(&mut dyn Write) -> Result<T, ToolError>,
) -> Result<(T, Duration), ToolError> {
    writeln!(out, ">> start stage={name}")?;
    let started = clock.monotonic();
    let done = work(out)?;
    let took = clock.monotonic().saturating_sub(started);
    let text = GoDuration::from_ns(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
    writeln!(out, ">> completed stage={name} duration={text}")?;
    Ok((done, took))
}

/// Takes samples of all series, the batches of a hundred scrapes at a time on all cores.
fn ingest(db: &Db, all: &[Labels], scrapes: usize) -> Result<u64, ToolError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut refs: Vec<Vec<SeriesRef>> =
        all.chunks(BATCH_SERIES).map(|batch| vec![SeriesRef(0); batch.len()]).collect();
    let mut total = 0;
    for first in (0..scrapes).step_by(BATCH_SCRAPES) {
        let mut work: Vec<(&[Labels], &mut Vec<SeriesRef>)> =
            all.chunks(BATCH_SERIES).zip(&mut refs).collect();
        let share = work.len().div_ceil(cores).max(1);
        let counts: Vec<Result<u64, ToolError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = work
                .chunks_mut(share)
                .map(|part| {
                    scope.spawn(move || {
                        part.iter_mut().map(|(labels, refs)| scrape(db, labels, refs, first)).sum()
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|count| count.expect("BUG: a thread of the benchmark panicked")).collect()
        });
        for count in counts {
            total += count?;
        }
    }
    Ok(total)
}

fn scrape(db: &Db, all: &[Labels], refs: &mut [SeriesRef], first: usize) -> Result<u64, ToolError> {
    let mut total = 0;
    for n in 1..=BATCH_SCRAPES {
        let mut app = db.appender(AppendOptions::default());
        let t = (first + n) as i64 * STEP_MS;
        let value = 123_456_789.0 + 1000.0 * n as f64;
        for (labels, series) in all.iter().zip(&mut *refs) {
            *series = app.append(*series, labels, t, value)?;
            total += 1;
        }
        app.commit()?;
    }
    Ok(total)
}

/// Label sets, a line each, those that come again passed over.
fn read_labels(input: &[u8], most: usize) -> Result<Vec<Labels>, ToolError> {
    let text = std::str::from_utf8(input).map_err(|err| ToolError::Input(err.to_string()))?;
    let mut seen = std::collections::BTreeSet::new();
    for (at, line) in text.lines().enumerate() {
        if seen.len() >= most {
            break;
        }
        let bare = line.replace(['"', '{', '}'], "");
        let mut pairs = Vec::new();
        for pair in bare.split(',') {
            let (name, value) = pair.split_once(':').ok_or_else(|| {
                ToolError::Input(format!("line {}: {pair:?} is no name and value", at + 1))
            })?;
            pairs.push((name, value.split(':').next().unwrap_or(value)));
        }
        seen.insert(Labels::from_pairs(pairs));
    }
    Ok(seen.into_iter().collect())
}
