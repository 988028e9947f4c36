//! Go's `time.Parse`, with its errors.

use super::layout::{Element, Form, next_chunk};
use super::{DAYS, MONTHS, Time, Zone, days_in, is_leap};
use crate::fmt::quoted;

/// What makes an element unreadable: it is not there, or it is out of its range.
enum Bad {
    Syntax,
    Range(&'static str),
}

type Read<T> = Result<T, Bad>;

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    pm: Option<bool>,
    utc: bool,
    offset: Option<i64>,
    zone_name: Vec<u8>,
}

/// Reads `text` by `layout`; without a zone in it the time is in UTC.
pub(crate) fn parse(layout: &[u8], text: &[u8]) -> Result<Time, String> {
    let fail = |message: &str| format!("parsing time {}{message}", quoted(text));
    let cannot = |element: &[u8], rest: &[u8]| {
        fail(&format!(
            " as {}: cannot parse {} as {}",
            quoted(layout),
            quoted(rest),
            quoted(element)
        ))
    };
    let mut fields = Fields::default();
    let (mut left, mut value) = (layout, text);
    loop {
        let (prefix, element, rest) = next_chunk(left);
        value = skip(value, prefix).map_err(|at| cannot(prefix, at))?;
        let Some((element, spelling)) = element else {
            if !value.is_empty() {
                return Err(fail(&format!(": extra text: {}", quoted(value))));
            }
            break;
        };
        left = rest;
        match fields.read(element, value, left) {
            Ok(rest) => value = rest,
            Err(Bad::Syntax) => return Err(cannot(spelling, value)),
            Err(Bad::Range(what)) => return Err(fail(&format!(": {what} out of range"))),
        }
    }
    fields.time().map_err(|message| fail(&format!(": {message}")))
}

/// Drops `prefix` from `value`; a space stands for any number of spaces.
fn skip<'a>(mut value: &'a [u8], mut prefix: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let Some(first) = prefix.first() {
        if *first == b' ' {
            if value.first().is_some_and(|b| *b != b' ') {
                return Err(value);
            }
            prefix = prefix.trim_ascii_start_spaces();
            value = value.trim_ascii_start_spaces();
            continue;
        }
        if value.first() != Some(first) {
            return Err(value);
        }
        prefix = &prefix[1..];
        value = &value[1..];
    }
    Ok(value)
}

trait TrimSpaces {
    fn trim_ascii_start_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_ascii_start_spaces(&self) -> &Self {
        &self[self.iter().take_while(|b| **b == b' ').count()..]
    }
}

fn digit_at(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

/// One or two digits; with `fixed` two are needed.
fn two_digits(text: &[u8], fixed: bool) -> Read<(i64, &[u8])> {
    if !digit_at(text, 0) {
        return Err(Bad::Syntax);
    }
    if !digit_at(text, 1) {
        if fixed {
            return Err(Bad::Syntax);
        }
        return Ok((i64::from(text[0] - b'0'), &text[1..]));
    }
    Ok((digits(&text[..2])?, &text[2..]))
}

fn three_digits(text: &[u8], fixed: bool) -> Read<(i64, &[u8])> {
    let count = (0..3).take_while(|i| digit_at(text, *i)).count();
    if count == 0 || fixed && count != 3 {
        return Err(Bad::Syntax);
    }
    Ok((digits(&text[..count])?, &text[count..]))
}

fn digits(text: &[u8]) -> Read<i64> {
    text.iter().try_fold(0i64, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')).ok_or(Bad::Syntax)
    })
}

/// A number that may have a sign: Go's `atoi`, which reads two-digit years and fractions.
fn signed(text: &[u8]) -> Read<i64> {
    match text {
        [b'-', rest @ ..] if !rest.is_empty() => Ok(-digits(rest)?),
        [b'+', rest @ ..] if !rest.is_empty() => digits(rest),
        [] => Err(Bad::Syntax),
        _ => digits(text),
    }
}

/// An index into `names` (by their first `length` bytes, or whole) that `value` starts with in any case.
fn name<'a>(value: &'a [u8], names: &[&str], length: Option<usize>) -> Read<(i64, &'a [u8])> {
    for (i, name) in names.iter().enumerate() {
        let name = &name.as_bytes()[..length.unwrap_or(name.len())];
        if value.len() >= name.len() && value[..name.len()].eq_ignore_ascii_case(name) {
            return Ok((i as i64, &value[name.len()..]));
        }
    }
    Err(Bad::Syntax)
}

fn within<'a>(
    (value, rest): (i64, &'a [u8]),
    range: std::ops::RangeInclusive<i64>,
    what: &'static str,
) -> Read<(i64, &'a [u8])> {
    if range.contains(&value) { Ok((value, rest)) } else { Err(Bad::Range(what)) }
}

/// A separator and digits: at most nine of them count.
fn fraction(text: &[u8]) -> Read<u32> {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return Err(Bad::Syntax);
    }
    let kept = &text[1..text.len().min(10)];
    let value = signed(kept)?;
    u32::try_from(value * 10i64.pow(9 - kept.len() as u32))
        .map_err(|_| Bad::Range("fractional second"))
}

impl Fields {
    fn read<'a>(&mut self, element: Element, value: &'a [u8], layout: &[u8]) -> Read<&'a [u8]> {
        let rest;
        match element {
            Element::Year => {
                let two = value.get(..2).ok_or(Bad::Syntax)?;
                let year = signed(two)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
                rest = &value[2..];
            }
            Element::LongYear => {
                self.year = digits(value.get(..4).ok_or(Bad::Syntax)?)?;
                rest = &value[4..];
            }
            Element::Month | Element::LongMonth => {
                let short = (element == Element::Month).then_some(3);
                let (month, after) = name(value, &MONTHS, short)?;
                (self.month, rest) = (Some(month + 1), after);
            }
            Element::NumMonth | Element::ZeroMonth => {
                let (month, after) =
                    within(two_digits(value, element == Element::ZeroMonth)?, 1..=12, "month")?;
                (self.month, rest) = (Some(month), after);
            }
            Element::Weekday => (_, rest) = name(value, &DAYS, Some(3))?,
            Element::LongWeekday => (_, rest) = name(value, &DAYS, None)?,
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                let value = match value {
                    [b' ', after @ ..] if element == Element::UnderDay => after,
                    _ => value,
                };
                let (day, after) = two_digits(value, element == Element::ZeroDay)?;
                (self.day, rest) = (Some(day), after);
            }
            Element::UnderYearDay | Element::ZeroYearDay => {
                let mut value = value;
                for _ in 0..2 {
                    if element == Element::UnderYearDay && value.first() == Some(&b' ') {
                        value = &value[1..];
                    }
                }
                let (day, after) = three_digits(value, element == Element::ZeroYearDay)?;
                (self.year_day, rest) = (Some(day), after);
            }
            Element::Hour => {
                (self.hour, rest) = within(two_digits(value, false)?, 0..=23, "hour")?;
            }
            Element::Hour12 | Element::ZeroHour12 => {
                let fixed = element == Element::ZeroHour12;
                (self.hour, rest) = within(two_digits(value, fixed)?, 0..=12, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                let fixed = element == Element::ZeroMinute;
                (self.minute, rest) = within(two_digits(value, fixed)?, 0..=59, "minute")?;
            }
            Element::Second | Element::ZeroSecond => {
                let fixed = element == Element::ZeroSecond;
                let after;
                (self.second, after) = within(two_digits(value, fixed)?, 0..=59, "second")?;
                rest = self.unasked_fraction(after, layout)?;
            }
            Element::UpperPm | Element::LowerPm => {
                let upper = element == Element::UpperPm;
                let (am, pm): (&[u8], &[u8]) = if upper { (b"AM", b"PM") } else { (b"am", b"pm") };
                let word = value.get(..2).ok_or(Bad::Syntax)?;
                if word != am && word != pm {
                    return Err(Bad::Syntax);
                }
                self.pm = Some(word == pm);
                rest = &value[2..];
            }
            Element::Offset { z: true, .. } if value.first() == Some(&b'Z') => {
                self.utc = true;
                rest = &value[1..];
            }
            Element::Offset { form, .. } => {
                let (offset, length) = read_offset(value, form)?;
                self.offset = Some(offset);
                rest = &value[length..];
            }
            Element::ZoneName if value.starts_with(b"UTC") => {
                self.utc = true;
                rest = &value[3..];
            }
            Element::ZoneName => {
                let length = zone_name(value).ok_or(Bad::Syntax)?;
                self.zone_name = value[..length].to_vec();
                rest = &value[length..];
            }
            Element::Fraction { digits, trims: false } => {
                self.nanos = fraction(value.get(..1 + digits).ok_or(Bad::Syntax)?)?;
                rest = &value[1 + digits..];
            }
            Element::Fraction { trims: true, .. } => rest = self.any_fraction(value)?,
        }
        Ok(rest)
    }

    /// Seconds may have a fraction that the layout does not mention.
    fn unasked_fraction<'a>(&mut self, value: &'a [u8], layout: &[u8]) -> Read<&'a [u8]> {
        let next = next_chunk(layout).1;
        if matches!(next, Some((Element::Fraction { .. }, _))) {
            return Ok(value);
        }
        self.any_fraction(value)
    }

    fn any_fraction<'a>(&mut self, value: &'a [u8]) -> Read<&'a [u8]> {
        if !matches!(value.first(), Some(b'.' | b',')) || !digit_at(value, 1) {
            return Ok(value);
        }
        let length = 1 + value[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.nanos = fraction(&value[..length])?;
        Ok(&value[length..])
    }

    fn time(mut self) -> Result<Time, &'static str> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        if let Some(year_day) = self.year_day {
            let (month, day) = month_of(year_day, self.year).ok_or("day-of-year out of range")?;
            if self.month.is_some_and(|m| m != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|d| d != day) {
                return Err("day-of-year does not match day");
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let date = (self.year, month, day);
        let clock = (self.hour, self.minute, self.second);
        let time = Time::from_civil(date, clock, self.nanos, Zone::Utc);
        if self.utc {
            return Ok(time);
        }
        let zone_name = String::from_utf8_lossy(&self.zone_name).into_owned();
        if let Some(offset) = self.offset {
            let time = time.add_ns(-offset * 1_000_000_000);
            let (local_name, local_offset) = Zone::Local.at(time.unix());
            if local_offset == offset && (zone_name.is_empty() || zone_name == local_name) {
                return Ok(time.in_zone(Zone::Local));
            }
            return Ok(time.in_zone(Zone::Fixed(zone_name, offset as i32)));
        }
        if !zone_name.is_empty() {
            let (local_name, local_offset) = Zone::Local.at(time.unix());
            if local_name == zone_name {
                return Ok(time.add_ns(-local_offset * 1_000_000_000).in_zone(Zone::Local));
            }
            // An abbreviation says no offset, but for GMT+3.
            let hours = zone_name.strip_prefix("GMT").and_then(|h| h.parse::<i32>().ok());
            let offset = hours.unwrap_or(0) * 3600;
            let time = time.add_ns(-i64::from(offset) * 1_000_000_000);
            return Ok(time.in_zone(Zone::Fixed(zone_name, offset)));
        }
        Ok(time)
    }
}

fn month_of(year_day: i64, year: i64) -> Option<(i64, i64)> {
    if year_day < 1 || year_day > 365 + i64::from(is_leap(year)) {
        return None;
    }
    let mut day = year_day;
    for month in 1..=12 {
        if day <= days_in(month, year) {
            return Some((month, day));
        }
        day -= days_in(month, year);
    }
    None
}

/// Seconds east of UTC and the length of their text.
fn read_offset(value: &[u8], form: Form) -> Read<(i64, usize)> {
    let (length, colons, minutes, seconds): (usize, &[usize], Option<usize>, Option<usize>) =
        match form {
            Form::Hours => (3, &[], None, None),
            Form::Plain => (5, &[], Some(3), None),
            Form::Colon => (6, &[3], Some(4), None),
            Form::Seconds => (7, &[], Some(3), Some(5)),
            Form::ColonSeconds => (9, &[3, 6], Some(4), Some(7)),
        };
    let text = value.get(..length).ok_or(Bad::Syntax)?;
    if colons.iter().any(|at| text[*at] != b':') {
        return Err(Bad::Syntax);
    }
    let part = |at: Option<usize>| at.map_or(Ok(0), |at| digits(&text[at..at + 2]));
    let (hours, minutes, seconds) = (part(Some(1))?, part(minutes), part(seconds));
    // Of several parts out of their range the last one is named; that goes before what is no number at all.
    for (value, most, what) in [
        (*seconds.as_ref().unwrap_or(&0), 60, "time zone offset second"),
        (*minutes.as_ref().unwrap_or(&0), 60, "time zone offset minute"),
        (hours, 24, "time zone offset hour"),
    ] {
        if value > most {
            return Err(Bad::Range(what));
        }
    }
    let (minutes, seconds) = (minutes?, seconds?);
    let offset = (hours * 60 + minutes) * 60 + seconds;
    match text[0] {
        b'+' => Ok((offset, length)),
        b'-' => Ok((-offset, length)),
        _ => Err(Bad::Syntax),
    }
}

/// How long a zone's abbreviation at the start of `value` is.
fn zone_name(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if value.starts_with(b"GMT") {
        return Some(3 + signed_offset(&value[3..]));
    }
    if matches!(value[0], b'+' | b'-') {
        return Some(signed_offset(value)).filter(|n| *n > 0);
    }
    let upper = value.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    match upper {
        5 if value[4] == b'T' => Some(5),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// Length of `+3` or `-11` at the start, 0 if there is none or it is beyond 23.
fn signed_offset(value: &[u8]) -> usize {
    if !matches!(value.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let count = value[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    match digits(&value[1..=count.min(9)]) {
        Ok(hours) if count > 0 && count < 10 && hours <= 23 => 1 + count,
        _ => 0,
    }
}
