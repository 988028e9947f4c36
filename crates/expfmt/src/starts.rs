//! When counting began, as `_created` lines of OpenMetrics say it: they follow the samples that they speak of.
//!
//! As upstream, a sample's line is the first `_created` line after it in the same run of sample lines, and it counts only if it has the family's
//! name and the sample's labels (without `le` of histograms and `quantile` of summaries). What was found ahead is kept until
//! the body has come there, so that a family without such lines is looked through once and not once a sample.

use gauntlet_model::labels::METRIC_NAME;
use gauntlet_model::{MetricType, Timestamp};

use crate::openmetrics::OpenMetricsParser;
use crate::parser::Entry;
use crate::series::{DecodeOptions, ScratchLabels, decode};

const SUFFIX: &str = "_created";

/// What is known of start times at the present place of a body.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// The metric of the sample before, if it has a start.
    last: Option<(String, Timestamp)>,
    ahead: Option<Ahead>,
    key: String,
    scratch: ScratchLabels,
}

/// The next `_created` line of a run of samples.
#[derive(Debug)]
struct Ahead {
    /// Places in the body for which this holds, both ends included.
    from: usize,
    until: usize,
    /// The metric and its start; `None` if the run ends without one.
    created: Option<(String, Timestamp)>,
}

impl Starts {
    /// The start of the sample that `parser` stands behind, in milliseconds.
    pub(crate) fn find(&mut self, parser: &OpenMetricsParser<'_>) -> Option<Timestamp> {
        let (state, at) = (&parser.state, parser.position());
        if !is_timed(state.metric_type) || !self.read_key(parser, state.name.len()) {
            self.last = None;
            return None;
        }
        if let Some((key, start)) = &self.last
            && *key == self.key
        {
            return Some(*start);
        }
        if self.ahead.as_ref().is_none_or(|ahead| at < ahead.from || at > ahead.until) {
            let key = std::mem::take(&mut self.key);
            self.ahead = Some(self.look(parser, at));
            self.key = key;
        }
        let created = self.ahead.as_ref().and_then(|ahead| ahead.created.as_ref());
        self.last = created.filter(|(key, start)| *key == self.key && *start != 0).cloned();
        self.last.as_ref().map(|(_, start)| *start)
    }

    /// Reads on from the present place to the next `_created` line.
    fn look(&mut self, parser: &OpenMetricsParser<'_>, from: usize) -> Ahead {
        let mut ahead = parser.ahead();
        loop {
            let until = ahead.position();
            let created = match ahead.next(|_| None) {
                Ok(Some(Entry::Series)) if !is_created(ahead.state.raw) => continue,
                Ok(Some(Entry::Series)) => self.read_created(&ahead),
                _ => None,
            };
            return Ahead { from, until, created };
        }
    }

    fn read_created(&mut self, line: &OpenMetricsParser<'_>) -> Option<(String, Timestamp)> {
        self.decode(line)?;
        let name = self.scratch.get(METRIC_NAME)?;
        let family = name.len().checked_sub(SUFFIX.len())?;
        self.read_key(line, family)
            .then(|| (std::mem::take(&mut self.key), (line.state.value * 1000.0) as Timestamp))
    }

    /// Names the present sample's metric: the first bytes of its name, and its labels.
    fn read_key(&mut self, parser: &OpenMetricsParser<'_>, family: usize) -> bool {
        if self.decode(parser).is_none() {
            return false;
        }
        let own = match parser.state.metric_type {
            MetricType::Histogram => "le",
            MetricType::Summary => "quantile",
            _ => "",
        };
        let name = self.scratch.get(METRIC_NAME).unwrap_or_default();
        self.key.clear();
        self.key.push_str(name.get(..family).unwrap_or(name));
        for (name, value) in self.scratch.iter().filter(|(n, _)| *n != METRIC_NAME && *n != own) {
            for part in ["\u{1}", name, "\u{2}", value] {
                self.key.push_str(part);
            }
        }
        true
    }

    fn decode(&mut self, parser: &OpenMetricsParser<'_>) -> Option<()> {
        decode(parser.state.raw, DecodeOptions::default(), &mut self.scratch).ok()
    }
}

/// Whether metrics of a type say when they began.
pub(crate) fn is_timed(metric_type: MetricType) -> bool {
    matches!(metric_type, MetricType::Counter | MetricType::Summary | MetricType::Histogram)
}

/// Whether a series text has the name of a start time.
pub(crate) fn is_created(raw: &[u8]) -> bool {
    let name = match raw {
        [b'{', b'"', quoted @ ..] => {
            &quoted[..memchr::memchr(b'"', quoted).unwrap_or(quoted.len())]
        }
        _ => &raw[..memchr::memchr(b'{', raw).unwrap_or(raw.len())],
    };
    name.ends_with(SUFFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::media::MediaType;
    use crate::parser::{Entry, Parser, ParserOptions};

    /// Series text and start of every sample.
    fn starts(body: &str, nhcb: bool) -> Vec<(String, Option<i64>)> {
        let options = ParserOptions {
            skip_created: true,
            convert_classic_to_nhcb: nhcb,
            ..ParserOptions::default()
        };
        let mut parser = Parser::new(body.as_bytes(), MediaType::OpenMetrics, options);
        let mut out = Vec::new();
        while let Some(entry) = parser.next().unwrap() {
            if matches!(entry, Entry::Series | Entry::Histogram) {
                let start = parser.start_timestamp();
                out.push((String::from_utf8_lossy(parser.sample().raw).into_owned(), start));
            }
        }
        out
    }

    fn check(body: &str, expect: &[(&str, Option<i64>)]) {
        let found = starts(body, false);
        let found: Vec<_> = found.iter().map(|(raw, start)| (raw.as_str(), *start)).collect();
        assert_eq!(found, expect, "{body}");
    }

    #[test]
    fn a_start_is_of_the_samples_before_it() {
        check(
            "# TYPE c counter\nc_total{a=\"1\"} 17\nc_created{a=\"1\"} 1520872607.123\nc_total{a=\"2\"} 1\n# TYPE g gauge\ng 1\ng_created 5\n# EOF\n",
            &[
                ("c_total{a=\"1\"}", Some(1_520_872_607_123)),
                ("c_total{a=\"2\"}", None),
                ("g", None),
                ("g_created", None),
            ],
        );
    }

    #[test]
    fn all_series_of_a_histogram_have_one_start() {
        let body = "# TYPE h histogram\nh_bucket{x=\"y\",le=\"1.0\"} 1\nh_bucket{x=\"y\",le=\"+Inf\"} 2\nh_created{x=\"y\"} 3\nh_sum{x=\"y\"} 1\nh_count{x=\"y\"} 2\nh_bucket{x=\"z\",le=\"+Inf\"} 2\n# EOF\n";
        check(
            body,
            &[
                ("h_bucket{x=\"y\",le=\"1.0\"}", Some(3000)),
                ("h_bucket{x=\"y\",le=\"+Inf\"}", Some(3000)),
                ("h_sum{x=\"y\"}", Some(3000)),
                ("h_count{x=\"y\"}", Some(3000)),
                ("h_bucket{x=\"z\",le=\"+Inf\"}", None),
            ],
        );
        let native = starts(body, true);
        assert_eq!(native[0].1, Some(3000), "{native:?}");
        assert_eq!(native[1].1, None, "{native:?}");
        check(
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 2\ns_sum 3\ns_created 1.5\n# EOF\n",
            &[("s{quantile=\"0.5\"}", Some(1500)), ("s_count", Some(1500)), ("s_sum", Some(1500))],
        );
    }

    #[test]
    fn the_first_line_ahead_alone_counts() {
        // As upstream: of two metrics whose starts come last, in order, only the first has its own ahead.
        check(
            "# TYPE c counter\nc_total{a=\"1\"} 1\nc_total{a=\"2\"} 1\nc_created{a=\"1\"} 1\nc_created{a=\"2\"} 2\n# EOF\n",
            &[("c_total{a=\"1\"}", Some(1000)), ("c_total{a=\"2\"}", None)],
        );
        // A line of metadata ends the run, and so does a start before the sample.
        check(
            "# TYPE c counter\nc_created 1\nc_total 1\n# HELP c x\nc_created 2\n# EOF\n",
            &[("c_total", None)],
        );
        check("# TYPE c counter\nc_total 1\nc_created 0\n# EOF\n", &[("c_total", None)]);
    }

    #[test]
    fn names_in_quotes_have_starts() {
        check(
            "# TYPE \"a.b\" counter\n{\"a.b_total\",x=\"1\"} 1\n{\"a.b_created\",x=\"1\"} 4\n# EOF\n",
            &[("{\"a.b_total\",x=\"1\"}", Some(4000))],
        );
    }

    #[test]
    fn a_broken_line_ahead_is_no_start() {
        let options = ParserOptions { skip_created: true, ..ParserOptions::default() };
        let body = b"# TYPE c counter\nc_total 1\nc_created x\n# EOF\n";
        let mut parser = Parser::new(body, MediaType::OpenMetrics, options);
        assert_eq!(parser.next(), Ok(Some(Entry::Type)));
        assert_eq!(parser.next(), Ok(Some(Entry::Series)));
        assert_eq!(parser.start_timestamp(), None);
        assert!(parser.next().is_err());
    }
}
