//! Durations as the field writes them: `1y2w3d4h5m6s7ms`, units descending, each once. Source: `prometheus/common/model`.

use gauntlet_model::float::GoQuoted;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Longest duration in ms: the peer counts in nanoseconds of an i64.
const MAX_MS: u64 = (i64::MAX / 1_000_000) as u64;

/// Parses a duration to ms. Errs with upstream's text.
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {}", GoQuoted(text));
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let out_of_range = || "duration out of range".to_owned();
    let mut total = 0u64;
    let mut next_unit = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(|b| !b.is_ascii_digit()).count();
        if letters == 0 {
            return Err(invalid());
        }
        let (unit, behind) = rest.split_at(letters);
        rest = behind;
        let Some(place) = UNITS.iter().position(|(name, _)| *name == unit) else {
            let (unit, text) = (GoQuoted(unit), GoQuoted(text));
            return Err(format!("unknown unit {unit} in duration {text}"));
        };
        if place < next_unit {
            return Err(invalid());
        }
        next_unit = place + 1;
        total = value
            .checked_mul(UNITS[place].1)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= MAX_MS)
            .ok_or_else(out_of_range)?;
    }
    Ok(total as i64)
}

/// Prints ms as upstream does: years and weeks only where they divide exactly; 0 is `0s`; below zero nothing.
pub fn format_duration_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    let Ok(mut left) = u64::try_from(ms) else { return out };
    for (i, (name, size)) in UNITS.into_iter().enumerate() {
        if (i < 2 && left % size != 0) || left < size {
            continue;
        }
        out.push_str(&(left / size).to_string());
        out.push_str(name);
        left %= size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_and_print() {
        for (text, ms, printed) in [
            ("0", 0, "0s"),
            ("5m", 300_000, "5m"),
            ("14d", 1_209_600_000, "2w"),
            ("15d", 1_296_000_000, "15d"),
            ("366d", 31_622_400_000, "366d"),
            ("1y", 31_536_000_000, "1y"),
            ("90m", 5_400_000, "1h30m"),
            ("1h30m500ms", 5_400_500, "1h30m500ms"),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
            assert_eq!(format_duration_ms(ms), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named() {
        for (text, error) in [
            ("", "empty duration string"),
            ("5", "not a valid duration string: \"5\""),
            ("1s1m", "not a valid duration string: \"1s1m\""),
            ("1m1m", "not a valid duration string: \"1m1m\""),
            ("5x", "unknown unit \"x\" in duration \"5x\""),
            ("300y", "duration out of range"),
            ("99999999999999999999y", "not a valid duration string: \"99999999999999999999y\""),
        ] {
            assert_eq!(parse_duration_ms(text), Err(error.to_owned()), "{text}");
        }
    }
}
