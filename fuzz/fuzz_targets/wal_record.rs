//! Bytes that may be a record of the log, past its checksum.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_tsdb::wal::Records::default().decode(data);
});
