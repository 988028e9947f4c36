//! Two reports of one alert. Times are what matters: labels are equal by definition, and of texts the newer ones are kept.

use crate::time::Time;

/// The times of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) starts_at: Time,
    pub(crate) ends_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) timeout: bool,
}

impl Times {
    /// Whether the alert is over at a time.
    pub(crate) fn resolved_at(&self, time: Time) -> bool {
        !self.ends_at.is_zero() && self.ends_at <= time
    }
}

/// What holds after `new` came upon `old`, and whether `new` is the younger one, whose texts count. Reports that do not
/// overlap are two incidents: the new one stands alone.
pub(super) fn merge(old: Times, new: Times, now: Time) -> (Times, bool) {
    let overlap = (new.ends_at > old.starts_at && new.ends_at < old.ends_at)
        || (new.starts_at > old.starts_at && new.starts_at < old.ends_at);
    if !overlap {
        return (new, true);
    }
    let new_is_younger = new.updated_at >= old.updated_at;
    let (older, younger) = if new_is_younger { (old, new) } else { (new, old) };
    let mut merged = younger;
    merged.starts_at = merged.starts_at.min(older.starts_at);
    let resolved = |times: Times| times.resolved_at(now);
    // Of two ends that were both reached the later one; of ends to come a later one that was not guessed.
    let later = older.ends_at > younger.ends_at;
    if later && if resolved(younger) { resolved(older) } else { !older.timeout } {
        merged.ends_at = older.ends_at;
    }
    (merged, new_is_younger)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn times(starts: i64, ends: i64, updated: i64, timeout: bool) -> Times {
        let at = |minutes: i64| Time::from_unix(1_000_000, 0).plus_ns(minutes * MINUTE);
        Times { starts_at: at(starts), ends_at: at(ends), updated_at: at(updated), timeout }
    }

    /// Merges and tells (start, end, updated, timeout) in minutes.
    fn check(
        old: (i64, i64, i64, bool),
        new: (i64, i64, i64, bool),
        wanted: (i64, i64, i64, bool),
    ) {
        let of = |t: (i64, i64, i64, bool)| times(t.0, t.1, t.2, t.3);
        let (found, _) = merge(of(old), of(new), Time::from_unix(1_000_000, 0));
        assert_eq!(found, of(wanted), "{old:?} {new:?}");
    }

    #[test]
    fn overlapping_reports_keep_the_first_start_and_the_surer_end() {
        check((-2, 2, 0, true), (-1, 3, 1, true), (-2, 3, 1, true));
        check((-1, 3, 0, true), (0, 2, 1, false), (-1, 2, 1, false));
        check((-1, 3, 0, false), (0, 2, 1, true), (-1, 3, 1, true));
        check((-1, 3, 0, false), (0, 2, 1, false), (-1, 3, 1, false));
        check((-1, 3, 0, false), (0, 4, 1, false), (-1, 4, 1, false));
    }

    #[test]
    fn a_report_of_the_end_rules() {
        // The younger says it is over: a later end that is still to come does not keep it alive.
        check((-3, 3, 0, false), (-2, -1, 1, false), (-3, -1, 1, false));
        // Both are over: the later end.
        check((-5, -1, -2, false), (-4, -3, 1, false), (-5, -1, 1, false));
    }

    #[test]
    fn an_older_report_that_comes_late_adds_its_start_alone() {
        check((-1, 3, 1, false), (-2, 2, 0, false), (-2, 3, 1, false));
    }

    #[test]
    fn what_does_not_overlap_stands_alone() {
        check((-9, -5, 0, false), (-1, 3, 1, false), (-1, 3, 1, false));
        // Equal starts and ends do not count as overlap.
        check((-1, 3, 0, false), (-1, 3, 1, true), (-1, 3, 1, true));
    }
}
