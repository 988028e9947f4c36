//! At most so many alerts of one name: a flood of one rule must not crowd out the others.

use std::collections::HashMap;

use crate::labels::Fingerprint;
use crate::time::Time;

/// Counts alerts per name. A limit of 0 is none.
#[derive(Debug)]
pub struct NameLimits {
    limit: usize,
    names: HashMap<Box<str>, HashMap<Fingerprint, Time>>,
}

impl NameLimits {
    pub fn new(limit: usize) -> Self {
        Self { limit, names: HashMap::new() }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether an alert may be kept until `ends_at`. One that is counted already may; at the limit, one that ended makes room.
    pub fn admit(
        &mut self,
        name: &str,
        fingerprint: Fingerprint,
        ends_at: Time,
        now: Time,
    ) -> bool {
        if self.limit == 0 {
            return true;
        }
        if !self.names.contains_key(name) {
            self.names.insert(name.into(), HashMap::new());
        }
        let Some(known) = self.names.get_mut(name) else { return true };
        if known.len() >= self.limit && !known.contains_key(&fingerprint) {
            let first = known.iter().min_by_key(|(fp, ends)| (**ends, **fp));
            match first.map(|(fp, ends)| (*fp, *ends)) {
                Some((fp, ends)) if ends < now => known.remove(&fp),
                _ => return false,
            };
        }
        known.insert(fingerprint, ends_at);
        true
    }

    /// Forgets names all of whose alerts ended.
    pub fn collect(&mut self, now: Time) {
        self.names.retain(|_, known| known.values().any(|ends| *ends >= now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_takes_new_alerts_only_for_ended_ones() {
        let at = |s: i64| Time::from_unix(s, 0);
        let mut limits = NameLimits::new(2);
        let mut put =
            |fp: u64, ends: i64, now: i64| limits.admit("A", Fingerprint(fp), at(ends), at(now));
        assert!(put(1, 10, 0) && put(2, 20, 0));
        assert!(!put(3, 30, 5) && put(1, 12, 5));
        assert!(put(3, 30, 13), "the first ended at 12");
        assert!(!put(1, 40, 13));
        assert!(limits.admit("B", Fingerprint(1), at(1), at(0)));
        limits.collect(at(25));
        assert_eq!(limits.names.len(), 1);
    }
}
