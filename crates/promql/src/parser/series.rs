//! Series descriptions of test scripts and unit tests: `metric{a="b"} 1+1x5 _ stale {{schema:1 sum:2 buckets:[1 2]}}`.
//!
//! Values stay as written (`1+1x5` is one item): whoever loads them expands them, which for histograms needs their
//! arithmetic. Repetitions are bounded by [`MAX_REPEAT`].

use gauntlet_model::histogram::{CounterResetHint, Span};
use gauntlet_model::{FloatHistogram, Labels, STALE_NAN};

use super::{Context, Parsed, Parser};
use crate::ast::PosRange;
use crate::literal::parse_number;
use crate::token::{HistogramKey, TokenKind};

/// Most values that one item may stand for.
pub(crate) const MAX_REPEAT: u64 = 10_000_000;

const VALUES: Context = Context("series values", "");
const HISTOGRAM: Context =
    Context("histogram description", "histogram description key, e.g. buckets:[5 10 7]");

/// A series of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesDescription {
    pub labels: Labels,
    pub items: Vec<SeriesItem>,
}

/// One item of a series' values; `times` counts values beyond the first (`1x3` is four values, `_x3` three).
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesItem {
    /// `_`: this many steps without a value.
    Omitted {
        count: u64,
    },
    /// `start+step x times`. `stale` is the stale marker.
    Floats {
        start: f64,
        step: f64,
        times: u64,
    },
    Histograms(Box<HistogramSeries>),
}

/// `{{...}}`, repeated, or grown by another histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSeries {
    pub start: FloatHistogram,
    /// Added to each next value (or subtracted, where `subtract`).
    pub step: Option<FloatHistogram>,
    pub subtract: bool,
    pub times: u64,
    /// The hint was written out: comparisons must then heed it.
    pub hint_is_set: bool,
}

/// What the keys of a histogram said so far.
#[derive(Default)]
struct Keys {
    histogram: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    seen: Vec<HistogramKey>,
}

impl Parser<'_> {
    pub(super) fn series_description(&mut self) -> Parsed<SeriesDescription> {
        let labels = self.metric()?;
        let mut items = Vec::new();
        self.within(VALUES, |p| {
            loop {
                match p.peek() {
                    TokenKind::Eof => return Ok(()),
                    TokenKind::Space => {
                        p.take();
                    }
                    _ => return Err(p.unexpected()),
                }
                if !matches!(p.peek(), TokenKind::Space | TokenKind::Eof) {
                    items.push(p.series_item()?);
                }
            }
        })?;
        Ok(SeriesDescription { labels, items })
    }

    fn series_item(&mut self) -> Parsed<SeriesItem> {
        match self.peek() {
            TokenKind::Blank => {
                self.take();
                let count =
                    if self.accept(TokenKind::Times).is_some() { self.repeat()? } else { 1 };
                Ok(SeriesItem::Omitted { count })
            }
            TokenKind::OpenHist => self.histogram_item(),
            _ => {
                let start = self.series_value()?;
                let step = match self.peek() {
                    TokenKind::Add | TokenKind::Sub => self.signed_number()?,
                    TokenKind::Times => 0.0,
                    _ => return Ok(SeriesItem::Floats { start, step: 0.0, times: 0 }),
                };
                self.expect(TokenKind::Times)?;
                let times = self.repeat()?;
                Ok(SeriesItem::Floats { start, step, times })
            }
        }
    }

    fn series_value(&mut self) -> Parsed<f64> {
        if self.peek() != TokenKind::Identifier {
            return self.signed_number();
        }
        let is_stale = self.next.as_ref().is_some_and(|t| t.text(self.input) == "stale");
        if !is_stale {
            return Err(self.unexpected_in(Context("series values", "number or \"stale\"")));
        }
        self.take();
        Ok(STALE_NAN)
    }

    /// A number with or without a sign.
    fn signed_number(&mut self) -> Parsed<f64> {
        let negative = self.accept(TokenKind::Sub).is_some();
        if !negative {
            self.accept(TokenKind::Add);
        }
        let value = self.number_or_duration()?.value;
        Ok(if negative { -value } else { value })
    }

    /// The count behind an `x`.
    fn repeat(&mut self) -> Parsed<u64> {
        let token = self.expect(TokenKind::Number)?;
        let text = token.text(self.input);
        match text.parse::<u64>() {
            Ok(count) if count <= MAX_REPEAT => Ok(count),
            Ok(_) => {
                let message =
                    format!("repetition of series values beyond the limit of {MAX_REPEAT}");
                Err(self.fail(token.pos(), message))
            }
            Err(_) => {
                let message = format!(
                    "invalid repetition in series values: strconv.ParseUint: parsing {text:?}: invalid syntax"
                );
                Err(self.fail(token.pos(), message))
            }
        }
    }

    fn histogram_item(&mut self) -> Parsed<SeriesItem> {
        let (start, mut hint_is_set) = self.histogram()?;
        let mut series =
            HistogramSeries { start, step: None, subtract: false, times: 0, hint_is_set };
        match self.peek() {
            TokenKind::Times => {}
            TokenKind::Add | TokenKind::Sub => {
                series.subtract = self.take().kind == TokenKind::Sub;
                let step;
                (step, hint_is_set) = self.histogram()?;
                series.step = Some(step);
                series.hint_is_set = hint_is_set;
                if self.peek() != TokenKind::Times {
                    return Err(self.unexpected());
                }
            }
            _ => return Ok(SeriesItem::Histograms(Box::new(series))),
        }
        self.take();
        series.times = self.repeat()?;
        Ok(SeriesItem::Histograms(Box::new(series)))
    }

    /// `{{key:value ...}}`, and whether it has a counter reset hint.
    fn histogram(&mut self) -> Parsed<(FloatHistogram, bool)> {
        self.expect(TokenKind::OpenHist)?;
        let mut keys = Keys::default();
        if self.peek() == TokenKind::Space {
            // Only an empty histogram may begin with a space.
            self.take();
        } else if self.peek() != TokenKind::CloseHist {
            self.histogram_key(&mut keys)?;
            self.within(HISTOGRAM, |p| {
                while p.accept(TokenKind::Space).is_some() && p.peek() != TokenKind::CloseHist {
                    p.histogram_key(&mut keys)?;
                }
                if p.peek() == TokenKind::CloseHist { Ok(()) } else { Err(p.unexpected()) }
            })?;
        }
        self.expect(TokenKind::CloseHist)?;
        let mut histogram = keys.histogram;
        histogram.positive_spans = span(keys.offset, &histogram.positive_buckets);
        histogram.negative_spans = span(keys.negative_offset, &histogram.negative_buckets);
        Ok((histogram, keys.seen.contains(&HistogramKey::CounterResetHint)))
    }

    /// `key:value`.
    fn histogram_key(&mut self, keys: &mut Keys) -> Parsed<()> {
        let TokenKind::HistogramKey(key) = self.peek() else { return Err(self.unexpected()) };
        self.take();
        if keys.seen.contains(&key) {
            let message = format!("duplicate key \"{}\" in histogram", key.as_str());
            self.report(PosRange::default(), message);
        }
        keys.seen.push(key);
        self.expect(TokenKind::Colon)?;
        let histogram = &mut keys.histogram;
        match key {
            HistogramKey::Sum => histogram.sum = self.signed_number()?,
            HistogramKey::Count => histogram.count = self.signed_number()?,
            HistogramKey::ZeroBucket => histogram.zero_count = self.signed_number()?,
            HistogramKey::ZeroBucketWidth => histogram.zero_threshold = self.signed_number()?,
            HistogramKey::Schema => histogram.schema = self.whole_number()?,
            HistogramKey::Offset => keys.offset = self.whole_number()?,
            HistogramKey::NegativeOffset => keys.negative_offset = self.whole_number()?,
            HistogramKey::Buckets => histogram.positive_buckets = self.bucket_list()?,
            HistogramKey::NegativeBuckets => histogram.negative_buckets = self.bucket_list()?,
            HistogramKey::CustomValues => histogram.custom_values = self.bucket_list()?,
            HistogramKey::CounterResetHint => histogram.counter_reset_hint = self.reset_hint()?,
        }
        Ok(())
    }

    fn whole_number(&mut self) -> Parsed<i32> {
        let negative = self.accept(TokenKind::Sub).is_some();
        let token = self.expect(TokenKind::Number)?;
        let text = token.text(self.input);
        match text.parse::<i32>() {
            Ok(value) => Ok(if negative { -value } else { value }),
            Err(_) => {
                let message = format!(
                    "invalid repetition in series values: strconv.ParseUint: parsing {text:?}: invalid syntax"
                );
                Err(self.fail(token.pos(), message))
            }
        }
    }

    fn bucket_list(&mut self) -> Parsed<Vec<f64>> {
        self.expect(TokenKind::LeftBracket)?;
        let mut values = Vec::new();
        loop {
            if !values.is_empty() {
                self.accept(TokenKind::Space);
                if self.accept(TokenKind::RightBracket).is_some() {
                    return Ok(values);
                }
            }
            let negative = self.accept(TokenKind::Sub).is_some();
            let token = self.expect(TokenKind::Number)?;
            match parse_number(token.text(self.input)) {
                Ok(value) => values.push(if negative { -value } else { value }),
                Err(error) => {
                    let message = format!("error parsing number: {error}");
                    return Err(self.fail(token.pos(), message));
                }
            }
        }
    }

    fn reset_hint(&mut self) -> Parsed<CounterResetHint> {
        let hint = match self.peek() {
            TokenKind::HintUnknown => CounterResetHint::Unknown,
            TokenKind::HintReset => CounterResetHint::CounterReset,
            TokenKind::HintNotReset => CounterResetHint::NotCounterReset,
            TokenKind::HintGauge => CounterResetHint::Gauge,
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(hint)
    }
}

/// The buckets as one run.
fn span(offset: i32, buckets: &[f64]) -> Vec<Span> {
    if buckets.is_empty() {
        return Vec::new();
    }
    vec![Span { offset, length: buckets.len() as u32 }]
}
