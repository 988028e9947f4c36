//! All parsers of the host collectors: kernel text, netlink, D-Bus and XML-RPC replies, text files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| gauntlet_node::parsers::fuzz_all(data));
