//! Upper, lower and title case: Go's `strings.ToUpper`, `strings.ToLower`, and `cases.Title` of golang.org/x/text.

use crate::utf8;

/// One rune for one rune, as Go maps; bad bytes become U+FFFD.
pub(super) fn upper(text: &[u8]) -> Vec<u8> {
    map(text, simple_upper)
}

pub(super) fn lower(text: &[u8]) -> Vec<u8> {
    map(text, simple_lower)
}

fn map(text: &[u8], each: impl Fn(char) -> char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (_, c, _) in utf8::runes(text) {
        utf8::push(&mut out, each(c));
    }
    out
}

fn simple_upper(c: char) -> char {
    // Greek letters with iota below: their full mapping has two letters, the simple one a single letter.
    let code = c as u32;
    let with_iota = match code {
        0x1f80..=0x1faf => code | 8,
        0x1fb3 | 0x1fc3 | 0x1ff3 => code + 9,
        _ => code,
    };
    if with_iota != code || matches!(code, 0x1f80..=0x1faf) {
        return char::from_u32(with_iota).unwrap_or(c);
    }
    single(c.to_uppercase(), c)
}

fn simple_lower(c: char) -> char {
    if c == 'İ' { 'i' } else { single(c.to_lowercase(), c) }
}

/// The mapping if it is a single character, else `c` itself.
fn single(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The first cased letter of each word in title case; with `lowers` the others in lower case.
///
/// Words end as the Unicode annex has it, simplified as in the original: apostrophes, dots and colons within a word
/// keep it together, `_` and digits too.
pub(super) fn title(text: &[u8], lowers: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let runes: Vec<(usize, char, usize)> = utf8::runes(text).collect();
    let mut in_word = false;
    let mut after_mid = false;
    for (i, (at, c, width)) in runes.iter().enumerate() {
        let mid = is_mid(*c);
        if after_mid && mid {
            in_word = false;
        }
        if !is_cased(*c) {
            out.extend_from_slice(&text[*at..at + width]);
            if is_break(*c) {
                in_word = false;
            }
        } else if !in_word {
            push_title(&mut out, *c);
            in_word = true;
        } else if lowers {
            let ends = !runes.get(i + 1).is_some_and(|(_, next, _)| is_cased(*next));
            if *c == 'Σ' && ends {
                utf8::push(&mut out, 'ς');
            } else {
                c.to_lowercase().for_each(|l| utf8::push(&mut out, l));
            }
        } else {
            out.extend_from_slice(&text[*at..at + width]);
        }
        after_mid = mid;
    }
    out
}

fn is_cased(c: char) -> bool {
    c.is_uppercase()
        || c.is_lowercase()
        || matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' | '\u{1f88}'..='\u{1faf}')
}

/// Keeps a word together when a letter follows.
fn is_mid(c: char) -> bool {
    matches!(
        c,
        '\'' | '.'
            | ':'
            | '·'
            | '\u{387}'
            | '\u{55f}'
            | '\u{5f4}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{2024}'
            | '\u{2027}'
            | '\u{fe13}'
            | '\u{fe52}'
            | '\u{fe55}'
            | '\u{ff07}'
            | '\u{ff0e}'
            | '\u{ff1a}'
    )
}

fn is_break(c: char) -> bool {
    let joins = c.is_alphanumeric()
        || is_mid(c)
        || matches!(c, '_' | '\u{203f}' | '\u{2040}' | '\u{ad}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{20d0}'..='\u{20f0}');
    !joins
}

fn push_title(out: &mut Vec<u8>, c: char) {
    let digraph = match c {
        'ǆ' | 'Ǆ' | 'ǅ' => Some('ǅ'),
        'ǉ' | 'Ǉ' | 'ǈ' => Some('ǈ'),
        'ǌ' | 'Ǌ' | 'ǋ' => Some('ǋ'),
        'ǳ' | 'Ǳ' | 'ǲ' => Some('ǲ'),
        // Georgian has no title case.
        '\u{10d0}'..='\u{10ff}' => Some(c),
        '\u{1f80}'..='\u{1faf}' => Some(simple_upper(c)),
        _ => None,
    };
    if let Some(digraph) = digraph {
        return utf8::push(out, digraph);
    }
    // ﬁ becomes Fi: only the first letter of a longer mapping stays large.
    for (i, letter) in c.to_uppercase().enumerate() {
        if i == 0 || c == 'ŉ' {
            utf8::push(out, letter);
        } else {
            letter.to_lowercase().for_each(|l| utf8::push(out, l));
        }
    }
}
