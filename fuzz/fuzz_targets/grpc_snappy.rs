//! A snappy message of gRPC.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_storeapi::grpc::snappy::unpack(data);
});
