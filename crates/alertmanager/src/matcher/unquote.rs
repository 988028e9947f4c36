//! Go's `strconv.Unquote` for texts in double quotes.

/// The text between the quotes with escapes resolved; `None` if Go refuses it or the result is no UTF-8.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\n') {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '"' {
            return None;
        }
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            '"' => out.push(b'"'),
            'x' => out.push(u8::try_from(digits(&mut chars, 2, 16, 0)?).ok()?),
            first @ '0'..='7' => {
                let first = first.to_digit(8)?;
                out.push(u8::try_from(digits(&mut chars, 2, 8, first)?).ok()?);
            }
            kind @ ('u' | 'U') => {
                let count = if kind == 'u' { 4 } else { 8 };
                let c = char::from_u32(digits(&mut chars, count, 16, 0)?)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32, first: u32) -> Option<u32> {
    let mut value = first;
    for _ in 0..count {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn escapes_resolve_as_in_go() {
        for (quoted, wanted) in [
            (r#""""#, Some("")),
            (r#""a\tb""#, Some("a\tb")),
            (r#""\x41\101\u00e9\U0001F642""#, Some("AAé🙂")),
            (r#""\xc3\xa9""#, Some("é")),
            (r#""\xff""#, None),
            (r#""\400""#, None),
            (r#""\'""#, None),
            (r#""\ud800""#, None),
            (r#""\x4""#, None),
            ("\"a\nb\"", None),
            (r#""a"b""#, None),
        ] {
            assert_eq!(unquote(quoted).as_deref(), wanted, "{quoted}");
        }
    }
}
