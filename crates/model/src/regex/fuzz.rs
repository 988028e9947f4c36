//! What the fuzz target and the corpus test do with any bytes.

use super::{AnchoredRegex, Regex};

/// Takes a pattern and, behind the first newline, a text. The ways around the automaton must agree with it.
pub fn check(bytes: &[u8]) {
    let split = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (pattern, text) = (&bytes[..split], bytes.get(split + 1..).unwrap_or_default());
    if let Ok(matcher) = AnchoredRegex::from_bytes(pattern) {
        let matched = matcher.is_match_bytes(text);
        if let Ok(text) = std::str::from_utf8(text) {
            if matched {
                assert!(text.starts_with(matcher.prefix()), "BUG: prefix of {pattern:?}");
            }
            if let Some(set) = matcher.set_matches() {
                assert_eq!(set.iter().any(|s| s == text), matched, "BUG: set of {pattern:?}");
            }
        }
        if let Ok(pattern) = std::str::from_utf8(pattern)
            && let Ok(whole) = Regex::relabel(pattern)
            && !pattern.contains("\\Q")
        {
            assert_eq!(
                whole.captures_bytes(text).is_some(),
                matched,
                "BUG: {pattern:?} on {text:?}"
            );
        }
    }
    if let Ok(pattern) = std::str::from_utf8(pattern)
        && let Ok(plain) = Regex::new(pattern)
    {
        let _ = plain.replace_all_bytes(text, b"[$0$1${x}$$]");
    }
}
