//! String and character constants in Go's syntax.

use crate::utf8;

/// The text of a quoted (`"..."`) or raw (`` `...` ``) constant; `None` is Go's `invalid syntax`.
pub(crate) fn string(quoted: &[u8]) -> Option<Vec<u8>> {
    let [quote, body @ .., last] = quoted else { return None };
    if quote != last {
        return None;
    }
    if *quote == b'`' {
        return Some(body.iter().copied().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        if body[at] == b'\n' || body[at] == *quote {
            return None;
        }
        at += piece(&body[at..], *quote, &mut out)?;
    }
    Some(out)
}

/// The first rune of a character constant's inside, and how many bytes it took.
pub(crate) fn rune(text: &[u8], quote: u8) -> Option<(u32, usize)> {
    if text.first() == Some(&quote) || text.is_empty() {
        return None;
    }
    if text[0] != b'\\' {
        let (c, width) = utf8::decode(text);
        return Some((c as u32, width));
    }
    escape(text, quote).map(|(value, width, _)| (value, width))
}

fn piece(text: &[u8], quote: u8, out: &mut Vec<u8>) -> Option<usize> {
    if text[0] != b'\\' {
        let (_, width) = utf8::decode(text);
        out.extend_from_slice(&text[..width]);
        return Some(width);
    }
    let (value, width, is_byte) = escape(text, quote)?;
    if is_byte {
        out.push(value as u8);
    } else {
        utf8::push(out, char::from_u32(value)?);
    }
    Some(width)
}

/// An escape's value, its width, and whether it names a byte rather than a rune.
fn escape(text: &[u8], quote: u8) -> Option<(u32, usize, bool)> {
    let simple = |c: char| Some((c as u32, 2, false));
    match text.get(1)? {
        b'a' => simple('\u{7}'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'v' => simple('\u{b}'),
        b'\\' => simple('\\'),
        c @ (b'\'' | b'"') if *c == quote => simple(char::from(*c)),
        b'x' => hex(text, 2).map(|v| (v, 4, true)),
        b'u' => hex(text, 4).filter(|v| char::from_u32(*v).is_some()).map(|v| (v, 6, false)),
        b'U' => hex(text, 8).filter(|v| char::from_u32(*v).is_some()).map(|v| (v, 10, false)),
        b'0'..=b'7' => {
            let digits = text.get(1..4)?;
            let value = digits.iter().try_fold(0, |value, digit| {
                matches!(digit, b'0'..=b'7').then(|| value * 8 + u32::from(digit - b'0'))
            })?;
            (value <= 255).then_some((value, 4, true))
        }
        _ => None,
    }
}

fn hex(text: &[u8], digits: usize) -> Option<u32> {
    let digits = text.get(2..2 + digits)?;
    digits.iter().try_fold(0u32, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    })
}
