//! The kernel's clock discipline.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "timex",
    default_on: true,
    reads: "adjtimex()",
    families: "node_timex_*",
    make: |_| Ok(Box::new(Timex)),
};

struct Timex;

/// TIME_ERROR: not synchronized.
const NOT_SYNCHRONIZED: i32 = 5;
/// STA_NANO: offsets are in nanoseconds.
const NANOSECONDS: i32 = 0x2000;
/// Frequencies are parts per million with 16 bits behind the point.
const PPM_16: f64 = 1_000_000.0 * 65536.0;
const MICRO: f64 = 1_000_000.0;

impl Collector for Timex {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let t = gauntlet_sys::timex::read().map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Failure::NoData("adjtimex is not allowed".into())
            }
            _ => Failure::io("adjtimex", e),
        })?;
        let unit = if t.status & NANOSECONDS != 0 { 1e9 } else { MICRO };
        let f = |v: i64| v as f64;
        let synchronized = f64::from(u8::from(t.state != NOT_SYNCHRONIZED));
        let (gauge, counter) = (Kind::Gauge, Kind::Counter);
        let rows = [
            (
                "sync_status",
                "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
                gauge,
                synchronized,
            ),
            (
                "offset_seconds",
                "Time offset in between local system and reference clock.",
                gauge,
                f(t.offset) / unit,
            ),
            (
                "frequency_adjustment_ratio",
                "Local clock frequency adjustment.",
                gauge,
                1.0 + f(t.freq) / PPM_16,
            ),
            ("maxerror_seconds", "Maximum error in seconds.", gauge, f(t.maxerror) / MICRO),
            (
                "estimated_error_seconds",
                "Estimated error in seconds.",
                gauge,
                f(t.esterror) / MICRO,
            ),
            ("status", "Value of the status array bits.", gauge, f64::from(t.status)),
            ("loop_time_constant", "Phase-locked loop time constant.", gauge, f(t.constant)),
            ("tick_seconds", "Seconds between clock ticks.", gauge, f(t.tick) / MICRO),
            ("pps_frequency_hertz", "Pulse per second frequency.", gauge, f(t.ppsfreq) / PPM_16),
            ("pps_jitter_seconds", "Pulse per second jitter.", gauge, f(t.jitter) / unit),
            ("pps_shift_seconds", "Pulse per second interval duration.", gauge, f64::from(t.shift)),
            (
                "pps_stability_hertz",
                "Pulse per second stability, average of recent frequency changes.",
                gauge,
                f(t.stabil) / PPM_16,
            ),
            (
                "pps_jitter_total",
                "Pulse per second count of jitter limit exceeded events.",
                counter,
                f(t.jitcnt),
            ),
            (
                "pps_calibration_total",
                "Pulse per second count of calibration intervals.",
                counter,
                f(t.calcnt),
            ),
            (
                "pps_error_total",
                "Pulse per second count of calibration errors.",
                counter,
                f(t.errcnt),
            ),
            (
                "pps_stability_exceeded_total",
                "Pulse per second count of stability limit exceeded events.",
                counter,
                f(t.stbcnt),
            ),
            (
                "tai_offset_seconds",
                "International Atomic Time (TAI) offset.",
                gauge,
                f64::from(t.tai),
            ),
        ];
        for (suffix, help, kind, value) in rows {
            let family = out.family(&format!("node_timex_{suffix}"), help, kind);
            out.put(family, &[], value);
        }
        Ok(())
    }
}
