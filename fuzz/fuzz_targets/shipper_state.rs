//! thanos.shipper.json.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = gauntlet_bucket::shipper::ShipperState::parse(data);
});
