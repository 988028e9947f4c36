//! The command line: flags as tables of data, parsed by kingpin's rules, shown and refused as the peers show and refuse.
//!
//! First syntax ([`parse::parse`]: unknown flags, missing values), then values ([`values::Values::check`]: types, repeats,
//! what is refused), then each role reads typed values and checks what depends on several of them.

pub(crate) mod parse;
pub(crate) mod program;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod spec;
pub(crate) mod tables;
pub(crate) mod usage;
pub(crate) mod values;
