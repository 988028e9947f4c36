//! Exposition formats, in and out: Prometheus text, OpenMetrics, protobuf. Page: docs/formats/exposition.md.
//!
//! Parsers work over borrowed bytes and allocate nothing for a line whose series the caller knows; [`encode`] prints gathered metrics.
//! Nothing here does I/O: fetching bodies is `scrape`'s business, `promtool`'s lints are `cli`'s.

pub mod conformance;
pub mod encode;
pub mod error;
mod labels;
mod lex;
pub mod media;
mod metric_pb;
mod native;
mod nhcb;
mod number;
mod openmetrics;
pub mod parser;
mod pb;
mod protobuf;
mod scan;
mod series;
mod starts;
mod text;

pub use encode::{Format, negotiate};
pub use error::{ContentTypeError, ParseError};
pub use media::MediaType;
pub use number::{push_openmetrics_float, push_text_float, quote_bytes};
pub use parser::{Entry, HistogramSample, Parser, ParserOptions, Sample};
pub use series::{LabelsError, ScratchLabels};
