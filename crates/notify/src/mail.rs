//! A mail as bytes: headers with what is not ASCII encoded (RFC 2047), parts in quoted-printable (RFC 2045), multipart/alternative.
//!
//! Byte for byte what upstream's libraries make, boundaries and ids aside. [`addresses`] reads lists of addresses (RFC 5322).

mod address;
mod quoted;
mod words;

pub(crate) use address::addresses;
use quoted::quoted_printable;
pub(crate) use words::encode_word;

/// A mail under construction.
#[derive(Debug)]
pub(crate) struct Mail {
    out: Vec<u8>,
    boundary: String,
    parts: usize,
}

impl Mail {
    /// `boundary` must not occur in any part; random ones do not.
    pub(crate) fn new(boundary: String) -> Self {
        Self { out: Vec::new(), boundary, parts: 0 }
    }

    /// Adds a header; its value is encoded if it must be, so that it cannot begin another line.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        let line = format!("{name}: {}\r\n", encode_word(value));
        self.out.extend_from_slice(line.as_bytes());
    }

    /// Ends the headers.
    pub(crate) fn begin_parts(&mut self) {
        let line = format!("Content-Type: multipart/alternative;  boundary={}\r\n", self.boundary);
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"MIME-Version: 1.0\r\n\r\n");
    }

    /// Adds an alternative; readers prefer the last they can show.
    pub(crate) fn part(&mut self, content_type: &str, body: &str) {
        let before = if self.parts == 0 { "" } else { "\r\n" };
        self.parts += 1;
        let head = format!(
            "{before}--{}\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: {content_type}; charset=UTF-8\r\n\r\n",
            self.boundary
        );
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(&quoted_printable(body.as_bytes()));
    }

    /// The bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(format!("\r\n--{}--\r\n", self.boundary).as_bytes());
        self.out
    }
}
