//! Whether there is anything to tell, given what was told last.

use std::collections::HashSet;

use super::NotifyReason;
use crate::nflog::LogEntry;
use crate::time::Time;

/// Hashes of a group's alerts, in the order of the notification.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    pub(super) firing: Vec<u64>,
    /// When each that fires was last reported to this process; empty if that matters not.
    pub(super) reported: Vec<Time>,
    pub(super) resolved: Vec<u64>,
}

/// The reason to tell, or `None`. In this order: nothing told yet: if anything fires; something fires that was not told of;
/// nothing fires any more: if anything did, also for receivers that want no word of it, so that the log forgets it; more
/// resolved, for receivers that want to know; the repeat interval is over. `flushed` is when the flush began.
///
/// That something fires is no news as long as a peer has told of its end since it was last reported here: the peer knows more,
/// and the next report will tell who is right. Upstream would tell of it as firing again.
pub(super) fn reason_to_notify(
    entry: Option<&LogEntry>,
    alerts: &Partition,
    send_resolved: bool,
    repeat_ns: i64,
    flushed: Time,
    now: Time,
) -> Option<NotifyReason> {
    let Some(entry) = entry else {
        return (!alerts.firing.is_empty()).then_some(NotifyReason::First);
    };
    if !all_in(&alerts.firing, &entry.firing) && has_news(alerts, entry, now) {
        let first = entry.firing.is_empty();
        return Some(if first { NotifyReason::First } else { NotifyReason::NewAlerts });
    }
    if alerts.firing.is_empty() {
        return (!entry.firing.is_empty()).then_some(NotifyReason::AllResolved);
    }
    if send_resolved && !all_in(&alerts.resolved, &entry.resolved) {
        return Some(NotifyReason::NewResolved);
    }
    (entry.timestamp < flushed.plus_ns(-repeat_ns)).then_some(NotifyReason::Repeat)
}

/// Whether something fires that was not told of and whose end nobody has told since it was reported.
fn has_news(alerts: &Partition, entry: &LogEntry, now: Time) -> bool {
    // By a clock that is ahead everything was told since.
    if entry.timestamp > now || alerts.reported.is_empty() {
        return true;
    }
    let firing: HashSet<u64> = entry.firing.iter().copied().collect();
    let resolved: HashSet<u64> = entry.resolved.iter().copied().collect();
    let mut reports = alerts.firing.iter().zip(&alerts.reported);
    reports.any(|(hash, reported)| {
        !(firing.contains(hash) || resolved.contains(hash) && *reported < entry.timestamp)
    })
}

fn all_in(some: &[u64], all: &[u64]) -> bool {
    if some == all {
        return true;
    }
    if some.len() < 8 {
        return some.iter().all(|hash| all.contains(hash));
    }
    let all: HashSet<u64> = all.iter().copied().collect();
    some.iter().all(|hash| all.contains(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nflog::{LogReceiver, ReceiverData};
    use NotifyReason::*;

    fn check(
        told: Option<(&[u64], &[u64], i64)>,
        firing: &[u64],
        resolved: &[u64],
        send_resolved: bool,
        wanted: Option<NotifyReason>,
    ) {
        let entry = told.map(|(firing, resolved, at)| LogEntry {
            group_key: "k".into(),
            receiver: LogReceiver { group_name: "r".into(), integration: "i".into(), index: 0 },
            timestamp: Time::from_unix(at, 0),
            firing: firing.to_vec(),
            resolved: resolved.to_vec(),
            receiver_data: ReceiverData::new(),
        });
        let now = Time::from_unix(1000, 0);
        let reported = vec![Time::from_unix(999, 5); firing.len()];
        let alerts = Partition { firing: firing.to_vec(), reported, resolved: resolved.to_vec() };
        let repeat_ns = 100_000_000_000;
        let found = reason_to_notify(entry.as_ref(), &alerts, send_resolved, repeat_ns, now, now);
        assert_eq!(found, wanted, "{told:?} {firing:?} {resolved:?}");
    }

    #[test]
    fn a_group_is_told_of_when_something_changed_or_long_ago() {
        check(None, &[1], &[], true, Some(First));
        check(None, &[], &[1], true, None);
        check(Some((&[1], &[], 999)), &[1, 2], &[], true, Some(NewAlerts));
        check(Some((&[], &[1], 999)), &[2], &[], true, Some(First));
        check(Some((&[1, 2], &[], 999)), &[1], &[], true, None);
        check(Some((&[1, 2], &[], 999)), &[1], &[2], true, Some(NewResolved));
        check(Some((&[1, 2], &[], 999)), &[1], &[2], false, None);
        check(Some((&[1, 2], &[2], 999)), &[1], &[2], true, None);
        check(Some((&[1], &[], 999)), &[], &[1], false, Some(AllResolved));
        check(Some((&[], &[1], 999)), &[], &[1], true, None);
        check(Some((&[1], &[], 900)), &[1], &[], true, None);
        check(Some((&[1], &[], 899)), &[1], &[], true, Some(Repeat));
        check(Some((&[], &[1], 100)), &[], &[1], true, None);
        let many: Vec<u64> = (0..50).collect();
        check(Some((&many, &[], 999)), &many[10..], &[], true, None);
        check(Some((&many[1..], &[], 999)), &many, &[], true, Some(NewAlerts));
    }

    #[test]
    fn an_end_that_a_peer_told_since_the_last_report_is_believed() {
        let check = |reported: i64, told: i64, resolved: &[u64]| {
            let entry = LogEntry {
                group_key: "k".into(),
                receiver: LogReceiver { group_name: "r".into(), integration: "i".into(), index: 0 },
                timestamp: Time::from_unix(told, 0),
                firing: vec![1],
                resolved: resolved.to_vec(),
                receiver_data: ReceiverData::new(),
            };
            let reported = vec![Time::from_unix(reported, 0); 2];
            let alerts = Partition { firing: vec![1, 2], reported, resolved: Vec::new() };
            let now = Time::from_unix(1000, 0);
            reason_to_notify(Some(&entry), &alerts, true, i64::MAX, now, now)
        };
        assert_eq!(check(990, 995, &[2]), None);
        assert_eq!(check(995, 995, &[2]), Some(NewAlerts), "reported since");
        assert_eq!(check(990, 995, &[3]), Some(NewAlerts), "the end of another");
        assert_eq!(check(990, 1001, &[2]), Some(NewAlerts), "by a clock that is ahead");
    }
}
