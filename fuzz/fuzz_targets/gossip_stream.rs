//! A gossip stream, and what a node makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_gossip::fuzz::stream(data));
