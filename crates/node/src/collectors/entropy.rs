//! The kernel's pool of randomness.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "entropy",
    default_on: true,
    reads: "/proc/sys/kernel/random/{entropy_avail,poolsize}",
    families: "node_entropy_available_bits, node_entropy_pool_size_bits",
    make: |_| Ok(Box::new(Entropy)),
};

struct Entropy;

impl Collector for Entropy {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let available = env.need_u64(&env.proc("sys/kernel/random/entropy_avail"))?;
        out.gauge(
            "node_entropy_available_bits",
            "Bits of available entropy.",
            &[],
            available as f64,
        );
        let size = env.need_u64(&env.proc("sys/kernel/random/poolsize"))?;
        out.gauge("node_entropy_pool_size_bits", "Bits of entropy pool.", &[], size as f64);
        Ok(())
    }
}
