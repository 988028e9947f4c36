//! `time_intervals` in and out of YAML. Ranges are texts (`monday:friday`, `1:-1`, `jan` is none), checked with upstream's words.

use std::borrow::Cow;

use gauntlet_model::float::GoQuoted;
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::{Location, Minutes, NamedIntervals, Span, TimeInterval};

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl FromYaml for TimeInterval {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "timeinterval.TimeInterval", cx)?;
        let times: Option<Vec<Minutes>> = map.take(cx, "times");
        let spans = |list: Option<Vec<Text>>, cx: &mut Context, check: Check| {
            let read = |text: Text| match check(&text.text) {
                Ok(span) => Some(span),
                Err(reason) => {
                    cx.problem(text.position, reason);
                    None
                }
            };
            list.map(|list| list.into_iter().filter_map(read).collect())
        };
        let weekdays = map.take(cx, "weekdays");
        let weekdays = spans(weekdays, cx, weekday_span);
        let days = map.take(cx, "days_of_month");
        let days_of_month = spans(days, cx, day_span);
        let months = map.take(cx, "months");
        let months = spans(months, cx, month_span);
        let years = map.take(cx, "years");
        let years = spans(years, cx, year_span);
        let location = map.take(cx, "location");
        let interval = Self { times, weekdays, days_of_month, months, years, location };
        map.finish(cx).then_some(interval)
    }

    fn go_type() -> Cow<'static, str> {
        "timeinterval.TimeInterval".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::default())
    }
}

type Check = fn(&str) -> Result<Span, String>;

/// A range's text with its place.
struct Text {
    text: String,
    position: gauntlet_yaml::Position,
}

impl FromYaml for Text {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        Some(Self { text: String::from_yaml(node, cx)?, position: node.position() })
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

/// `a:b` or `a` for `a:a`, each side read by `member`.
fn span(text: &str, member: impl Fn(&str) -> Result<i64, String>) -> Result<Span, String> {
    let text = text.to_lowercase();
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => member(one).map(|n| Span { begin: n, end: n }),
        [begin, end] => Ok(Span { begin: member(begin)?, end: member(end)? }),
        _ => Err(format!("couldn't parse range {text}, invalid format")),
    }
}

/// As Go's `strconv.Atoi`.
fn number(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let fail = |reason: &str| format!("strconv.Atoi: parsing {}: {reason}", GoQuoted(text));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fail("invalid syntax"));
    }
    text.parse().map_err(|_| fail("value out of range"))
}

fn weekday_span(text: &str) -> Result<Span, String> {
    let day = |name: &str| {
        let at = WEEKDAYS.iter().position(|day| *day == name);
        at.map(|n| n as i64).ok_or_else(|| format!("{name} is not a valid weekday"))
    };
    let found = span(text, day)?;
    if found.begin > found.end {
        return Err("start day cannot be before end day".to_owned());
    }
    Ok(found)
}

fn day_span(text: &str) -> Result<Span, String> {
    let found = span(text, number)?;
    for day in [found.begin, found.end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(format!("{day} is not a valid day of the month: out of range"));
        }
    }
    if found.begin < 0 && found.end > 0 {
        return Err("end day must be negative if start day is negative".to_owned());
    }
    // With the shortest month: what is the wrong way round there is so in all.
    let shortest = |day: i64| if day < 0 { 28 + day } else { day };
    if shortest(found.begin) > shortest(found.end) {
        let Span { begin, end } = found;
        return Err(format!("end day {end} is always before start day {begin}"));
    }
    Ok(found)
}

fn month_span(text: &str) -> Result<Span, String> {
    let month = |name: &str| match MONTHS.iter().position(|month| *month == name) {
        Some(at) => Ok(at as i64 + 1),
        None => number(name).map_err(|_| format!("{name} is not a valid month")),
    };
    let found = span(text, month)?;
    if found.begin > found.end {
        let name = |n: i64| {
            usize::try_from(n - 1).ok().and_then(|n| MONTHS.get(n)).copied().unwrap_or_default()
        };
        return Err(format!(
            "end month {} is before start month {}",
            name(found.end),
            name(found.begin)
        ));
    }
    Ok(found)
}

fn year_span(text: &str) -> Result<Span, String> {
    let found = span(text, number)?;
    if found.begin > found.end {
        return Err(format!("end year {} is before start year {}", found.end, found.begin));
    }
    Ok(found)
}

impl FromYaml for Minutes {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "timeinterval.yamlTimeRange", cx)?;
        let start: String = map.take_default(cx, "start_time");
        let end: String = map.take_default(cx, "end_time");
        if !map.finish(cx) {
            return None;
        }
        let read = || {
            if start.is_empty() || end.is_empty() {
                return Err("both start and end times must be provided".to_owned());
            }
            let (start, end) = (clock_minutes(&start)?, clock_minutes(&end)?);
            if start >= end {
                return Err("start time cannot be equal or greater than end time".to_owned());
            }
            Ok(Self { start, end })
        };
        read().map_err(|reason| cx.problem(node.position(), reason)).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "timeinterval.TimeRange".into()
    }
}

/// `HH:MM`, and `24:00`.
fn clock_minutes(text: &str) -> Result<i64, String> {
    let invalid = || format!("couldn't parse timestamp {text}, invalid format");
    let bytes = text.as_bytes();
    let digits = [0, 1, 3, 4].iter().all(|at| bytes.get(*at).is_some_and(u8::is_ascii_digit));
    if bytes.len() != 5 || bytes[2] != b':' || !digits {
        return Err(invalid());
    }
    let two = |at: usize| i64::from(bytes[at] - b'0') * 10 + i64::from(bytes[at + 1] - b'0');
    let (hours, minutes) = (two(0), two(3));
    if hours > 24 || minutes > 59 || (hours == 24 && minutes > 0) {
        return Err(invalid());
    }
    Ok(hours * 60 + minutes)
}

impl ToYaml for Minutes {
    fn to_yaml(&self) -> Value {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        MapBuilder::new()
            .put("start_time", clock(self.start))
            .put("end_time", clock(self.end))
            .build()
    }
}

impl FromYaml for Location {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let name = String::from_yaml(node, cx)?;
        Self::load(&name).map_err(|reason| cx.problem(node.position(), reason)).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for TimeInterval {
    fn to_yaml(&self) -> Value {
        let flow = |spans: &Option<Vec<Span>>, name: fn(i64) -> String| {
            let text = |span: &Span| {
                let begin = name(span.begin);
                let both = || format!("{begin}:{}", name(span.end));
                Value::Str(if span.begin == span.end { begin.clone() } else { both() })
            };
            let spans = spans.as_deref().unwrap_or_default();
            Value::Flow(spans.iter().map(text).collect())
        };
        let number = |n: i64| n.to_string();
        let weekday = |n: i64| {
            let name = usize::try_from(n).ok().and_then(|n| WEEKDAYS.get(n));
            name.copied().unwrap_or_default().to_owned()
        };
        MapBuilder::new()
            .put_nonzero("times", self.times.as_deref().unwrap_or_default())
            .put_nonzero("weekdays", flow(&self.weekdays, weekday))
            .put_nonzero("days_of_month", flow(&self.days_of_month, number))
            .put_nonzero("months", flow(&self.months, number))
            .put_nonzero("years", flow(&self.years, number))
            .put_some("location", self.location.as_ref().map(Location::name))
            .build()
    }
}

impl NamedIntervals {
    /// Reads one entry of `time_intervals` (or of the older `mute_time_intervals`, `what` being its word in errors).
    pub(crate) fn read(node: Node<'_>, cx: &mut Context, what: &str) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let name: String = map.take_default(cx, "name");
        let intervals = map.take_default(cx, "time_intervals");
        let position = map.position();
        if !map.finish(cx) {
            return None;
        }
        if name.is_empty() {
            cx.problem(position, format!("missing name in {what}"));
            return None;
        }
        Some(Self { name, intervals })
    }
}

impl ToYaml for NamedIntervals {
    fn to_yaml(&self) -> Value {
        MapBuilder::new().put("name", &self.name).put("time_intervals", &self.intervals).build()
    }
}
