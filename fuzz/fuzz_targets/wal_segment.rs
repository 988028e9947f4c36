//! Bytes that may be a segment of the log: framing, compression, records.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_tsdb::wal::reader::check_bytes(data);
});
