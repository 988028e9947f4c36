//! What the fuzz target and the corpus test do with any bytes.

use crate::{Config, LoadOptions, NoEnv};

/// Reads a configuration; what is taken prints to what is taken again, and what is refused says why.
pub fn check(bytes: &[u8]) {
    let options = LoadOptions::default();
    match Config::parse(bytes, "fuzz.yml", &NoEnv, &options) {
        Ok((config, _)) => {
            let text = config.yaml();
            if let Err(err) = Config::parse(text.as_bytes(), "echo.yml", &NoEnv, &options) {
                // Masked secrets are the one thing that may not read back.
                assert!(text.contains("<secret>") || text.contains("xxxxx"), "BUG: {err}\n{text}");
            }
        }
        Err(err) => assert!(!err.0.is_empty() && !err.upstream_text().is_empty(), "BUG: no reason"),
    }
}
