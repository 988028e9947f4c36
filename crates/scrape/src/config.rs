//! `scrape_configs[]` without its discovery: what to scrape how, defaults from `global` filled in.
//!
//! The whole file is composed in crate `config`, which reads the `*_sd_configs` beside these fields. Facts: upstream's
//! `config/config.go`.

mod globals;
mod protocol;

use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_model::relabel::{NameScheme, Rule};
use gauntlet_model::size::ByteSize;
use gauntlet_net::config::{HttpClientConfig, join_dir};
use gauntlet_yaml::{Context, MapBuilder, Mapping, ToYaml};

pub use globals::{Escaping, Limits, ScrapeGlobals};
pub use protocol::{DEFAULT_PROTOCOLS, PROTO_FIRST_PROTOCOLS, ScrapeProtocol, read_protocols};

/// One scrape job.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    pub job_name: String,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    /// Query parameters of the request.
    pub params: BTreeMap<String, Vec<String>>,
    pub scrape_interval: Duration,
    /// Not above the interval.
    pub scrape_timeout: Duration,
    /// Most wanted first.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// What to take a response for that does not say what it is.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    pub scrape_native_histograms: bool,
    pub always_scrape_classic_histograms: bool,
    pub convert_classic_histograms_to_nhcb: bool,
    /// Empty: not logged.
    pub scrape_failure_log_file: String,
    pub metrics_path: String,
    pub scheme: String,
    pub enable_compression: bool,
    pub limits: Limits,
    /// Most buckets of a native histogram; 0: no limit.
    pub native_histogram_bucket_limit: u64,
    /// Least growth factor of a native histogram; 0: any.
    pub native_histogram_min_bucket_factor: f64,
    pub metric_name_validation_scheme: NameScheme,
    pub metric_name_escaping_scheme: Escaping,
    pub extra_scrape_metrics: bool,
    pub http: HttpClientConfig,
    pub relabel_configs: Vec<Rule>,
    pub metric_relabel_configs: Vec<Rule>,
}

impl ScrapeConfig {
    /// Takes a job's fields out of its mapping and checks them; what is left are the discoveries. Problems are noted in `cx`,
    /// and the result then serves only to find more of them.
    pub fn read(map: &mut Mapping<'_>, cx: &mut Context, globals: &ScrapeGlobals) -> Self {
        let job_name: String = map.take_default(cx, "job_name");
        if job_name.is_empty() {
            map.problem(cx, "job_name", "job_name is empty");
        }
        let (scrape_interval, scrape_timeout) = times(map, cx, globals, &job_name);
        let native: bool = map
            .take::<Option<bool>>(cx, "scrape_native_histograms")
            .flatten()
            .unwrap_or(globals.scrape_native_histograms);
        let scrape_protocols = protocols(map, cx, globals, native, &job_name);
        let fallback = map.take::<String>(cx, "fallback_scrape_protocol").filter(|f| !f.is_empty());
        let fallback_scrape_protocol = fallback.and_then(|name| {
            name.parse().map_err(|err| {
                let reason = format!(
                    "invalid fallback_scrape_protocol for scrape config with job name {job_name:?}: {err}"
                );
                map.problem(cx, "fallback_scrape_protocol", reason);
            }).ok()
        });
        let (scheme_of_names, escaping) = name_schemes(map, cx, globals);
        let http = HttpClientConfig::read(map, cx, HttpClientConfig::default());
        let config = Self {
            honor_labels: map.take_or(cx, "honor_labels", false),
            honor_timestamps: map.take_or(cx, "honor_timestamps", true),
            track_timestamps_staleness: map.take_or(cx, "track_timestamps_staleness", false),
            params: map.take_default(cx, "params"),
            scrape_interval,
            scrape_timeout,
            scrape_protocols,
            fallback_scrape_protocol,
            scrape_native_histograms: native,
            always_scrape_classic_histograms: map
                .take::<Option<bool>>(cx, "always_scrape_classic_histograms")
                .flatten()
                .unwrap_or(globals.always_scrape_classic_histograms),
            convert_classic_histograms_to_nhcb: map
                .take::<Option<bool>>(cx, "convert_classic_histograms_to_nhcb")
                .flatten()
                .unwrap_or(globals.convert_classic_histograms_to_nhcb),
            scrape_failure_log_file: map.take_default(cx, "scrape_failure_log_file"),
            metrics_path: map.take_or(cx, "metrics_path", "/metrics".to_owned()),
            scheme: map.take_or(cx, "scheme", "http".to_owned()),
            enable_compression: map.take_or(cx, "enable_compression", true),
            limits: Limits::read(map, cx).or(&globals.limits),
            native_histogram_bucket_limit: map.take_default(cx, "native_histogram_bucket_limit"),
            native_histogram_min_bucket_factor: map
                .take_default(cx, "native_histogram_min_bucket_factor"),
            metric_name_validation_scheme: scheme_of_names,
            metric_name_escaping_scheme: escaping,
            extra_scrape_metrics: map
                .take::<Option<bool>>(cx, "extra_scrape_metrics")
                .flatten()
                .unwrap_or(globals.extra_scrape_metrics),
            http,
            relabel_configs: Rule::read_list(
                map,
                cx,
                "relabel_configs",
                scheme_of_names,
                "empty or null target relabeling rule in scrape config",
            ),
            metric_relabel_configs: Rule::read_list(
                map,
                cx,
                "metric_relabel_configs",
                scheme_of_names,
                "empty or null metric relabeling rule in scrape config",
            ),
            job_name,
        };
        Self {
            scrape_failure_log_file: if config.scrape_failure_log_file.is_empty() {
                globals.scrape_failure_log_file.clone()
            } else {
                config.scrape_failure_log_file.clone()
            },
            ..config
        }
    }

    /// Joins relative file names to the configuration's folder.
    pub fn set_directory(&mut self, dir: &str) {
        self.http.set_directory(dir);
        join_dir(dir, &mut self.scrape_failure_log_file);
    }

    /// Prints the fields in upstream's order.
    pub fn write(&self, map: &mut MapBuilder) {
        let body = self.limits.body_size_limit;
        map.put("job_name", &self.job_name)
            .put_nonzero("honor_labels", self.honor_labels)
            .put("honor_timestamps", self.honor_timestamps)
            .put("track_timestamps_staleness", self.track_timestamps_staleness)
            .put_nonzero("params", &self.params)
            .put("scrape_interval", self.scrape_interval)
            .put("scrape_timeout", self.scrape_timeout)
            .put("scrape_protocols", &self.scrape_protocols)
            .put_some("fallback_scrape_protocol", self.fallback_scrape_protocol)
            .put("scrape_native_histograms", self.scrape_native_histograms)
            .put("always_scrape_classic_histograms", self.always_scrape_classic_histograms)
            .put("convert_classic_histograms_to_nhcb", self.convert_classic_histograms_to_nhcb)
            .put_nonzero("scrape_failure_log_file", &self.scrape_failure_log_file)
            .put_nonzero("metrics_path", &self.metrics_path)
            .put_nonzero("scheme", &self.scheme)
            .put("enable_compression", self.enable_compression)
            .put_some("body_size_limit", (body != ByteSize(0)).then_some(body))
            .put_nonzero("sample_limit", self.limits.sample_limit)
            .put_nonzero("target_limit", self.limits.target_limit)
            .put_nonzero("label_limit", self.limits.label_limit)
            .put_nonzero("label_name_length_limit", self.limits.label_name_length_limit)
            .put_nonzero("label_value_length_limit", self.limits.label_value_length_limit)
            .put_nonzero("native_histogram_bucket_limit", self.native_histogram_bucket_limit)
            .put_nonzero(
                "native_histogram_min_bucket_factor",
                self.native_histogram_min_bucket_factor,
            )
            .put_nonzero("keep_dropped_targets", self.limits.keep_dropped_targets)
            .put("metric_name_validation_scheme", self.metric_name_validation_scheme)
            .put("metric_name_escaping_scheme", self.metric_name_escaping_scheme.as_str())
            .put("extra_scrape_metrics", self.extra_scrape_metrics)
            .inline(&self.http)
            .put_nonzero("relabel_configs", &self.relabel_configs)
            .put_nonzero("metric_relabel_configs", &self.metric_relabel_configs);
    }
}

fn times(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    globals: &ScrapeGlobals,
    job: &str,
) -> (Duration, Duration) {
    let mut interval: Duration = map.take_default(cx, "scrape_interval");
    if interval.is_zero() {
        interval = globals.scrape_interval;
    }
    let mut timeout: Duration = map.take_default(cx, "scrape_timeout");
    if timeout > interval {
        let reason = format!(
            "scrape timeout greater than scrape interval for scrape config with job name {job:?}"
        );
        map.problem(cx, "scrape_timeout", reason);
    }
    if timeout.is_zero() {
        timeout = globals.scrape_timeout.min(interval);
    }
    (interval, timeout)
}

fn protocols(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    globals: &ScrapeGlobals,
    native: bool,
    job: &str,
) -> Vec<ScrapeProtocol> {
    let given = read_protocols(map, cx, &format!("for scrape config with job name {job:?}"));
    match (given, &globals.scrape_protocols) {
        (Some(given), _) => given,
        (None, Some(global)) => global.clone(),
        (None, None) if native => PROTO_FIRST_PROTOCOLS.to_vec(),
        (None, None) => DEFAULT_PROTOCOLS.to_vec(),
    }
}

/// Validation and escaping of names: the job's own, else the global's, else what follows from the validation.
fn name_schemes(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    globals: &ScrapeGlobals,
) -> (NameScheme, Escaping) {
    let own: Option<NameScheme> =
        map.take::<Option<NameScheme>>(cx, "metric_name_validation_scheme").flatten();
    let scheme = own.unwrap_or(globals.metric_name_validation_scheme);
    let default_of = |scheme| match scheme {
        NameScheme::Legacy => Escaping::Underscores,
        NameScheme::Utf8 => Escaping::AllowUtf8,
    };
    let key = "metric_name_escaping_scheme";
    let name = map.take::<String>(cx, key).filter(|name| !name.is_empty());
    let escaping = match name {
        Some(name) => match name.parse() {
            Ok(escaping) => escaping,
            Err(()) => {
                let reason = globals::unknown_escaping("scrape config", &name);
                map.problem(cx, key, reason);
                return (scheme, default_of(scheme));
            }
        },
        None if own.is_none() => {
            let global = globals.metric_name_escaping_scheme;
            global.unwrap_or(default_of(globals.metric_name_validation_scheme))
        }
        None => default_of(scheme),
    };
    if escaping == Escaping::AllowUtf8 && scheme != NameScheme::Utf8 {
        let reason = "utf8 metric names requested but validation scheme is not set to UTF8";
        map.problem(cx, key, reason);
    }
    (scheme, escaping)
}

impl ToYaml for ScrapeConfig {
    fn to_yaml(&self) -> gauntlet_yaml::Value {
        let mut map = MapBuilder::new();
        self.write(&mut map);
        map.build()
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    //! Jobs for tests, read as configuration files are.

    use gauntlet_yaml::{Context, Dialect, Document, Mapping};

    use super::{ScrapeConfig, ScrapeGlobals};

    /// A job with nothing but its name.
    pub(crate) fn config(job: &str) -> ScrapeConfig {
        parse(&format!("job_name: {job}\n"))
    }

    pub(crate) fn parse(text: &str) -> ScrapeConfig {
        let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
        let mut cx = Context::new();
        let mut map = Mapping::read(document.root().unwrap(), "config.plain", &mut cx).unwrap();
        let config = ScrapeConfig::read(&mut map, &mut cx, &ScrapeGlobals::default());
        assert!(map.finish(&mut cx) && cx.is_empty(), "{text}");
        config
    }
}
