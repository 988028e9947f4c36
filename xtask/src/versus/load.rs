//! The load: 50 metrics over pods of 20 namespaces, a fifth of the series a classic histogram, four kinds of value.

use std::path::{Path, PathBuf};

use anyhow::Result;
use gauntlet_model::{Labels, SeriesRef};
use gauntlet_runtime::{Clock as _, SystemClock, SystemFs};
use gauntlet_storage::{AppendOptions, Appendable as _};
use gauntlet_tsdb::{Head, Options};

pub(crate) const STEP_MS: i64 = 15_000;
const METRICS: usize = 50;
const BOUNDS: [&str; 10] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];

/// A data folder with a log and head chunks, as a killed server leaves it.
pub(crate) struct Load {
    pub(crate) dir: PathBuf,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
}

/// Writes the folder anew.
pub(crate) fn write(dir: &Path, series: usize, steps: usize) -> Result<Load> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir)?;
    let end_ms = SystemClock.now_ms() / STEP_MS * STEP_MS;
    let start_ms = end_ms - (steps as i64 - 1) * STEP_MS;
    let (head, _) = Head::open(dir, &Options::default(), &SystemFs::shared(), i64::MIN)?;
    let mut refs = vec![SeriesRef(0); series];
    let mut values = vec![0.0f64; series];
    let mut random = 88_172_645_463_325_252u64;
    let empty = Labels::empty();
    for step in 0..steps {
        for batch in 0..series.div_ceil(1000) {
            let mut app = head.appender(AppendOptions::default());
            for n in batch * 1000..((batch + 1) * 1000).min(series) {
                next(n, step, &mut values[n], &mut random);
                let labels = if step == 0 { labels(n, series) } else { empty.clone() };
                let t = start_ms + step as i64 * STEP_MS;
                refs[n] = app.append(refs[n], &labels, t, values[n])?;
            }
            app.commit()?;
        }
    }
    head.sync()?;
    drop(head);
    Ok(Load { dir: dir.to_owned(), start_ms, end_ms })
}

/// Copies a folder with what is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a folder.
pub(crate) fn size_bytes(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        sum += if kind.is_dir() { size_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

pub(crate) fn labels(n: usize, series: usize) -> Labels {
    let plain = series - series / 5;
    let (name, pod, le) = if n < plain {
        (format!("bench_metric_{:02}", n % METRICS), n / METRICS, None)
    } else {
        let m = n - plain;
        let le = BOUNDS[m % BOUNDS.len()];
        ("bench_latency_seconds_bucket".to_owned(), m / BOUNDS.len(), Some(le))
    };
    let pod_name = format!("app-{pod:06}-{:05}", pod * 7919 % 100_000);
    let namespace = format!("ns-{:02}", pod % 20);
    let instance = format!("10.0.{}.{}:9100", pod / 250 % 250, pod % 250);
    let mut pairs = vec![
        ("__name__", name.as_str()),
        ("cluster", "eu-0"),
        ("container", "app"),
        ("instance", &instance),
        ("job", "bench"),
        ("namespace", &namespace),
        ("pod", &pod_name),
    ];
    if let Some(le) = le {
        pairs.push(("le", le));
    }
    Labels::from_pairs(pairs)
}

pub(crate) fn next(n: usize, step: usize, value: &mut f64, random: &mut u64) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    match n % 4 {
        0 => *value += (*random % 8) as f64,
        1 => *value += (*random % 201) as f64 - 100.0,
        2 => *value = (*random >> 11) as f64 / (1u64 << 53) as f64,
        _ => *value = (n % 1000) as f64 + f64::from(step == 0),
    }
}
