//! Any bytes through `gauntlet_discovery::fuzz::check`: as the answer of a service that is discovered by. No panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_discovery::fuzz::check(data));
