//! How telling goes now, by receiver and integration: what the ledger's entries amount to, kept as they are noted, so that nobody
//! needs to read them back to learn whether something fails. Since the start of the process; not on disk.

use std::collections::BTreeMap;

use super::Event;
use crate::time::Time;

/// Most integrations that are remembered: reloads may bring ever new names.
const MOST: usize = 10_000;

/// One integration of a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub receiver: String,
    pub integration: String,
    /// When it told last.
    pub told_at: Option<Time>,
    /// Set while the last attempt failed.
    pub failure: Option<Failure>,
    /// When it became known last that a peer had told the same.
    pub twice_at: Option<Time>,
}

/// What fails since an integration told last.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub since: Time,
    /// Of the last attempt.
    pub at: Time,
    pub error: String,
    /// Whether a notification was given up meanwhile.
    pub gave_up: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Deliveries(BTreeMap<(String, String), Delivery>);

impl Deliveries {
    pub(super) fn note(&mut self, at: Time, event: &Event) {
        let (receiver, integration, failed) = match event {
            Event::Sent { receiver, integration, .. }
            | Event::Duplicate { receiver, integration, .. } => (receiver, integration, None),
            Event::Attempt { receiver, integration, error, .. } => {
                (receiver, integration, Some((error, false)))
            }
            Event::Failed { receiver, integration, error, .. } => {
                (receiver, integration, Some((error, true)))
            }
            _ => return,
        };
        let key = (receiver.clone(), integration.clone());
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            return;
        }
        let known = self.0.entry(key).or_insert_with(|| Delivery {
            receiver: receiver.clone(),
            integration: integration.clone(),
            told_at: None,
            failure: None,
            twice_at: None,
        });
        match failed {
            None if matches!(event, Event::Duplicate { .. }) => known.twice_at = Some(at),
            None => {
                known.told_at = Some(at);
                known.failure = None;
            }
            Some((error, gave_up)) => {
                let before = known.failure.take();
                known.failure = Some(Failure {
                    since: before.as_ref().map_or(at, |failure| failure.since),
                    at,
                    error: error.clone(),
                    gave_up: gave_up || before.is_some_and(|failure| failure.gave_up),
                });
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, error: &str) -> Event {
        let (group_key, receiver, integration) = ("g".into(), "r".into(), "i[0]".into());
        match kind {
            "sent" => Event::Sent {
                group_key,
                receiver,
                integration,
                reason: "other",
                tries: 1,
                took_ms: 1,
            },
            "failed" => {
                Event::Failed { group_key, receiver, integration, tries: 2, error: error.into() }
            }
            "duplicate" => Event::Duplicate { group_key, receiver, integration, at: Time::ZERO },
            _ => Event::Attempt { group_key, receiver, integration, tries: 1, error: error.into() },
        }
    }

    #[test]
    fn a_failure_lasts_until_something_is_told() {
        let mut all = Deliveries::default();
        let at = |seconds: i64| Time::from_ms(seconds * 1000);
        let now = |all: &Deliveries| all.iter().next().cloned().unwrap();
        all.note(at(1), &event("attempt", "first"));
        assert!(!now(&all).failure.unwrap().gave_up);
        all.note(at(2), &event("failed", "second"));
        all.note(at(3), &event("attempt", "third"));
        let failure = now(&all).failure.unwrap();
        let expected = Failure { since: at(1), at: at(3), error: "third".into(), gave_up: true };
        assert_eq!(failure, expected);
        all.note(at(4), &event("sent", ""));
        assert_eq!((now(&all).failure, now(&all).told_at), (None, Some(at(4))));
        all.note(at(5), &event("attempt", "again"));
        let failure = now(&all).failure.unwrap();
        assert_eq!(
            (failure.since, failure.gave_up, now(&all).told_at),
            (at(5), false, Some(at(4)))
        );
        all.note(at(6), &event("duplicate", ""));
        assert_eq!((now(&all).twice_at, now(&all).failure.is_some()), (Some(at(6)), true));
        all.note(at(7), &Event::Forgotten);
        assert_eq!(all.iter().count(), 1);
    }

    #[test]
    fn names_are_bounded() {
        let mut all = Deliveries::default();
        for n in 0..MOST + 5 {
            let receiver = format!("r{n}");
            let (group_key, integration) = (String::new(), String::new());
            let reason = "other";
            let event =
                Event::Sent { group_key, receiver, integration, reason, tries: 1, took_ms: 0 };
            all.note(Time::ZERO, &event);
        }
        assert_eq!(all.iter().count(), MOST);
    }
}
