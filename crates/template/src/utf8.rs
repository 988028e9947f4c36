//! Go's view of bytes as runes: a byte that is no UTF-8 counts as U+FFFD of width 1.

/// The first rune and its width in bytes; width 0 at the end.
pub(crate) fn decode(text: &[u8]) -> (char, usize) {
    let Some(first) = text.first() else { return ('\u{fffd}', 0) };
    if *first < 0x80 {
        return (char::from(*first), 1);
    }
    let width = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return ('\u{fffd}', 1),
    };
    match text.get(..width).and_then(|t| std::str::from_utf8(t).ok()) {
        Some(rune) => (rune.chars().next().unwrap_or('\u{fffd}'), width),
        None => ('\u{fffd}', 1),
    }
}

/// Whether the rune of this width was a bad byte (and not U+FFFD itself, of width 3).
pub(crate) fn is_bad(c: char, width: usize) -> bool {
    c == '\u{fffd}' && width == 1
}

/// The runes of `text` with their offsets and widths.
pub(crate) fn runes(text: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width) = decode(&text[at..]);
        if width == 0 {
            return None;
        }
        let here = at;
        at += width;
        Some((here, c, width))
    })
}

pub(crate) fn count(text: &[u8]) -> usize {
    runes(text).count()
}

/// How many bytes the first `n` runes take.
pub(crate) fn prefix_of_runes(text: &[u8], n: usize) -> usize {
    runes(text).nth(n).map_or(text.len(), |(at, _, _)| at)
}

pub(crate) fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
