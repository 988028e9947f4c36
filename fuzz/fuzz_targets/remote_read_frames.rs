//! A streamed remote read answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_remote::read::read_all_frames(data);
});
