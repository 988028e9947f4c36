//! Block devices: counters of `/proc/diskstats`, identity from udev's database.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::{Env, join};
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::NameFilter;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "diskstats",
    default_on: true,
    reads: "/proc/diskstats, /run/udev/data, /sys/block",
    families: "node_disk_*",
    make: |settings| {
        let filter = NameFilter::pair_with_old(
            settings,
            ["collector.diskstats.device-exclude", "collector.diskstats.ignored-devices"],
            ["collector.diskstats.device-include", ""],
        )?;
        Ok(Box::new(Diskstats { filter }))
    },
};

struct Diskstats {
    filter: NameFilter,
}

const SECTOR_BYTES: f64 = 512.0;
const MILLISECOND: f64 = 1.0 / 1000.0;

/// Columns after the device name: family, help, factor. All are counters but one.
const COLUMNS: [(&str, &str, f64); 17] = [
    ("node_disk_reads_completed_total", "The total number of reads completed successfully.", 1.0),
    ("node_disk_reads_merged_total", "The total number of reads merged.", 1.0),
    ("node_disk_read_bytes_total", "The total number of bytes read successfully.", SECTOR_BYTES),
    (
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
        MILLISECOND,
    ),
    ("node_disk_writes_completed_total", "The total number of writes completed successfully.", 1.0),
    ("node_disk_writes_merged_total", "The number of writes merged.", 1.0),
    (
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
        SECTOR_BYTES,
    ),
    (
        "node_disk_write_time_seconds_total",
        "This is the total number of seconds spent by all writes.",
        MILLISECOND,
    ),
    ("node_disk_io_now", "The number of I/Os currently in progress.", 1.0),
    ("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", MILLISECOND),
    (
        "node_disk_io_time_weighted_seconds_total",
        "The weighted # of seconds spent doing I/Os.",
        MILLISECOND,
    ),
    (
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
        1.0,
    ),
    ("node_disk_discards_merged_total", "The total number of discards merged.", 1.0),
    (
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
        1.0,
    ),
    (
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
        MILLISECOND,
    ),
    (
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully",
        1.0,
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
        MILLISECOND,
    ),
];
const IO_NOW: usize = 8;

const ATA: [(&str, &str, &str); 3] = [
    ("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "ATA disk has a write cache."),
    (
        "ID_ATA_WRITE_CACHE_ENABLED",
        "node_disk_ata_write_cache_enabled",
        "ATA disk has its write cache enabled.",
    ),
    (
        "ID_ATA_ROTATION_RATE_RPM",
        "node_disk_ata_rotation_rate_rpm",
        "ATA disk rotation rate in RPMs (0 for SSDs).",
    ),
];

impl Collector for Diskstats {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("diskstats");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        let disks = parse(bytes).map_err(|e| e.at(&path))?;
        let mut column = 0;
        let families = COLUMNS.map(|(name, help, _)| {
            let kind = if column == IO_NOW { Kind::Gauge } else { Kind::Counter };
            column += 1;
            out.family(name, help, kind)
        });
        for disk in &disks {
            if self.filter.ignores(&disk.name) {
                continue;
            }
            for ((family, value), (_, _, factor)) in families.iter().zip(&disk.values).zip(COLUMNS)
            {
                out.put(*family, &[("device", &disk.name)], *value as f64 * factor);
            }
            identity(disk, env, out);
        }
        Ok(())
    }
}

/// One line of `/proc/diskstats`: as many values as the kernel gives, 11 to 17.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    name: String,
    major: u64,
    minor: u64,
    values: Vec<u64>,
}

pub(crate) fn parse(input: &[u8]) -> Result<Vec<Disk>, Malformed> {
    let mut disks = Vec::new();
    for line in scan::text(input).lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [major, minor, name, ref numbers @ ..] = words[..] else {
            return Err(scan::bad("device numbers and a name", line));
        };
        if numbers.len() < 11 {
            continue; // 2.6 partitions had four columns
        }
        let values: Result<Vec<u64>, _> =
            numbers.iter().take(COLUMNS.len()).map(|w| scan::u64(w)).collect();
        disks.push(Disk {
            name: name.to_owned(),
            major: scan::u64(major)?,
            minor: scan::u64(minor)?,
            values: values?,
        });
    }
    Ok(disks)
}

fn identity(disk: &Disk, env: &mut Env, out: &mut Exposition) {
    let path = join(&env.paths.udev_data, &format!("b{}:{}", disk.major, disk.minor));
    let text = env.read_plain(&path).map(|b| scan::text(b).into_owned()).unwrap_or_default();
    let get = |key: &str| property(&text, key).unwrap_or("");
    let serial = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"]
        .into_iter()
        .map(get)
        .find(|s| !s.is_empty())
        .unwrap_or("");
    let rotational = env.sys(&format!("block/{}/queue/rotational", disk.name));
    let rotational = if env.attr_u64(&rotational) == Some(1) { "1" } else { "0" };
    let device = ("device", disk.name.as_str());
    let labels = [
        device,
        ("major", &disk.major.to_string()),
        ("minor", &disk.minor.to_string()),
        ("model", get("ID_MODEL")),
        ("path", get("ID_PATH")),
        ("revision", get("ID_REVISION")),
        ("rotational", rotational),
        ("serial", serial),
        ("wwn", get("ID_WWN")),
    ];
    out.gauge("node_disk_info", "Info of /sys/block/<block_device>.", &labels, 1.0);
    if !get("ID_FS_TYPE").is_empty() {
        let labels = [
            device,
            ("type", get("ID_FS_TYPE")),
            ("usage", get("ID_FS_USAGE")),
            ("uuid", get("ID_FS_UUID")),
            ("version", get("ID_FS_VERSION")),
        ];
        out.gauge("node_disk_filesystem_info", "Info about disk filesystem.", &labels, 1.0);
    }
    if !get("DM_NAME").is_empty() {
        let labels = [
            device,
            ("lv_layer", get("DM_LV_LAYER")),
            ("lv_name", get("DM_LV_NAME")),
            ("name", get("DM_NAME")),
            ("uuid", get("DM_UUID")),
            ("vg_name", get("DM_VG_NAME")),
        ];
        out.gauge("node_disk_device_mapper_info", "Info about disk device mapper.", &labels, 1.0);
    }
    if !get("ID_ATA").is_empty() {
        for (key, name, help) in ATA {
            if let Some(value) = property(&text, key).and_then(|v| v.parse().ok()) {
                out.gauge(name, help, &[device], value);
            }
        }
    }
}

/// `E:KEY=VALUE` of a udev database file.
fn property<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_lengths() {
        let text = b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 2 3 4\n259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n";
        let disks = parse(text).unwrap();
        assert_eq!(disks.len(), 2);
        assert_eq!((disks[0].values.len(), disks[1].values.len()), (11, 17));
        assert!(parse(b"8 0\n").is_err());
    }

    #[test]
    fn udev_properties_are_found_by_whole_key() {
        let text = "E:ID_MODEL_ENC=x\nE:ID_MODEL=a=b\n";
        assert_eq!(property(text, "ID_MODEL"), Some("a=b"));
        assert_eq!(property(text, "ID"), None);
    }
}
