//! Quoted-printable (RFC 2045, 6.7), lines broken where Go breaks them.

/// Longest line, without its end.
const MAX_LINE: usize = 76;

/// Encodes text. Line ends of all kinds become CR LF.
pub(super) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(text.len() + text.len() / 8), line: 0 };
    let mut after_cr = false;
    for &byte in text {
        match byte {
            b'\n' if after_cr => {}
            b'\n' | b'\r' => {
                writer.protect_blank();
                writer.end_line();
            }
            b' ' | b'\t' | b'!'..=b'<' | b'>'..=b'~' => writer.plain(byte),
            _ => writer.escape(byte),
        }
        after_cr = byte == b'\r';
    }
    writer.protect_blank();
    writer.out
}

struct Writer {
    out: Vec<u8>,
    /// Length of the line so far.
    line: usize,
}

impl Writer {
    fn plain(&mut self, byte: u8) {
        if self.line == MAX_LINE - 1 {
            self.soft_break();
        }
        self.out.push(byte);
        self.line += 1;
    }

    fn escape(&mut self, byte: u8) {
        if MAX_LINE - 1 - self.line < 3 {
            self.soft_break();
        }
        self.out.extend_from_slice(format!("={byte:02X}").as_bytes());
        self.line += 3;
    }

    /// A blank at the end of a line would get lost.
    fn protect_blank(&mut self) {
        if self.line > 0
            && let Some(blank @ (b' ' | b'\t')) = self.out.last().copied()
        {
            self.out.pop();
            self.line -= 1;
            self.escape(blank);
        }
    }

    fn soft_break(&mut self) {
        self.out.push(b'=');
        self.end_line();
    }

    fn end_line(&mut self) {
        self.out.extend_from_slice(b"\r\n");
        self.line = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_and_blanks_stay() {
        let quoted = |text: &str| String::from_utf8(quoted_printable(text.as_bytes())).unwrap();
        assert_eq!(quoted("a=b ü\t\nc \r\nd\re "), "a=3Db =C3=BC=09\r\nc=20\r\nd\r\ne=20");
        let xs = "x".repeat(75);
        assert_eq!(quoted(&format!("{xs}x")), format!("{xs}=\r\nx"));
        assert_eq!(quoted(&xs), xs);
        let short = "x".repeat(73);
        assert_eq!(quoted(&format!("{short}=")), format!("{short}=\r\n=3D"));
        assert_eq!(quoted(&format!("{short} \n")), format!("{short}=\r\n=20\r\n"));
    }
}
