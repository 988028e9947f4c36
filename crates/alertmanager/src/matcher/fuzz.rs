//! For the fuzzer: what a text is to the parsers, and whether it survives being printed.

use super::{Note, ParseMode};

/// Parses in all modes; what the UTF-8 reading gives must read the same again after printing. A matcher of the empty name is
/// printed without it, as by the peer, and is left out.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut notes: Vec<Note> = Vec::new();
    for mode in [ParseMode::Fallback, ParseMode::Classic, ParseMode::Utf8] {
        let _ = mode.matcher(text, &mut notes);
        let Ok(matchers) = mode.matchers(text, &mut notes) else { continue };
        if mode == ParseMode::Utf8 && matchers.iter().all(|matcher| !matcher.name.is_empty()) {
            let printed = matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let again = ParseMode::Utf8.matchers(&printed, &mut notes);
            assert_eq!(again.as_ref(), Ok(&matchers), "BUG: {printed} reads differently");
        }
    }
}
