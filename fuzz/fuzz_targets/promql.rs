//! Any text as a query, a selector and a series description: no panic, and what parses prints to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        gauntlet_promql::roundtrip::check(text);
    }
});
