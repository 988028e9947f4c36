//! Moments as APIs spell them, in UTC.

/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

/// `2006-01-02T15:04:05Z` of milliseconds since the epoch.
pub fn utc_text(ms: i64) -> String {
    let (days, seconds) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `20060102T150405Z` of milliseconds since the epoch.
pub fn basic_utc_text(ms: i64) -> String {
    utc_text(ms).replace(['-', ':'], "")
}

/// `Mon, 02 Jan 2006 15:04:05 GMT` of milliseconds since the epoch.
pub fn http_date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ms.div_euclid(86_400_000);
    let (year, month, day) = civil(days);
    // The epoch was a Thursday.
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let time = &utc_text(ms)[11..19];
    format!("{weekday}, {day:02} {month} {year:04} {time} GMT")
}

/// Milliseconds since the epoch of `2006-01-02T15:04:05Z`, a fraction allowed and left out.
pub fn parse_utc(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    if !text.ends_with('Z') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some((days(year, month, day) * 86_400 + seconds) * 1000)
}

/// Year, month and day of a number of days since the epoch; years begin in March meanwhile, so that a leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The way back of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_there_and_back() {
        let check = |ms: i64, text: &str| {
            assert_eq!(utc_text(ms), text);
            assert_eq!(parse_utc(text), Some(ms));
        };
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400_000, "2000-02-29T00:00:00Z");
        check(1_709_251_199_000, "2024-02-29T23:59:59Z");
        check(4_102_444_800_000, "2100-01-01T00:00:00Z");
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(basic_utc_text(1_440_938_160_000), "20150830T123600Z");
        assert_eq!(parse_utc("2024-02-29T23:59:59.123456Z"), Some(1_709_251_199_000));
        assert_eq!((parse_utc("2024"), parse_utc("2024-13-01T00:00:00Z")), (None, None));
    }
}
