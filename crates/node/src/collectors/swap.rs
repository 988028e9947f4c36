//! Swap areas.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "swap",
    default_on: false,
    reads: "/proc/swaps",
    families: "node_swap_*",
    make: |_| Ok(Box::new(Swap)),
};

struct Swap;

impl Collector for Swap {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("swaps");
        let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
        for (device, kind, [size, used, priority]) in parse(bytes).map_err(|e| e.at(&path))? {
            let labels = [("device", device.as_str()), ("swap_type", &kind)];
            let bytes = |kib: i64| kib.saturating_mul(1024) as f64;
            out.gauge("node_swap_size_bytes", "Swap device size in bytes.", &labels, bytes(size));
            out.gauge("node_swap_used_bytes", "Swap device used in bytes.", &labels, bytes(used));
            out.gauge("node_swap_priority", "Swap device priority.", &labels, priority as f64);
        }
        Ok(())
    }
}

/// Device, type, and size and use in KiB and priority of each area.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, String, [i64; 3])>, Malformed> {
    let mut areas = Vec::new();
    for line in scan::text(input).lines().skip(1) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [device, kind, size, used, priority, ..] = words[..] else {
            return Err(scan::bad("five columns", line));
        };
        let numbers = [scan::i64(size)?, scan::i64(used)?, scan::i64(priority)?];
        areas.push((device.to_owned(), kind.to_owned(), numbers));
    }
    Ok(areas)
}

#[cfg(test)]
mod tests {
    #[test]
    fn areas_are_read() {
        let areas = super::parse(b"Filename\n/dev/zram0  partition 8 7 -2\n").unwrap();
        assert_eq!(areas, [("/dev/zram0".to_owned(), "partition".to_owned(), [8, 7, -2])]);
        assert!(super::parse(b"Filename\n/dev/zram0\n").is_err());
    }
}
