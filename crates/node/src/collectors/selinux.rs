//! SELinux: whether it is on, and the modes configured and in force.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "selinux",
    default_on: true,
    reads: "/sys/fs/selinux/enforce, /etc/selinux/config, /proc/self/attr/current",
    families: "node_selinux_*",
    make: |_| Ok(Box::new(Selinux)),
};

struct Selinux;

impl Collector for Selinux {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        // As upstream's library: real paths of this process, whatever --path.* says.
        let enforce = env.attr("/sys/fs/selinux/enforce");
        let context = enforce.as_ref().and_then(|_| env.attr("/proc/self/attr/current"));
        let enabled = context.is_some_and(|c| c.trim_end_matches('\0') != "kernel");
        let help = "SELinux is enabled, 1 is true, 0 is false";
        out.gauge("node_selinux_enabled", help, &[], f64::from(u8::from(enabled)));
        if !enabled {
            return Ok(());
        }
        let config = env
            .read_plain("/etc/selinux/config")
            .map(|b| crate::scan::text(b).into_owned())
            .unwrap_or_default();
        let help = "Configured SELinux enforcement mode";
        out.gauge("node_selinux_config_mode", help, &[], configured_mode(&config));
        let current = enforce.and_then(|e| e.parse::<i32>().ok()).unwrap_or(-1);
        let help = "Current SELinux enforcement mode";
        out.gauge("node_selinux_current_mode", help, &[], f64::from(current));
        Ok(())
    }
}

/// 1 enforcing, 0 permissive, -1 anything else.
fn configured_mode(config: &str) -> f64 {
    let value = config.lines().find_map(|l| l.trim().strip_prefix("SELINUX="));
    match value.map(str::trim) {
        Some("enforcing") => 1.0,
        Some("permissive") => 0.0,
        _ => -1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_numbers() {
        assert_eq!(configured_mode("# x\nSELINUX=enforcing\n"), 1.0);
        assert_eq!(configured_mode("SELINUX=permissive"), 0.0);
        assert_eq!(configured_mode("SELINUXTYPE=targeted"), -1.0);
    }
}
