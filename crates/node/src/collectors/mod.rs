//! All collectors: one file each, and the table that names them.

use crate::collector::CollectorInfo;

mod arp;
mod bcache;
mod bcachefs;
mod bonding;
mod btrfs;
mod buddyinfo;
mod cgroups;
mod conntrack;
mod cpu;
mod cpu_vulnerabilities;
mod cpufreq;
mod diskstats;
mod dmi;
mod dmmultipath;
mod drbd;
mod drm;
mod edac;
mod entropy;
mod ethtool;
mod fibrechannel;
mod filefd;
mod filesystem;
mod hwmon;
mod infiniband;
mod interrupts;
mod ipvs;
mod kernel_hung;
mod ksmd;
mod lnstat;
mod loadavg;
mod logind;
mod mdadm;
mod meminfo;
mod meminfo_numa;
mod mountstats;
mod netclass;
mod netdev;
mod netstat;
mod network_route;
mod nfs;
mod nfsd;
mod ntp;
mod nvme;
mod nvmesubsystem;
mod os;
mod pcidevice;
mod perf;
mod powersupplyclass;
mod pressure;
mod processes;
mod qdisc;
mod rapl;
mod runit;
mod schedstat;
mod selinux;
mod slabinfo;
mod sockstat;
mod softirqs;
mod softnet;
mod stat;
mod supervisord;
mod swap;
mod sysctl;
mod systemd;
mod tapestats;
mod tcpstat;
mod textfile;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
mod uname;
mod vmstat;
mod watchdog;
mod wifi;
mod xfrm;
mod xfs;
mod zfs;
mod zoneinfo;

/// The table, ascending by name.
pub fn all() -> &'static [CollectorInfo] {
    static ALL: &[CollectorInfo] = &[
        arp::INFO,
        bcache::INFO,
        bcachefs::INFO,
        bonding::INFO,
        btrfs::INFO,
        buddyinfo::INFO,
        cgroups::INFO,
        conntrack::INFO,
        cpu::INFO,
        cpu_vulnerabilities::INFO,
        cpufreq::INFO,
        diskstats::INFO,
        dmi::INFO,
        dmmultipath::INFO,
        drbd::INFO,
        drm::INFO,
        edac::INFO,
        entropy::INFO,
        ethtool::INFO,
        fibrechannel::INFO,
        filefd::INFO,
        filesystem::INFO,
        hwmon::INFO,
        infiniband::INFO,
        interrupts::INFO,
        ipvs::INFO,
        kernel_hung::INFO,
        ksmd::INFO,
        lnstat::INFO,
        loadavg::INFO,
        logind::INFO,
        mdadm::INFO,
        meminfo::INFO,
        meminfo_numa::INFO,
        mountstats::INFO,
        netclass::INFO,
        netdev::INFO,
        netstat::INFO,
        network_route::INFO,
        nfs::INFO,
        nfsd::INFO,
        ntp::INFO,
        nvme::INFO,
        nvmesubsystem::INFO,
        os::INFO,
        pcidevice::INFO,
        perf::INFO,
        powersupplyclass::INFO,
        pressure::INFO,
        processes::INFO,
        qdisc::INFO,
        rapl::INFO,
        runit::INFO,
        schedstat::INFO,
        selinux::INFO,
        slabinfo::INFO,
        sockstat::INFO,
        softirqs::INFO,
        softnet::INFO,
        stat::INFO,
        supervisord::INFO,
        swap::INFO,
        sysctl::INFO,
        systemd::INFO,
        tapestats::INFO,
        tcpstat::INFO,
        textfile::INFO,
        thermal_zone::INFO,
        time::INFO,
        timex::INFO,
        udp_queues::INFO,
        uname::INFO,
        vmstat::INFO,
        watchdog::INFO,
        wifi::INFO,
        xfrm::INFO,
        xfs::INFO,
        zfs::INFO,
        zoneinfo::INFO,
    ];
    ALL
}

/// Runs every parser over the same bytes; results are thrown away.
pub(crate) fn parse_anything(data: &[u8]) {
    use crate::netlink::{Messages, parse_links};
    let paths = crate::config::Settings::default().paths();
    let _ = arp::parse(data);
    let _ = arp::parse_neighbours(Messages::over(data));
    let _ = bcache::dehumanize(&crate::scan::text(data));
    let _ = bcachefs::bytes(&crate::scan::text(data));
    let _ = buddyinfo::parse(data);
    let _ = cgroups::parse(data);
    let _ = conntrack::parse(data);
    let _ = cpu::parse_stat(data);
    let _ = cpu::parse_cpuinfo(data);
    let _ = diskstats::parse(data);
    let _ = drbd::parse(data, |_, _, _| Ok(()));
    let _ = filefd::parse(data);
    let _ = filesystem::parse_mounts(data, &paths);
    let _ = interrupts::parse(data);
    let _ = ipvs::parse(data);
    let _ = ipvs::parse_totals(data);
    let _ = lnstat::parse(data);
    let _ = loadavg::parse(data);
    let _ = mdadm::parse(data);
    let _ = meminfo::parse(data, |_, _, _| ());
    let _ = meminfo_numa::parse(data);
    let _ = mountstats::parse(data);
    let _ = netdev::parse(data);
    let _ = netstat::parse(data, |_, _, _| ());
    let _ = netstat::parse_snmp6(data, |_, _, _| ());
    let _ = network_route::parse(Messages::over(data));
    let _ = nfs::parse(data);
    ntp::check(data);
    let _ = os::parse(data);
    let _ = pcidevice::parse_names(data);
    let _ = pressure::parse(data);
    let _ = processes::parse(data);
    let _ = Messages::over(data).filter_map(|m| qdisc::parse(&m)).count();
    let _ = runit::parse(data);
    let _ = schedstat::parse(data);
    let _ = slabinfo::parse(data);
    let _ = sockstat::parse(data, |_, _, _| ());
    let _ = softirqs::parse(data);
    let _ = softnet::parse(data);
    let _ = stat::parse(data);
    let _ = supervisord::parse(data);
    let _ = swap::parse(data);
    let _ = textfile::parse(data);
    let _ = udp_queues::parse(data);
    let _ = vmstat::parse(data);
    wifi::parse_station(data, &mut wifi::Station::default());
    let _ = xfrm::parse(data);
    let _ = xfs::parse(data);
    let _ = zfs::parse_table(data, |_, _| ());
    let _ = zfs::parse_io(data, |_, _| ());
    let _ = zoneinfo::parse(data);
    let _ = parse_links(Messages::over(data));
    crate::dbus::check(data);
    let _ = crate::json::Json::parse(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_the_flags() {
        assert!(all().is_sorted_by(|a, b| a.name < b.name));
        for info in all() {
            let flag = crate::flags::find(&format!("collector.{}", info.name)).expect(info.name);
            assert_eq!(flag.default == ["true"], info.default_on, "{}", info.name);
        }
        for flag in crate::flags::flags() {
            let Some(name) = flag.name.strip_prefix("collector.") else { continue };
            if name != "disable-defaults" && !name.contains('.') {
                assert!(
                    all().iter().any(|info| info.name == name),
                    "no collector for --{}",
                    flag.name
                );
            }
        }
    }
}
