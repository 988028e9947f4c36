//! Encoded words (RFC 2047), Q encoding.

/// Longest content of one word.
const MAX_CONTENT: usize = 63;
const OPEN: &str = "=?utf-8?q?";
const CLOSE: &str = "?=";

/// The text as it may stand in a header: as it is if it is printable ASCII, else in encoded words.
pub(crate) fn encode_word(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return text.to_owned();
    }
    let mut out = OPEN.to_owned();
    let mut length = 0;
    for c in text.chars() {
        let literal = matches!(c, ' '..='~') && !matches!(c, '=' | '?' | '_');
        let size = if literal { 1 } else { 3 * c.len_utf8() };
        if length + size > MAX_CONTENT {
            out.push_str(CLOSE);
            out.push(' ');
            out.push_str(OPEN);
            length = 0;
        }
        length += size;
        match c {
            ' ' => out.push('_'),
            _ if literal => out.push(c),
            _ => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("={byte:02X}"));
                }
            }
        }
    }
    out.push_str(CLOSE);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_lines_cannot_be_broken_out_of() {
        assert_eq!(encode_word("plain =?x_ text\t"), "plain =?x_ text\t");
        assert_eq!(encode_word("é_?= x"), "=?utf-8?q?=C3=A9=5F=3F=3D_x?=");
        assert_eq!(encode_word("a\r\nBcc: b"), "=?utf-8?q?a=0D=0ABcc:_b?=");
        let long = encode_word(&format!("é{}", "x".repeat(70)));
        assert_eq!(
            long,
            format!("=?utf-8?q?=C3=A9{}?= =?utf-8?q?{}?=", "x".repeat(57), "x".repeat(13))
        );
    }
}
