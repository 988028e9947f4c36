//! Any bytes through `gauntlet_alertmanager::config::fuzz::check`: no panic, and its invariants hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_alertmanager::config::fuzz::check(data));
