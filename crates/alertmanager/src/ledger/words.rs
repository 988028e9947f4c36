//! Entries as sentences, for `am explain` and for people who read logs.

use super::{Cause, Event, LedgerEntry};

impl LedgerEntry {
    /// What happened, without when and to whom.
    pub fn in_words(&self) -> String {
        match &self.event {
            Event::Received { from, change, ends_at, .. } => match *change {
                "new" => format!("reported by {from} for the first time"),
                "resolved" => format!("reported by {from} as over since {ends_at}"),
                _ => format!("reported by {from} with other times or texts"),
            },
            Event::Restored { extended: false } => "known from before the restart".to_owned(),
            Event::Restored { extended: true } => {
                "known from before the restart; its end passed meanwhile, waiting for it to be reported again".to_owned()
            }
            Event::Limited { limit } => {
                format!("refused: there are {limit} alerts of this name already")
            }
            Event::Grouped { group_key, receiver, flush_at } => {
                format!("put into group {group_key} for {receiver}, which speaks at {flush_at}")
            }
            Event::Suppressed { receiver, cause, .. } => {
                format!("not told to {receiver}: {}", cause.in_words())
            }
            Event::Resumed { receiver, .. } => {
                format!("nothing keeps it from {receiver} any more")
            }
            Event::Attempt { receiver, integration, tries, error, .. } => format!(
                "telling {receiver} by {integration} failed ({}), trying again: {error}",
                times(*tries)
            ),
            Event::Sent { receiver, integration, reason, tries, .. } => {
                format!("told to {receiver} by {integration} after {} ({reason})", times(*tries))
            }
            Event::Failed { receiver, integration, tries, error, .. } => format!(
                "gave up telling {receiver} by {integration} after {} until the group speaks again: {error}",
                times(*tries)
            ),
            Event::Told { receiver, integration, at, .. } => {
                format!("a peer has told {receiver} by {integration} at {at}")
            }
            Event::Duplicate { receiver, integration, at, .. } => format!(
                "told twice to {receiver} by {integration}: a peer told the same at {at}, and neither had heard of the other"
            ),
            Event::Forgotten => "over and forgotten".to_owned(),
        }
    }
}

impl Cause {
    /// The cause as a clause.
    pub fn in_words(&self) -> String {
        match self {
            Self::Inhibited { source, rule } => {
                format!("inhibited by alert {source} (rule {rule})")
            }
            Self::Silenced { silences } => format!("silenced by {}", silences.join(", ")),
            Self::Muted { intervals } => {
                format!("its route is muted by {}", intervals.join(", "))
            }
            Self::Inactive { intervals } => {
                format!("its route is active only within {}", intervals.join(", "))
            }
        }
    }
}

fn times(tries: u32) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}
