//! What must hold for any text: the parser answers, and what it took prints to what parses to the same.
//!
//! Called by the fuzz targets and by tests; of no use to anyone else.

use crate::parser::{ParserOptions, parse, parse_metric_selector, parse_series_description};
use crate::printer::pretty;

/// Runs every parser over `input`. Panics where printing and parsing disagree.
pub fn check(input: &str) {
    let _ = parse(input, &ParserOptions::default());
    let _ = parse_metric_selector(input);
    let _ = parse_series_description(input);
    let options = ParserOptions::all();
    let Ok(expr) = parse(input, &options) else { return };
    let printed = expr.to_string();
    // U+FFFD prints as itself, which the lexer refuses: the peer has the same hole.
    if printed.contains('\u{fffd}') {
        return;
    }
    for text in [printed.clone(), pretty(&expr)] {
        match parse(&text, &options) {
            Ok(again) => assert_eq!(again.to_string(), printed, "{input:?} printed as {text:?}"),
            Err(err) => panic!("{input:?} printed as {text:?}: {err}"),
        }
    }
}
