//! Energy counters of the processor's power zones.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "rapl",
    default_on: true,
    reads: "/sys/class/powercap",
    families: "node_rapl_*joules_total",
    make: |settings| {
        Ok(Box::new(Rapl { zone_label: settings.switch("collector.rapl.enable-zone-label") }))
    },
};

struct Rapl {
    zone_label: bool,
}

impl Collector for Rapl {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/powercap");
        let entries = env.list(&root).map_err(|e| Failure::absent_is_no_data(&root, e))?;
        let mut next: Vec<(String, u64)> = Vec::new();
        for entry in entries {
            let dir = format!("{root}/{entry}");
            let Some(name) = env.attr(&format!("{dir}/name")) else { continue };
            let (index, name) = indexed(&name, &next);
            next.retain(|(known, _)| *known != name);
            next.push((name.clone(), index + 1));
            let path = format!("{dir}/energy_uj");
            let bytes = match env.read_one(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                    return Err(Failure::NoData(format!("{path}: needs root")));
                }
                Err(e) => return Err(Failure::io(path, e)),
            };
            let micro = scan::u64(scan::text(bytes).trim()).map_err(|e| e.at(&path))?;
            let joules = micro as f64 / 1_000_000.0;
            let index = index.to_string();
            if self.zone_label {
                let labels = [("index", index.as_str()), ("path", &dir), ("rapl_zone", &name)];
                let help = "Current RAPL value in joules";
                out.counter("node_rapl_joules_total", help, &labels, joules);
            } else {
                let family = format!("node_rapl_{}_joules_total", scan::metric_name(&name));
                let help = format!("Current RAPL {name} value in joules");
                out.counter(&family, &help, &[("index", &index), ("path", &dir)], joules);
            }
        }
        Ok(())
    }
}

/// `package-1` is index 1 of `package`; names without a number are counted as they come.
fn indexed(name: &str, next: &[(String, u64)]) -> (u64, String) {
    if let Some((base, number)) = name.split_once('-')
        && let Ok(index) = number.parse()
    {
        return (index, base.to_owned());
    }
    let index = next.iter().find(|(known, _)| known == name).map_or(0, |(_, index)| *index);
    (index, name.to_owned())
}
