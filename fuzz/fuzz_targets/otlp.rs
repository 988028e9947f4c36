//! OTLP metrics in protobuf and JSON, packed or not, through the translation.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    gauntlet_remote::otlp::check_bytes(data);
});
