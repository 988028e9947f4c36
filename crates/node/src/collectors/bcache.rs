//! bcache: cache sets, their backing devices and cache devices.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "bcache",
    default_on: true,
    reads: "/sys/fs/bcache",
    families: "node_bcache_*",
    make: |settings| {
        Ok(Box::new(Bcache { priority: settings.switch("collector.bcache.priorityStats") }))
    },
};

struct Bcache {
    priority: bool,
}

type Row = (&'static str, &'static str, &'static str, Kind);

/// (file, family suffix, help, kind) of the cache set.
const SET: [Row; 10] = [
    (
        "average_key_size",
        "average_key_size_sectors",
        "Average data per key in the btree (sectors).",
        Kind::Gauge,
    ),
    (
        "btree_cache_size",
        "btree_cache_size_bytes",
        "Amount of memory currently used by the btree cache.",
        Kind::Gauge,
    ),
    (
        "cache_available_percent",
        "cache_available_percent",
        "Percentage of cache device without dirty data, usable for writeback (may contain clean cached data).",
        Kind::Gauge,
    ),
    ("congested", "congested", "Congestion.", Kind::Gauge),
    (
        "root_usage_percent",
        "root_usage_percent",
        "Percentage of the root btree node in use (tree depth increases if too high).",
        Kind::Gauge,
    ),
    ("tree_depth", "tree_depth", "Depth of the btree.", Kind::Gauge),
    (
        "internal/active_journal_entries",
        "active_journal_entries",
        "Number of journal entries that are newer than the index.",
        Kind::Gauge,
    ),
    ("internal/btree_nodes", "btree_nodes", "Total nodes in the btree.", Kind::Gauge),
    (
        "internal/btree_read_average_duration_us",
        "btree_read_average_duration_seconds",
        "Average btree read duration.",
        Kind::Gauge,
    ),
    (
        "internal/cache_read_races",
        "cache_read_races_total",
        "Counts instances where while data was being read from the cache, the bucket was reused and invalidated - i.e. where the pointer was stale after the read completed.",
        Kind::Counter,
    ),
];

/// Files in `stats_total` of a backing device.
const TOTALS: [Row; 7] = [
    (
        "bypassed",
        "bypassed_bytes_total",
        "Amount of IO (both reads and writes) that has bypassed the cache.",
        Kind::Counter,
    ),
    (
        "cache_hits",
        "cache_hits_total",
        "Hits counted per individual IO as bcache sees them.",
        Kind::Counter,
    ),
    (
        "cache_misses",
        "cache_misses_total",
        "Misses counted per individual IO as bcache sees them.",
        Kind::Counter,
    ),
    (
        "cache_bypass_hits",
        "cache_bypass_hits_total",
        "Hits for IO intended to skip the cache.",
        Kind::Counter,
    ),
    (
        "cache_bypass_misses",
        "cache_bypass_misses_total",
        "Misses for IO intended to skip the cache.",
        Kind::Counter,
    ),
    (
        "cache_miss_collisions",
        "cache_miss_collisions_total",
        "Instances where data insertion from cache miss raced with write (data already present).",
        Kind::Counter,
    ),
    (
        "cache_readaheads",
        "cache_readaheads_total",
        "Count of times readahead occurred.",
        Kind::Counter,
    ),
];

/// Lines of `writeback_rate_debug`.
const WRITEBACK: [(&str, &str, &str); 5] = [
    (
        "target:",
        "dirty_target_bytes",
        "Current dirty data target threshold for this backing device in bytes.",
    ),
    ("rate:", "writeback_rate", "Current writeback rate for this backing device in bytes."),
    (
        "proportional:",
        "writeback_rate_proportional_term",
        "Current result of proportional controller, part of writeback rate",
    ),
    (
        "integral:",
        "writeback_rate_integral_term",
        "Current result of integral controller, part of writeback rate",
    ),
    ("change:", "writeback_change", "Last writeback rate change step for this backing device."),
];

const CACHE: [Row; 3] = [
    (
        "io_errors",
        "io_errors",
        "Number of errors that have occurred, decayed by io_error_halflife.",
        Kind::Gauge,
    ),
    (
        "metadata_written",
        "metadata_written_bytes_total",
        "Sum of all non data writes (btree writes and all other metadata).",
        Kind::Counter,
    ),
    (
        "written",
        "written_bytes_total",
        "Sum of all data that has been written to the cache.",
        Kind::Counter,
    ),
];

const PRIORITY: [(&str, &str, &str); 2] = [
    (
        "Unused:",
        "priority_stats_unused_percent",
        "The percentage of the cache that doesn't contain any data.",
    ),
    ("Metadata:", "priority_stats_metadata_percent", "Bcache's metadata overhead."),
];

impl Collector for Bcache {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("fs/bcache");
        for uuid in env.list(&root).unwrap_or_default().iter().filter(|n| n.contains('-')) {
            let dir = format!("{root}/{uuid}");
            let set = [("uuid", uuid.as_str())];
            for row in SET {
                let factor = if row.1.ends_with("_seconds") { 1e-9 } else { 1.0 };
                let value = read(env, &format!("{dir}/{}", row.0))? * factor;
                put(out, row.1, row.2, row.3, &set, value);
            }
            for (_, name) in env.numbered(&dir, "bdev").unwrap_or_default() {
                let labels = [("backing_device", name.as_str()), set[0]];
                let part = backing(env, out, &format!("{dir}/{name}"), &labels);
                out.note(part);
            }
            for (_, name) in env.numbered(&dir, "cache").unwrap_or_default() {
                let labels = [("cache_device", name.as_str()), set[0]];
                let part = self.cache(env, out, &format!("{dir}/{name}"), &labels);
                out.note(part);
            }
        }
        Ok(())
    }
}

impl Bcache {
    fn cache(
        &self,
        env: &mut Env,
        out: &mut Exposition,
        dir: &str,
        labels: &[(&str, &str)],
    ) -> Result<(), Failure> {
        for row in CACHE {
            let value = read(env, &format!("{dir}/{}", row.0))?;
            put(out, row.1, row.2, row.3, labels, value);
        }
        if self.priority {
            let path = format!("{dir}/priority_stats");
            let text =
                env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
            for (key, suffix, help) in PRIORITY {
                let word = last_word(&text, key).unwrap_or("0").trim_end_matches('%');
                let value = scan::u64(word).map_err(|e| e.at(&path))?;
                put(out, suffix, help, Kind::Gauge, labels, value as f64);
            }
        }
        Ok(())
    }
}

fn backing(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    labels: &[(&str, &str)],
) -> Result<(), Failure> {
    let dirty = read(env, &format!("{dir}/dirty_data"))?;
    let help = "Amount of dirty data for this backing device in the cache.";
    put(out, "dirty_data_bytes", help, Kind::Gauge, labels, dirty);
    let path = format!("{dir}/writeback_rate_debug");
    let text = env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
    for (key, suffix, help) in WRITEBACK {
        let word = last_word(&text, key).unwrap_or("0").trim_end_matches("/sec");
        let value = dehumanize(word).map_err(|e| e.at(&path))?;
        put(out, suffix, help, Kind::Gauge, labels, value);
    }
    for row in TOTALS {
        let value = read(env, &format!("{dir}/stats_total/{}", row.0))?;
        if value != 0.0 || row.0 != "cache_readaheads" {
            put(out, row.1, row.2, row.3, labels, value);
        }
    }
    Ok(())
}

fn put(
    out: &mut Exposition,
    suffix: &str,
    help: &str,
    kind: Kind,
    labels: &[(&str, &str)],
    value: f64,
) {
    let family = out.family(&format!("node_bcache_{suffix}"), help, kind);
    out.put(family, labels, value);
}

/// An absent file counts as zero.
fn read(env: &mut Env, path: &str) -> Result<f64, Failure> {
    match env.read_one(path) {
        Ok(bytes) => dehumanize(scan::text(bytes).trim()).map_err(|e| e.at(path)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0.0),
        Err(e) => Err(Failure::io(path, e)),
    }
}

fn last_word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find(|l| l.trim_start().starts_with(key))?.split_ascii_whitespace().last()
}

/// `1.5k` as bcache prints it: the digits behind the point are tenths of 1.024. The result is a whole number.
pub(crate) fn dehumanize(word: &str) -> Result<f64, Malformed> {
    let (sign, word) = word.strip_prefix('-').map_or((1.0, word), |rest| (-1.0, rest));
    let unit = word.chars().last().and_then(|c| "kMGTPEZY".find(c));
    let value = match unit {
        None => scan::f64(word)?,
        Some(power) => {
            let number = &word[..word.len() - 1];
            let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
            let mantissa = scan::f64(whole)? + scan::f64(tenths)? / 10.24;
            mantissa * 1024f64.powi(power as i32 + 1)
        }
    };
    Ok(sign * value.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn human_numbers_become_bytes() {
        for (word, expect) in [
            ("542k", 555_008.0),
            ("322M", 337_641_472.0),
            ("1.1k", 1124.0),
            ("-7", -7.0),
            ("0", 0.0),
        ] {
            assert_eq!(dehumanize(word), Ok(expect), "{word}");
        }
        assert!(dehumanize("").is_err() && dehumanize("x").is_err());
    }
}
