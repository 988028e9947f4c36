//! Any bytes in any exposition format: no panic, and an end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_expfmt::conformance::exercise(data));
