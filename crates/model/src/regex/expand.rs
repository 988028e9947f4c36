//! Replacement templates with Go's rules: `$1`, `$name`, `${name}`, `$$`; what is malformed stays as it is.

use super::class::is_name_char;
use super::{Captures, Regex};

/// A template bound to the groups of one regex: read once, expanded often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    Group(usize),
    /// Groups that share a name: the first that took part counts.
    Groups(Box<[usize]>),
}

impl Template {
    /// Reads a template. Nothing is an error: groups that do not exist expand to nothing.
    pub fn new(template: &[u8], regex: &Regex) -> Self {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = template;
        while let Some(dollar) = memchr(b'$', rest) {
            literal.extend_from_slice(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let [b'$', after @ ..] = rest {
                literal.push(b'$');
                rest = after;
                continue;
            }
            let Some((name, after)) = reference(rest) else {
                literal.push(b'$');
                continue;
            };
            rest = after;
            if let Some(piece) = resolve(name, regex) {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                pieces.push(piece);
            }
        }
        literal.extend_from_slice(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Self { pieces: pieces.into() }
    }

    /// The text of a template that names no group that exists; `None` if it depends on the match.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match &*self.pieces {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the expansion for one match.
    pub fn expand(&self, haystack: &[u8], captures: &Captures, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            let span = match piece {
                Piece::Literal(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                Piece::Group(index) => captures.get(*index),
                Piece::Groups(indexes) => indexes.iter().find_map(|&i| captures.get(i)),
            };
            if let Some((start, end)) = span {
                out.extend_from_slice(&haystack[start..end]);
            }
        }
    }

    /// Appends the expansion for one match of text; the template must have been text too.
    pub fn expand_str(&self, haystack: &str, captures: &Captures, out: &mut String) {
        let mut bytes = std::mem::take(out).into_bytes();
        self.expand(haystack.as_bytes(), captures, &mut bytes);
        *out = String::from_utf8(bytes).expect("BUG: template is not UTF-8");
    }
}

/// Splits the name of a reference (what follows `$`) from the rest; `None` if there is no well-formed one.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let (braced, body) = match text {
        [b'{', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let valid = match std::str::from_utf8(body) {
        Ok(valid) => valid,
        Err(err) => std::str::from_utf8(&body[..err.valid_up_to()]).ok()?,
    };
    let len = valid.find(|c| !is_name_char(c)).unwrap_or(valid.len());
    let (name, rest) = (&valid[..len], &body[len..]);
    match rest {
        _ if name.is_empty() => None,
        [b'}', rest @ ..] if braced => Some((name, rest)),
        _ if braced => None,
        _ => Some((name, rest)),
    }
}

/// The groups a name stands for. A number in plain form is an index, all else is a name.
fn resolve(name: &str, regex: &Regex) -> Option<Piece> {
    let bytes = name.as_bytes();
    if bytes.iter().all(u8::is_ascii_digit)
        && (bytes[0] != b'0' || bytes.len() == 1)
        && bytes.len() <= 9
    {
        let index = name.parse().ok()?;
        return (index < regex.groups()).then_some(Piece::Group(index));
    }
    let indexes: Vec<usize> =
        regex.names().enumerate().filter(|(_, n)| *n == name).map(|(i, _)| i).collect();
    match indexes.as_slice() {
        [] => None,
        [one] => Some(Piece::Group(*one)),
        _ => Some(Piece::Groups(indexes.into())),
    }
}

fn memchr(byte: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|b| *b == byte)
}
