//! Any bytes through `gauntlet_template::fuzz::check`: parsed and executed in both modes within limits, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_template::fuzz::check(data));
