//! DRBD 8 replicated block devices.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "drbd",
    default_on: false,
    reads: "/proc/drbd",
    families: "node_drbd_*",
    make: |_| Ok(Box::new(Drbd)),
};

struct Drbd;

const KIB: f64 = 1024.0;

/// (key, family suffix, help, kind, factor)
const NUMBERS: [(&str, &str, &str, Kind, f64); 12] = [
    (
        "ns",
        "network_sent_bytes_total",
        "Total number of bytes sent via the network.",
        Kind::Counter,
        KIB,
    ),
    (
        "nr",
        "network_received_bytes_total",
        "Total number of bytes received via the network.",
        Kind::Counter,
        1.0,
    ),
    (
        "dw",
        "disk_written_bytes_total",
        "Net data written on local hard disk; in bytes.",
        Kind::Counter,
        KIB,
    ),
    (
        "dr",
        "disk_read_bytes_total",
        "Net data read from local hard disk; in bytes.",
        Kind::Counter,
        KIB,
    ),
    (
        "al",
        "activitylog_writes_total",
        "Number of updates of the activity log area of the meta data.",
        Kind::Counter,
        1.0,
    ),
    (
        "bm",
        "bitmap_writes_total",
        "Number of updates of the bitmap area of the meta data.",
        Kind::Counter,
        1.0,
    ),
    (
        "lo",
        "local_pending",
        "Number of open requests to the local I/O sub-system.",
        Kind::Gauge,
        1.0,
    ),
    (
        "pe",
        "remote_pending",
        "Number of requests sent to the peer, but that have not yet been answered by the latter.",
        Kind::Gauge,
        1.0,
    ),
    (
        "ua",
        "remote_unacknowledged",
        "Number of requests received by the peer via the network connection, but that have not yet been answered.",
        Kind::Gauge,
        1.0,
    ),
    (
        "ap",
        "application_pending",
        "Number of block I/O requests forwarded to DRBD, but not yet answered by DRBD.",
        Kind::Gauge,
        1.0,
    ),
    ("ep", "epochs", "Number of Epochs currently on the fly.", Kind::Gauge, 1.0),
    (
        "oos",
        "out_of_sync_bytes",
        "Amount of data known to be out of sync; in bytes.",
        Kind::Gauge,
        KIB,
    ),
];

/// (key, family suffix, help, good value): `good/other` of the local and the remote node.
const PAIRS: [(&str, &str, &str, &str); 2] = [
    (
        "ro",
        "node_role_is_primary",
        "Whether the role of the node is in the primary state.",
        "Primary",
    ),
    ("ds", "disk_state_is_up_to_date", "Whether the disk of the node is up to date.", "UpToDate"),
];

impl Collector for Drbd {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("drbd");
        let bytes = env.read(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?;
        parse(bytes, |device, key, value| show(out, device, key, value)).map_err(|e| e.at(&path))
    }
}

fn show(out: &mut Exposition, device: &str, key: &str, value: &str) -> Result<(), Malformed> {
    let device = ("device", device);
    let flag = |set: bool| f64::from(u8::from(set));
    if let Some((_, suffix, help, kind, factor)) = NUMBERS.iter().find(|n| n.0 == key) {
        let family = out.family(&format!("node_drbd_{suffix}"), help, *kind);
        out.put(family, &[device], scan::f64(value)? * factor);
    } else if let Some((_, suffix, help, good)) = PAIRS.iter().find(|p| p.0 == key) {
        let (local, remote) =
            value.split_once('/').ok_or_else(|| scan::bad("local/remote", value))?;
        let name = format!("node_drbd_{suffix}");
        out.gauge(&name, help, &[device, ("node", "local")], flag(local == *good));
        out.gauge(&name, help, &[device, ("node", "remote")], flag(remote == *good));
    } else if key == "cs" {
        let help = "Whether DRBD is connected to the peer.";
        out.gauge("node_drbd_connected", help, &[device], flag(value == "Connected"));
    }
    Ok(())
}

/// Calls back with device, key and value of every `key:value` word; `N:` starts device N.
pub(crate) fn parse(
    input: &[u8],
    mut each: impl FnMut(&str, &str, &str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut device = "unknown".to_owned();
    for word in scan::text(input).split_ascii_whitespace() {
        let Some((key, value)) = word.split_once(':') else { continue };
        if value.contains(':') {
            continue;
        }
        match key.parse::<u64>() {
            Ok(number) if value.is_empty() => device = format!("drbd{number}"),
            _ => each(&device, key, value)?,
        }
    }
    Ok(())
}
