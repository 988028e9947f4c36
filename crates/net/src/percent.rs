//! Percent-encoding of what goes into URLs, forms and signatures.

/// Percent-encodes all but letters, digits, `-_.~` and `also`.
pub fn escape(text: &str, also: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(char::from(DIGITS[usize::from(half)]));
            }
        }
    }
    out
}

/// `a=b&c=d` with everything escaped.
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.into_iter().map(|(k, v)| format!("{}={}", escape(k, b""), escape(v, b"")));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_unreserved_is_escaped() {
        assert_eq!(escape("a/b c~é+", b""), "a%2Fb%20c~%C3%A9%2B");
        assert_eq!(escape("a/b", b"/"), "a/b");
        assert_eq!(query([("a b", "c&d"), ("e", "")]), "a%20b=c%26d&e=");
    }
}
