//! What `uname` says.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "uname",
    default_on: true,
    reads: "uname()",
    families: "node_uname_info",
    make: |_| Ok(Box::new(Uname)),
};

struct Uname;

impl Collector for Uname {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let uname = rustix::system::uname();
        out.gauge(
            "node_uname_info",
            "Labeled system information as provided by the uname system call.",
            &[
                ("domainname", &uname.domainname().to_string_lossy()),
                ("machine", &uname.machine().to_string_lossy()),
                ("nodename", &uname.nodename().to_string_lossy()),
                ("release", &uname.release().to_string_lossy()),
                ("sysname", &uname.sysname().to_string_lossy()),
                ("version", &uname.version().to_string_lossy()),
            ],
            1.0,
        );
        Ok(())
    }
}
