//! Small readers of kernel text: numbers that must be numbers, words, lossy text. No allocation unless the input is not UTF-8.

use std::borrow::Cow;

use crate::error::Malformed;

/// Text of a kernel file; bad UTF-8 becomes U+FFFD, as upstream shows it.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text), // several times faster than the lossy scan
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Unsigned decimal, no sign, no blanks.
pub(crate) fn u64(word: &str) -> Result<u64, Malformed> {
    word.parse().map_err(|_| bad("unsigned integer", word))
}

pub(crate) fn i64(word: &str) -> Result<i64, Malformed> {
    word.parse().map_err(|_| bad("integer", word))
}

/// A decimal float. `strconv.ParseFloat` also takes hex floats and underscores, which no kernel file has.
pub(crate) fn f64(word: &str) -> Result<f64, Malformed> {
    word.parse().map_err(|_| bad("number", word))
}

pub(crate) fn hex(word: &str) -> Result<u64, Malformed> {
    u64::from_str_radix(word, 16).map_err(|_| bad("hexadecimal number", word))
}

/// `0x..` hexadecimal or decimal, as sysfs attributes mix them.
pub(crate) fn any_i64(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

pub(crate) fn bad(expected: &str, found: &str) -> Malformed {
    let shown: String = found.chars().take(40).collect();
    Malformed(format!("expected {expected}, found {shown:?}"))
}

/// The part of a metric name that upstream's sanitizer leaves: every run of other characters (and the underscores around it)
/// becomes one underscore.
pub(crate) fn metric_name(raw: &str) -> String {
    let mut name = String::with_capacity(raw.len());
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = raw;
    while let Some(start) = rest.find(|c| !ok(c)) {
        let head = rest[..start].trim_end_matches('_');
        name.push_str(head);
        name.push('_');
        rest = rest[start..].trim_start_matches(|c| !ok(c));
        rest = rest.trim_start_matches('_');
    }
    name.push_str(rest);
    name
}

/// `["8-10,15"]` style lists of the kernel into single numbers; at most `limit` of them.
pub(crate) fn id_list(list: &str, limit: usize) -> Result<Vec<u32>, Malformed> {
    let mut ids = Vec::new();
    for part in list.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| bad("a list of numbers", part))?;
        let last: u32 = last.parse().map_err(|_| bad("a list of numbers", part))?;
        if last < first || ids.len() + (last - first) as usize >= limit {
            return Err(bad("an ascending range", part));
        }
        ids.extend(first..=last);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sanitized_as_upstream_does() {
        for (raw, expect) in
            [("rx_bytes", "rx_bytes"), ("a -_ b", "a__b"), ("0.1/x", "0_1_x"), ("tail-", "tail_")]
        {
            assert_eq!(metric_name(raw), expect);
        }
    }

    #[test]
    fn id_lists_expand_and_stay_bounded() {
        assert_eq!(id_list("0-2,5\n", 100), Ok(vec![0, 1, 2, 5]));
        assert!(id_list("0-4000000000", 100).is_err());
        assert!(id_list("x", 100).is_err());
    }
}
