//! JSON texts as the APIs of the peers print them: Go's encoder with the escaping for HTML turned off.

use std::fmt::Write as _;

/// Appends a text in quotes, escaped where it must be; what needs no escape is copied in runs.
pub fn push_json_str(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            c if c < ' ' => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{:04x}", c as u32);
        } else {
            out.push_str(escape);
        }
        plain = at + c.len_utf8();
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_go_s() {
        let mut out = String::new();
        push_json_str(&mut out, "a\"\\\n\r\t\u{8}\u{c}\u{1}\u{2028}\u{2029}<&>\u{7f}é");
        assert_eq!(out, "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u2028\\u2029<&>\u{7f}é\"");
    }
}
