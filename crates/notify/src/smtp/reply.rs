//! An answer: three digits, and text of one or more lines.

use std::fmt;

use super::SmtpError;

/// An answer. Prints as `550 text`, lines parted by line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// Takes a line; says whether it was the last.
    pub(crate) fn add(&mut self, line: &str) -> Result<bool, String> {
        let short = || format!("short response: {line}");
        let digits = line.get(..3).ok_or_else(short)?;
        let code: u16 = match digits.parse() {
            Ok(code) if digits.bytes().all(|b| b.is_ascii_digit()) && code >= 100 => code,
            _ => return Err(format!("invalid response code: {line}")),
        };
        let last = match line.as_bytes().get(3) {
            Some(b'-') => false,
            Some(b' ') => true,
            // Some servers send nothing but the code.
            None => true,
            Some(_) => return Err(short()),
        };
        if !self.lines.is_empty() && code != self.code {
            return Err(format!("unexpected continuation: {line}"));
        }
        self.code = code;
        self.lines.push(line.get(4..).unwrap_or_default().to_owned());
        Ok(last)
    }

    /// The text of the first line.
    pub(super) fn text(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    pub(super) fn expect(self, code: u16) -> Result<(), SmtpError> {
        if self.code == code { Ok(()) } else { Err(SmtpError::Refused(self)) }
    }

    /// Accepts all codes that begin with these two digits.
    pub(super) fn expect_class(self, digits: u16) -> Result<(), SmtpError> {
        if self.code / 10 == digits { Ok(()) } else { Err(SmtpError::Refused(self)) }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.code, self.lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_one_code_and_many_lines() {
        let mut reply = Reply::default();
        assert_eq!(reply.add("250-one"), Ok(false));
        assert_eq!(reply.add("250-AUTH PLAIN"), Ok(false));
        assert_eq!(reply.add("250 end"), Ok(true));
        assert_eq!(reply.to_string(), "250 one\nAUTH PLAIN\nend");
        assert_eq!(Reply::default().add("250"), Ok(true));
        for bad in ["", "25", "2x0 ok", "099 ok", "+25 ok", "250_ok", "é50 ok"] {
            assert!(Reply::default().add(bad).is_err(), "{bad}");
        }
        let mut reply = Reply::default();
        assert_eq!(reply.add("250-one"), Ok(false));
        assert!(reply.add("251 two").is_err());
    }
}
