//! bcachefs: caches, compression, errors, counters and devices of each file system.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "bcachefs",
    default_on: true,
    reads: "/sys/fs/bcachefs",
    families: "node_bcachefs_*",
    make: |_| Ok(Box::new(Bcachefs)),
};

struct Bcachefs;

impl Collector for Bcachefs {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("fs/bcachefs");
        let entries = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        let mut found = false;
        for uuid in entries {
            let dir = format!("{root}/{uuid}");
            if std::fs::metadata(&dir).is_ok_and(|m| m.is_dir()) {
                found = true;
                if let Err(e) = file_system(env, out, &dir, &uuid) {
                    out.problem(e);
                }
            }
        }
        if found { Ok(()) } else { Err(Failure::NoData("no bcachefs file system".into())) }
    }
}

fn file_system(env: &mut Env, out: &mut Exposition, dir: &str, uuid: &str) -> Result<(), Failure> {
    let id = ("uuid", uuid);
    out.gauge("node_bcachefs_info", "Filesystem information.", &[id], 1.0);
    let size = text(env, &format!("{dir}/btree_cache_size"));
    let size = if size.is_empty() { 0.0 } else { bytes(&size).map_err(|e| e.at(dir))? };
    let help = "Btree cache memory usage in bytes.";
    out.gauge("node_bcachefs_btree_cache_size_bytes", help, &[id], size);

    let path = format!("{dir}/compression_stats");
    for [name, compressed, uncompressed] in rows(&text(env, &path), 1) {
        let labels = [("algorithm", name.trim_end_matches(':')), id];
        let value = |word| bytes(word).map_err(|e| e.at(&path));
        let help = "Compressed size by algorithm.";
        out.gauge("node_bcachefs_compression_compressed_bytes", help, &labels, value(compressed)?);
        let help = "Uncompressed size by algorithm.";
        let family = "node_bcachefs_compression_uncompressed_bytes";
        out.gauge(family, help, &labels, value(uncompressed)?);
    }
    let path = format!("{dir}/errors");
    for line in text(env, &path).lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(kind), Some(count)) = (words.next(), words.next()) else { continue };
        let count = scan::u64(count).map_err(|e| e.at(&path))?;
        let help = "Error count by error type.";
        out.counter("node_bcachefs_errors_total", help, &[("error_type", kind), id], count as f64);
    }
    for name in env.list(&format!("{dir}/counters")).unwrap_or_default() {
        let path = format!("{dir}/counters/{name}");
        let value = counter(&text(env, &path)).map_err(|e| e.at(&path))?;
        let family = format!("node_bcachefs_{}_total", scan::metric_name(&name));
        let help = format!("Bcachefs counter {name} since filesystem creation.");
        out.counter(&family, &help, &[id], value);
    }
    let path = format!("{dir}/btree_write_stats");
    for [name, count, size] in rows(&text(env, &path), 1) {
        let labels = [("type", name.trim_end_matches(':')), id];
        let count = scan::u64(count).map_err(|e| e.at(&path))?;
        let help = "Number of btree writes by type.";
        out.counter("node_bcachefs_btree_writes_total", help, &labels, count as f64);
        let help = "Average btree write size by type.";
        let size = bytes(size).map_err(|e| e.at(&path))?;
        out.gauge("node_bcachefs_btree_write_average_size_bytes", help, &labels, size);
    }
    for name in env.list(dir).unwrap_or_default() {
        if let Some(device) = name.strip_prefix("dev-") {
            one_device(env, out, &format!("{dir}/{name}"), device, id)?;
        }
    }
    Ok(())
}

fn one_device(
    env: &mut Env,
    out: &mut Exposition,
    dir: &str,
    device: &str,
    id: (&str, &str),
) -> Result<(), Failure> {
    let (label, state) = (text(env, &format!("{dir}/label")), text(env, &format!("{dir}/state")));
    let labels = [("device", device), ("label", &label), ("state", &state), id];
    out.gauge("node_bcachefs_device_info", "Device information.", &labels, 1.0);
    let labels = [("device", device), id];
    let bucket = text(env, &format!("{dir}/bucket_size"));
    let bucket = if bucket.is_empty() { 0.0 } else { bytes(&bucket).map_err(|e| e.at(dir))? };
    let help = "Bucket size in bytes.";
    out.gauge("node_bcachefs_device_bucket_size_bytes", help, &labels, bucket);
    let buckets = env.attr_u64(&format!("{dir}/nbuckets")).unwrap_or(0);
    let help = "Total number of buckets.";
    out.gauge("node_bcachefs_device_buckets", help, &labels, buckets as f64);
    let durability = env.attr_u64(&format!("{dir}/durability")).unwrap_or(0);
    let help = "Device durability setting.";
    out.gauge("node_bcachefs_device_durability", help, &labels, durability as f64);

    let path = format!("{dir}/io_done");
    let help = "IO bytes by operation type and data type.";
    let family = out.family("node_bcachefs_device_io_done_bytes_total", help, Kind::Counter);
    let mut operation = "";
    for line in text(env, &path).lines().map(str::trim) {
        match line {
            "read:" => operation = "read",
            "write:" => operation = "write",
            _ => {
                let Some((kind, value)) = line.split_once(':') else { continue };
                let value = scan::u64(value.trim()).map_err(|e| e.at(&path))?;
                let labels =
                    [("data_type", kind.trim()), ("device", device), ("operation", operation), id];
                if !operation.is_empty() {
                    out.put(family, &labels, value as f64);
                }
            }
        }
    }
    let path = format!("{dir}/io_errors");
    let mut counting = false;
    for line in text(env, &path).lines() {
        if line.starts_with("IO errors since ") {
            if counting {
                break;
            }
            counting = line.starts_with("IO errors since filesystem creation");
        } else if let (true, Some((kind, value))) = (counting, line.split_once(':')) {
            let value = scan::u64(value.trim()).map_err(|e| e.at(&path))?;
            let labels = [("device", device), ("type", kind.trim()), id];
            let help = "IO errors by error type.";
            out.counter("node_bcachefs_device_io_errors_total", help, &labels, value as f64);
        }
    }
    Ok(())
}

fn text(env: &mut Env, path: &str) -> String {
    env.attr(path).unwrap_or_default()
}

/// The first three words of each line after `skip` lines; shorter lines are left out.
fn rows(text: &str, skip: usize) -> impl Iterator<Item = [&str; 3]> {
    text.lines().skip(skip).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some([words.next()?, words.next()?, words.next()?])
    })
}

/// The value of a counter file since the file system was made.
fn counter(text: &str) -> Result<f64, Malformed> {
    let line = |prefix: &str| text.lines().find_map(|l| l.strip_prefix(prefix));
    match line("since filesystem creation:") {
        Some(value) => bytes(value),
        None if line("since mount:").is_some() => Ok(0.0),
        None => Err(scan::bad("since filesystem creation", text)),
    }
}

/// `1.50M` with binary units; the result is a whole number.
pub(crate) fn bytes(word: &str) -> Result<f64, Malformed> {
    let word = word.trim();
    let power = word.chars().last().and_then(|c| "KMGTPE".find(c.to_ascii_uppercase()));
    let number = if power.is_some() { &word[..word.len() - 1] } else { word };
    let factor = power.map_or(1.0, |p| 1024f64.powi(p as i32 + 1));
    Ok((scan::f64(number.trim())? * factor).trunc())
}
