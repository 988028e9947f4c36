//! Parts of a date in UTC.

/// Year, month (1..=12), day of month, of seconds since the epoch. Counts years and months one by one from 1970.
pub(super) fn date(seconds: i64) -> (i64, i64, i64) {
    let mut days = seconds.div_euclid(86_400);
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

pub(super) fn day_of_year(seconds: i64) -> i64 {
    let (year, month, day) = date(seconds);
    (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day
}

/// Sunday is 0.
pub(super) fn day_of_week(seconds: i64) -> i64 {
    (seconds.div_euclid(86_400) + 4).rem_euclid(7)
}
