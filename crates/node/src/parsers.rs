//! Entry points for fuzzing: each takes any bytes and must return without a panic. Nothing else calls them.

use crate::collectors::parse_anything;

/// Feeds the bytes to every parser of kernel text, netlink messages and exposition text.
pub fn fuzz_all(data: &[u8]) {
    parse_anything(data);
}
