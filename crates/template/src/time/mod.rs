//! Go's `time.Time`: an instant with a zone, its calendar, and the methods that templates call.

mod layout;
mod methods;
mod parse;
mod zone;

use std::fmt;

use layout::append_format;
pub(crate) use methods::{call, signature};
pub(crate) use parse::parse;
pub use zone::Zone;

const SECONDS_PER_DAY: i64 = 86_400;
/// From the first of January of year 1 to the Unix epoch.
const YEAR_ONE_TO_UNIX: i64 = 62_135_596_800;

/// An instant to the nanosecond, and the zone it is shown in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    seconds: i64,
    nanos: u32,
    zone: Zone,
}

/// A day of the calendar and the time in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// From 1.
    pub(crate) year_day: i64,
    /// Sunday is 0.
    pub(crate) weekday: i64,
}

impl Time {
    /// Go's zero time, `0001-01-01 00:00:00 +0000 UTC`.
    pub const ZERO: Self = Self { seconds: -YEAR_ONE_TO_UNIX, nanos: 0, zone: Zone::Utc };

    /// `seconds` since the Unix epoch and nanoseconds (below 1e9) in UTC.
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos, zone: Zone::Utc }
    }

    pub const fn from_unix_ms(ms: i64) -> Self {
        Self::from_unix(ms.div_euclid(1000), (ms.rem_euclid(1000) * 1_000_000) as u32)
    }

    /// RFC 3339 with any number of fractional digits.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        parse(b"2006-01-02T15:04:05Z07:00", text.as_bytes())
    }

    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix(&self) -> i64 {
        self.seconds
    }

    pub const fn nanos(&self) -> u32 {
        self.nanos
    }

    pub(crate) fn seconds_since_year_one(&self) -> i64 {
        self.seconds.wrapping_add(YEAR_ONE_TO_UNIX)
    }

    pub fn is_zero(&self) -> bool {
        self.seconds == -YEAR_ONE_TO_UNIX && self.nanos == 0
    }

    /// Milliseconds since the epoch, wrapping as Go's.
    pub const fn unix_ms(&self) -> i64 {
        self.seconds.wrapping_mul(1000).wrapping_add((self.nanos / 1_000_000) as i64)
    }

    /// Later by `ns` nanoseconds.
    pub fn add_ns(&self, ns: i64) -> Self {
        let nanos = i64::from(self.nanos) + ns.rem_euclid(1_000_000_000);
        let seconds = ns.div_euclid(1_000_000_000) + nanos / 1_000_000_000;
        Self {
            seconds: self.seconds.wrapping_add(seconds),
            nanos: (nanos % 1_000_000_000) as u32,
            zone: self.zone.clone(),
        }
    }

    /// Nanoseconds from `other` to this, at most what a duration holds.
    pub fn since(&self, other: &Self) -> i64 {
        let ns = (i128::from(self.seconds) - i128::from(other.seconds)) * 1_000_000_000
            + i128::from(self.nanos)
            - i128::from(other.nanos);
        ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    pub(crate) fn instant(&self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }

    /// The zone's abbreviation (empty if it has none) and its offset in seconds east of UTC.
    pub(crate) fn offset(&self) -> (String, i64) {
        self.zone.at(self.seconds)
    }

    pub(crate) fn civil(&self) -> Civil {
        civil(self.seconds.saturating_add(self.offset().1))
    }

    /// The instant of a calendar day and time in a zone; fields beyond their range carry over.
    pub(crate) fn from_civil(
        (year, month, day): (i64, i64, i64),
        (hour, minute, second): (i64, i64, i64),
        nanos: u32,
        zone: Zone,
    ) -> Self {
        let year = year.saturating_add((month - 1).div_euclid(12));
        let month = (month - 1).rem_euclid(12) + 1;
        let days = days_from_civil(year, month, 1).saturating_add(day - 1);
        let local = days
            .saturating_mul(SECONDS_PER_DAY)
            .saturating_add(hour.saturating_mul(3600))
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second);
        let mut seconds = local;
        let (_, offset) = zone.at(local);
        if offset != 0 {
            // The offset at that local time, unless it lies in another period of the zone.
            seconds = local - offset;
            let (_, other) = zone.at(seconds);
            if other != offset {
                seconds = local - other;
            }
        }
        Self { seconds, nanos, zone }
    }

    /// Formats by a Go layout.
    pub fn format(&self, layout: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_format(&mut out, self, layout);
        out
    }

    /// `time.Date(2024, time.February, 29, ...)`.
    pub(crate) fn go_string(&self) -> String {
        let c = self.civil();
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local => "time.Local".to_owned(),
            other => format!("time.Location({})", crate::fmt::quoted(other.name().as_bytes())),
        };
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            c.year,
            month_name(c.month),
            c.day,
            c.hour,
            c.minute,
            c.second,
            self.nanos
        )
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.format(b"2006-01-02 15:04:05.999999999 -0700 MST");
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(crate) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(crate) fn month_name(month: i64) -> String {
    let name = usize::try_from(month - 1).ok().and_then(|i| MONTHS.get(i));
    name.map_or_else(|| format!("%!Month({month})"), |n| (*n).to_owned())
}

pub(crate) fn weekday_name(day: i64) -> String {
    let name = usize::try_from(day).ok().and_then(|i| DAYS.get(i));
    name.map_or_else(|| format!("%!Weekday({day})"), |n| (*n).to_owned())
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the Unix epoch to a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year.clamp(-200_000_000_000, 200_000_000_000) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(seconds: i64) -> Civil {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month,
        day,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        year_day: days - days_from_civil(year, 1, 1) + 1,
        weekday: (days + 4).rem_euclid(7),
    }
}
