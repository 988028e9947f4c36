//! A block's tombstones bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_block::fuzz::tombstones(data));
