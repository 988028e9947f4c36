//! Any bytes through `gauntlet_alertmanager::matcher::fuzz::check`: no panic, and its invariants hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_alertmanager::matcher::fuzz::check(data));
