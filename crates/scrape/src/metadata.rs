//! What a target says about its metrics: type, unit, help, per family name.

use gauntlet_model::{Metadata, MetricType};
use hashbrown::HashMap;

/// Scrapes that metadata outlives its family by.
const KEPT_SCRAPES: u64 = 10;

/// Metadata of one family of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricMetadata {
    pub metric: String,
    pub metadata: Metadata,
}

/// Metadata of one target, by family name.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    families: HashMap<String, Family, foldhash::fast::RandomState>,
}

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) metadata: Metadata,
    last_scrape: u64,
    pub(crate) changed_at: u64,
}

impl MetadataCache {
    /// The entry of a family, marked as seen in `scrape`; made if it is new.
    pub(crate) fn family(&mut self, name: &str, scrape: u64) -> &mut Family {
        let family = self.families.entry_ref(name).or_default();
        family.last_scrape = scrape;
        family
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Family> {
        self.families.get(name)
    }

    /// Forgets families that have not been seen for a while.
    pub(crate) fn evict(&mut self, scrape: u64) {
        self.families.retain(|_, family| scrape.saturating_sub(family.last_scrape) <= KEPT_SCRAPES);
    }

    pub(crate) fn len(&self) -> usize {
        self.families.len()
    }

    /// Bytes of text held, as the peer counts them.
    pub(crate) fn size_bytes(&self) -> usize {
        let size = |f: &Family| {
            f.metadata.help.len() + f.metadata.unit.len() + f.metadata.metric_type.as_str().len()
        };
        self.families.values().map(size).sum()
    }

    /// Everything, or one family, ascending by name.
    pub(crate) fn list(&self, metric: Option<&str>) -> Vec<MetricMetadata> {
        let mut out: Vec<_> = self
            .families
            .iter()
            .filter(|(name, _)| metric.is_none_or(|m| m == name.as_str()))
            .map(|(name, f)| MetricMetadata { metric: name.clone(), metadata: f.metadata.clone() })
            .collect();
        out.sort_by(|a, b| a.metric.cmp(&b.metric));
        out
    }
}

impl Family {
    pub(crate) fn set_type(&mut self, metric_type: MetricType, scrape: u64) {
        if self.metadata.metric_type != metric_type {
            self.metadata.metric_type = metric_type;
            self.changed_at = scrape;
        }
    }

    pub(crate) fn set_help(&mut self, help: &str, scrape: u64) {
        if self.metadata.help != help {
            self.metadata.help = help.to_owned();
            self.changed_at = scrape;
        }
    }

    pub(crate) fn set_unit(&mut self, unit: &str, scrape: u64) {
        if self.metadata.unit != unit {
            self.metadata.unit = unit.to_owned();
            self.changed_at = scrape;
        }
    }
}

/// Whether a series of this name belongs to the family, going by the suffixes that its type gives.
pub(crate) fn is_of_family(series: &str, family: &str, metric_type: MetricType) -> bool {
    let base = |suffixes: &[&str]| {
        suffixes.iter().find_map(|suffix| series.strip_suffix(suffix)).unwrap_or(series)
    };
    match metric_type {
        MetricType::Counter => base(&["_total"]) == family.strip_suffix("_total").unwrap_or(family),
        MetricType::Histogram => base(&["_bucket", "_sum", "_count"]) == family,
        MetricType::GaugeHistogram => base(&["_bucket", "_gsum", "_gcount"]) == family,
        MetricType::Summary => base(&["_sum", "_count"]) == family,
        MetricType::Info => base(&["_info"]) == family.strip_suffix("_info").unwrap_or(family),
        _ => series == family,
    }
}
