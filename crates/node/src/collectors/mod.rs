//! All collectors: one file each, and the table that names them.

use crate::collector::CollectorInfo;

mod arp;
mod bcache;
mod bcachefs;
mod bonding;
mod btrfs;
mod conntrack;
mod cpu;
mod cpufreq;
mod diskstats;
mod dmi;
mod dmmultipath;
mod edac;
mod entropy;
mod fibrechannel;
mod filefd;
mod filesystem;
mod hwmon;
mod infiniband;
mod ipvs;
mod kernel_hung;
mod loadavg;
mod mdadm;
mod meminfo;
mod netclass;
mod netdev;
mod netstat;
mod nfs;
mod nfsd;
mod nvme;
mod os;
mod powersupplyclass;
mod pressure;
mod rapl;
mod schedstat;
mod selinux;
mod sockstat;
mod softnet;
mod stat;
mod tapestats;
mod textfile;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
mod uname;
mod vmstat;
mod watchdog;
mod xfs;
mod zfs;

/// The table, ascending by name.
pub fn all() -> &'static [CollectorInfo] {
    static ALL: &[CollectorInfo] = &[
        arp::INFO,
        bcache::INFO,
        bcachefs::INFO,
        bonding::INFO,
        btrfs::INFO,
        conntrack::INFO,
        cpu::INFO,
        cpufreq::INFO,
        diskstats::INFO,
        dmi::INFO,
        dmmultipath::INFO,
        edac::INFO,
        entropy::INFO,
        fibrechannel::INFO,
        filefd::INFO,
        filesystem::INFO,
        hwmon::INFO,
        infiniband::INFO,
        ipvs::INFO,
        kernel_hung::INFO,
        loadavg::INFO,
        mdadm::INFO,
        meminfo::INFO,
        netclass::INFO,
        netdev::INFO,
        netstat::INFO,
        nfs::INFO,
        nfsd::INFO,
        nvme::INFO,
        os::INFO,
        powersupplyclass::INFO,
        pressure::INFO,
        rapl::INFO,
        schedstat::INFO,
        selinux::INFO,
        sockstat::INFO,
        softnet::INFO,
        stat::INFO,
        tapestats::INFO,
        textfile::INFO,
        thermal_zone::INFO,
        time::INFO,
        timex::INFO,
        udp_queues::INFO,
        uname::INFO,
        vmstat::INFO,
        watchdog::INFO,
        xfs::INFO,
        zfs::INFO,
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
