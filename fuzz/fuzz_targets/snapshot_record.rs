//! Bytes that may be a record of a chunk snapshot, past its checksum.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_tsdb::wal::check_snapshot_record(data);
});
