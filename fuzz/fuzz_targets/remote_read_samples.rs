//! A sampled remote read answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_remote::read_client::samples_of(data, "fuzz");
});
