//! Memory errors that the hardware corrected or could not correct, per controller, row and channel.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "edac",
    default_on: true,
    reads: "/sys/devices/system/edac/mc",
    families: "node_edac_*_errors_total",
    make: |_| Ok(Box::new(Edac)),
};

struct Edac;

impl Collector for Edac {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("devices/system/edac/mc");
        let mut family = |name: &str, help: &str| out.family(name, help, Kind::Counter);
        let ce = family("node_edac_correctable_errors_total", "Total correctable memory errors.");
        let ue =
            family("node_edac_uncorrectable_errors_total", "Total uncorrectable memory errors.");
        let row_ce = family(
            "node_edac_csrow_correctable_errors_total",
            "Total correctable memory errors for this csrow.",
        );
        let row_ue = family(
            "node_edac_csrow_uncorrectable_errors_total",
            "Total uncorrectable memory errors for this csrow.",
        );
        let channel_ce = family(
            "node_edac_channel_correctable_errors_total",
            "Total correctable memory errors for this channel.",
        );
        let channel_ue = family(
            "node_edac_channel_uncorrectable_errors_total",
            "Total uncorrectable memory errors for this channel.",
        );
        for (number, mc) in env.numbered(&root, "mc").unwrap_or_default() {
            let dir = format!("{root}/{mc}");
            let controller = number.to_string();
            let labels = [("controller", controller.as_str())];
            let unknown = [labels[0], ("csrow", "unknown")];
            out.put(ce, &labels, env.need_u64(&format!("{dir}/ce_count"))? as f64);
            out.put(row_ce, &unknown, env.need_u64(&format!("{dir}/ce_noinfo_count"))? as f64);
            out.put(ue, &labels, env.need_u64(&format!("{dir}/ue_count"))? as f64);
            out.put(row_ue, &unknown, env.need_u64(&format!("{dir}/ue_noinfo_count"))? as f64);
            for (row, name) in env.numbered(&dir, "csrow").unwrap_or_default() {
                let dir = format!("{dir}/{name}");
                let row = row.to_string();
                let labels = [("controller", controller.as_str()), ("csrow", &row)];
                out.put(row_ce, &labels, env.need_u64(&format!("{dir}/ce_count"))? as f64);
                out.put(row_ue, &labels, env.need_u64(&format!("{dir}/ue_count"))? as f64);
                for file in env.list(&dir).unwrap_or_default() {
                    let Some(channel) =
                        file.strip_prefix("ch").and_then(|f| f.strip_suffix("_ce_count"))
                    else {
                        continue;
                    };
                    if channel.is_empty() || !channel.bytes().all(|b| b.is_ascii_digit()) {
                        continue;
                    }
                    let label = dimm_label(env, &format!("{dir}/ch{channel}_dimm_label"));
                    let labels =
                        [("channel", channel), labels[0], labels[1], ("dimm_label", &label)];
                    out.put(channel_ce, &labels, env.need_u64(&format!("{dir}/{file}"))? as f64);
                    if let Some(count) = env.attr_u64(&format!("{dir}/ch{channel}_ue_count")) {
                        out.put(channel_ue, &labels, count as f64);
                    }
                }
            }
        }
        Ok(())
    }
}

/// `mc#0csrow#1channel#0` is shown as `mc0_csrow1_channel0`.
fn dimm_label(env: &mut Env, path: &str) -> String {
    match env.attr(path) {
        Some(text) => {
            text.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel")
        }
        None => "unknown".to_owned(),
    }
}
