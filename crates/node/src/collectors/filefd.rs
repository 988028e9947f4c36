//! Open files of the whole system from `/proc/sys/fs/file-nr`.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "filefd",
    default_on: true,
    reads: "/proc/sys/fs/file-nr",
    families: "node_filefd_allocated, node_filefd_maximum",
    make: |_| Ok(Box::new(Filefd)),
};

struct Filefd;

impl Collector for Filefd {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("sys/fs/file-nr");
        let bytes = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        let (allocated, maximum) = parse(bytes).map_err(|e| e.at(&path))?;
        out.gauge(
            "node_filefd_allocated",
            "File descriptor statistics: allocated.",
            &[],
            allocated,
        );
        out.gauge("node_filefd_maximum", "File descriptor statistics: maximum.", &[], maximum);
        Ok(())
    }
}

/// Allocated and maximum; the middle number (free) is always zero on current kernels.
pub(crate) fn parse(input: &[u8]) -> Result<(f64, f64), Malformed> {
    let text = scan::text(input);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        [allocated, _, maximum, ..] => Ok((scan::f64(allocated)?, scan::f64(maximum)?)),
        _ => Err(scan::bad("three numbers", &text)),
    }
}
