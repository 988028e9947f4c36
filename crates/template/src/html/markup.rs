//! HTML: text and attribute values, tags taken out, entities decoded.

use super::FAILSAFE;
use super::attr::{Content, content};
use super::context::{Ctx, Delim, Element, State};
use super::transition::{index_any, step};
use crate::utf8;

/// Text and quoted attributes; `keeps_entities` leaves `&` as it is.
pub(super) fn replace(s: &[u8], keeps_entities: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for byte in s {
        let replacement: &[u8] = match byte {
            0 => "\u{fffd}".as_bytes(),
            b'&' if keeps_entities => b"&",
            b'&' => b"&amp;",
            b'"' => b"&#34;",
            b'\'' => b"&#39;",
            b'+' => b"&#43;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            _ => std::slice::from_ref(byte),
        };
        out.extend_from_slice(replacement);
    }
    out
}

/// Unquoted attributes: nothing may end the value.
pub(super) fn replace_no_space(s: &[u8], keeps_entities: bool) -> Vec<u8> {
    if s.is_empty() {
        return FAILSAFE.into();
    }
    let mut out = Vec::with_capacity(s.len());
    for (at, c, width) in utf8::runes(s) {
        let number = match c {
            '\0' => Some("&#xfffd;".to_owned()),
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '"' | '\'' | '+' | '=' | '`' => {
                Some(format!("&#{};", c as u32))
            }
            '&' if !keeps_entities => Some("&amp;".to_owned()),
            '<' => Some("&lt;".to_owned()),
            '>' => Some("&gt;".to_owned()),
            '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}' => {
                Some(format!("&#x{:x};", c as u32))
            }
            _ => None,
        };
        match number {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.extend_from_slice(&s[at..at + width]),
        }
    }
    out
}

/// A dynamic attribute's name: letters and digits, and of no special kind.
pub(super) fn filter_name(s: &[u8]) -> Vec<u8> {
    let lower = String::from_utf8_lossy(s).to_lowercase();
    let plain = lower.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    if lower.is_empty() || !plain || content(&lower) != Content::Plain {
        return FAILSAFE.into();
    }
    lower.into_bytes()
}

/// Markup without its tags and comments.
pub(super) fn strip_tags(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut c = Ctx::default();
    let mut at = 0;
    let mut all_text = true;
    while at != s.len() {
        if c.delim == Delim::None {
            let mut view = c.clone();
            if c.element != Element::None && !c.state.is_in_tag() {
                view.state = State::Rcdata;
            }
            let Ok((mut next, read)) = step(&view, &s[at..]) else { break };
            if view.state != c.state && next.state == State::Rcdata {
                next.state = c.state;
            }
            if read == 0 && next == c {
                break;
            }
            let end = at + read;
            if matches!(c.state, State::Text | State::Rcdata) {
                let mut upto = end;
                if next.state != c.state
                    && let Some(tag) = s[at..end].iter().rposition(|b| *b == b'<')
                {
                    upto = at + tag;
                }
                out.extend_from_slice(&s[at..upto]);
            } else {
                all_text = false;
            }
            (c, at) = (next, end);
            continue;
        }
        let Some(end) = index_any(&s[at..], c.delim.ends()) else { break };
        at += end + usize::from(c.delim != Delim::SpaceOrTagEnd);
        c = Ctx::of(State::Tag, c.element);
    }
    if all_text {
        return s.to_vec();
    }
    if matches!(c.state, State::Text | State::Rcdata) {
        out.extend_from_slice(&s[at..]);
    }
    out
}

/// Decodes numeric entities and the named ones of ASCII characters.
pub(super) fn unescape(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut at = 0;
    while at < s.len() {
        if s[at] == b'&'
            && let Some((c, width)) = entity(&s[at..])
        {
            utf8::push(&mut out, c);
            at += width;
        } else {
            out.push(s[at]);
            at += 1;
        }
    }
    out
}

/// The character of the entity at the start, and its length.
fn entity(s: &[u8]) -> Option<(char, usize)> {
    if s.get(1) == Some(&b'#') {
        let hex = matches!(s.get(2), Some(b'x' | b'X'));
        let from = if hex { 3 } else { 2 };
        let radix = if hex { 16 } else { 10 };
        let digits =
            s[from.min(s.len())..].iter().take_while(|b| char::from(**b).is_digit(radix)).count();
        if digits == 0 {
            return None;
        }
        let value = s[from..from + digits].iter().fold(0u32, |v, b| {
            v.saturating_mul(radix).saturating_add(char::from(*b).to_digit(radix).unwrap_or(0))
        });
        let end = from + digits;
        let width = end + usize::from(s.get(end) == Some(&b';'));
        return Some((char::from_u32(value).filter(|c| *c != '\0').unwrap_or('\u{fffd}'), width));
    }
    let name = s[1..].iter().take(8).take_while(|b| b.is_ascii_alphanumeric()).count();
    let closed = s.get(1 + name) == Some(&b';');
    if !closed {
        // A few old ones need no semicolon.
        let old = [(&b"amp"[..], '&'), (b"lt", '<'), (b"gt", '>'), (b"quot", '"')];
        return old
            .iter()
            .find(|(word, _)| s[1..].starts_with(word))
            .map(|(word, c)| (*c, 1 + word.len()));
    }
    let c = match &s[1..=name] {
        b"amp" | b"AMP" => '&',
        b"lt" | b"LT" => '<',
        b"gt" | b"GT" => '>',
        b"quot" | b"QUOT" => '"',
        b"apos" => '\'',
        b"Tab" => '\t',
        b"NewLine" => '\n',
        b"nbsp" => '\u{a0}',
        b"excl" => '!',
        b"num" => '#',
        b"dollar" => '$',
        b"percnt" => '%',
        b"lpar" => '(',
        b"rpar" => ')',
        b"ast" | b"midast" => '*',
        b"plus" => '+',
        b"comma" => ',',
        b"period" => '.',
        b"sol" => '/',
        b"colon" => ':',
        b"semi" => ';',
        b"equals" => '=',
        b"quest" => '?',
        b"commat" => '@',
        b"lsqb" | b"lbrack" => '[',
        b"bsol" => '\\',
        b"rsqb" | b"rbrack" => ']',
        b"Hat" => '^',
        b"lowbar" => '_',
        b"grave" => '`',
        b"lcub" | b"lbrace" => '{',
        b"verbar" | b"vert" => '|',
        b"rcub" | b"rbrace" => '}',
        _ => return None,
    };
    Some((c, name + 2))
}
