//! The clock: seconds since the epoch, the local zone's offset, and the kernel's clock sources.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "time",
    default_on: true,
    reads: "clock, /sys/devices/system/clocksource",
    families: "node_time_seconds, node_time_zone_offset_seconds, node_time_clocksource_*_info",
    make: |_| Ok(Box::new(Time { zone: None })),
};

struct Time {
    /// Found at the first scrape, as upstream does at start.
    zone: Option<TimeZone>,
}

impl Collector for Time {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let nanos = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        out.gauge(
            "node_time_seconds",
            "System time in seconds since epoch (1970).",
            &[],
            nanos as f64 / 1e9,
        );
        if let Ok(at) = Timestamp::from_second(now.tv_sec) {
            let zone = self.zone.get_or_insert_with(|| local_zone().unwrap_or(TimeZone::UTC));
            let info = zone.to_offset_info(at);
            out.gauge(
                "node_time_zone_offset_seconds",
                "System time zone offset in seconds.",
                &[("time_zone", info.abbreviation())],
                f64::from(info.offset().seconds()),
            );
        }
        clocksources(env, out)
    }
}

/// As Go finds it: the variable TZ (a name, a path, or empty for UTC), else /etc/localtime.
fn local_zone() -> Option<TimeZone> {
    let path = match std::env::var("TZ") {
        Err(_) => "/etc/localtime".to_owned(),
        Ok(name) => {
            let name = name.trim_start_matches(':');
            if name.is_empty() || name == "UTC" {
                return None;
            }
            let place = if name.starts_with('/') { "" } else { "/usr/share/zoneinfo/" };
            format!("{place}{name}")
        }
    };
    TimeZone::tzif("Local", &std::fs::read(path).ok()?).ok()
}

fn clocksources(env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
    let available = out.family(
        "node_time_clocksource_available_info",
        "Available clocksources read from '/sys/devices/system/clocksource'.",
        Kind::Gauge,
    );
    let current = out.family(
        "node_time_clocksource_current_info",
        "Current clocksource read from '/sys/devices/system/clocksource'.",
        Kind::Gauge,
    );
    let root = env.sys("devices/system/clocksource");
    let devices = env.numbered(&root, "clocksource").unwrap_or_default();
    for (row, (_, name)) in devices.into_iter().enumerate() {
        let device = row.to_string();
        let path = format!("{root}/{name}/available_clocksource");
        let names = env.read_one(&path).map_err(|e| Failure::io(&path, e))?;
        for source in crate::scan::text(names).split_ascii_whitespace() {
            out.put(available, &[("clocksource", source), ("device", &device)], 1.0);
        }
        let path = format!("{root}/{name}/current_clocksource");
        let source =
            env.attr(&path).ok_or_else(|| Failure::Other(format!("{path}: unreadable")))?;
        out.put(current, &[("clocksource", &source), ("device", &device)], 1.0);
    }
    Ok(())
}
