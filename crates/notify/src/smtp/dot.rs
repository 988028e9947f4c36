//! The body of DATA: lines end with CR LF, a dot that begins a line is doubled, a lone dot ends it all (RFC 5321, 4.5.2).

/// The bytes to send for a mail.
pub(crate) fn stuff(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 32 + 8);
    let (mut line_start, mut last) = (true, 0);
    for &byte in mail {
        if line_start && byte == b'.' {
            out.push(b'.');
        }
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        line_start = byte == b'\n';
        last = byte;
    }
    if !line_start {
        out.extend_from_slice(if last == b'\r' { b"\n" } else { b"\r\n" });
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_line_ends_are_made_safe() {
        let stuffed = |mail: &str| String::from_utf8(stuff(mail.as_bytes())).unwrap();
        assert_eq!(stuffed("a\r\n.b\n..\nc"), "a\r\n..b\r\n...\r\nc\r\n.\r\n");
        assert_eq!(stuffed(".\r\n"), "..\r\n.\r\n");
        assert_eq!(stuffed(""), ".\r\n");
        assert_eq!(stuffed("a\r"), "a\r\n.\r\n");
    }
}
