//! Parts of dates: the functions `hour`, `day_of_month` and their like, in UTC by the Gregorian calendar.

use crate::functions::FunctionId;
use crate::text::civil_from_days;

const DAY_SECONDS: i64 = 86_400;

/// The function of seconds since the epoch that `func` names, if it is one of a date.
pub(super) fn function(func: FunctionId) -> Option<fn(i64) -> f64> {
    use FunctionId as F;
    Some(match func {
        F::Minute => |t| (second_of_day(t) % 3600 / 60) as f64,
        F::Hour => |t| (second_of_day(t) / 3600) as f64,
        F::DayOfMonth => |t| f64::from(civil(t).2),
        F::DayOfWeek => |t| (days(t).wrapping_add(4)).rem_euclid(7) as f64,
        F::DayOfYear => |t| (days(t) - days_from_civil(civil(t).0, 1, 1) + 1) as f64,
        F::DaysInMonth => |t| {
            let (year, month, _) = civil(t);
            f64::from(days_in_month(year, month))
        },
        F::Month => |t| f64::from(civil(t).1),
        F::Year => |t| civil(t).0 as f64,
        _ => return None,
    })
}

/// The same as a function of a sample.
pub(super) fn of_float(func: FunctionId) -> fn(f64) -> f64 {
    use FunctionId as F;
    macro_rules! through {
        ($($id:ident),*) => {
            match func {
                $(F::$id => |v| function(F::$id).map_or(f64::NAN, |f| f(to_i64(v))),)*
                _ => |_| f64::NAN,
            }
        };
    }
    through!(Minute, Hour, DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, Month, Year)
}

/// Seconds as the peer's machine converts them: what does not fit becomes the least number.
fn to_i64(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

/// The first second of Go's calendar, in March of the year -292277022400. What is earlier counts from the other end of 64
/// bits, as it does there.
const FIRST_SECOND: i128 = -(292_277_022_400 * 146_097 / 400 + 306) * 86_400 - 62_135_596_800;

fn wrapped(t: i64) -> i128 {
    let seconds = i128::from(t);
    if seconds < FIRST_SECOND { seconds + (1 << 64) } else { seconds }
}

fn days(t: i64) -> i64 {
    wrapped(t).div_euclid(i128::from(DAY_SECONDS)) as i64
}

fn second_of_day(t: i64) -> i64 {
    wrapped(t).rem_euclid(i128::from(DAY_SECONDS)) as i64
}

fn civil(t: i64) -> (i64, u32, u32) {
    civil_from_days(days(t))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_leap_day() {
        // 2024-02-29 12:34:56 UTC, a Thursday.
        let t = 1_709_210_096;
        for (func, expect) in [
            (FunctionId::Minute, 34.0),
            (FunctionId::Hour, 12.0),
            (FunctionId::DayOfMonth, 29.0),
            (FunctionId::DayOfWeek, 4.0),
            (FunctionId::DayOfYear, 60.0),
            (FunctionId::DaysInMonth, 29.0),
            (FunctionId::Month, 2.0),
            (FunctionId::Year, 2024.0),
        ] {
            assert_eq!(function(func).map(|f| f(t)), Some(expect), "{func:?}");
            assert_eq!(of_float(func)(t as f64), expect, "{func:?}");
        }
        assert_eq!(of_float(FunctionId::Year)(-1.0), 1969.0);
        // What the peer answers for what is no time.
        for value in [f64::NAN, f64::INFINITY, -1e300] {
            assert_eq!(of_float(FunctionId::Year)(value), 292_277_026_596.0);
            assert_eq!(of_float(FunctionId::Month)(value), 12.0);
            assert_eq!(of_float(FunctionId::DayOfYear)(value), 339.0);
        }
    }
}
