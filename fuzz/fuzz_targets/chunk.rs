//! Chunk decoders: the first byte names the encoding, 0xff the aggregates.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_chunk::fuzz_chunk(data));
