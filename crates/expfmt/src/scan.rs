//! The beaten track: ordinary lines read by hand, without tokens.
//!
//! Every function here either recognises its input in full or gives `None`, and the scanner of `lex` then decides. Budget: 120 ns for
//! a line of 90 bytes that is new, 20 ns where the caller knows its series' length (`benches/parse.rs`).

use crate::lex::{is_name_byte, is_name_start};
use crate::number::{parse_float, quick_float};

/// Length of the series text at the start of `rest`: `name` or `name{label="value",...}` without blanks.
#[inline]
pub(crate) fn series(rest: &[u8]) -> Option<usize> {
    let mut i = 0;
    if !is_name_start(*rest.first()?) && rest[0] != b':' {
        return None;
    }
    while is_name_byte(*rest.get(i)?) || rest[i] == b':' {
        i += 1;
    }
    if rest[i] != b'{' {
        return Some(i);
    }
    i += 1;
    let mut ascii = true;
    while rest.get(i)? != &b'}' {
        if !is_name_start(rest[i]) {
            return None;
        }
        while is_name_byte(*rest.get(i)?) {
            i += 1;
        }
        if rest[i] != b'=' || rest.get(i + 1)? != &b'"' {
            return None;
        }
        i += 2;
        loop {
            match *rest.get(i)? {
                b'"' => break,
                b'\\' => {
                    if !rest.get(i + 1)?.is_ascii_graphic() {
                        return None;
                    }
                    i += 2;
                }
                // NULs and newlines in values have rules of their own.
                0 | b'\n' => return None,
                c => {
                    ascii &= c < 0x80;
                    i += 1;
                }
            }
        }
        i += 1;
        match *rest.get(i)? {
            b',' => i += 1,
            b'}' => {}
            _ => return None,
        }
    }
    i += 1;
    if !ascii && std::str::from_utf8(&rest[..i]).is_err() {
        return None;
    }
    Some(i)
}

/// Whether a series text of `len` bytes, known to be one, ends there on this line too and a plain value follows.
#[inline]
pub(crate) fn ends_series(rest: &[u8], len: usize) -> bool {
    len > 0
        && rest.get(len) == Some(&b' ')
        && !matches!(rest.get(len + 1), None | Some(b' ' | b'\t' | b'{'))
}

/// What follows the series text: value, and its end, which is a blank, a newline or the end of the body.
#[inline]
pub(crate) fn value(rest: &[u8]) -> Option<(f64, usize)> {
    if let Some((value, len)) = quick_float(rest)
        && matches!(rest.get(len), None | Some(b'\n' | b' '))
    {
        return Some((value, len));
    }
    let len = memchr::memchr3(b' ', b'\t', b'\n', rest).unwrap_or(rest.len());
    let token = &rest[..len];
    if token.is_empty() || token.contains(&0) || token.contains(&b'{') {
        return None;
    }
    parse_float(token).ok().map(|value| (value, len))
}

/// A whole-number timestamp of at most 18 digits and its length.
#[inline]
pub(crate) fn digits(rest: &[u8]) -> Option<(i64, usize)> {
    let len = rest.iter().take(19).take_while(|c| c.is_ascii_digit()).count();
    if len == 0 || len > 18 {
        return None;
    }
    let value = rest[..len].iter().fold(0i64, |v, c| v * 10 + i64::from(c - b'0'));
    Some((value, len))
}

/// A metadata line `# WORD name text`.
pub(crate) struct MetaLine<'b> {
    pub(crate) word: MetaWord,
    pub(crate) name: &'b [u8],
    pub(crate) text: &'b [u8],
    /// Length of the line without its newline.
    pub(crate) len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetaWord {
    Help,
    Type,
    Unit,
}

/// A metadata line in its plain form: single spaces, a bare name, no NUL. The newline must be there.
pub(crate) fn meta_line(rest: &[u8]) -> Option<MetaLine<'_>> {
    let word = match rest.get(..7)? {
        b"# HELP " => MetaWord::Help,
        b"# TYPE " => MetaWord::Type,
        b"# UNIT " => MetaWord::Unit,
        _ => return None,
    };
    let len = memchr::memchr(b'\n', rest)?;
    let line = &rest[7..len];
    if !line.first().is_some_and(|&c| is_name_start(c) || c == b':') {
        return None;
    }
    let end = line.iter().position(|&c| !is_name_byte(c) && c != b':')?;
    let text = &line[end + 1..];
    let blank = text.iter().all(|c| matches!(c, b' ' | b'\t'));
    if line[end] != b' ' || blank || memchr::memchr(0, text).is_some() {
        return None;
    }
    if word == MetaWord::Help && std::str::from_utf8(text).is_err() {
        return None;
    }
    Some(MetaLine { word, name: &line[..end], text, len })
}
