//! A target: what was discovered, what relabelling made of it, and how its last scrape went. Source: upstream `scrape/target.go`.

use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::TargetGroup;
use gauntlet_model::duration;
use gauntlet_model::labels::{Labels, LabelsBuilder};
use gauntlet_model::relabel::{self, Scratch};
use parking_lot::Mutex;

use crate::config::ScrapeConfig;
use crate::error::ScrapeError;
use crate::metadata::MetadataCache;
use crate::recent::{Recent, Scrape};
use crate::url::target_url;

pub(crate) const ADDRESS: &str = "__address__";
pub(crate) const SCHEME: &str = "__scheme__";
pub(crate) const METRICS_PATH: &str = "__metrics_path__";
pub(crate) const INTERVAL: &str = "__scrape_interval__";
pub(crate) const TIMEOUT: &str = "__scrape_timeout__";
pub(crate) const PARAM_PREFIX: &str = "__param_";
pub(crate) const UNIX_SOCKET: &str = "__unix_socket__";
pub(crate) const NHCB: &str = "__convert_classic_histograms_to_nhcb__";
pub(crate) const CLASSIC: &str = "__always_scrape_classic_histograms__";
pub(crate) const NATIVE: &str = "__scrape_native_histograms__";
const META_PREFIX: &str = "__meta_";
const RESERVED_PREFIX: &str = "__";
const INSTANCE: &str = "instance";
const JOB: &str = "job";

/// How the last scrape went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Unknown,
    Up,
    Down,
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The last scrape of a target.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub health: Health,
    pub error: Option<ScrapeError>,
    /// When it began, in milliseconds since the epoch; 0 before the first.
    pub started_ms: i64,
    pub took: Duration,
    /// How much later than planned it began.
    pub lateness: Duration,
    pub samples: usize,
    pub samples_kept: usize,
    pub body_bytes: usize,
}

/// A target that is scraped.
#[derive(Debug)]
pub struct Target {
    /// After relabelling, with the `__` labels that steer the scrape.
    all_labels: Labels,
    /// What every sample gets.
    labels: Labels,
    url: String,
    hash: u64,
    pub interval: Duration,
    pub timeout: Duration,
    /// Labels before relabelling, as last discovered.
    discovered: Mutex<Labels>,
    report: Mutex<Report>,
    recent: Mutex<Recent>,
    pub(crate) metadata: Arc<Mutex<MetadataCache>>,
}

/// What became of a discovered target.
#[derive(Debug)]
pub(crate) enum Outcome {
    Keep(Box<Target>),
    /// By the relabel rule of this index.
    Drop {
        discovered: Labels,
        rule: Option<usize>,
    },
}

impl Target {
    /// Relabels a discovered target and checks what comes out. `Err` is upstream's text.
    pub(crate) fn discover(
        config: &ScrapeConfig,
        group: &TargetGroup,
        own: &Labels,
        scratch: &mut Scratch,
    ) -> Result<Outcome, String> {
        let mut labels = discovered_labels(config, group, own);
        let discovered = labels.build();
        if let Err(rule) = relabel::process(&mut labels, &config.relabel_configs, scratch) {
            return Ok(Outcome::Drop { discovered, rule: Some(rule) });
        }
        let address = labels.value(ADDRESS).to_owned();
        if address.is_empty() && labels.value(UNIX_SOCKET).is_empty() {
            return Err("no address".into());
        }
        if address.contains('/') {
            return Err(format!("{address:?} is not a valid hostname"));
        }
        let interval = time_label(&labels, INTERVAL, "interval")?;
        let timeout = time_label(&labels, TIMEOUT, "timeout")?;
        if timeout > interval {
            return Err(format!(
                "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
                labels.value(TIMEOUT),
                labels.value(INTERVAL)
            ));
        }
        for (name, what) in [
            (NHCB, "convert classic histograms to nhcb"),
            (CLASSIC, "always scrape classic histograms"),
            (NATIVE, "scrape native histograms"),
        ] {
            let value = labels.value(name);
            if !value.is_empty() && parse_bool(value).is_none() {
                return Err(format!(
                    "error parsing {what}: strconv.ParseBool: parsing {value:?}: invalid syntax"
                ));
            }
        }
        labels.retain(|name, _| !name.starts_with(META_PREFIX));
        if labels.value(INSTANCE).is_empty() {
            labels.set(INSTANCE, &address);
        }
        let labels = labels.build();
        let public = Labels::from_sorted(
            labels.iter().filter(|(name, _)| !name.starts_with(RESERVED_PREFIX)),
        );
        if public.is_empty() {
            return Ok(Outcome::Drop { discovered, rule: None });
        }
        let url = target_url(&labels, &config.params);
        let mut hash = Fnv::new();
        hash.write(format!("{:016}", labels.hash()).as_bytes());
        hash.write(url.as_bytes());
        Ok(Outcome::Keep(Box::new(Self {
            hash: hash.0,
            labels: public,
            url,
            interval,
            timeout,
            all_labels: labels,
            discovered: Mutex::new(discovered),
            report: Mutex::default(),
            recent: Mutex::default(),
            metadata: Arc::default(),
        })))
    }

    /// Names the target: equal hashes are one target.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Labels that every sample gets.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Labels before relabelling.
    pub fn discovered(&self) -> Labels {
        self.discovered.lock().clone()
    }

    pub(crate) fn set_discovered(&self, labels: Labels) {
        *self.discovered.lock() = labels;
    }

    pub fn report(&self) -> Report {
        self.report.lock().clone()
    }

    /// The last scrapes, oldest first.
    pub fn recent(&self) -> Vec<Scrape> {
        self.recent.lock().list()
    }

    pub(crate) fn set_report(&self, report: Report) {
        self.recent.lock().push(Scrape::from(&report));
        *self.report.lock() = report;
    }

    /// The interval and timeout as their labels spell them.
    pub fn interval_text(&self) -> &str {
        self.all_labels.value(INTERVAL)
    }

    pub fn timeout_text(&self) -> &str {
        self.all_labels.value(TIMEOUT)
    }

    /// The unix socket to connect to instead of the address.
    pub(crate) fn unix_socket(&self) -> Option<&str> {
        self.all_labels.get(UNIX_SOCKET)
    }

    /// A yes or no that relabelling may have changed for this target.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.all_labels.get(name).and_then(parse_bool).unwrap_or(default)
    }

    /// How long to wait for the first scrape, so that targets are spread over the interval and keep their place over restarts.
    pub(crate) fn offset(&self, now_ms: i64, seed: u64) -> Duration {
        let interval = self.interval.as_nanos() as u64;
        let now = (now_ms as u64).wrapping_mul(1_000_000);
        let base = interval - now % interval;
        let next = base + (self.hash ^ seed) % interval;
        Duration::from_nanos(if next > interval { next - interval } else { next })
    }
}

/// Labels of a discovered target before relabelling: its own, its group's, and what the job says.
fn discovered_labels(config: &ScrapeConfig, group: &TargetGroup, own: &Labels) -> LabelsBuilder {
    let mut labels = group.labels.to_builder();
    for (name, value) in own {
        labels.set(name, value);
    }
    let flag = |value: bool| if value { "true" } else { "false" };
    for (name, value) in [
        (JOB, config.job_name.as_str()),
        (INTERVAL, &config.scrape_interval.to_string()),
        (TIMEOUT, &config.scrape_timeout.to_string()),
        (METRICS_PATH, &config.metrics_path),
        (SCHEME, &config.scheme),
        (NHCB, flag(config.convert_classic_histograms_to_nhcb)),
        (CLASSIC, flag(config.always_scrape_classic_histograms)),
        (NATIVE, flag(config.scrape_native_histograms)),
    ] {
        if labels.value(name).is_empty() {
            labels.set(name, value);
        }
    }
    for (param, values) in &config.params {
        let name = format!("{PARAM_PREFIX}{param}");
        if let Some(first) = values.first()
            && labels.value(&name).is_empty()
        {
            labels.set(&name, first);
        }
    }
    labels
}

fn time_label(labels: &LabelsBuilder, name: &str, what: &str) -> Result<Duration, String> {
    let parsed: duration::Duration =
        labels.value(name).parse().map_err(|err| format!("error parsing scrape {what}: {err}"))?;
    if parsed.is_zero() {
        return Err(format!("scrape {what} cannot be 0"));
    }
    Ok(parsed.to_std())
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// 64-bit FNV-1a.
pub(crate) struct Fnv(pub(crate) u64);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
