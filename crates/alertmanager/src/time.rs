//! A point in time as Go's `time.Time` has it: seconds and nanoseconds, with a zero of its own that means "not set".
//!
//! Alerts carry times of any year, of full precision and with their senders' offset from UTC, and echo them as they came; the
//! clock seam's milliseconds are only where our own "now" comes from. Leaves out zones that are more than an offset.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use gauntlet_runtime::Clock;

const NS: i64 = 1_000_000_000;
/// Seconds of Go's zero time, 0001-01-01T00:00:00Z, before the epoch.
const ZERO_SECS: i64 = -62_135_596_800;

/// A point in time. 16 bytes; ordered. The offset only matters for printing: times are equal that are the same instant.
#[derive(Clone, Copy)]
pub struct Time {
    secs: i64,
    nanos: u32,
    /// Seconds east of UTC.
    offset_secs: i32,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        (self.secs, self.nanos) == (other.secs, other.nanos)
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.secs, self.nanos).cmp(&(other.secs, other.nanos))
    }
}

impl Hash for Time {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.secs, self.nanos).hash(state);
    }
}

impl Time {
    /// Not set.
    pub const ZERO: Self = Self { secs: ZERO_SECS, nanos: 0, offset_secs: 0 };
    /// Later than all others; what a timer that never fires is set to.
    pub const MAX: Self = Self { secs: i64::MAX, nanos: 999_999_999, offset_secs: 0 };

    /// Seconds and nanoseconds since the epoch; nanoseconds of a second or more are carried over.
    pub fn from_unix(secs: i64, nanos: i64) -> Self {
        let secs = secs.saturating_add(nanos.div_euclid(NS));
        Self { secs, nanos: nanos.rem_euclid(NS) as u32, offset_secs: 0 }
    }

    pub fn from_ms(ms: i64) -> Self {
        Self::from_unix(ms.div_euclid(1000), ms.rem_euclid(1000) * 1_000_000)
    }

    /// The clock's now, in milliseconds.
    pub fn now(clock: &dyn Clock) -> Self {
        Self::from_ms(clock.now_ms())
    }

    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    pub fn unix_secs(self) -> i64 {
        self.secs
    }

    /// The same instant as a clock so many seconds east of UTC shows it.
    #[must_use]
    pub fn with_offset(self, offset_secs: i32) -> Self {
        Self { offset_secs, ..self }
    }

    /// Seconds east of UTC that it is shown with.
    pub fn offset_secs(self) -> i32 {
        self.offset_secs
    }

    /// Nanoseconds within the second.
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Milliseconds since the epoch, rounded down; saturates.
    pub fn as_ms(self) -> i64 {
        self.secs.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// Adds nanoseconds, which may be negative; saturates.
    #[must_use]
    pub fn plus_ns(self, ns: i64) -> Self {
        let nanos = i64::from(self.nanos) + ns.rem_euclid(NS);
        let secs = self.secs.saturating_add(ns.div_euclid(NS));
        Self::from_unix(secs, nanos).with_offset(self.offset_secs)
    }

    /// Nanoseconds from `earlier` to here; saturates.
    pub fn since_ns(self, earlier: Self) -> i64 {
        self.secs
            .saturating_sub(earlier.secs)
            .saturating_mul(NS)
            .saturating_add(i64::from(self.nanos) - i64::from(earlier.nanos))
    }

    /// Reads RFC 3339 with any offset and up to nine digits of a second (more are cut).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let part = bytes.get(from..to)?;
            if !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            Some(part.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
        };
        let at = |index: usize, wanted: &[u8]| bytes.get(index).is_some_and(|b| wanted.contains(b));
        if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !in_range {
            return None;
        }
        let (mut nanos, mut next) = (0, 19);
        if at(19, b".,") {
            let digits = bytes[20..].iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            for place in 0..9 {
                let digit = if place < digits { i64::from(bytes[20 + place] - b'0') } else { 0 };
                nanos = nanos * 10 + digit;
            }
            next = 20 + digits;
        }
        let offset = match bytes.get(next)? {
            b'Z' | b'z' if bytes.len() == next + 1 => 0,
            sign @ (b'+' | b'-') if bytes.len() == next + 6 && at(next + 3, b":") => {
                let (hours, minutes) = (number(next + 1, next + 3)?, number(next + 4, next + 6)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let offset = hours * 3600 + minutes * 60;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };
        let days = days_from_civil(year, month, day);
        let secs = days * 86400 + hour * 3600 + minute * 60 + second - offset;
        Some(Self::from_unix(secs, nanos).with_offset(offset as i32))
    }

    /// Calendar fields in UTC.
    pub fn civil(self) -> Civil {
        let days = self.secs.div_euclid(86400);
        let second_of_day = self.secs.rem_euclid(86400);
        let (year, month, day) = civil_from_days(days);
        Civil { year, month, day, second_of_day }
    }

    /// As the HTTP API prints times: milliseconds, always three digits.
    pub fn to_ms_text(self) -> String {
        format!("{}.{:03}{}", self.seconds_text(), self.nanos / 1_000_000, self.offset_text())
    }

    fn seconds_text(self) -> String {
        let local = Self { secs: self.secs.saturating_add(i64::from(self.offset_secs)), ..self };
        let Civil { year, month, day, second_of_day } = local.civil();
        let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second_of_day % 60)
    }

    fn offset_text(self) -> String {
        if self.offset_secs == 0 {
            return "Z".to_owned();
        }
        let sign = if self.offset_secs < 0 { '-' } else { '+' };
        let minutes = self.offset_secs.unsigned_abs() / 60;
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Time {
    /// RFC 3339 with as many digits of a second as there are (Go's `RFC3339Nano`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.seconds_text())?;
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(&self.offset_text())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX { f.write_str("never") } else { fmt::Display::fmt(self, f) }
    }
}

/// Calendar fields of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    pub second_of_day: i64,
}

/// Days of a month of the Gregorian calendar.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date; years start in March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_print_as_they_came() {
        for text in [
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "2026-11-24T06:05:23.277392278Z",
            "2024-02-29T23:59:59.5Z",
            "1969-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(Time::parse(text).expect(text).to_string(), text);
        }
        let offset = Time::parse("2026-11-24T08:05:23+02:00").expect("offset");
        assert_eq!(offset, Time::parse("2026-11-24T06:05:23Z").expect("utc"));
        assert_eq!(offset.to_string(), "2026-11-24T08:05:23+02:00");
        assert_eq!(offset.plus_ns(1_000_000).to_ms_text(), "2026-11-24T08:05:23.001+02:00");
        assert_eq!(offset.with_offset(-12_600).to_string(), "2026-11-24T02:35:23-03:30");
        assert!(Time::parse("0001-01-01T00:00:00Z").expect("zero").is_zero());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+2:00",
            "2026-01-01T00:00:00Zé",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_carries_and_saturates() {
        let time = Time::from_unix(10, 999_999_999);
        assert_eq!(time.plus_ns(2), Time::from_unix(11, 1));
        assert_eq!(time.plus_ns(-1_999_999_999), Time::from_unix(9, 0));
        assert_eq!(time.plus_ns(5).since_ns(time), 5);
        assert_eq!(Time::MAX.since_ns(Time::ZERO), i64::MAX);
        assert_eq!(Time::from_ms(-1), Time::from_unix(-1, 999_000_000));
    }
}
