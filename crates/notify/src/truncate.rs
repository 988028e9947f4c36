//! Cutting texts to what services take, as upstream cuts them.

/// Stands for what was cut off.
const MARKER: &str = "…";

/// At most `n` characters. Says whether something was cut.
pub(crate) fn runes(text: String, n: usize) -> (String, bool) {
    let Some((end, _)) = text.char_indices().nth(n) else { return (text, false) };
    if n <= 3 {
        return (text[..end].to_owned(), true);
    }
    let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    (format!("{}{MARKER}", &text[..last]), true)
}

/// At most `n` bytes, never within a character. Says whether something was cut.
pub(crate) fn bytes(text: String, n: usize) -> (String, bool) {
    if text.len() <= n {
        return (text, false);
    }
    if n < MARKER.len() {
        return (".".repeat(n), true);
    }
    let end = text.floor_char_boundary(n - MARKER.len());
    (format!("{}{MARKER}", &text[..end]), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_the_last_gives_way() {
        assert_eq!(runes("añb".to_owned(), 3), ("añb".to_owned(), false));
        assert_eq!(runes("añbc".to_owned(), 3), ("añb".to_owned(), true));
        assert_eq!(runes("añbcd".to_owned(), 4), ("añb…".to_owned(), true));
        assert_eq!(runes("abc".to_owned(), 0), (String::new(), true));
    }

    #[test]
    fn bytes_are_counted_and_characters_stay_whole() {
        assert_eq!(bytes("abcdef".to_owned(), 6), ("abcdef".to_owned(), false));
        assert_eq!(bytes("abcdefg".to_owned(), 6), ("abc…".to_owned(), true));
        assert_eq!(bytes("abéfgh".to_owned(), 6), ("ab…".to_owned(), true));
        assert_eq!(bytes("abcdefg".to_owned(), 3), ("…".to_owned(), true));
        assert_eq!(bytes("abcdefg".to_owned(), 2), ("..".to_owned(), true));
        let wide = "日".repeat(3000);
        assert_eq!(bytes(wide, 7439).0.len(), 7437);
    }
}
