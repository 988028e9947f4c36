//! Tasks that the kernel's watchdog found hung.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "kernel_hung",
    default_on: true,
    reads: "/proc/sys/kernel/hung_task_detect_count",
    families: "node_kernel_hung_tasks_total",
    make: |_| Ok(Box::new(KernelHung)),
};

struct KernelHung;

impl Collector for KernelHung {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("sys/kernel/hung_task_detect_count");
        let bytes = env.read_one(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        let count = scan::u64(scan::text(bytes).trim()).map_err(|e| e.at(&path))?;
        out.counter(
            "node_kernel_hung_tasks_total",
            "Total number of tasks that have been detected as hung since the system booted.",
            &[],
            count as f64,
        );
        Ok(())
    }
}
