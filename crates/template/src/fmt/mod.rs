//! Go's package `fmt` and `strconv`'s quoting, over [`Value`]s.
//!
//! Left out: verbs that print addresses (`%p` of pointers and functions), which no text should rely on.

mod float;
mod pad;
mod printer;
mod value;

use gauntlet_model::float::GoQuoted;

pub(crate) use float::append_float;
pub(crate) use printer::{Printer, TooLarge, print, printf, println};
pub(crate) use value::stringer;

use crate::utf8;
use crate::value::Value;

/// `%v` of a value, unbounded: for values that are known to be small, as in errors.
/// The text of a value that has a `String()` method, else its `%v`.
pub(crate) fn stringer_of(value: &Value) -> Vec<u8> {
    stringer(value).unwrap_or_else(|| show(value).into_bytes())
}

pub(crate) fn show(value: &Value) -> String {
    let mut printer = Printer::new(1 << 20);
    printer.value(value, 'v');
    String::from_utf8_lossy(&printer.out).into_owned()
}

/// `strconv.Quote`: bad bytes print as `\xff`.
pub(crate) fn quoted(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text, '"', false);
    out
}

/// Quotes with `quote`; `ascii` escapes everything beyond ASCII.
fn quote_into(out: &mut String, text: &[u8], quote: char, ascii: bool) {
    out.push(quote);
    for (at, c, width) in utf8::runes(text) {
        if utf8::is_bad(c, width) {
            out.push_str(&format!("\\x{:02x}", text[at]));
        } else {
            push_quoted_rune(out, c, quote, ascii);
        }
    }
    out.push(quote);
}

fn push_quoted_rune(out: &mut String, c: char, quote: char, ascii: bool) {
    match c {
        c if c == quote || c == '\\' => {
            out.push('\\');
            out.push(c);
        }
        c if is_print(c) && (!ascii || c.is_ascii()) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Go's `unicode.IsPrint`.
pub(crate) fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c < '\u{a0}' => false,
        c if c.is_alphanumeric() => true,
        c => !GoQuoted(c.encode_utf8(&mut [0; 4])).to_string().starts_with("\"\\"),
    }
}

/// `%#U`: `U+002D '-'`.
pub(crate) fn unicode(c: char) -> String {
    if is_print(c) { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}

/// In backquotes if it can be, else quoted: as package `regexp` shows patterns.
pub(crate) fn backquoted(text: &[u8]) -> String {
    if can_backquote(text) { format!("`{}`", String::from_utf8_lossy(text)) } else { quoted(text) }
}

/// `strconv.CanBackquote`.
fn can_backquote(text: &[u8]) -> bool {
    utf8::runes(text).all(|(_, c, width)| {
        !utf8::is_bad(c, width)
            && c != '\u{feff}'
            && c != '`'
            && c != '\u{7f}'
            && (c == '\t' || c >= ' ')
    })
}
