//! CSS: escapes, and which values are harmless tokens.

use super::FAILSAFE;
use crate::utf8;

/// Decodes escapes: `\3c ` is `<`, `\"` is `"`.
pub(super) fn decode_css(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s;
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|b| **b != b'\\').count();
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        if rest.len() < 2 {
            break;
        }
        if rest[1].is_ascii_hexdigit() {
            let mut digits = rest[1..].iter().take(6).take_while(|b| b.is_ascii_hexdigit()).count();
            let value = |n: usize| {
                rest[1..=n].iter().fold(0, |v, b| v * 16 + char::from(*b).to_digit(16).unwrap_or(0))
            };
            if value(digits) > 0x10_ffff {
                digits -= 1;
            }
            utf8::push(&mut out, char::from_u32(value(digits)).unwrap_or('\u{fffd}'));
            rest = skip_space(&rest[1 + digits..]);
        } else {
            let (_, width) = utf8::decode(&rest[1..]);
            out.extend_from_slice(&rest[1..1 + width]);
            rest = &rest[1 + width..];
        }
    }
    out
}

/// One white space after a hexadecimal escape belongs to it.
fn skip_space(s: &[u8]) -> &[u8] {
    match s {
        [b'\r', b'\n', rest @ ..] | [b'\t' | b'\n' | 0x0c | b' ' | b'\r', rest @ ..] => rest,
        _ => s,
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii()
}

/// Whether `s` ends with the word `url`.
pub(super) fn ends_with_url(s: &[u8]) -> bool {
    let Some(from) = s.len().checked_sub(3) else { return false };
    if !s[from..].eq_ignore_ascii_case(b"url") {
        return false;
    }
    match s[..from].last() {
        None => true,
        Some(byte) => byte.is_ascii() && !is_name_char(char::from(*byte)),
    }
}

/// For strings: everything that could end one becomes a hexadecimal escape.
pub(super) fn escape(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for (at, byte) in s.iter().enumerate() {
        let replacement = match byte {
            0 => "\\0",
            b'\t' => "\\9",
            b'\n' => "\\a",
            0x0c => "\\c",
            b'\r' => "\\d",
            b'"' => "\\22",
            b'&' => "\\26",
            b'\'' => "\\27",
            b'(' => "\\28",
            b')' => "\\29",
            b'+' => "\\2b",
            b'/' => "\\2f",
            b':' => "\\3a",
            b';' => "\\3b",
            b'<' => "\\3c",
            b'>' => "\\3e",
            b'\\' => "\\\\",
            b'{' => "\\7b",
            b'}' => "\\7d",
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(replacement.as_bytes());
        // A space ends the escape where what follows would be read into it.
        let next = s.get(at + 1);
        let needs_space = next.is_none_or(|b| {
            b.is_ascii_hexdigit() || matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
        });
        if *byte != b'\\' && needs_space {
            out.push(b' ');
        }
    }
    out
}

/// For values: decoded, and only if no token in them could do more than be a value.
pub(super) fn filter_value(s: &[u8]) -> Vec<u8> {
    let decoded = decode_css(s);
    let mut id = Vec::new();
    for (at, byte) in decoded.iter().enumerate() {
        match byte {
            0 | b'"' | b'\'' | b'(' | b')' | b'/' | b';' | b'@' | b'[' | b'\\' | b']' | b'`'
            | b'{' | b'}' | b'<' | b'>' => return FAILSAFE.into(),
            b'-' if at > 0 && decoded[at - 1] == b'-' => return FAILSAFE.into(),
            b'-' => {}
            byte if byte.is_ascii() && is_name_char(char::from(*byte)) => {
                id.push(byte.to_ascii_lowercase());
            }
            _ => {}
        }
    }
    let holds = |what: &[u8]| super::transition::find(&id, what).is_some();
    if holds(b"expression") || holds(b"mozbinding") {
        return FAILSAFE.into();
    }
    decoded
}
