//! Named stretches of the calendar (`time_intervals`) that mute a route or are the only times it is active.
//!
//! Within one interval every kind of range must hold; several ranges of a kind, and several intervals, are alternatives.
//! Reading and printing is in `yaml`. Leaves out what to do with a muted group: that is the pipeline's.

mod yaml;
mod zone;

use std::collections::HashMap;
use std::sync::Arc;

use crate::time::{Time, days_in_month};

pub use zone::Location;

/// An inclusive range of days, months or years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begin: i64,
    pub end: i64,
}

impl Span {
    fn holds(self, value: i64) -> bool {
        (self.begin..=self.end).contains(&value)
    }
}

/// Minutes of a day, the end outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes {
    pub start: i64,
    pub end: i64,
}

/// One interval. A kind that is `None` does not restrict; an empty list restricts to never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeInterval {
    pub times: Option<Vec<Minutes>>,
    /// 0 is Sunday.
    pub weekdays: Option<Vec<Span>>,
    /// Negative days count from the end of the month, -1 being its last.
    pub days_of_month: Option<Vec<Span>>,
    pub months: Option<Vec<Span>>,
    pub years: Option<Vec<Span>>,
    /// UTC if none.
    pub location: Option<Location>,
}

impl TimeInterval {
    /// Whether the interval holds a time.
    pub fn contains(&self, time: Time) -> bool {
        let local = match &self.location {
            Some(location) => Time::from_unix(time.unix_secs() + location.offset_secs(time), 0),
            None => time,
        };
        let at = local.civil();
        let minute = at.second_of_day / 60;
        let weekday = (local.unix_secs().div_euclid(86400) + 4).rem_euclid(7);
        let any = |spans: &Option<Vec<Span>>, value| {
            spans.as_ref().is_none_or(|spans| spans.iter().any(|span| span.holds(value)))
        };
        let length = days_in_month(at.year, at.month);
        self.times
            .as_ref()
            .is_none_or(|times| times.iter().any(|t| (t.start..t.end).contains(&minute)))
            && self
                .days_of_month
                .as_ref()
                .is_none_or(|days| days.iter().any(|span| holds_day(*span, at.day, length)))
            && any(&self.months, at.month)
            && any(&self.weekdays, weekday)
            && any(&self.years, at.year)
    }
}

/// Negative ends count back; what reaches over the end of the month is cut there.
fn holds_day(span: Span, day: i64, length: i64) -> bool {
    let from_end = |n: i64| if n < 0 { length + n + 1 } else { n };
    let (begin, end) = (from_end(span.begin), from_end(span.end));
    begin <= length && (begin.clamp(-length, length)..=end.clamp(-length, length)).contains(&day)
}

/// Intervals under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedIntervals {
    pub name: String,
    pub intervals: Vec<TimeInterval>,
}

/// All intervals of a configuration by name.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    by_name: HashMap<String, Arc<[TimeInterval]>>,
}

impl Intervals {
    pub fn new<'a>(all: impl IntoIterator<Item = &'a NamedIntervals>) -> Self {
        let by_name =
            all.into_iter().map(|n| (n.name.clone(), n.intervals.as_slice().into())).collect();
        Self { by_name }
    }

    /// Which of the names hold a time, each as often as intervals under it do. Unknown names hold nothing: configuration
    /// refuses them.
    pub fn holding(&self, names: &[String], time: Time) -> Vec<String> {
        let mut holding = Vec::new();
        for name in names {
            let intervals = self.by_name.get(name).map(AsRef::as_ref).unwrap_or_default();
            let count = intervals.iter().filter(|interval| interval.contains(time)).count();
            holding.extend(std::iter::repeat_n(name.clone(), count));
        }
        holding
    }
}

#[cfg(test)]
mod tests;
