//! Parts of a date in UTC, also for seconds that no calendar was made for.

/// Seconds that Go makes of a float: what an i64 cannot hold becomes its least value, and what lies before Go's first
/// year counts from the other end of 64 bits.
pub(super) fn seconds_of(value: f64) -> i128 {
    let whole =
        if value >= -(2f64.powi(63)) && value < 2f64.powi(63) { value as i64 } else { i64::MIN };
    let first = -(292_277_022_400 * 146_097 / 400 + 306) * 86_400 - 62_135_596_800_i128;
    let seconds = i128::from(whole);
    if seconds < first { seconds + (1 << 64) } else { seconds }
}

/// Year, month (1..=12), day of month, of seconds since the epoch. Counts years and months one by one from 1970.
pub(super) fn date(seconds: i128) -> (i64, i64, i64) {
    let mut days = day(seconds);
    // 400 years have a whole number of days: skip them at once.
    let mut year = 1970 + days.div_euclid(146_097) * 400;
    days = days.rem_euclid(146_097);
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn day(seconds: i128) -> i64 {
    seconds.div_euclid(86_400) as i64
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) fn day_of_year(seconds: i128) -> i64 {
    let (year, month, day) = date(seconds);
    (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day
}

/// Sunday is 0.
pub(super) fn day_of_week(seconds: i128) -> i64 {
    (day(seconds) + 4).rem_euclid(7)
}
