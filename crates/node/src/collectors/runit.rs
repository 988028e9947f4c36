//! Services under runit.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "runit",
    default_on: false,
    reads: "/etc/service/*/supervise/status",
    families: "node_service_*",
    make: |settings| {
        Ok(Box::new(Runit { folder: settings.text("collector.runit.servicedir").to_owned() }))
    },
};

struct Runit {
    folder: String,
}

impl Collector for Runit {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let folder = self.folder.trim_end_matches('/');
        for service in env.list(folder).map_err(|e| Failure::io(folder, e))? {
            let path = format!("{folder}/{service}/supervise/status");
            let Ok(bytes) = env.read_plain(&path) else { continue };
            let status = match parse(bytes) {
                Ok(status) => status,
                Err(e) => {
                    out.problem(e.at(path));
                    continue;
                }
            };
            let up = !env.exists(&format!("{folder}/{service}/supervise/down"));
            let labels = [("service", service.as_str()), ("supervisor", "runit")];
            let rows = [
                ("state", "State of runit service.", f64::from(status.state)),
                ("desired_state", "Desired state of runit service.", f64::from(status.wanted)),
                ("normal_state", "Normal state of runit service.", f64::from(u8::from(up))),
                (
                    "state_last_change_timestamp_seconds",
                    "Unix timestamp of the last runit service state change.",
                    status.changed_seconds as f64,
                ),
            ];
            for (suffix, help, value) in rows {
                out.gauge(&format!("node_service_{suffix}"), help, &labels, value);
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// 0 down, 1 up, 2 finishing.
    state: u8,
    wanted: u8,
    changed_seconds: i64,
}

/// Zero of the TAI64 label, with the ten leap seconds of 1970.
const TAI_OFFSET: i64 = 4_611_686_018_427_387_914;

/// | TAI64 seconds u64 be | nanoseconds u32 | pid u32 le | paused | wanted | term | state |
pub(crate) fn parse(input: &[u8]) -> Result<Status, Malformed> {
    let bytes: &[u8; 20] =
        input.first_chunk().ok_or_else(|| Malformed::new("status is shorter than 20 bytes"))?;
    let mut tai = [0; 8];
    tai.copy_from_slice(&bytes[..8]);
    Ok(Status {
        state: bytes[19],
        wanted: u8::from(bytes[17] == b'u'),
        changed_seconds: i64::from_be_bytes(tai).wrapping_sub(TAI_OFFSET),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let mut bytes = [0u8; 20];
        bytes[..8].copy_from_slice(&(TAI_OFFSET + 1_700_000_000).to_be_bytes());
        (bytes[17], bytes[19]) = (b'u', 1);
        let expect = Status { state: 1, wanted: 1, changed_seconds: 1_700_000_000 };
        assert_eq!(parse(&bytes), Ok(expect));
        assert!(parse(&bytes[..19]).is_err());
    }
}
