//! Known weaknesses of the CPU and what the kernel does about them.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "cpu_vulnerabilities",
    default_on: false,
    reads: "/sys/devices/system/cpu/vulnerabilities",
    families: "node_cpu_vulnerabilities_info",
    make: |_| Ok(Box::new(CpuVulnerabilities)),
};

struct CpuVulnerabilities;

const HELP: &str = "Details of each CPU vulnerability reported by sysfs. The value of the series is an int encoded state of the \
    vulnerability. The same state is stored as a string in the label";

impl Collector for CpuVulnerabilities {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("devices/system/cpu/vulnerabilities");
        for name in env.list(&root).unwrap_or_default() {
            let Some(text) = env.attr(&format!("{root}/{name}")) else { continue };
            let (state, mitigation) = split(&text);
            let labels = [("codename", &*name), ("mitigation", &mitigation), ("state", state)];
            out.gauge("node_cpu_vulnerabilities_info", HELP, &labels, 1.0);
        }
        Ok(())
    }
}

/// `Mitigation: PTI` is the state `mitigation` and the text `PTI`; text of no known state is kept whole.
fn split(text: &str) -> (&'static str, String) {
    let lower = text.to_lowercase();
    let rest = || text.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    if lower.starts_with("not affected") {
        return ("not affected", String::new());
    }
    for state in ["vulnerable", "mitigation", "unknown"] {
        if lower.starts_with(state) {
            return (state, rest());
        }
    }
    ("unknown", text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn states_and_mitigations() {
        let check =
            |text, state, rest: &str| assert_eq!(super::split(text), (state, rest.to_owned()));
        check("Not affected", "not affected", "");
        check("Mitigation: PTI", "mitigation", "PTI");
        check("Vulnerable: No  microcode", "vulnerable", "No microcode");
        check("KVM: Mitigation", "unknown", "KVM: Mitigation");
    }
}
