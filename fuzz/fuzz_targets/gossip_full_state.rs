//! The user state of a gossip exchange.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_gossip::fuzz::full_state(data));
