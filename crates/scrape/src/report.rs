//! The synthetic series that every scrape writes: `up` and its kin. Names and helps are upstream's.

use gauntlet_model::{Labels, Metadata, MetricType, STALE_NAN, SeriesRef, Timestamp};
use gauntlet_storage::{AppendError, Appender};
use tracing::debug;

use crate::labels::report_labels;

struct Synthetic {
    name: &'static str,
    help: &'static str,
    unit: &'static str,
}

/// The first five are always written.
const SERIES: [Synthetic; 8] = [
    Synthetic {
        name: "up",
        help: "Health of the scrape target. 1 means the target is healthy, 0 if the scrape failed.",
        unit: "targets",
    },
    Synthetic {
        name: "scrape_duration_seconds",
        help: "Duration of the last scrape in seconds.",
        unit: "seconds",
    },
    Synthetic {
        name: "scrape_samples_scraped",
        help: "Number of samples last scraped.",
        unit: "samples",
    },
    Synthetic {
        name: "scrape_samples_post_metric_relabeling",
        help: "Number of samples remaining after metric relabeling was applied.",
        unit: "samples",
    },
    Synthetic {
        name: "scrape_series_added",
        help: "Number of series in the last scrape.",
        unit: "series",
    },
    Synthetic {
        name: "scrape_timeout_seconds",
        help: "The configured scrape timeout for a target.",
        unit: "seconds",
    },
    Synthetic {
        name: "scrape_sample_limit",
        help: "The configured sample limit for a target. Returns zero if there is no limit configured.",
        unit: "samples",
    },
    Synthetic {
        name: "scrape_body_size_bytes",
        help: "The uncompressed size of the last scrape response, if successful. Scrapes failing because body_size_limit is exceeded report -1, other scrape failures report 0.",
        unit: "bytes",
    },
];

/// How many of the series are written without and with `extra_scrape_metrics`.
const PLAIN: usize = 5;
const EXTRA: usize = SERIES.len();

/// Values of one scrape's synthetic series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) up: bool,
    pub(crate) duration_seconds: f64,
    pub(crate) scraped: usize,
    pub(crate) kept: usize,
    pub(crate) added: usize,
    pub(crate) timeout_seconds: f64,
    pub(crate) sample_limit: u64,
    /// -1: over the limit.
    pub(crate) body_bytes: i64,
}

/// The synthetic series of one target. Their labels are made when storage asks for them: kept, they would be the most of an idle target.
#[derive(Debug)]
pub(crate) struct SyntheticSeries {
    series: Box<[SeriesRef]>,
}

impl SyntheticSeries {
    pub(crate) fn new(extra: bool) -> Self {
        let count = if extra { EXTRA } else { PLAIN };
        Self { series: vec![SeriesRef(0); count].into() }
    }

    /// Appends one scrape's values of the target with these labels.
    pub(crate) fn append(
        &mut self,
        app: &mut dyn Appender,
        target: &Labels,
        t: Timestamp,
        values: Values,
        with_metadata: bool,
    ) -> Result<(), AppendError> {
        let all = [
            f64::from(u8::from(values.up)),
            values.duration_seconds,
            values.scraped as f64,
            values.kept as f64,
            values.added as f64,
            values.timeout_seconds,
            values.sample_limit as f64,
            values.body_bytes as f64,
        ];
        for (index, value) in all.into_iter().enumerate().take(self.series.len()) {
            self.append_one(app, target, index, t, value, with_metadata)?;
        }
        Ok(())
    }

    /// Ends all of them.
    pub(crate) fn append_stale(
        &mut self,
        app: &mut dyn Appender,
        target: &Labels,
        t: Timestamp,
    ) -> Result<(), AppendError> {
        for index in 0..self.series.len() {
            self.append_one(app, target, index, t, STALE_NAN, false)?;
        }
        Ok(())
    }

    fn append_one(
        &mut self,
        app: &mut dyn Appender,
        target: &Labels,
        index: usize,
        t: Timestamp,
        value: f64,
        with_metadata: bool,
    ) -> Result<(), AppendError> {
        let mut known = self.series[index];
        let mut labels = Labels::empty();
        let mut appended = Err(AppendError::EmptyLabels);
        if known != SeriesRef(0) {
            appended = app.append(known, &labels, t, value);
        }
        if appended == Err(AppendError::EmptyLabels) {
            known = SeriesRef(0);
            labels = report_labels(SERIES[index].name, target);
            appended = app.append(known, &labels, t, value);
        }
        match appended {
            Ok(series) => {
                self.series[index] = series;
                if with_metadata && known == SeriesRef(0) {
                    let Synthetic { help, unit, .. } = SERIES[index];
                    let metadata = Metadata {
                        metric_type: MetricType::Gauge,
                        unit: unit.to_owned(),
                        help: help.to_owned(),
                    };
                    if let Err(err) = app.update_metadata(series, &labels, &metadata) {
                        debug!(component = "scrape", %err, "metadata was not taken");
                    }
                }
                Ok(())
            }
            // The target came back under a new loop.
            Err(AppendError::OutOfOrder | AppendError::DuplicateSample) => Ok(()),
            Err(err) => Err(err),
        }
    }
}
