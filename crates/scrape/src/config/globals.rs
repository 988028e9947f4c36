//! What jobs inherit from `global`.

use std::str::FromStr;

use gauntlet_model::duration::Duration;
use gauntlet_model::relabel::NameScheme;
use gauntlet_model::size::ByteSize;
use gauntlet_yaml::{Context, Mapping};

use super::ScrapeProtocol;

/// How names are asked for that the old rule does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// As they are.
    #[default]
    AllowUtf8,
    Underscores,
    Dots,
    Values,
}

impl Escaping {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

impl FromStr for Escaping {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|e| e.as_str() == name)
            .ok_or(())
    }
}

/// What to say of an escaping that does not exist. `whose` is `global` or `scrape config`.
pub(super) fn unknown_escaping(whose: &str, name: &str) -> String {
    format!(
        "unknown {whose} name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or 'values', got {name:?}"
    )
}

/// Bounds of a scrape; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a response, unpacked.
    pub body_size_limit: ByteSize,
    /// Samples left after relabelling.
    pub sample_limit: u64,
    /// Targets of a job.
    pub target_limit: u64,
    /// Labels of a series.
    pub label_limit: u64,
    /// Bytes of a label's name.
    pub label_name_length_limit: u64,
    /// Bytes of a label's value.
    pub label_value_length_limit: u64,
    /// Dropped targets that are remembered.
    pub keep_dropped_targets: u64,
}

impl Limits {
    /// Takes the limits out of `global` or a job.
    pub fn read(map: &mut Mapping<'_>, cx: &mut Context) -> Self {
        Self {
            body_size_limit: map.take_default(cx, "body_size_limit"),
            sample_limit: map.take_default(cx, "sample_limit"),
            target_limit: map.take_default(cx, "target_limit"),
            label_limit: map.take_default(cx, "label_limit"),
            label_name_length_limit: map.take_default(cx, "label_name_length_limit"),
            label_value_length_limit: map.take_default(cx, "label_value_length_limit"),
            keep_dropped_targets: map.take_default(cx, "keep_dropped_targets"),
        }
    }

    /// Each limit, or the other's where it is 0.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let pick = |own: u64, other: u64| if own == 0 { other } else { own };
        Self {
            body_size_limit: if self.body_size_limit.0 == 0 {
                other.body_size_limit
            } else {
                self.body_size_limit
            },
            sample_limit: pick(self.sample_limit, other.sample_limit),
            target_limit: pick(self.target_limit, other.target_limit),
            label_limit: pick(self.label_limit, other.label_limit),
            label_name_length_limit: pick(
                self.label_name_length_limit,
                other.label_name_length_limit,
            ),
            label_value_length_limit: pick(
                self.label_value_length_limit,
                other.label_value_length_limit,
            ),
            keep_dropped_targets: pick(self.keep_dropped_targets, other.keep_dropped_targets),
        }
    }
}

/// The part of `global` that is about scraping.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeGlobals {
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    /// `None`: what each job's wish for native histograms asks for.
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    pub scrape_failure_log_file: String,
    pub limits: Limits,
    pub metric_name_validation_scheme: NameScheme,
    pub metric_name_escaping_scheme: Option<Escaping>,
    pub scrape_native_histograms: bool,
    pub convert_classic_histograms_to_nhcb: bool,
    pub always_scrape_classic_histograms: bool,
    pub extra_scrape_metrics: bool,
}

impl Default for ScrapeGlobals {
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            scrape_protocols: None,
            scrape_failure_log_file: String::new(),
            limits: Limits::default(),
            metric_name_validation_scheme: NameScheme::Utf8,
            metric_name_escaping_scheme: None,
            scrape_native_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            always_scrape_classic_histograms: false,
            extra_scrape_metrics: false,
        }
    }
}

impl ScrapeGlobals {
    /// Takes these fields out of `global`, over `defaults` (which feature flags may have changed).
    pub fn read(map: &mut Mapping<'_>, cx: &mut Context, defaults: &Self) -> Self {
        let mut scrape_interval: Duration = map.take_default(cx, "scrape_interval");
        if scrape_interval.is_zero() {
            scrape_interval = defaults.scrape_interval;
        }
        let mut scrape_timeout: Duration = map.take_default(cx, "scrape_timeout");
        if scrape_timeout > scrape_interval {
            map.problem(cx, "scrape_timeout", "global scrape timeout greater than scrape interval");
        }
        if scrape_timeout.is_zero() {
            scrape_timeout = defaults.scrape_timeout.min(scrape_interval);
        }
        let key = "metric_name_escaping_scheme";
        let escaping = map.take::<String>(cx, key).filter(|name| !name.is_empty());
        let metric_name_escaping_scheme = escaping.and_then(|name| {
            name.parse().map_err(|()| map.problem(cx, key, unknown_escaping("global", &name))).ok()
        });
        let mut flag = |cx: &mut Context, key: &str, default: bool| {
            map.take::<Option<bool>>(cx, key).flatten().unwrap_or(default)
        };
        let native = flag(cx, "scrape_native_histograms", defaults.scrape_native_histograms);
        let extra = flag(cx, "extra_scrape_metrics", defaults.extra_scrape_metrics);
        Self {
            scrape_interval,
            scrape_timeout,
            scrape_protocols: super::read_protocols(map, cx, "for global config")
                .or_else(|| defaults.scrape_protocols.clone()),
            scrape_failure_log_file: map.take_default(cx, "scrape_failure_log_file"),
            limits: Limits::read(map, cx),
            metric_name_validation_scheme: map
                .take::<Option<NameScheme>>(cx, "metric_name_validation_scheme")
                .flatten()
                .unwrap_or(defaults.metric_name_validation_scheme),
            metric_name_escaping_scheme,
            scrape_native_histograms: native,
            convert_classic_histograms_to_nhcb: map
                .take_default(cx, "convert_classic_histograms_to_nhcb"),
            always_scrape_classic_histograms: map
                .take_default(cx, "always_scrape_classic_histograms"),
            extra_scrape_metrics: extra,
        }
    }
}
