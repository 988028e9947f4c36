//! Start: what earlier processes left is read back. Damage is logged by name, set aside and does not keep us from starting.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use gauntlet_runtime::{Chance, Fs};
use gauntlet_telemetry::Registry;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::{Manager, ManagerError, ManagerOptions, metrics};
use crate::alert::AlertJournal;
use crate::durable::{AppendFile, set_aside};
use crate::ledger::LedgerFiles;
use crate::metrics::Metrics;
use crate::nflog::decode_log;
use crate::pipeline::Core;
use crate::silence::decode_silences;
use crate::snapshot::MAX_SNAPSHOT_BYTES;
use crate::time::Time;

/// How long a restored alert that ran out while we were down is given to be reported again.
const GRACE_NS: i64 = 300_000_000_000;

pub(super) fn open(
    options: ManagerOptions,
    registry: &Registry,
) -> Result<Arc<Manager>, ManagerError> {
    let metrics = Metrics::new(registry, options.features);
    let now = Time::now(options.clock.as_ref());
    let mut core = Core::new(options.core.clone(), Chance::from_system(), metrics.clone(), now);
    core.silences_mut().set_logging(options.log_silences);
    let mut files = Files::default();
    if let Some(dir) = &options.data_dir {
        let io = |source| ManagerError::Io { path: dir.clone(), source };
        options.fs.create_dir_all(dir).map_err(io)?;
        files = read(&options, dir, &mut core, &metrics, now)
            .map_err(|(path, source)| ManagerError::Io { path, source })?;
    }
    let manager = Arc::new(Manager {
        core: Mutex::new(core),
        clock: options.clock,
        metrics,
        journal: files.journal,
        silence_file: files.silences,
        log_file: files.log,
        ledger_files: files.ledger,
        broadcast: Mutex::new(None),
        sends: Mutex::default(),
        wake: Notify::new(),
        permits: Arc::new(Semaphore::new(options.max_sends.max(1))),
        maintenance_interval_ns: options.maintenance_interval_ns,
        is_busy: AtomicBool::new(false),
        busy_looks: AtomicU32::new(0),
        alive_at: Mutex::new(Time::ZERO),
        started_at: now,
    });
    metrics::register(&manager, registry);
    Ok(manager)
}

#[derive(Default)]
struct Files {
    journal: Option<AlertJournal>,
    silences: Option<Arc<AppendFile>>,
    log: Option<Arc<AppendFile>>,
    ledger: Option<Arc<Mutex<LedgerFiles>>>,
}

type Failure = (std::path::PathBuf, std::io::Error);

fn read(
    options: &ManagerOptions,
    dir: &Path,
    core: &mut Core,
    metrics: &Metrics,
    now: Time,
) -> Result<Files, Failure> {
    let fs = &options.fs;
    let path = dir.join("ledger");
    let ledger =
        LedgerFiles::open(Arc::clone(fs), &path, options.ledger_bytes, metrics.ledger.clone());
    let (ledger, next) = ledger.map_err(|err| (path, err))?;
    core.set_ledger(next);

    let path = dir.join("silences");
    let bytes = content(fs, &path)?;
    let restored = decode_silences(&bytes);
    let sound = restored.damage.is_empty();
    report("silences", &path, &restored.damage);
    let problems = core.silences_mut().restore(restored.silences, None);
    report("silences", &path, &problems);
    let file = reopen(fs, &path, sound, || core.silences_mut().encode())?;
    core.silences_mut().restore(Vec::new(), Some(Arc::clone(&file)));
    let silences = Some(file);

    let path = dir.join("nflog");
    let bytes = content(fs, &path)?;
    let restored = decode_log(&bytes);
    let sound = restored.damage.is_empty();
    report("nflog", &path, &restored.damage);
    core.log_mut().restore(restored.entries, None);
    let file = reopen(fs, &path, sound, || core.log_mut().encode())?;
    core.log_mut().restore(Vec::new(), Some(Arc::clone(&file)));
    let log = Some(file);

    let path = dir.join("alerts.journal");
    let opened = AlertJournal::open(Arc::clone(fs), &path);
    let (journal, restored) = opened.map_err(|err| (path.clone(), err))?;
    report("alerts", &path, &restored.damage);
    let (alerts, alive_at) = (restored.alerts, restored.alive_at);
    core.restore_alerts(alerts, alive_at, Some(journal.clone()), GRACE_NS, now);
    Ok(Files { journal: Some(journal), silences, log, ledger: Some(Arc::new(Mutex::new(ledger))) })
}

fn content(fs: &Arc<dyn Fs>, path: &Path) -> Result<Vec<u8>, Failure> {
    if !fs.exists(path) {
        return Ok(Vec::new());
    }
    fs.read(path, MAX_SNAPSHOT_BYTES).map_err(|err| (path.to_owned(), err))
}

/// A sound file is added to as it is; a damaged one is set aside and written anew from what could be read.
fn reopen(
    fs: &Arc<dyn Fs>,
    path: &Path,
    sound: bool,
    encode: impl FnOnce() -> Vec<u8>,
) -> Result<Arc<AppendFile>, Failure> {
    let file = if sound {
        AppendFile::open(Arc::clone(fs), path)
    } else {
        set_aside(fs.as_ref(), path).and_then(|aside| {
            tracing::warn!(file = %path.display(), aside = %aside.display(), "damaged state file set aside; the cluster will make up for what is missing");
            AppendFile::create(Arc::clone(fs), path, &encode())
        })
    };
    file.map(Arc::new).map_err(|err| (path.to_owned(), err))
}

fn report(component: &str, path: &Path, problems: &[String]) {
    for problem in problems {
        tracing::error!(component, file = %path.display(), %problem, "state file is damaged");
    }
}
