//! Exemplars: one ring for all series, the oldest gives way. Small by design, so selection walks the ring.

use std::collections::VecDeque;

use gauntlet_model::{Exemplar, Labels, Timestamp};
use gauntlet_storage::AppendError;
use hashbrown::HashMap;

#[derive(Clone, Debug)]
struct Entry {
    /// Reference of the series.
    series: u64,
    t: Timestamp,
    value: f64,
    labels: Labels,
}

/// Exemplars of one series within a range, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    pub labels: Labels,
    pub exemplars: Vec<Exemplar>,
}

#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    capacity: usize,
    ring: VecDeque<Entry>,
    /// Newest of each series in the ring, and how many of it there are.
    newest: HashMap<u64, (Timestamp, u32), foldhash::fast::FixedState>,
    /// What came while the log replays; it goes behind what the log has. Bounded as the ring is.
    waiting: Option<VecDeque<Entry>>,
}

impl Exemplars {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.capacity > 0
    }

    /// Whether an exemplar would be taken.
    pub(crate) fn check(
        &self,
        series: u64,
        t: Timestamp,
        value: f64,
        labels: &Labels,
    ) -> Result<(), AppendError> {
        let Some((newest, _)) = self.newest.get(&series) else { return Ok(()) };
        if t > *newest {
            return Ok(());
        }
        if t < *newest {
            return Err(AppendError::OutOfOrderExemplar);
        }
        let last = self.ring.iter().rev().find(|entry| entry.series == series);
        let same =
            last.is_some_and(|e| e.value.to_bits() == value.to_bits() && e.labels == *labels);
        Err(if same { AppendError::DuplicateExemplar } else { AppendError::OutOfOrderExemplar })
    }

    /// What is taken from now on waits for [`Exemplars::end_replay`]; what is added does not.
    pub(crate) fn begin_replay(&mut self) {
        self.waiting = Some(VecDeque::new());
    }

    pub(crate) fn end_replay(&mut self) {
        for entry in self.waiting.take().into_iter().flatten() {
            self.add(entry.series, entry.t, entry.value, entry.labels);
        }
    }

    /// Adds an exemplar of an appender.
    pub(crate) fn take(&mut self, series: u64, t: Timestamp, value: f64, labels: Labels) {
        match &mut self.waiting {
            Some(waiting) if self.capacity > 0 => {
                if waiting.len() >= self.capacity {
                    waiting.pop_front();
                }
                waiting.push_back(Entry { series, t, value, labels });
            }
            Some(_) => {}
            None => self.add(series, t, value, labels),
        }
    }

    pub(crate) fn add(&mut self, series: u64, t: Timestamp, value: f64, labels: Labels) {
        if !self.is_enabled() || self.check(series, t, value, &labels).is_err() {
            return;
        }
        while self.ring.len() >= self.capacity {
            let Some(oldest) = self.ring.pop_front() else { break };
            if let Some((_, count)) = self.newest.get_mut(&oldest.series) {
                *count -= 1;
                if *count == 0 {
                    self.newest.remove(&oldest.series);
                }
            }
        }
        self.ring.push_back(Entry { series, t, value, labels });
        let newest = self.newest.entry(series).or_insert((t, 0));
        *newest = (t, newest.1 + 1);
    }

    /// Changes how many are kept; 0 keeps none.
    pub(crate) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        let surplus = self.ring.len().saturating_sub(capacity);
        self.ring.drain(..surplus);
        self.newest.clear();
        for entry in &self.ring {
            let newest = self.newest.entry(entry.series).or_insert((entry.t, 0));
            *newest = (entry.t, newest.1 + 1);
        }
    }

    /// Exemplars in a range, both ends in, by series reference.
    pub(crate) fn select(&self, min_t: Timestamp, max_t: Timestamp) -> Vec<(u64, Vec<Exemplar>)> {
        let mut by_series: std::collections::BTreeMap<u64, Vec<Exemplar>> = Default::default();
        let all = self.ring.iter().chain(self.waiting.iter().flatten());
        for entry in all.filter(|entry| (min_t..=max_t).contains(&entry.t)) {
            by_series.entry(entry.series).or_default().push(Exemplar {
                labels: entry.labels.clone(),
                value: entry.value,
                timestamp: Some(entry.t),
            });
        }
        by_series.into_iter().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(crate) fn series(&self) -> usize {
        self.newest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_order_is_kept_by_series() {
        let mut ring = Exemplars::new(3);
        for t in 0..5 {
            ring.add(1 + t as u64 % 2, t, 0.5, Labels::empty());
        }
        assert_eq!((ring.len(), ring.series()), (3, 2));
        assert_eq!(ring.check(1, 3, 0.5, &Labels::empty()), Err(AppendError::OutOfOrderExemplar));
        assert_eq!(ring.check(1, 4, 0.5, &Labels::empty()), Err(AppendError::DuplicateExemplar));
        assert_eq!(ring.check(2, 4, 0.5, &Labels::empty()), Ok(()));
        let found = ring.select(0, 10);
        assert_eq!(found.iter().map(|(s, e)| (*s, e.len())).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
        ring.resize(1);
        assert_eq!((ring.len(), ring.series()), (1, 1));
    }
}
