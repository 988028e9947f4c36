//! `file_sd_configs`: groups in files named by patterns.
//!
//! Files are looked at every few seconds and read again when their size or time changed, and all of them at the refresh
//! interval; no file watcher is needed. A file that cannot be read keeps its last groups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use futures::future::BoxFuture;
use gauntlet_runtime::Shutdown;

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Discoverer, Updates, pause};
use crate::glob::glob;
use crate::parse::{groups_from_json, groups_from_yaml};
use gauntlet_model::TargetGroup;

/// How often files are looked at.
const POLL: Duration = Duration::from_secs(3);
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The label that holds the file a target came from.
const FILE_PATH_LABEL: &str = "__meta_filepath";

/// Reads files.
#[derive(Debug)]
pub(crate) struct FileDiscoverer {
    patterns: Vec<String>,
    interval: Duration,
    deps: Deps,
    /// What each file was at its last reading, and how many groups it held.
    files: BTreeMap<PathBuf, Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    size_bytes: u64,
    modified: Option<Duration>,
    groups: usize,
}

impl FileDiscoverer {
    pub(crate) fn new(fields: &Fields, deps: &Deps) -> Self {
        Self {
            patterns: fields.strings("files").to_vec(),
            interval: fields.duration("refresh_interval").to_std(),
            deps: deps.clone(),
            files: BTreeMap::new(),
        }
    }

    /// Reads what is new or changed, everything if `all`; returns the groups to report.
    fn scan(&mut self, all: bool) -> Vec<TargetGroup> {
        let start = self.deps.clock.monotonic();
        let mut changed = Vec::new();
        let mut present = Vec::new();
        for pattern in &self.patterns {
            match glob(pattern) {
                Ok(paths) => present.extend(paths),
                Err(err) => tracing::error!(pattern, %err, "error expanding glob"),
            }
        }
        for path in &present {
            let before = self.files.get(path).copied();
            let now = look(path);
            if !all
                && before
                    .is_some_and(|b| (b.size_bytes, b.modified) == (now.size_bytes, now.modified))
            {
                continue;
            }
            let groups = match read(path, now.size_bytes) {
                Ok(groups) => groups,
                Err(err) => {
                    self.deps.metrics.file_read_errors.inc();
                    tracing::error!(path = %path.display(), err, "error reading file");
                    // The old groups stay; what was looked at is not looked at again until it changes.
                    self.files.insert(
                        path.clone(),
                        Seen { groups: before.map_or(0, |b| b.groups), ..now },
                    );
                    continue;
                }
            };
            if let Some(modified) = now.modified {
                let name = path.display().to_string();
                self.deps.metrics.file_mtime.with(&[&name]).set(modified.as_secs_f64());
            }
            let count = groups.len();
            changed.extend(groups);
            changed.extend((count..before.map_or(0, |b| b.groups)).map(|at| gone(path, at)));
            self.files.insert(path.clone(), Seen { groups: count, ..now });
        }
        let metrics = &self.deps.metrics;
        self.files.retain(|path, seen| {
            let there = present.contains(path);
            if !there {
                changed.extend((0..seen.groups).map(|at| gone(path, at)));
                metrics.file_mtime.remove(&[&path.display().to_string()]);
            }
            there
        });
        let took = self.deps.clock.monotonic() - start;
        self.deps.metrics.file_scan_duration.observe(took.as_secs_f64());
        changed
    }
}

impl Discoverer for FileDiscoverer {
    fn run(mut self: Box<Self>, updates: Updates, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut since_all = Duration::MAX;
            loop {
                let all = since_all >= self.interval;
                if all {
                    since_all = Duration::ZERO;
                }
                let changed = self.scan(all);
                if (!changed.is_empty() || all) && !updates.send(changed).await {
                    return;
                }
                let wait = POLL.min(self.interval.max(Duration::from_millis(1)));
                if !pause(wait, &shutdown).await {
                    return;
                }
                since_all = since_all.saturating_add(wait);
            }
        })
    }
}

fn look(path: &Path) -> Seen {
    let Ok(meta) = std::fs::metadata(path) else { return Seen::default() };
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Seen { size_bytes: meta.len(), modified, groups: 0 }
}

/// The groups of a file, sources and path label filled in.
fn read(path: &Path, size_bytes: u64) -> Result<Vec<TargetGroup>, String> {
    if size_bytes > MAX_FILE_BYTES {
        return Err(format!("file is larger than {MAX_FILE_BYTES} bytes"));
    }
    let text = std::fs::read(path).map_err(|err| err.to_string())?;
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let mut groups = match ending.to_ascii_lowercase().as_str() {
        "json" => groups_from_json(&text)?,
        "yml" | "yaml" => groups_from_yaml(&text)?,
        _ => return Err(format!("unsupported file extension {ending:?}")),
    };
    let name = path.display().to_string();
    for (index, group) in groups.iter_mut().enumerate() {
        group.source = source(path, index);
        let mut labels = group.labels.to_builder();
        labels.set(FILE_PATH_LABEL, &name);
        group.labels = labels.build();
    }
    Ok(groups)
}

fn source(path: &Path, index: usize) -> String {
    format!("{}:{index}", path.display())
}

/// An empty group, which takes back the last one of its source.
fn gone(path: &Path, index: usize) -> TargetGroup {
    TargetGroup { source: source(path, index), ..TargetGroup::default() }
}
