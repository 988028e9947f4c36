//! Software RAID: state, disks and synchronisation of each array from `/proc/mdstat` and sysfs.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "mdadm",
    default_on: true,
    reads: "/proc/mdstat, /sys/block/md*/md",
    families: "node_md_*",
    make: |_| Ok(Box::new(Mdadm)),
};

struct Mdadm;

/// Shown state and the word for it inside.
const STATES: [(&str, &str); 5] = [
    ("active", "active"),
    ("inactive", "inactive"),
    ("recovering", "recovering"),
    ("resync", "resyncing"),
    ("check", "checking"),
];

impl Collector for Mdadm {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("mdstat");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let arrays = match parse(bytes) {
            Ok(arrays) => arrays,
            Err(e) => {
                out.problem(e.at(path));
                Vec::new()
            }
        };
        let mut family = |name: &str, help: &str| out.family(name, help, Kind::Gauge);
        let required = family("node_md_disks_required", "Total number of disks of device.");
        let disks = family("node_md_disks", "Number of active/failed/spare disks of device.");
        let state = family("node_md_state", "Indicates the state of md-device.");
        let blocks = family("node_md_blocks", "Total number of blocks on device.");
        let synced = family("node_md_blocks_synced", "Number of blocks synced on device.");
        for array in &arrays {
            let device = ("device", array.name.as_str());
            out.put(required, &[device], array.total as f64);
            for (kind, count) in
                [("active", array.active), ("failed", array.failed), ("spare", array.spare)]
            {
                out.put(disks, &[device, ("state", kind)], count as f64);
            }
            for (shown, word) in STATES {
                let is = f64::from(u8::from(array.state == word));
                out.put(state, &[device, ("state", shown)], is);
            }
            out.put(blocks, &[device], array.blocks as f64);
            out.put(synced, &[device], array.synced as f64);
        }
        sysfs(env, out)
    }
}

fn sysfs(env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
    let root = env.sys("block");
    for name in env.list(&root).unwrap_or_default().iter().filter(|n| n.starts_with("md")) {
        let dir = format!("{root}/{name}/md");
        let Some(level) = env.attr(&format!("{dir}/level")) else { continue };
        let labels = [("device", name.as_str())];
        if !matches!(level.as_str(), "" | "container" | "imsm" | "ddf") {
            let text = env.attr(&format!("{dir}/raid_disks")).unwrap_or_default();
            let count = text.split(' ').next().and_then(|w| w.parse::<u64>().ok());
            if let Some(count) = count {
                let help = "Number of raid disks on device.";
                out.gauge("node_md_raid_disks", help, &labels, count as f64);
            }
        }
        let redundant = matches!(level.as_str(), "raid1" | "raid4" | "raid5" | "raid6" | "raid10");
        let degraded = if redundant { env.need_u64(&format!("{dir}/degraded"))? } else { 0 };
        let help = "Number of degraded disks on device.";
        out.gauge("node_md_degraded", help, &labels, degraded as f64);
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Array {
    name: String,
    state: String,
    active: u64,
    failed: u64,
    spare: u64,
    total: u64,
    blocks: u64,
    synced: u64,
}

/// All arrays. An array is a line that names it, a line with its size, and perhaps lines about a bitmap and a running
/// recovery, reshape, resync or check.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Array>, Malformed> {
    let text = scan::text(input);
    let lines: Vec<&str> = text.lines().collect();
    let mut arrays = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let heading = !line.trim().is_empty() && !line.starts_with([' ', '\t']);
        if !heading || line.starts_with("unused") || line.starts_with("Personalities") {
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, _, state, ..] = words[..] else {
            return Err(scan::bad("a name and a state", line));
        };
        let size_line = lines.get(row + 1).copied().unwrap_or("");
        let mut array = Array {
            name: name.to_owned(),
            state: state.to_owned(),
            failed: line.matches("(F)").count() as u64,
            spare: line.matches("(S)").count() as u64,
            ..Array::default()
        };
        sizes(&mut array, line, size_line)?;
        let bitmap = lines.get(row + 2).is_some_and(|l| l.contains("bitmap"));
        sync(&mut array, lines.get(row + 2 + usize::from(bitmap)).copied().unwrap_or(""))?;
        arrays.push(array);
    }
    Ok(arrays)
}

/// Block count and `[total/active]`. Types without redundancy show no disk counts: each member is needed.
fn sizes(array: &mut Array, line: &str, size_line: &str) -> Result<(), Malformed> {
    array.blocks = scan::u64(size_line.split_ascii_whitespace().next().unwrap_or(""))?;
    array.synced = array.blocks;
    if line.contains("raid0") || line.contains("linear") {
        array.total = line.matches('[').count() as u64;
        array.active = array.total;
        return Ok(());
    }
    if line.contains("inactive") {
        return Ok(());
    }
    let counts = size_line.split('[').skip(1).find_map(|part| {
        let (total, active) = part.split(']').next()?.split_once('/')?;
        Some((total.parse().ok()?, active.parse().ok()?))
    });
    (array.total, array.active) = counts.ok_or_else(|| scan::bad("[total/active]", size_line))?;
    Ok(())
}

/// State and progress of what is running, if anything is.
fn sync(array: &mut Array, line: &str) -> Result<(), Malformed> {
    let state = if line.contains("recovery") {
        "recovering"
    } else if line.contains("reshape") {
        "reshaping"
    } else if line.contains("check") {
        "checking"
    } else if line.contains("resync") {
        "resyncing"
    } else {
        return Ok(());
    };
    array.state = state.to_owned();
    if line.contains("PENDING") || line.contains("DELAYED") {
        array.synced = 0;
        return Ok(());
    }
    let done = line.split('(').nth(1).and_then(|p| p.split('/').next()).unwrap_or("");
    array.synced = scan::u64(done)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_and_pending_arrays() {
        let text = b"Personalities : [raid1]\nmd8 : active raid1 sdb1[1] sda1[0] sdc[2](S) sde[3](F)\n      195310144 blocks [2/2] [UU]\n      [=>...................]  resync =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec\n\nmd9 : active raid1 sdb[1]\n 7 blocks [2/1] [U_]\n      resync=DELAYED\n\nunused devices: <none>\n";
        let arrays = parse(text).unwrap();
        assert_eq!(arrays.len(), 2);
        let a = &arrays[0];
        assert_eq!(
            (a.state.as_str(), a.synced, a.total, a.active),
            ("resyncing", 16_775_552, 2, 2)
        );
        assert_eq!((a.failed, a.spare), (1, 1));
        assert_eq!((arrays[1].synced, arrays[1].active), (0, 1));
        assert!(parse(b"md0 : active raid1 sda[0]\n x blocks\n").is_err());
        assert!(parse(b"md0\n").is_err());
    }
}
