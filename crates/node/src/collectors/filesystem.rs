//! Space and inodes of mounted file systems: the mount table of the first process, then `statfs` on each mount point. File systems
//! that can hang (network, FUSE, anything unknown) are asked on threads of their own, bounded in number, with a deadline.

mod mounts;
mod stat;

pub(crate) use mounts::{Mount, parse as parse_mounts, read as read_mounts};

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{ConfigError, Failure};
use crate::exposition::Exposition;
use crate::pattern::NameFilter;
use stat::{Answer, Asker};

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "filesystem",
    default_on: true,
    reads: "/proc/1/mountinfo, statfs()",
    families: "node_filesystem_*",
    make: |settings| {
        let pair = |exclude: [&str; 2], include: &str| -> Result<NameFilter, ConfigError> {
            NameFilter::pair_with_old(settings, exclude, [include, ""])
        };
        Ok(Box::new(Filesystem {
            mount_points: pair(
                [
                    "collector.filesystem.mount-points-exclude",
                    "collector.filesystem.ignored-mount-points",
                ],
                "collector.filesystem.mount-points-include",
            )?,
            types: pair(
                ["collector.filesystem.fs-types-exclude", "collector.filesystem.ignored-fs-types"],
                "collector.filesystem.fs-types-include",
            )?,
            asker: Asker::new(
                settings.int("collector.filesystem.stat-workers").clamp(1, 64) as usize,
                settings.duration("collector.filesystem.mount-timeout"),
            ),
        }))
    },
};

struct Filesystem {
    mount_points: NameFilter,
    types: NameFilter,
    asker: Asker,
}

const FAMILIES: [(&str, &str); 7] = [
    (
        "node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.",
    ),
    ("node_filesystem_readonly", "Filesystem read-only status."),
    ("node_filesystem_size_bytes", "Filesystem size in bytes."),
    ("node_filesystem_free_bytes", "Filesystem free space in bytes."),
    ("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes."),
    ("node_filesystem_files", "Filesystem total file nodes."),
    ("node_filesystem_files_free", "Filesystem total free file nodes."),
];

impl Collector for Filesystem {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let mut mounts = mounts::read(env)?;
        mounts.retain(|m| !self.mount_points.ignores(&m.point) && !self.types.ignores(&m.fs_type));
        let answers = self.asker.ask(env, &mounts);
        let families = FAMILIES.map(|(name, help)| out.family(name, help, Kind::Gauge));
        let info =
            out.family("node_filesystem_mount_info", "Filesystem mount information.", Kind::Gauge);
        // a macOS notion, which upstream shows as zero everywhere
        let purgeable = out.family(
            "node_filesystem_purgeable_bytes",
            "Filesystem space available including purgeable space (MacOS specific).",
            Kind::Gauge,
        );
        for (mount, answer) in mounts.iter().zip(&answers) {
            let error = match answer {
                Answer::Stats(_) => "",
                Answer::Failed(error) => error,
                Answer::Stuck => "mountpoint timeout",
            };
            let labels = [
                ("device", mount.device.as_str()),
                ("device_error", error),
                ("fstype", &mount.fs_type),
                ("mountpoint", &mount.point),
            ];
            let flag = |set: bool| f64::from(u8::from(set));
            out.put(families[0], &labels, flag(!error.is_empty()));
            let read_only = mount.read_only && !matches!(answer, Answer::Stuck);
            out.put(families[1], &labels, flag(read_only));
            let Answer::Stats(stats) = answer else { continue };
            for (family, value) in families[2..].iter().zip(stats) {
                out.put(*family, &labels, *value);
            }
            out.put(purgeable, &labels, 0.0);
            let labels = [
                ("device", mount.device.as_str()),
                ("major", &mount.major),
                ("minor", &mount.minor),
                ("mountpoint", &mount.point),
            ];
            out.put(info, &labels, 1.0);
        }
        Ok(())
    }
}
