//! For the fuzzer: any bytes give a configuration or errors, and a configuration prints.

use super::Config;
use crate::matcher::ParseMode;

/// Reads in all modes.
pub fn check(bytes: &[u8]) {
    for mode in [ParseMode::Fallback, ParseMode::Classic, ParseMode::Utf8] {
        match Config::parse_bytes(bytes, mode) {
            Ok(loaded) => {
                let _ = loaded.config.yaml();
                let _ = crate::dispatch::RouteTree::new(&loaded.config.route);
            }
            Err(errors) => assert!(!errors.to_string().is_empty(), "BUG: an error without a text"),
        }
    }
}
