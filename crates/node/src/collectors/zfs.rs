//! ZFS statistics that the module shows below `/proc/spl/kstat/zfs`: module-wide tables, and per pool its I/O, data sets and state.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "zfs",
    default_on: true,
    reads: "/proc/spl/kstat/zfs",
    families: "node_zfs_*",
    make: |_| Ok(Box::new(Zfs)),
};

struct Zfs;

/// (subsystem in the family's name, file)
const TABLES: [(&str, &str); 11] = [
    ("zfs_abd", "abdstats"),
    ("zfs_arc", "arcstats"),
    ("zfs_dbuf", "dbufstats"),
    ("zfs_dmu_tx", "dmu_tx"),
    ("zfs_dnode", "dnodestats"),
    ("zfs_fm", "fm"),
    ("zfs_vdev_cache", "vdev_cache_stats"),
    ("zfs_vdev_mirror", "vdev_mirror_stats"),
    ("zfs_xuio", "xuio_stats"),
    ("zfs_zfetch", "zfetchstats"),
    ("zfs_zil", "zil"),
];

const STATES: [&str; 7] =
    ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

impl Collector for Zfs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.proc("spl/kstat/zfs");
        let entries = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        for (subsystem, file) in TABLES {
            let path = format!("{root}/{file}");
            let Ok(bytes) = env.read(&path) else { continue };
            let parsed = parse_table(bytes, |name, value| {
                let family = format!("node_{subsystem}_{}", short(name));
                out.untyped(&family, &format!("kstat.zfs.misc.{file}.{name}"), &[], value);
            });
            if let Err(e) = parsed {
                out.problem(e.at(path));
            }
        }
        for pool in entries {
            let dir = format!("{root}/{pool}");
            let Ok(files) = env.list(&dir) else { continue }; // the tables are files
            for file in files {
                let path = format!("{dir}/{file}");
                if let Err(e) = pool_file(env, out, &path, &pool, &file) {
                    out.problem(e);
                }
            }
        }
        Ok(())
    }
}

fn pool_file(
    env: &mut Env,
    out: &mut Exposition,
    path: &str,
    pool: &str,
    file: &str,
) -> Result<(), Failure> {
    let known = file == "io" || file == "state" || file.starts_with("objset-");
    if !known {
        return Ok(());
    }
    let bytes = env.read(path).map_err(|e| Failure::io(path, e))?;
    let zpool = ("zpool", pool);
    match file {
        "state" => {
            let text = scan::text(bytes);
            let actual = text.lines().next().unwrap_or("").to_lowercase();
            let family = out.family("node_zfs_zpool_state", "kstat.zfs.misc.state", Kind::Gauge);
            for state in STATES {
                let is = f64::from(u8::from(state == actual));
                out.put(family, &[("state", state), zpool], is);
            }
            Ok(())
        }
        "io" => parse_io(bytes, |name, value| {
            let family = format!("node_zfs_zpool_{}", short(name));
            out.untyped(&family, &format!("kstat.zfs.misc.io.{name}"), &[zpool], value);
        })
        .map_err(|e| e.at(path)),
        _ => {
            let bytes = bytes.to_vec();
            let dataset = dataset_name(&bytes);
            let labels = [("dataset", dataset.as_str()), zpool];
            parse_table(&bytes, |name, value| {
                let family = format!("node_zfs_zpool_dataset_{}", short(name));
                out.untyped(&family, &format!("kstat.zfs.misc.objset.{name}"), &labels, value);
            })
            .map_err(|e| e.at(path))
        }
    }
}

/// The part of a name behind its last dot, as far as a metric name can hold it.
fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or("").replace('-', "_")
}

const SIGNED: &str = "3";
const UNSIGNED: &str = "4";

/// Lines `name type data` behind a heading of these words; other types (strings) are left out.
pub(crate) fn parse_table(input: &[u8], mut each: impl FnMut(&str, f64)) -> Result<(), Malformed> {
    let mut started = false;
    for line in scan::text(input).lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if !started {
            started = words == ["name", "type", "data"];
            continue;
        }
        match words[..] {
            [name, UNSIGNED, value, ..] => each(name, scan::u64(value)? as f64),
            [name, SIGNED, value, ..] => each(name, scan::i64(value)? as f64),
            _ => {}
        }
    }
    if started { Ok(()) } else { Err(Malformed::new("no line with name, type and data")) }
}

/// A line of names that starts with `nread`, then lines of values.
pub(crate) fn parse_io(input: &[u8], mut each: impl FnMut(&str, f64)) -> Result<(), Malformed> {
    let text = scan::text(input);
    let mut names: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if names.is_empty() {
            if words.len() >= 12 && words[0] == "nread" {
                names = words;
            }
            continue;
        }
        for (name, word) in names.iter().zip(words) {
            each(name, scan::u64(word)? as f64);
        }
    }
    Ok(())
}

/// The `dataset_name` line's value: the rest of the line, blanks included.
fn dataset_name(input: &[u8]) -> String {
    let text = scan::text(input);
    let line = text.lines().find(|l| l.split_ascii_whitespace().next() == Some("dataset_name"));
    let value = line.and_then(|line| {
        let third = line.split_ascii_whitespace().nth(2)?;
        Some(&line[line.find(third)?..])
    });
    value.unwrap_or("").to_owned()
}
