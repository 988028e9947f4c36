//! A reported alert as a request carries it, borrowed from the request's body: checked, given the times it left out, and its
//! labels sorted, without building a label set. Only an alert that is not known yet is turned into one of our own.

use std::borrow::Cow;

use gauntlet_model::Labels;

use super::Alert;
use crate::labels::{ALERT_NAME, Annotations, Fingerprint, fingerprint_of};
use crate::matcher::ParseMode;
use crate::time::Time;

/// What a sender wrote. Times that it left out are [`Time::ZERO`].
#[derive(Clone, Debug, Default)]
pub struct PostedAlert<'a> {
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub annotations: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub generator_url: Cow<'a, str>,
    pub starts_at: Time,
    pub ends_at: Time,
}

/// A checked report: labels ascending by name without empty values, annotations ascending, all times set.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    pub(super) posted: PostedAlert<'a>,
    pub(super) fingerprint: Fingerprint,
    pub(super) updated_at: Time,
    pub(super) timeout: bool,
}

impl<'a> Report<'a> {
    /// Fills in what is missing, then checks; the error is upstream's text. `resolve_timeout_ns` is how long an alert without
    /// an end lasts. Also tells whether the alert counts as firing, good or bad.
    pub fn check(
        mut posted: PostedAlert<'a>,
        now: Time,
        resolve_timeout_ns: i64,
        mode: ParseMode,
    ) -> (bool, Result<Self, String>) {
        if posted.starts_at.is_zero() {
            posted.starts_at = if posted.ends_at.is_zero() { now } else { posted.ends_at };
        }
        let timeout = posted.ends_at.is_zero();
        if timeout {
            posted.ends_at = now.plus_ns(resolve_timeout_ns);
        }
        let firing = posted.ends_at > now;
        sort(&mut posted.labels);
        posted.labels.retain(|(_, value)| !value.is_empty());
        sort(&mut posted.annotations);
        if let Err(reason) = validate(&posted, mode) {
            return (firing, Err(reason));
        }
        let fingerprint =
            fingerprint_of(posted.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
        (firing, Ok(Self { posted, fingerprint, updated_at: now, timeout }))
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn name(&self) -> &str {
        let named = self.posted.labels.iter().find(|(n, _)| n == ALERT_NAME);
        named.map(|(_, v)| v.as_ref()).unwrap_or_default()
    }

    /// An alert of our own with what the report says.
    pub(crate) fn to_alert(&self) -> Alert {
        Alert {
            labels: Labels::from_sorted(self.labels()),
            annotations: Annotations::from_sorted(self.annotations()),
            generator_url: self.posted.generator_url.as_ref().into(),
            starts_at: self.posted.starts_at,
            ends_at: self.posted.ends_at,
            updated_at: self.updated_at,
            timeout: self.timeout,
            fingerprint: self.fingerprint,
        }
    }

    pub(super) fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.posted.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
    }

    pub(super) fn annotations(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.posted.annotations.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
    }
}

/// Ascending by name; of equal names the last stays.
fn sort(pairs: &mut Vec<(Cow<'_, str>, Cow<'_, str>)>) {
    if pairs.is_sorted_by(|a, b| a.0 < b.0) {
        return;
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

fn validate(posted: &PostedAlert<'_>, mode: ParseMode) -> Result<(), String> {
    if posted.starts_at.is_zero() {
        return Err("start time missing".to_owned());
    }
    if posted.ends_at < posted.starts_at {
        return Err("start time must be before end time".to_owned());
    }
    if posted.labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    for (pairs, what) in
        [(&posted.labels, "invalid label set"), (&posted.annotations, "invalid annotations")]
    {
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !mode.is_label_name(name)) {
            return Err(format!("{what}: invalid name {name:?}"));
        }
        // The encoding of label sets has a bound of its own.
        let longest = gauntlet_model::labels::MAX_LEN_BYTES;
        if pairs.iter().any(|(n, v)| n.len() > longest || v.len() > longest) {
            return Err(format!("{what}: a name or value is longer than {longest} bytes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        labels: &[(&'static str, &'static str)],
        starts: i64,
        ends: i64,
    ) -> Result<String, String> {
        let own = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(n, v)| (Cow::Borrowed(*n), Cow::Borrowed(*v))).collect()
        };
        let at = |s: i64| if s == 0 { Time::ZERO } else { Time::from_unix(s, 0) };
        let posted = PostedAlert {
            labels: own(labels),
            starts_at: at(starts),
            ends_at: at(ends),
            ..PostedAlert::default()
        };
        let (_, report) =
            Report::check(posted, Time::from_unix(100, 0), 5_000_000_000, ParseMode::Classic);
        report.map(|r| {
            let (from, to) = (r.posted.starts_at.unix_secs(), r.posted.ends_at.unix_secs());
            format!("{} {from} {to} {}", r.to_alert().labels, r.timeout)
        })
    }

    #[test]
    fn missing_times_are_filled_in() {
        let a = &[("b", "2"), ("a", "1"), ("c", "")][..];
        assert_eq!(check(a, 0, 0).as_deref(), Ok("{a=\"1\", b=\"2\"} 100 105 true"));
        assert_eq!(check(a, 0, 90).as_deref(), Ok("{a=\"1\", b=\"2\"} 90 90 false"));
        assert_eq!(check(a, 95, 0).as_deref(), Ok("{a=\"1\", b=\"2\"} 95 105 true"));
        assert_eq!(check(&[("a", "1"), ("a", "2")], 1, 2).as_deref(), Ok("{a=\"2\"} 1 2 false"));
    }

    #[test]
    fn bad_alerts_are_refused_in_upstreams_words() {
        let error = |labels, starts, ends| check(labels, starts, ends).expect_err("bad");
        assert_eq!(error(&[("a", "1")], 20, 10), "start time must be before end time");
        assert_eq!(error(&[("a", "")], 1, 2), "at least one label pair required");
        assert_eq!(error(&[("a-b", "1")], 1, 2), "invalid label set: invalid name \"a-b\"");
    }
}
