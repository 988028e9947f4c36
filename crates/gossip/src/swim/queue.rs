//! Broadcasts waiting to be sent along with other packets, each a limited number of times.
//!
//! Fewest transmits first; among those the longest message that still fits, among equals the newest. A named message replaces
//! the queued one of its name. Bounded: a full queue drops what would be sent last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

#[derive(Debug)]
pub(crate) struct Queue {
    multiplier: u32,
    capacity: usize,
    items: BTreeMap<Place, Item>,
    by_name: HashMap<Arc<str>, Place>,
    next_id: u64,
}

/// Order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    transmits: u32,
    len: Reverse<usize>,
    id: Reverse<u64>,
}

#[derive(Debug)]
struct Item {
    name: Option<Arc<str>>,
    data: Bytes,
    /// Whether its end is waited for.
    awaited: bool,
}

/// What a filling took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<Bytes>,
    /// Bytes of the messages with their overheads.
    pub(crate) used: usize,
    /// Whether an awaited message was sent for the last time.
    pub(crate) finished: bool,
}

impl Queue {
    pub(crate) fn new(multiplier: u32, capacity: usize) -> Self {
        let (items, by_name) = (BTreeMap::new(), HashMap::new());
        Self { multiplier, capacity, items, by_name, next_id: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Queues a message. Says whether an awaited one was replaced and how many were dropped for want of room.
    pub(crate) fn push(
        &mut self,
        name: Option<Arc<str>>,
        data: Bytes,
        awaited: bool,
    ) -> (bool, usize) {
        let mut finished = false;
        if let Some(old) = name.as_ref().and_then(|name| self.by_name.remove(name))
            && let Some(item) = self.items.remove(&old)
        {
            finished = item.awaited;
        }
        self.next_id += 1;
        let place = Place { transmits: 0, len: Reverse(data.len()), id: Reverse(self.next_id) };
        self.put(place, Item { name, data, awaited });
        (finished, self.prune(self.capacity))
    }

    /// Drops from the far end all that is over `keep`; says how many.
    pub(crate) fn prune(&mut self, keep: usize) -> usize {
        let mut dropped = 0;
        while self.items.len() > keep {
            let Some((_, item)) = self.items.pop_last() else { break };
            if let Some(name) = item.name {
                self.by_name.remove(&name);
            }
            dropped += 1;
        }
        dropped
    }

    /// Takes messages for a packet with `limit` bytes of room, each counted with `overhead`, in a cluster of `nodes` nodes.
    pub(crate) fn take(&mut self, overhead: usize, limit: usize, nodes: usize) -> Taken {
        let mut taken = Taken::default();
        let mut again = Vec::new();
        let most = transmit_limit(self.multiplier, nodes);
        let mut from = match self.items.first_key_value() {
            Some((first, _)) => first.transmits,
            None => return taken,
        };
        while let Some(free) = limit.checked_sub(taken.used + overhead).filter(|free| *free > 0) {
            let start = Place { transmits: from, len: Reverse(free), id: Reverse(u64::MAX) };
            let Some((place, _)) = self.items.range(start..).next() else { break };
            let place = *place;
            if place.transmits > from {
                // The next tier begins with its longest message: look anew for one that fits.
                from = place.transmits;
                continue;
            }
            let Some(item) = self.items.remove(&place) else { break };
            taken.used += overhead + item.data.len();
            taken.messages.push(item.data.clone());
            if place.transmits + 1 >= most {
                taken.finished |= item.awaited;
                if let Some(name) = &item.name {
                    self.by_name.remove(name);
                }
            } else {
                again.push((Place { transmits: place.transmits + 1, ..place }, item));
            }
        }
        for (place, item) in again {
            self.put(place, item);
        }
        taken
    }

    fn put(&mut self, place: Place, item: Item) {
        if let Some(name) = &item.name {
            self.by_name.insert(Arc::clone(name), place);
        }
        self.items.insert(place, item);
    }
}

/// How often a message is sent in a cluster of `nodes` nodes.
fn transmit_limit(multiplier: u32, nodes: usize) -> u32 {
    multiplier * ((nodes + 1) as f64).log10().ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(taken: &Taken) -> Vec<&str> {
        taken.messages.iter().map(|m| std::str::from_utf8(m).unwrap()).collect()
    }

    fn queue(messages: &[&'static str]) -> Queue {
        let mut queue = Queue::new(4, 100);
        for message in messages {
            queue.push(None, Bytes::from_static(message.as_bytes()), false);
        }
        queue
    }

    #[test]
    fn limit_grows_with_the_logarithm() {
        let limits = [1, 9, 10, 99, 100].map(|nodes| transmit_limit(4, nodes));
        assert_eq!(limits, [4, 4, 8, 8, 12]);
    }

    #[test]
    fn longest_that_fits_then_newest() {
        let mut queue = queue(&["aa", "bb", "cccc", "d"]);
        assert_eq!(text(&queue.take(2, 100, 3)), ["cccc", "bb", "aa", "d"]);
        assert_eq!(text(&queue.take(2, 8, 3)), ["cccc"]);
        assert_eq!(text(&queue.take(2, 9, 3)), ["bb", "aa"]);
        // Fewest transmits first, whatever the length; then the longest of the next tier, and what still fits beside it.
        assert_eq!(text(&queue.take(2, 13, 3)), ["d", "cccc", "bb"]);
    }

    #[test]
    fn a_message_is_sent_as_often_as_the_limit_says() {
        let mut queue = queue(&["a"]);
        let sent = (0..10).filter(|_| !queue.take(2, 100, 9).messages.is_empty()).count();
        assert_eq!((sent, queue.len()), (4, 0));
    }

    #[test]
    fn a_name_has_one_message_and_its_end_is_told() {
        let mut queue = Queue::new(1, 100);
        let name: Arc<str> = "n".into();
        queue.push(Some(Arc::clone(&name)), Bytes::from_static(b"old"), true);
        let (finished, _) = queue.push(Some(Arc::clone(&name)), Bytes::from_static(b"new"), true);
        assert!(finished);
        let taken = queue.take(2, 100, 3);
        assert_eq!((text(&taken), taken.finished), (vec!["new"], true));
        assert!(queue.by_name.is_empty());
    }

    #[test]
    fn a_full_queue_drops_what_would_come_last() {
        let mut queue = Queue::new(4, 2);
        for message in ["aaa", "b", "cc"] {
            queue.push(None, Bytes::from_static(message.as_bytes()), false);
        }
        assert_eq!(text(&queue.take(2, 100, 3)), ["aaa", "cc"]);
    }
}
