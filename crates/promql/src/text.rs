//! Small pieces of text as Go prints them: positions, times, quoted characters, short floats, durations.
//!
//! Only what parser, printer and annotations share; general number printing is `gauntlet_model::float`.

/// `line:column` of byte `pos`, both from 1, the column in bytes.
pub(crate) fn line_and_column(query: &str, pos: usize) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let Some(before) = query.as_bytes().get(..pos) else {
        return "invalid position".to_owned();
    };
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    format!("{line}:{column}")
}

/// Seconds since the epoch as `2006-01-02T15:04:05Z`.
pub(crate) fn rfc3339_seconds(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let second = seconds.rem_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// Year, month (1..=12) and day of month of a day counted from the epoch. Source: the era arithmetic of Howard Hinnant's
/// "chrono-compatible low-level date algorithms".
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Go's `%.2g`.
pub(crate) fn two_digit_float(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return gauntlet_model::float::go_float(value);
    }
    let scientific = format!("{value:.1e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("BUG: `e` form has an exponent");
    let exponent: i32 = exponent.parse().expect("BUG: exponent is whole");
    if (-4..2).contains(&exponent) {
        let rounded: f64 = scientific.parse().expect("BUG: printed by us");
        return gauntlet_model::float::plain_float(rounded);
    }
    let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A character in single quotes as Go's `%q` prints it; `None` is the end of input.
pub(crate) fn quoted_char(c: Option<char>) -> String {
    match c {
        None => "'\u{fffd}'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(c) => {
            let mut buffer = [0; 4];
            let quoted = gauntlet_model::float::GoQuoted(c.encode_utf8(&mut buffer)).to_string();
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_floats_print_as_go_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (10.0, "10"),
            (100.0, "1e+02"),
            (0.5, "0.5"),
            (0.123, "0.12"),
            (0.000_123, "0.00012"),
            (0.000_012_3, "1.2e-05"),
            (2e-10, "2e-10"),
        ] {
            assert_eq!(two_digit_float(value), text);
        }
    }

    #[test]
    fn positions_count_bytes_from_one() {
        assert_eq!(line_and_column("ab\ncd", 4), "2:2");
        assert_eq!(line_and_column("ab", 0), "1:1");
        assert_eq!(line_and_column("", 0), "unknown position");
        assert_eq!(line_and_column("ab", 3), "invalid position");
    }

    #[test]
    fn times_print_as_rfc3339() {
        assert_eq!(rfc3339_seconds(951_826_554), "2000-02-29T12:15:54Z");
        assert_eq!(rfc3339_seconds(-1), "1969-12-31T23:59:59Z");
    }
}
