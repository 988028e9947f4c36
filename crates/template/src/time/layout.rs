//! Go's layouts: a reference time spelled as the wish, cut into the elements that stand for something.

use super::{DAYS, MONTHS, Time};

/// What a piece of a layout stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// An offset: `Z` for zero, how it is spelled.
    Offset {
        z: bool,
        form: Form,
    },
    /// Fractional seconds with this many digits; trailing zeros dropped or kept.
    Fraction {
        digits: usize,
        trims: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Hours,
    Plain,
    Colon,
    Seconds,
    ColonSeconds,
}

/// Text before the first element, the element with its text, and the rest.
pub(super) type Chunk<'a> = (&'a [u8], Option<(Element, &'a [u8])>, &'a [u8]);

pub(super) fn next_chunk(layout: &[u8]) -> Chunk<'_> {
    for at in 0..layout.len() {
        if let Some((skip, length, element)) = element_at(&layout[at..]) {
            let from = at + skip;
            return (
                &layout[..from],
                Some((element, &layout[from..from + length])),
                &layout[from + length..],
            );
        }
    }
    (layout, None, &[])
}

/// How much text precedes it, how long it is, and what it is.
fn element_at(text: &[u8]) -> Option<(usize, usize, Element)> {
    use Element as E;
    let is = |what: &str| text.starts_with(what.as_bytes());
    let found = |what: &str, element| Some((0, what.len(), element));
    match text[0] {
        b'J' if is("January") => found("January", E::LongMonth),
        b'J' if is("Jan") && !lower_at(text, 3) => found("Jan", E::Month),
        b'M' if is("Monday") => found("Monday", E::LongWeekday),
        b'M' if is("Mon") && !lower_at(text, 3) => found("Mon", E::Weekday),
        b'M' if is("MST") => found("MST", E::ZoneName),
        b'0' => {
            let element = match text.get(1)? {
                b'1' => E::ZeroMonth,
                b'2' => E::ZeroDay,
                b'3' => E::ZeroHour12,
                b'4' => E::ZeroMinute,
                b'5' => E::ZeroSecond,
                b'6' => E::Year,
                b'0' if is("002") => return found("002", E::ZeroYearDay),
                _ => return None,
            };
            Some((0, 2, element))
        }
        b'1' if is("15") => found("15", E::Hour),
        b'1' => Some((0, 1, E::NumMonth)),
        b'2' if is("2006") => found("2006", E::LongYear),
        b'2' => Some((0, 1, E::Day)),
        b'_' if is("_2006") => Some((1, 4, E::LongYear)),
        b'_' if is("_2") => found("_2", E::UnderDay),
        b'_' if is("__2") => found("__2", E::UnderYearDay),
        b'3' => Some((0, 1, E::Hour12)),
        b'4' => Some((0, 1, E::Minute)),
        b'5' => Some((0, 1, E::Second)),
        b'P' if is("PM") => found("PM", E::UpperPm),
        b'p' if is("pm") => found("pm", E::LowerPm),
        b'-' | b'Z' => {
            let z = text[0] == b'Z';
            let rest = &text[1..];
            for (spelling, form) in [
                (&b"070000"[..], Form::Seconds),
                (b"07:00:00", Form::ColonSeconds),
                (b"0700", Form::Plain),
                (b"07:00", Form::Colon),
                (b"07", Form::Hours),
            ] {
                if rest.starts_with(spelling) {
                    return Some((0, 1 + spelling.len(), E::Offset { z, form }));
                }
            }
            None
        }
        b'.' | b',' => {
            let digit = *text.get(1).filter(|b| matches!(b, b'0' | b'9'))?;
            let digits = text[1..].iter().take_while(|b| **b == digit).count();
            if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            Some((0, 1 + digits, E::Fraction { digits, trims: digit == b'9' }))
        }
        _ => None,
    }
}

fn lower_at(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_lowercase)
}

pub(super) fn append_format(out: &mut Vec<u8>, time: &Time, mut layout: &[u8]) {
    let civil = time.civil();
    let (zone_name, offset) = time.offset();
    let number = |out: &mut Vec<u8>, value: i64, width: usize| {
        let sign = if value < 0 { "-" } else { "" };
        out.extend_from_slice(format!("{sign}{:0width$}", value.unsigned_abs()).as_bytes());
    };
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    loop {
        let (prefix, element, rest) = next_chunk(layout);
        out.extend_from_slice(prefix);
        let Some((element, text)) = element else { return };
        layout = rest;
        match element {
            Element::Year => number(out, (civil.year % 100).abs(), 2),
            Element::LongYear => number(out, civil.year, 4),
            Element::Month => {
                out.extend_from_slice(&MONTHS[civil.month as usize - 1].as_bytes()[..3])
            }
            Element::LongMonth => {
                out.extend_from_slice(MONTHS[civil.month as usize - 1].as_bytes())
            }
            Element::NumMonth => number(out, civil.month, 0),
            Element::ZeroMonth => number(out, civil.month, 2),
            Element::Weekday => {
                out.extend_from_slice(&DAYS[civil.weekday as usize].as_bytes()[..3])
            }
            Element::LongWeekday => out.extend_from_slice(DAYS[civil.weekday as usize].as_bytes()),
            Element::Day => number(out, civil.day, 0),
            Element::UnderDay => out.extend_from_slice(format!("{:2}", civil.day).as_bytes()),
            Element::ZeroDay => number(out, civil.day, 2),
            Element::UnderYearDay => {
                out.extend_from_slice(format!("{:3}", civil.year_day).as_bytes());
            }
            Element::ZeroYearDay => number(out, civil.year_day, 3),
            Element::Hour => number(out, civil.hour, 2),
            Element::Hour12 => number(out, hour12, 0),
            Element::ZeroHour12 => number(out, hour12, 2),
            Element::Minute => number(out, civil.minute, 0),
            Element::ZeroMinute => number(out, civil.minute, 2),
            Element::Second => number(out, civil.second, 0),
            Element::ZeroSecond => number(out, civil.second, 2),
            Element::UpperPm => out.extend_from_slice(if civil.hour >= 12 { b"PM" } else { b"AM" }),
            Element::LowerPm => out.extend_from_slice(if civil.hour >= 12 { b"pm" } else { b"am" }),
            Element::Offset { z: true, .. } if offset == 0 => out.push(b'Z'),
            Element::Offset { form, .. } => push_offset(out, offset, form),
            Element::ZoneName if zone_name.is_empty() => push_offset(out, offset, Form::Plain),
            Element::ZoneName => out.extend_from_slice(zone_name.as_bytes()),
            Element::Fraction { digits, trims } => {
                let all = format!("{:09}", time.nanos());
                let mut shown = format!("{all:0<digits$}")[..digits].to_owned();
                if trims {
                    shown.truncate(shown.trim_end_matches('0').len());
                }
                if !shown.is_empty() {
                    out.push(text[0]);
                    out.extend_from_slice(shown.as_bytes());
                }
            }
        }
    }
}

fn push_offset(out: &mut Vec<u8>, offset: i64, form: Form) {
    let sign = if offset < 0 { '-' } else { '+' };
    let abs = offset.abs();
    let (hours, minutes, seconds) = (abs / 3600, abs / 60 % 60, abs % 60);
    let text = match form {
        Form::Hours => format!("{sign}{hours:02}"),
        Form::Plain => format!("{sign}{hours:02}{minutes:02}"),
        Form::Colon => format!("{sign}{hours:02}:{minutes:02}"),
        Form::Seconds => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
        Form::ColonSeconds => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    };
    out.extend_from_slice(text.as_bytes());
}
