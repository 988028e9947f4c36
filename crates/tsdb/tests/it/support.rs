//! What the scenarios share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use gauntlet_chunk::Columns;
use gauntlet_model::{Labels, MatchOp, Matcher};
use gauntlet_runtime::{Clock, Fs, ManualClock, SystemFs};
use gauntlet_storage::{
    DecodeScratch, LabelRequest, Queryable, SelectRequest, SeriesSet, TimeRange,
};
use gauntlet_tsdb::{Db, Options};

/// Samples by series; of a histogram the bits of its sum.
pub(crate) type Samples = BTreeMap<Labels, Vec<(i64, u64)>>;

pub(crate) fn open(dir: &Path, options: Options) -> Db {
    open_on(SystemFs::shared(), dir, options)
}

pub(crate) fn open_on(fs: Arc<dyn Fs>, dir: &Path, options: Options) -> Db {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_800_000_000_000));
    let db = Db::open(dir, options, clock, fs).unwrap();
    db.wait_replayed().unwrap();
    db
}

pub(crate) fn any() -> Matcher {
    Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()
}

pub(crate) fn select(db: &dyn Queryable, matchers: Vec<Matcher>, range: TimeRange) -> SeriesSet {
    db.select(&SelectRequest::new(matchers, range)).now_or_never().unwrap().unwrap()
}

pub(crate) fn read(db: &dyn Queryable, matchers: Vec<Matcher>, range: TimeRange) -> Samples {
    let set = select(db, matchers, range);
    let (mut scratch, mut columns) = (DecodeScratch::default(), Columns::default());
    let mut out = Samples::new();
    for i in 0..set.len() {
        set.decode(i, range, &mut scratch, &mut columns).unwrap();
        let samples: Vec<(i64, u64)> = (0..columns.len())
            .map(|i| {
                let value = columns.histogram(i).map_or(columns.values[i], |h| h.sum);
                (columns.timestamps[i], value.to_bits())
            })
            .collect();
        if !samples.is_empty() {
            out.insert(set.labels(i).clone(), samples);
        }
    }
    out
}

pub(crate) fn label_values(db: &dyn Queryable, name: &str, matchers: Vec<Matcher>) -> Vec<String> {
    let request = LabelRequest::new(matchers, TimeRange::all());
    db.label_values(name, &request).now_or_never().unwrap().unwrap().values
}

pub(crate) fn label_names(db: &dyn Queryable, matchers: Vec<Matcher>) -> Vec<String> {
    let request = LabelRequest::new(matchers, TimeRange::all());
    db.label_names(&request).now_or_never().unwrap().unwrap().values
}

/// Copies a folder.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}
