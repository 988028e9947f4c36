//! Checkpoints: the part of old segments that is still needed, written anew. Page: docs/formats/checkpoint.md.
//!
//! `checkpoint.00000006` is a folder of segments that stands for all segments up to 6. It is written as `….tmp`, synced, renamed;
//! what it replaces goes after that. Damage in the source is passed over and named: it must not stop the log from being cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_model::{Metadata, Timestamp};
use gauntlet_runtime::Fs;

use super::encode;
use super::format::list_segments;
use super::reader::{Damage, SegmentReader};
use super::record::{MetadataEntry, Records, WalRef};
use super::writer::{RecordBuffer, Wal, WalOptions};
use crate::error::{At as _, Result};

const PREFIX: &str = "checkpoint.";
const TMP_SUFFIX: &str = ".tmp";
/// Records are written in batches of about this size.
const BATCH_BYTES: usize = 1 << 20;

/// What a checkpoint kept and left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointStats {
    pub kept_series: u64,
    pub dropped_series: u64,
    pub kept_samples: u64,
    pub dropped_samples: u64,
    pub damage: Vec<Damage>,
}

/// The newest checkpoint of a log: its number and folder.
pub fn last_checkpoint(fs: &dyn Fs, dir: &Path) -> Result<Option<(u32, PathBuf)>> {
    Ok(checkpoints(fs, dir)?.pop().map(|(number, name)| (number, dir.join(name))))
}

/// Removes checkpoints below `number` and what unfinished ones left.
pub fn remove_checkpoints_below(fs: &dyn Fs, dir: &Path, number: u32) -> Result<()> {
    for entry in list_dirs(fs, dir)? {
        let old = parse_name(&entry).is_some_and(|n| n < number);
        if old || entry.starts_with(PREFIX) && entry.ends_with(TMP_SUFFIX) {
            let path = dir.join(entry);
            fs.remove_dir_all(&path).at("removing", &path)?;
        }
    }
    Ok(())
}

/// From which time on samples, and deletions, are still needed.
#[derive(Clone, Copy, Debug)]
pub struct Needed {
    pub samples_from: Timestamp,
    pub tombstones_from: Timestamp,
}

/// Writes a checkpoint of the log in `dir` up to segment `to`, the last checkpoint included. `keep` says whether the head has a
/// series, or samples of it are in later segments.
pub fn write_checkpoint(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    to: u32,
    needed: Needed,
    options: WalOptions,
    keep: &dyn Fn(WalRef) -> bool,
) -> Result<CheckpointStats> {
    let name = format!("{PREFIX}{to:08}");
    let (path, tmp) = (dir.join(&name), dir.join(format!("{name}{TMP_SUFFIX}")));
    fs.remove_dir_all(&tmp).at("removing", &tmp)?;
    let out = Wal::open(Arc::clone(fs), &tmp, options)?;
    let mut work = Work {
        stats: CheckpointStats::default(),
        batch: RecordBuffer::default(),
        latest: BTreeMap::new(),
    };
    let last = last_checkpoint(&**fs, dir)?;
    let from = last.as_ref().map_or(0, |(number, _)| number + 1);
    if let Some((_, folder)) = &last {
        for (segment, _) in list_segments(&**fs, folder).at("listing", folder)? {
            work.copy(&**fs, folder, segment, needed, keep, &out)?;
        }
    }
    for (segment, _) in list_segments(&**fs, dir).at("listing", dir)? {
        if (from..=to).contains(&segment) {
            work.copy(&**fs, dir, segment, needed, keep, &out)?;
        }
    }
    let latest: Vec<MetadataEntry> = std::mem::take(&mut work.latest)
        .into_iter()
        .map(|(series, metadata)| MetadataEntry { series, metadata })
        .collect();
    work.batch.record(|out| encode::metadata(out, &latest));
    out.log(&work.batch)?;
    out.sync()?;
    drop(out);
    fs.sync_dir(&tmp).at("syncing", &tmp)?;
    fs.remove_dir_all(&path).at("removing", &path)?;
    fs.rename(&tmp, &path).at("renaming", &tmp)?;
    fs.sync_dir(dir).at("syncing", dir)?;
    Ok(work.stats)
}

struct Work {
    stats: CheckpointStats,
    batch: RecordBuffer,
    latest: BTreeMap<WalRef, Metadata>,
}

impl Work {
    fn copy(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        segment: u32,
        needed: Needed,
        keep: &dyn Fn(WalRef) -> bool,
        out: &Wal,
    ) -> Result<()> {
        let mut reader = SegmentReader::open(fs, dir, segment).at("opening", dir)?;
        let mut records = Records::default();
        loop {
            records.clear();
            let fault = match reader.next_record().at("reading", dir)? {
                None => break,
                Some(record) => records.decode(record).err(),
            };
            if let Some(fault) = fault {
                reader.complain_of_record(fault.to_string());
            }
            self.filter(&mut records, needed, keep);
            self.write(&records);
            if self.batch.size_bytes() > BATCH_BYTES {
                out.log(&self.batch)?;
                self.batch.clear();
            }
        }
        self.stats.damage.append(&mut reader.take_damage());
        Ok(())
    }

    fn filter(&mut self, records: &mut Records, needed: Needed, keep: &dyn Fn(WalRef) -> bool) {
        let min_t = needed.samples_from;
        let samples =
            |r: &Records| (r.samples.len() + r.histograms.len() + r.float_histograms.len()) as u64;
        let (series_before, samples_before) = (records.series.len() as u64, samples(records));
        records.series.retain(|entry| keep(entry.series));
        records.samples.retain(|entry| entry.t >= min_t);
        records.histograms.retain(|entry| entry.t >= min_t);
        records.float_histograms.retain(|entry| entry.t >= min_t);
        records.exemplars.retain(|entry| entry.t >= min_t);
        records
            .tombstones
            .retain(|entry| entry.max_t >= needed.tombstones_from && keep(entry.series));
        let (series_after, samples_after) = (records.series.len() as u64, samples(records));
        self.stats.kept_series += series_after;
        self.stats.dropped_series += series_before - series_after;
        self.stats.kept_samples += samples_after;
        self.stats.dropped_samples += samples_before - samples_after;
        for entry in records.metadata.drain(..).filter(|entry| keep(entry.series)) {
            self.latest.insert(entry.series, entry.metadata);
        }
    }

    fn write(&mut self, records: &Records) {
        let batch = &mut self.batch;
        batch.record(|out| {
            encode::series(out, records.series.iter().map(|e| (e.series, &e.labels)))
        });
        batch.record(|out| encode::samples(out, &records.samples));
        batch.record(|out| encode::histograms(out, &records.histograms));
        batch.record(|out| encode::float_histograms(out, &records.float_histograms));
        batch.record(|out| encode::tombstones(out, &records.tombstones));
        batch.record(|out| encode::exemplars(out, &records.exemplars));
    }
}

fn checkpoints(fs: &dyn Fs, dir: &Path) -> Result<Vec<(u32, String)>> {
    let mut found: Vec<(u32, String)> = list_dirs(fs, dir)?
        .into_iter()
        .filter_map(|name| Some((parse_name(&name)?, name)))
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn list_dirs(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>> {
    match fs.list(dir) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries
            .at("listing", dir)?
            .into_iter()
            .filter(|entry| entry.is_dir)
            .map(|entry| entry.name)
            .collect()),
    }
}

fn parse_name(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.parse().ok()
}
