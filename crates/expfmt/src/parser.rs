//! One face for all formats: entry by entry, with what belongs to the present entry read from the parser.
//!
//! ```text
//! while let Some(entry) = parser.next()? {
//!     match entry {
//!         Entry::Series => { let sample = parser.sample(); ...; parser.labels(&mut scratch)?; }
//!         ...
//! ```
//! Known series cost nothing but their number: [`Parser::next_known`] takes the caller's word for the length of a series text, and labels
//! are decoded only when asked for.

use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, MetricType, Timestamp};

use crate::error::ParseError;
use crate::media::MediaType;
use crate::nhcb::NhcbParser;
use crate::openmetrics::OpenMetricsParser;
use crate::protobuf::ProtobufParser;
use crate::series::{DecodeOptions, LabelsError, ScratchLabels, decode, decode_exemplar, unescape};
use crate::text::TextParser;

/// What a parser stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A float sample: [`Parser::sample`].
    Series,
    /// A histogram sample: [`Parser::sample`] for the series, [`Parser::take_histogram`].
    Histogram,
    /// [`Parser::name`], [`Parser::help`].
    Help,
    /// [`Parser::name`], [`Parser::metric_type`].
    Type,
    /// [`Parser::name`], [`Parser::unit`].
    Unit,
    Comment,
}

/// A sample as exposed. `raw` names the series within its body: equal bytes are equal series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'p> {
    pub raw: &'p [u8],
    /// Of float samples; 0 for histograms.
    pub value: f64,
    pub timestamp: Option<Timestamp>,
}

/// A histogram sample.
#[derive(Clone, Debug, PartialEq)]
pub enum HistogramSample {
    Int(Histogram),
    Float(FloatHistogram),
}

/// Which parts of a body are of interest.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParserOptions {
    /// Add `__type__` and `__unit__` labels from the metadata.
    pub type_and_unit_labels: bool,
    /// Read histograms with native parts as if they had none.
    pub ignore_native_histograms: bool,
    /// Give classic histograms as native ones with custom buckets.
    pub convert_classic_to_nhcb: bool,
    /// Give the classic series too where a histogram is given as a native one.
    pub keep_classic: bool,
    /// Read `_created` series of OpenMetrics as start times of others, not as samples.
    pub skip_created: bool,
}

/// State that both text parsers keep for the present entry.
#[derive(Debug, Default)]
pub(crate) struct TextState<'b> {
    pub(crate) raw: &'b [u8],
    pub(crate) value: f64,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) name: &'b [u8],
    pub(crate) text: &'b [u8],
    pub(crate) metric_type: MetricType,
    /// Name of the last TYPE line.
    pub(crate) typed: &'b [u8],
    pub(crate) unit: &'b [u8],
    /// Every line goes through the scanner; for comparing both ways.
    pub(crate) careful: bool,
}

impl<'b> TextState<'b> {
    #[inline]
    pub(crate) fn sample(&mut self, raw: &'b [u8], value: f64, timestamp: Option<Timestamp>) {
        self.raw = raw;
        self.value = value;
        self.timestamp = timestamp;
    }
}

/// The types that both text formats spell alike, and those of OpenMetrics alone.
pub(crate) fn set_type(text: &[u8], openmetrics: bool) -> Option<MetricType> {
    Some(match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"gaugehistogram" if openmetrics => MetricType::GaugeHistogram,
        b"info" if openmetrics => MetricType::Info,
        b"stateset" if openmetrics => MetricType::StateSet,
        _ => return None,
    })
}

/// A text parser of either dialect, before histograms are collected.
#[derive(Debug)]
pub(crate) enum LineParser<'b> {
    Text(TextParser<'b>),
    OpenMetrics(OpenMetricsParser<'b>),
}

impl<'b> LineParser<'b> {
    #[inline]
    pub(crate) fn next(
        &mut self,
        known: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Option<Entry>, ParseError> {
        match self {
            Self::Text(parser) => parser.next(known),
            Self::OpenMetrics(parser) => parser.next(known),
        }
    }

    pub(crate) fn start_timestamp(&mut self) -> Option<Timestamp> {
        match self {
            Self::Text(_) => None,
            Self::OpenMetrics(parser) => parser.start_timestamp(),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> &TextState<'b> {
        match self {
            Self::Text(parser) => &parser.state,
            Self::OpenMetrics(parser) => &parser.state,
        }
    }

    pub(crate) fn labels(
        &self,
        type_and_unit: bool,
        out: &mut ScratchLabels,
    ) -> Result<(), LabelsError> {
        let state = self.state();
        let options = DecodeOptions {
            metric_type: state.metric_type,
            unit: std::str::from_utf8(state.unit).unwrap_or_default(),
            type_and_unit,
        };
        decode(state.raw, options, out)
    }

    /// Appends the present sample's exemplar. One whose labels are not sound is left out, as upstream leaves it to storage.
    pub(crate) fn exemplars(&self, out: &mut Vec<Exemplar>) {
        let Self::OpenMetrics(OpenMetricsParser { exemplar: Some(raw), .. }) = self else { return };
        let mut scratch = ScratchLabels::default();
        if decode_exemplar(raw.labels, &mut scratch).is_ok() {
            let labels = Labels::from_sorted(scratch.iter().filter(|(_, v)| !v.is_empty()));
            out.push(Exemplar { labels, value: raw.value, timestamp: raw.timestamp });
        }
    }
}

#[derive(Debug)]
enum Format<'b> {
    Line(LineParser<'b>),
    Nhcb(Box<NhcbParser<'b>>),
    Protobuf(Box<ProtobufParser<'b>>),
}

/// A parser over one body.
#[derive(Debug)]
pub struct Parser<'b> {
    format: Format<'b>,
    options: ParserOptions,
}

impl<'b> Parser<'b> {
    pub fn new(body: &'b [u8], media_type: MediaType, options: ParserOptions) -> Self {
        let line = match media_type {
            MediaType::Protobuf => {
                let format = Format::Protobuf(Box::new(ProtobufParser::new(body, options)));
                return Self { format, options };
            }
            MediaType::Text => LineParser::Text(TextParser::new(body)),
            MediaType::OpenMetrics => {
                LineParser::OpenMetrics(OpenMetricsParser::new(body, options.skip_created))
            }
        };
        let format = if options.convert_classic_to_nhcb {
            Format::Nhcb(Box::new(NhcbParser::new(line, options)))
        } else {
            Format::Line(line)
        };
        Self { format, options }
    }

    /// A parser without the quick path.
    pub(crate) fn careful(body: &'b [u8], media_type: MediaType) -> Self {
        let mut parser = Self::new(body, media_type, ParserOptions::default());
        match &mut parser.format {
            Format::Line(LineParser::Text(parser)) => parser.state.careful = true,
            Format::Line(LineParser::OpenMetrics(parser)) => parser.state.careful = true,
            Format::Nhcb(_) | Format::Protobuf(_) => {}
        }
        parser
    }

    /// Moves to the next entry; `None` at the end.
    #[expect(clippy::should_implement_trait, reason = "an entry is read from the parser itself")]
    pub fn next(&mut self) -> Result<Option<Entry>, ParseError> {
        self.next_known(|_| None)
    }

    /// [`Parser::next`], asking `known` at a series line: given the rest of the body, how long its series text is, if it is byte for byte one
    /// that this parser gave as `raw` before. A wrong answer gives wrong samples. Text formats alone ask.
    #[inline]
    pub fn next_known(
        &mut self,
        known: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Option<Entry>, ParseError> {
        match &mut self.format {
            Format::Line(parser) => parser.next(known),
            Format::Nhcb(parser) => parser.next(),
            Format::Protobuf(parser) => parser.next(),
        }
    }

    /// The present float or histogram sample.
    #[inline]
    pub fn sample(&self) -> Sample<'_> {
        match &self.format {
            Format::Line(parser) => {
                let state = parser.state();
                Sample { raw: state.raw, value: state.value, timestamp: state.timestamp }
            }
            Format::Nhcb(parser) => parser.sample(),
            Format::Protobuf(parser) => parser.sample(),
        }
    }

    /// Decodes the labels of the present sample, sorted, empty values included.
    pub fn labels(&self, out: &mut ScratchLabels) -> Result<(), LabelsError> {
        match &self.format {
            Format::Line(parser) => parser.labels(self.options.type_and_unit_labels, out),
            Format::Nhcb(parser) => parser.labels(out),
            Format::Protobuf(parser) => parser.labels(out),
        }
    }

    /// The present histogram sample; a second call gives `None`.
    pub fn take_histogram(&mut self) -> Option<HistogramSample> {
        match &mut self.format {
            Format::Line(_) => None,
            Format::Nhcb(parser) => parser.take_histogram(),
            Format::Protobuf(parser) => parser.take_histogram(),
        }
    }

    /// Whether [`Parser::exemplars`] would give any. Free.
    #[inline]
    pub fn has_exemplars(&self) -> bool {
        match &self.format {
            Format::Line(LineParser::Text(_)) => false,
            Format::Line(LineParser::OpenMetrics(parser)) => parser.exemplar.is_some(),
            Format::Nhcb(_) | Format::Protobuf(_) => true,
        }
    }

    /// Appends the exemplars of the present sample.
    pub fn exemplars(&mut self, out: &mut Vec<Exemplar>) {
        match &mut self.format {
            Format::Line(parser) => parser.exemplars(out),
            Format::Nhcb(parser) => parser.exemplars(out),
            Format::Protobuf(parser) => parser.exemplars(out),
        }
    }

    /// When the present sample's counting began, in milliseconds, where the format says so: protobuf, and OpenMetrics with
    /// [`ParserOptions::skip_created`], which then reads ahead.
    pub fn start_timestamp(&mut self) -> Option<Timestamp> {
        match &mut self.format {
            Format::Line(parser) => parser.start_timestamp(),
            Format::Nhcb(parser) => parser.start_timestamp(),
            Format::Protobuf(parser) => parser.start_timestamp(),
        }
    }

    /// Name of the family whose metadata the parser stands at.
    pub fn name(&self) -> &[u8] {
        match &self.format {
            Format::Line(parser) => parser.state().name,
            Format::Nhcb(parser) => parser.line().state().name,
            Format::Protobuf(parser) => parser.name(),
        }
    }

    /// The present help text as exposed, escapes unresolved, or comment.
    pub fn raw_text(&self) -> &[u8] {
        match &self.format {
            Format::Line(parser) => parser.state().text,
            Format::Nhcb(parser) => parser.line().state().text,
            Format::Protobuf(parser) => parser.help(),
        }
    }

    /// The present help text with its escapes resolved.
    pub fn help(&self, out: &mut String) {
        out.clear();
        let text = std::str::from_utf8(self.raw_text()).unwrap_or_default();
        let line = match &self.format {
            Format::Protobuf(_) => return out.push_str(text),
            Format::Line(line) => line,
            Format::Nhcb(parser) => parser.line(),
        };
        unescape(text, matches!(line, LineParser::OpenMetrics(_)), out);
    }

    /// The type last declared.
    pub fn metric_type(&self) -> MetricType {
        match &self.format {
            Format::Line(parser) => parser.state().metric_type,
            Format::Nhcb(parser) => parser.line().state().metric_type,
            Format::Protobuf(parser) => parser.metric_type(),
        }
    }

    /// The unit last declared.
    pub fn unit(&self) -> &[u8] {
        match &self.format {
            Format::Line(parser) => parser.state().unit,
            Format::Nhcb(parser) => parser.line().state().unit,
            Format::Protobuf(parser) => parser.unit(),
        }
    }
}
