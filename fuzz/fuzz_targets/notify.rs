//! A receiver's configuration, mail addresses, a mail, an SMTP answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_notify::fuzz::check(data));
