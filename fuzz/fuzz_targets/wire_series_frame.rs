//! A frame of a StoreAPI stream.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_wire::frame::StoreSet::new().read_frame(&bytes::Bytes::copy_from_slice(data));
});
