//! JavaScript: what may follow a token, and values and strings as literals.

use super::context::JsCtx;
use super::transition::find;
use crate::fmt::stringer;
use crate::utf8;
use crate::value::{StrType, Value};

const KEYWORDS_BEFORE_REGEXP: [&[u8]; 14] = [
    b"break",
    b"case",
    b"continue",
    b"delete",
    b"do",
    b"else",
    b"finally",
    b"in",
    b"instanceof",
    b"return",
    b"throw",
    b"try",
    b"typeof",
    b"void",
];

/// Whether a `/` after `s` would start a regular expression.
pub(super) fn next_js_ctx(s: &[u8], before: JsCtx) -> JsCtx {
    let s = trim_end(s);
    let Some(last) = s.last().copied() else { return before };
    match last {
        b'+' | b'-' => {
            // ++ and -- end an operand; any further sign is an operator.
            let signs = s.iter().rev().take_while(|b| **b == last).count();
            if signs % 2 == 1 { JsCtx::Regexp } else { JsCtx::DivOp }
        }
        b'.' => {
            let after_digit = s.len() > 1 && s[s.len() - 2].is_ascii_digit();
            if after_digit { JsCtx::DivOp } else { JsCtx::Regexp }
        }
        b',' | b'<' | b'>' | b'=' | b'*' | b'%' | b'&' | b'|' | b'^' | b'?' | b'!' | b'~'
        | b'(' | b'[' | b':' | b';' | b'{' | b'}' => JsCtx::Regexp,
        _ => {
            let word = s.iter().rev().take_while(|b| is_ident_part(**b)).count();
            let word = &s[s.len() - word..];
            if KEYWORDS_BEFORE_REGEXP.contains(&word) { JsCtx::Regexp } else { JsCtx::DivOp }
        }
    }
}

fn trim_end(mut s: &[u8]) -> &[u8] {
    loop {
        s = match s {
            [rest @ .., b'\t' | b'\n' | 0x0c | b'\r' | b' '] => rest,
            [rest @ .., 0xe2, 0x80, 0xa8 | 0xa9] => rest,
            _ => return s,
        }
    }
}

fn is_ident_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_')
}

/// A value as an expression: JSON, with space around what could run into a neighbour.
pub(super) fn value(args: &[Value], limit: usize) -> Vec<u8> {
    let json = match args {
        [Value::Str(text, StrType::Js)] => return text.to_vec(),
        [Value::Str(text, StrType::JsStr)] => {
            let mut out = vec![b'"'];
            out.extend_from_slice(text);
            out.push(b'"');
            return out;
        }
        [one @ Value::Time(_)] => crate::to_json(one, limit),
        [one] => match stringer(one) {
            Some(text) => crate::to_json(&Value::string(text), limit),
            None => crate::to_json(one, limit),
        },
        several => {
            let text = crate::fmt::print(several, limit).unwrap_or_default();
            crate::to_json(&Value::string(text), limit)
        }
    };
    let json = match json {
        Ok(json) => json,
        Err(error) => {
            let error = escape_script_tags(error.as_bytes());
            let error = String::from_utf8_lossy(&error).replace("*/", "* /");
            return format!(" /* {error} */null ").into_bytes();
        }
    };
    let pads = json.first().is_some_and(|b| is_ident_part(*b))
        || json.last().is_some_and(|b| is_ident_part(*b));
    if pads {
        let mut out = vec![b' '];
        out.extend_from_slice(&json);
        out.push(b' ');
        return out;
    }
    json
}

/// Which literal the text goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    String,
    /// A string whose backslashes are meant.
    Normal,
    Template,
    Regexp,
}

pub(super) fn literal(s: &[u8], kind: Literal) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for (at, c, width) in utf8::runes(s) {
        match replacement(c, kind) {
            Some(text) => out.extend_from_slice(&text),
            None => out.extend_from_slice(&s[at..at + width]),
        }
    }
    if out.is_empty() && kind == Literal::Regexp {
        // `//` would be a comment.
        return b"(?:)".to_vec();
    }
    out
}

fn replacement(c: char, kind: Literal) -> Option<Vec<u8>> {
    let code = || Some(format!("\\u{:04x}", c as u32).into_bytes());
    let slash = || Some(format!("\\{c}").into_bytes());
    match c {
        '\t' => Some(b"\\t".to_vec()),
        '\n' => Some(b"\\n".to_vec()),
        '\u{c}' => Some(b"\\f".to_vec()),
        '\r' => Some(b"\\r".to_vec()),
        '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => code(),
        '"' | '&' | '\'' | '+' | '<' | '>' => code(),
        '/' => slash(),
        '\\' if kind != Literal::Normal => slash(),
        '`' if kind != Literal::Regexp => code(),
        '$' | '{' | '}' if kind == Literal::Template => code(),
        '$' | '(' | ')' | '*' | '-' | '.' | '?' | '[' | ']' | '^' | '{' | '|' | '}'
            if kind == Literal::Regexp =>
        {
            slash()
        }
        _ => None,
    }
}

/// Within a literal of the template's own text, `<script`, `</script` and `<!--` would be seen by the HTML parser.
pub(super) fn escape_script_tags(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s;
    while let Some(at) = find(rest, b"<") {
        let after = &rest[at + 1..];
        let is_special = [&b"script"[..], b"/script", b"!--"]
            .iter()
            .any(|tag| after.len() >= tag.len() && after[..tag.len()].eq_ignore_ascii_case(tag));
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(if is_special { b"\\x3C" } else { b"<" });
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}
