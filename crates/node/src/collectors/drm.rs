//! AMD graphics cards: load and memory.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "drm",
    default_on: false,
    reads: "/sys/class/drm/card*/device",
    families: "node_drm_*",
    make: |_| Ok(Box::new(Drm)),
};

struct Drm;

const VALUES: [(&str, &str, &str); 7] = [
    ("gpu_busy_percent", "node_drm_gpu_busy_percent", "How busy the GPU is as a percentage."),
    (
        "mem_info_gtt_total",
        "node_drm_memory_gtt_size_bytes",
        "The size of the graphics translation table (GTT) block in bytes.",
    ),
    (
        "mem_info_gtt_used",
        "node_drm_memory_gtt_used_bytes",
        "The used amount of the graphics translation table (GTT) block in bytes.",
    ),
    ("mem_info_vram_total", "node_drm_memory_vram_size_bytes", "The size of VRAM in bytes."),
    ("mem_info_vram_used", "node_drm_memory_vram_used_bytes", "The used amount of VRAM in bytes."),
    (
        "mem_info_vis_vram_total",
        "node_drm_memory_vis_vram_size_bytes",
        "The size of visible VRAM in bytes.",
    ),
    (
        "mem_info_vis_vram_used",
        "node_drm_memory_vis_vram_used_bytes",
        "The used amount of visible VRAM in bytes.",
    ),
];

impl Collector for Drm {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let root = env.sys("class/drm");
        for (_, card) in env.numbered(&root, "card").unwrap_or_default() {
            let dir = format!("{root}/{card}/device");
            let event = env.attr(&format!("{dir}/uevent")).unwrap_or_default();
            if card.len() != "card0".len() || !event.contains("DRIVER=amdgpu") {
                continue;
            }
            let mut get = |file: &str| env.attr(&format!("{dir}/{file}")).unwrap_or_default();
            let labels = [
                ("card", &*card),
                ("memory_vendor", &*get("mem_info_vram_vendor")),
                ("power_performance_level", &get("power_dpm_force_performance_level")),
                ("unique_id", &get("unique_id")),
                ("vendor", "amd"),
            ];
            out.gauge("node_drm_card_info", "Card information", &labels, 1.0);
            for (file, name, help) in VALUES {
                let value = get(file).parse::<u64>().unwrap_or(0);
                out.gauge(name, help, &[("card", &card)], value as f64);
            }
        }
        Ok(())
    }
}
