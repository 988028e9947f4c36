//! Bytes that may be a head chunk file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_tsdb::head::check_head_chunk_bytes(data);
});
