//! The last scrapes of a target, for a sparkline: how long each took, how late it began, how many samples it brought. Kept in memory
//! alone; what the database holds of scrapes is longer, but knows no lateness.

use std::time::Duration;

use crate::target::Report;

/// Scrapes that are kept: 240 bytes a target.
pub const KEPT: usize = 20;

/// One scrape. Microseconds end at 71 minutes, far above any timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrape {
    pub took_us: u32,
    pub lateness_us: u32,
    pub samples: u32,
}

impl From<&Report> for Scrape {
    fn from(report: &Report) -> Self {
        let micros = |d: Duration| u32::try_from(d.as_micros()).unwrap_or(u32::MAX);
        Self {
            took_us: micros(report.took),
            lateness_us: micros(report.lateness),
            samples: u32::try_from(report.samples).unwrap_or(u32::MAX),
        }
    }
}

/// A ring of scrapes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    ring: [Scrape; KEPT],
    /// Scrapes since the start, of which the last [`KEPT`] are there.
    count: usize,
}

impl Recent {
    pub(crate) fn push(&mut self, scrape: Scrape) {
        self.ring[self.count % KEPT] = scrape;
        self.count += 1;
    }

    /// Oldest first.
    pub(crate) fn list(&self) -> Vec<Scrape> {
        let first = self.count.saturating_sub(KEPT);
        (first..self.count).map(|i| self.ring[i % KEPT]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_scrapes_are_listed_oldest_first() {
        let mut recent = Recent::default();
        assert_eq!(recent.list(), []);
        for i in 0..50 {
            recent.push(Scrape { samples: i, ..Scrape::default() });
        }
        let samples: Vec<u32> = recent.list().iter().map(|s| s.samples).collect();
        assert_eq!(samples, (30..50).collect::<Vec<u32>>());
    }
}
