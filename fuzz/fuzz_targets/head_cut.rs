//! Bytes that may be a file `head_cut`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_tsdb::head::check_head_cut_bytes(data);
});
