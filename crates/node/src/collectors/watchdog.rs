//! Watchdog timers.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "watchdog",
    default_on: true,
    reads: "/sys/class/watchdog",
    families: "node_watchdog_*",
    make: |_| Ok(Box::new(Watchdog)),
};

struct Watchdog;

const VALUES: [(&str, &str); 7] = [
    ("bootstatus", "bootstatus"),
    ("fw_version", "fw_version"),
    ("nowayout", "nowayout"),
    ("timeleft", "timeleft_seconds"),
    ("timeout", "timeout_seconds"),
    ("pretimeout", "pretimeout_seconds"),
    ("access_cs0", "access_cs0"),
];

impl Collector for Watchdog {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/watchdog");
        for name in env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))? {
            let dir = format!("{root}/{name}");
            for (file, suffix) in VALUES {
                let text = env.attr(&format!("{dir}/{file}"));
                if let Some(value) = text.and_then(|t| scan::any_i64(&t)) {
                    let family = format!("node_watchdog_{suffix}");
                    let help = format!("Value of /sys/class/watchdog/<watchdog>/{file}");
                    out.gauge(&family, &help, &[("name", &name)], value as f64);
                }
            }
            let mut get = |file: &str| env.attr(&format!("{dir}/{file}")).unwrap_or_default();
            let labels = [
                ("identity", get("identity")),
                ("name", name.clone()),
                ("options", get("options")),
                ("pretimeout_governor", get("pretimeout_governor")),
                ("state", get("state")),
                ("status", get("status")),
            ];
            let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let help = "Info of /sys/class/watchdog/<watchdog>";
            out.gauge("node_watchdog_info", help, &labels, 1.0);
        }
        Ok(())
    }
}
