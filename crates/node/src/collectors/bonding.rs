//! Bonded network devices: how many members they have and how many of those are up.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "bonding",
    default_on: true,
    reads: "/sys/class/net/bonding_masters and the masters' bonding/slaves",
    families: "node_bonding_slaves, node_bonding_active",
    make: |_| Ok(Box::new(Bonding)),
};

struct Bonding;

impl Collector for Bonding {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/net");
        let path = format!("{root}/bonding_masters");
        let masters =
            env.read_one(&path).map_err(|e| Failure::absent_is_no_data(&path, e))?.to_vec();
        let slaves = out.family(
            "node_bonding_slaves",
            "Number of configured slaves per bonding interface.",
            Kind::Gauge,
        );
        let active = out.family(
            "node_bonding_active",
            "Number of active slaves per bonding interface.",
            Kind::Gauge,
        );
        for master in crate::scan::text(&masters).split_ascii_whitespace() {
            let path = format!("{root}/{master}/bonding/slaves");
            let names =
                env.attr(&path).ok_or_else(|| Failure::NoData(format!("{path} cannot be read")))?;
            let (mut all, mut up) = (0u32, 0u32);
            for slave in names.split_ascii_whitespace() {
                let state = ["lower", "slave"].iter().find_map(|prefix| {
                    env.attr(&format!("{root}/{master}/{prefix}_{slave}/bonding_slave/mii_status"))
                });
                let state = state.ok_or_else(|| {
                    Failure::NoData(format!("{root}/{master}: no state of {slave}"))
                })?;
                all += 1;
                up += u32::from(state == "up");
            }
            out.put(slaves, &[("master", master)], f64::from(all));
            out.put(active, &[("master", master)], f64::from(up));
        }
        Ok(())
    }
}
