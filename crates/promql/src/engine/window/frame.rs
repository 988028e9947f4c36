//! Which samples each step's window holds, worked out once for all series that are sampled at the same times: those of one target
//! are, and one step's bounds cost more than most functions over them.

use gauntlet_model::Timestamp;

use super::rate::{Extrapolation, Span, Stretch};
use super::{RowStats, Slider, Window};

/// The windows over one list of times. Valid for one [`Window`] alone.
#[derive(Debug, Default)]
pub(in crate::engine) struct Frame {
    times: Vec<Timestamp>,
    known: bool,
    /// Samples of step `i`: `lo[i]..hi[i]`.
    pub(super) lo: Vec<u32>,
    pub(super) hi: Vec<u32>,
    pub(super) stats: RowStats,
    /// How increases are stretched, for the functions that do so.
    pub(super) stretches: Vec<Stretch>,
    stretched: bool,
    /// How often a counter's values have fallen, by sample; of one series alone.
    pub(super) falls: Vec<u32>,
}

impl Frame {
    /// Makes the frame that of `times`.
    pub(super) fn fit(&mut self, window: &Window, times: &[Timestamp]) {
        if self.known && self.times == times {
            return;
        }
        self.known = true;
        self.stretched = false;
        self.times.clear();
        self.times.extend_from_slice(times);
        self.lo.clear();
        self.hi.clear();
        self.stats = RowStats::default();
        let mut slider = Slider::default();
        // The ends are evenly spaced, or all the same.
        let mut end = window.end(0);
        let advance = if window.at.is_some() { 0 } else { window.grid.step };
        for _ in 0..window.grid.steps {
            slider.advance(times, end.saturating_sub(window.range_ms), end);
            end = end.saturating_add(advance);
            let Slider { lo, hi } = slider;
            self.lo.push(lo as u32);
            self.hi.push(hi as u32);
            self.stats.samples += (hi - lo) as u64;
            self.stats.widest = self.stats.widest.max(hi - lo);
        }
    }

    /// Works out how increases are stretched; after [`Frame::fit`].
    pub(super) fn fit_stretches(&mut self, window: &Window, extrapolation: &Extrapolation) {
        if self.stretched {
            return;
        }
        self.stretched = true;
        self.stretches.clear();
        let mut end = window.end(0);
        let advance = if window.at.is_some() { 0 } else { window.grid.step };
        for (lo, hi) in self.lo.iter().zip(&self.hi) {
            let (lo, hi) = (*lo as usize, *hi as usize);
            self.stretches.push(if hi - lo >= 2 {
                let span = Span {
                    first: self.times[lo],
                    last: self.times[hi - 1],
                    start: end.saturating_sub(window.range_ms),
                    end,
                    samples: hi - lo,
                };
                extrapolation.stretch(&span)
            } else {
                Stretch::default()
            });
            end = end.saturating_add(advance);
        }
    }

    /// Steps with their samples `lo..hi`, those with none left out.
    #[inline(always)]
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let bounds = self.lo.iter().zip(&self.hi).enumerate();
        bounds.map(|(i, (lo, hi))| (i, *lo as usize, *hi as usize)).filter(|(_, lo, hi)| lo < hi)
    }
}
