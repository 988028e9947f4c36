//! NFS mounts as the client sees them: bytes, events, transports and operations of `/proc/self/mountstats`.

mod parse;

pub(crate) use parse::parse;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;
use parse::Nfs;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "mountstats",
    default_on: false,
    reads: "/proc/self/{mountstats,mountinfo}",
    families: "node_mountstats_nfs_*",
    make: |_| Ok(Box::new(Mountstats)),
};

struct Mountstats;

impl Collector for Mountstats {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let path = env.proc("self/mountinfo");
        let bytes = env.read_plain(&path).map_err(|e| Failure::io(&path, e))?;
        let addresses: Vec<String> = scan::text(bytes).lines().map(address).collect();
        let path = env.proc("self/mountstats");
        let bytes = env.read_plain(&path).map_err(|e| Failure::io(&path, e))?;
        let mounts = parse(bytes).map_err(|e| e.at(&path))?;
        let (mut points, mut devices) = (Vec::new(), Vec::new());
        for (row, mount) in mounts.iter().enumerate() {
            let Some(nfs) = &mount.nfs else { continue };
            let address = addresses.get(row).map_or("", String::as_str);
            for transport in &nfs.transports {
                let labels = [
                    ("export", mount.device.as_str()),
                    ("mountaddr", address),
                    ("protocol", &transport.protocol),
                ];
                let point = (
                    mount.device.clone(),
                    transport.protocol.clone(),
                    address.to_owned(),
                    mount.point.clone(),
                );
                if !points.contains(&point) {
                    points.push(point);
                    let labels = [labels[0], labels[1], ("mountpoint", &mount.point), labels[2]];
                    let help = "Info metric for an NFS mountpoint.";
                    out.gauge("node_mountstats_nfs_mountpoint_info", help, &labels, 1.0);
                }
                let device = (mount.device.clone(), transport.protocol.clone(), address.to_owned());
                if devices.contains(&device) {
                    break; // another mount of the same export: the kernel counts both together
                }
                devices.push(device);
                show(out, nfs, labels);
            }
        }
        Ok(())
    }
}

/// The server's address among the super options of a mountinfo line.
fn address(line: &str) -> String {
    let options = line.rsplit(' ').next().unwrap_or("");
    let address = options.split(',').find_map(|o| o.strip_prefix("addr="));
    address.unwrap_or("").to_owned()
}

/// Values beyond the precision of a float wrap around, so that rates stay right.
const MANTISSA: u64 = 1 << 53;

fn show(out: &mut Exposition, nfs: &Nfs, labels: [(&str, &str); 3]) {
    let mut put = |suffix: &str, help: &str, kind: Kind, labels: &[(&str, &str)], value: f64| {
        let family = out.family(&format!("node_mountstats_nfs_{suffix}"), help, kind);
        out.put(family, labels, value);
    };
    let help = "The age of the NFS mount in seconds.";
    put("age_seconds_total", help, Kind::Counter, &labels, nfs.age_seconds);
    for ((suffix, help), value) in BYTES.iter().zip(nfs.bytes) {
        put(suffix, help, Kind::Counter, &labels, value as f64);
    }
    for (at, suffix, help) in EVENTS {
        put(suffix, help, Kind::Counter, &labels, nfs.events[*at] as f64);
    }
    for (row, transport) in nfs.transports.iter().enumerate() {
        let number = row.to_string();
        let labels = [labels[0], labels[1], labels[2], ("transport", &number)];
        for (at, suffix, help) in TRANSPORTS {
            let gauge = matches!(at, 4 | 10);
            let kind = if gauge { Kind::Gauge } else { Kind::Counter };
            let value = transport.values[*at];
            let value = if *at == 4 { value % MANTISSA } else { value };
            put(suffix, help, kind, &labels, value as f64);
        }
    }
    for (operation, values) in &nfs.operations {
        let labels = [labels[0], labels[1], ("operation", operation), labels[2]];
        for (row, ((suffix, help), value)) in OPERATIONS.iter().zip(values).enumerate() {
            let value = if row < 5 { *value as f64 } else { (*value % MANTISSA) as f64 / 1000.0 };
            put(suffix, help, Kind::Counter, &labels, value);
        }
    }
}

/// (family suffix, help) in the order of the `bytes:` line.
const BYTES: [(&str, &str); 8] = [
    ("read_bytes_total", "Number of bytes read using the read() syscall."),
    ("write_bytes_total", "Number of bytes written using the write() syscall."),
    ("direct_read_bytes_total", "Number of bytes read using the read() syscall in O_DIRECT mode."),
    (
        "direct_write_bytes_total",
        "Number of bytes written using the write() syscall in O_DIRECT mode.",
    ),
    ("total_read_bytes_total", "Number of bytes read from the NFS server, in total."),
    ("total_write_bytes_total", "Number of bytes written to the NFS server, in total."),
    ("read_pages_total", "Number of pages read directly via mmap()'d files."),
    ("write_pages_total", "Number of pages written directly via mmap()'d files."),
];

/// (position in the `events:` line, family suffix, help)
const EVENTS: &[(usize, &str, &str)] = &[
    (
        0,
        "event_inode_revalidate_total",
        "Number of times cached inode attributes are re-validated from the server.",
    ),
    (
        1,
        "event_dnode_revalidate_total",
        "Number of times cached dentry nodes are re-validated from the server.",
    ),
    (2, "event_data_invalidate_total", "Number of times an inode cache is cleared."),
    (
        3,
        "event_attribute_invalidate_total",
        "Number of times cached inode attributes are invalidated.",
    ),
    (4, "event_vfs_open_total", "Number of times cached inode attributes are invalidated."),
    (5, "event_vfs_lookup_total", "Number of times a directory lookup has occurred."),
    (6, "event_vfs_access_total", "Number of times permissions have been checked."),
    (7, "event_vfs_update_page_total", "Number of updates (and potential writes) to pages."),
    (8, "event_vfs_read_page_total", "Number of pages read directly via mmap()'d files."),
    (9, "event_vfs_read_pages_total", "Number of times a group of pages have been read."),
    (10, "event_vfs_write_page_total", "Number of pages written directly via mmap()'d files."),
    (11, "event_vfs_write_pages_total", "Number of times a group of pages have been written."),
    (
        12,
        "event_vfs_getdents_total",
        "Number of times directory entries have been read with getdents().",
    ),
    (
        13,
        "event_vfs_setattr_total",
        "Number of times directory entries have been read with getdents().",
    ),
    (
        14,
        "event_vfs_flush_total",
        "Number of pending writes that have been forcefully flushed to the server.",
    ),
    (
        15,
        "event_vfs_fsync_total",
        "Number of times fsync() has been called on directories and files.",
    ),
    (16, "event_vfs_lock_total", "Number of times locking has been attempted on a file."),
    (17, "event_vfs_file_release_total", "Number of times files have been closed and released."),
    (19, "event_truncation_total", "Number of times files have been truncated."),
    (
        20,
        "event_write_extension_total",
        "Number of times a file has been grown due to writes beyond its existing end.",
    ),
    (
        21,
        "event_silly_rename_total",
        "Number of times a file was removed while still open by another process.",
    ),
    (
        22,
        "event_short_read_total",
        "Number of times the NFS server gave less data than expected while reading.",
    ),
    (
        23,
        "event_short_write_total",
        "Number of times the NFS server wrote less data than expected while writing.",
    ),
    (
        24,
        "event_jukebox_delay_total",
        "Number of times the NFS server indicated EJUKEBOX; retrieving data from offline storage.",
    ),
    (25, "event_pnfs_read_total", "Number of NFS v4.1+ pNFS reads."),
    (26, "event_pnfs_write_total", "Number of NFS v4.1+ pNFS writes."),
];

/// (position in the transport's values, family suffix, help); positions 4 and 10 are gauges.
const TRANSPORTS: &[(usize, &str, &str)] = &[
    (
        1,
        "transport_bind_total",
        "Number of times the client has had to establish a connection from scratch to the NFS server.",
    ),
    (
        2,
        "transport_connect_total",
        "Number of times the client has made a TCP connection to the NFS server.",
    ),
    (
        4,
        "transport_idle_time_seconds",
        "Duration since the NFS mount last saw any RPC traffic, in seconds.",
    ),
    (5, "transport_sends_total", "Number of RPC requests for this mount sent to the NFS server."),
    (
        6,
        "transport_receives_total",
        "Number of RPC responses for this mount received from the NFS server.",
    ),
    (
        7,
        "transport_bad_transaction_ids_total",
        "Number of times the NFS server sent a response with a transaction ID unknown to this client.",
    ),
    (9, "transport_backlog_queue_total", "Total number of items added to the RPC backlog queue."),
    (
        10,
        "transport_maximum_rpc_slots",
        "Maximum number of simultaneously active RPC requests ever used.",
    ),
    (
        11,
        "transport_sending_queue_total",
        "Total number of items added to the RPC transmission sending queue.",
    ),
    (
        12,
        "transport_pending_queue_total",
        "Total number of items added to the RPC transmission pending queue.",
    ),
];

/// (family suffix, help) in the order of an operation's columns; the last three are milliseconds.
const OPERATIONS: [(&str, &str); 8] = [
    ("operations_requests_total", "Number of requests performed for a given operation."),
    (
        "operations_transmissions_total",
        "Number of times an actual RPC request has been transmitted for a given operation.",
    ),
    (
        "operations_major_timeouts_total",
        "Number of times a request has had a major timeout for a given operation.",
    ),
    (
        "operations_sent_bytes_total",
        "Number of bytes sent for a given operation, including RPC headers and payload.",
    ),
    (
        "operations_received_bytes_total",
        "Number of bytes received for a given operation, including RPC headers and payload.",
    ),
    (
        "operations_queue_time_seconds_total",
        "Duration all requests spent queued for transmission for a given operation before they were sent, in seconds.",
    ),
    (
        "operations_response_time_seconds_total",
        "Duration all requests took to get a reply back after a request for a given operation was transmitted, in seconds.",
    ),
    (
        "operations_request_time_seconds_total",
        "Duration all requests took from when a request was enqueued to when it was completely handled for a given operation, in seconds.",
    ),
];
