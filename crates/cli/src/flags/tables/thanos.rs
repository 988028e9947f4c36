//! Flags of Thanos 0.43 that every command takes.
//!
//! Names, types and defaults are the peer's; what is refused says why.

use crate::flags::spec::{Flag, Kind};

#[rustfmt::skip]
pub(crate) const GLOBAL: &[Flag] = &[
    Flag::new("debug.name", Kind::Text, "Accepted.").hidden().accepted("log lines carry no instance name"),
    Flag::new("log.level", Kind::Enum(&["error", "warn", "info", "debug"]), "Least severe level that is logged.").default(&["info"]),
    Flag::new("log.format", Kind::Enum(&["logfmt", "json", "journald"]), "Form of a log line; journald is refused.").default(&["logfmt"]),
    Flag::new("tracing.config-file", Kind::Text, "").refused("traces are not exported yet"),
    Flag::new("tracing.config", Kind::Text, "").refused("traces are not exported yet"),
    Flag::new("enable-auto-gomemlimit", Kind::Bool, "Accepted.").accepted("there is no Go runtime to tune"),
    Flag::new("auto-gomemlimit.ratio", Kind::Float, "Accepted.").default(&["0.9"]).accepted("there is no Go runtime to tune"),
];
