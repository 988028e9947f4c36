//! SCSI tape drives.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::pattern::Pattern;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "tapestats",
    default_on: true,
    reads: "/sys/class/scsi_tape/st*/stats",
    families: "node_tape_*",
    make: |settings| {
        let flag = "collector.tapestats.ignored-devices";
        Ok(Box::new(Tapestats { ignored: Pattern::new(flag, settings.text(flag))? }))
    },
};

struct Tapestats {
    ignored: Pattern,
}

/// (file, family suffix, help, factor); the first is a gauge.
const VALUES: [(&str, &str, &str, f64); 10] = [
    ("in_flight", "io_now", "The number of I/Os currently outstanding to this device.", 1.0),
    (
        "io_ns",
        "io_time_seconds_total",
        "The amount of time spent waiting for all I/O to complete (including read and write). This includes tape movement commands such as seeking between file or set marks and implicit tape movement such as when rewind on close tape devices are used.",
        1e-9,
    ),
    (
        "other_cnt",
        "io_others_total",
        "The number of I/Os issued to the tape drive other than read or write commands. The time taken to complete these commands uses the following calculation io_time_seconds_total-read_time_seconds_total-write_time_seconds_total",
        1.0,
    ),
    ("read_byte_cnt", "read_bytes_total", "The number of bytes read from the tape drive.", 1.0),
    (
        "read_cnt",
        "reads_completed_total",
        "The number of read requests issued to the tape drive.",
        1.0,
    ),
    (
        "read_ns",
        "read_time_seconds_total",
        "The amount of time spent waiting for read requests to complete.",
        1e-9,
    ),
    (
        "resid_cnt",
        "residual_total",
        "The number of times during a read or write we found the residual amount to be non-zero. This should mean that a program is issuing a read larger thean the block size on tape. For write not all data made it to tape.",
        1.0,
    ),
    (
        "write_byte_cnt",
        "written_bytes_total",
        "The number of bytes written to the tape drive.",
        1.0,
    ),
    (
        "write_cnt",
        "writes_completed_total",
        "The number of write requests issued to the tape drive.",
        1.0,
    ),
    (
        "write_ns",
        "write_time_seconds_total",
        "The amount of time spent waiting for write requests to complete.",
        1e-9,
    ),
];

impl Collector for Tapestats {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/scsi_tape");
        let drives = env.numbered(&root, "st").map_err(|e| Failure::absent_is_no_data(&root, e))?;
        for (_, drive) in drives.iter().filter(|(_, d)| !self.ignored.matches(d)) {
            for (row, (file, suffix, help, factor)) in VALUES.iter().enumerate() {
                let value = env.attr_u64(&format!("{root}/{drive}/stats/{file}")).unwrap_or(0);
                let kind = if row == 0 { Kind::Gauge } else { Kind::Counter };
                let family = out.family(&format!("node_tape_{suffix}"), help, kind);
                out.put(family, &[("device", drive)], value as f64 * factor);
            }
        }
        Ok(())
    }
}
