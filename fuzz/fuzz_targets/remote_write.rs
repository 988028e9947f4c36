//! Bodies of remote write, both versions, borrowed and through the receiver.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    gauntlet_wire::write::check_bytes(data);
    gauntlet_remote::receive::check_bytes(data);
});
