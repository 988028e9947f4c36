//! All collectors: one file each, and the table that names them.

use crate::collector::CollectorInfo;

mod cpu;
mod diskstats;
mod filefd;
mod filesystem;
mod loadavg;
mod meminfo;
mod netdev;
mod pressure;
mod stat;
mod time;
mod uname;
mod vmstat;

/// The table, ascending by name.
pub fn all() -> &'static [CollectorInfo] {
    static ALL: &[CollectorInfo] = &[
        cpu::INFO,
        diskstats::INFO,
        filefd::INFO,
        filesystem::INFO,
        loadavg::INFO,
        meminfo::INFO,
        netdev::INFO,
        pressure::INFO,
        stat::INFO,
        time::INFO,
        uname::INFO,
        vmstat::INFO,
    ];
    ALL
}

/// Runs every parser over the same bytes; results are thrown away.
pub(crate) fn parse_anything(data: &[u8]) {
    let paths = crate::config::Settings::default().paths();
    let _ = cpu::parse_stat(data);
    let _ = cpu::parse_cpuinfo(data);
    let _ = diskstats::parse(data);
    let _ = filefd::parse(data);
    let _ = filesystem::parse_mounts(data, &paths);
    let _ = loadavg::parse(data);
    let _ = meminfo::parse(data, |_, _, _| ());
    let _ = netdev::parse(data);
    let _ = pressure::parse(data);
    let _ = stat::parse(data);
    let _ = vmstat::parse(data);
    let _ = crate::netlink::parse_links(crate::netlink::Messages::over(data));
}
