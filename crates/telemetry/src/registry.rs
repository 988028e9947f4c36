//! The registry: what a role's `/metrics` shows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::family::{Metric, MetricFamily, MetricKind, MetricValue};
use crate::metric::{Counter, Gauge, Histogram, Instrument};
use crate::summary::Summary;

/// Something that gives metric families when asked, computed then.
pub trait Collect: Send + Sync {
    fn collect(&self, out: &mut Vec<MetricFamily>);
}

/// A set of metrics. Cheap to clone; clones are the same set.
#[derive(Clone, Default)]
pub struct Registry {
    collectors: Arc<Mutex<Vec<Arc<dyn Collect>>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("collectors", &self.collectors.lock().len()).finish()
    }
}

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn register(&self, collector: Arc<dyn Collect>) {
        self.collectors.lock().push(collector);
    }

    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.single(name, help, Counter::default())
    }

    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.single(name, help, Gauge::default())
    }

    pub fn histogram(&self, name: &'static str, help: &'static str, bounds: &[f64]) -> Histogram {
        self.single(name, help, Histogram::new(bounds))
    }

    pub fn summary(&self, name: &'static str, help: &'static str, quantiles: &[f64]) -> Summary {
        self.single(name, help, Summary::new(quantiles))
    }

    /// A gauge whose value is computed when it is read.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register(Arc::new(Computed {
            name,
            help,
            value: move || MetricValue::Gauge(value()),
        }));
    }

    /// A counter whose value is computed when it is read.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register(Arc::new(Computed {
            name,
            help,
            value: move || MetricValue::Counter(value()),
        }));
    }

    pub fn counter_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family<Counter> {
        self.family(name, help, labels, MetricKind::Counter, Counter::default)
    }

    pub fn gauge_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Family<Gauge> {
        self.family(name, help, labels, MetricKind::Gauge, Gauge::default)
    }

    pub fn histogram_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
    ) -> Family<Histogram> {
        self.family(name, help, labels, MetricKind::Histogram, move || Histogram::new(bounds))
    }

    pub fn summary_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        quantiles: &'static [f64],
    ) -> Family<Summary> {
        self.family(name, help, labels, MetricKind::Summary, move || Summary::new(quantiles))
    }

    /// All families, ascending by name, metrics ascending by labels. Families of one name from several collectors are joined.
    pub fn gather(&self) -> Vec<MetricFamily> {
        let collectors: Vec<_> = self.collectors.lock().clone();
        let mut all = Vec::with_capacity(collectors.len());
        for collector in collectors {
            collector.collect(&mut all);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let mut joined: Vec<MetricFamily> = Vec::with_capacity(all.len());
        for family in all {
            match joined.last_mut() {
                Some(last) if last.name == family.name => last.metrics.extend(family.metrics),
                _ => joined.push(family),
            }
        }
        for family in &mut joined {
            family.metrics.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        joined
    }

    fn single<I: Instrument>(&self, name: &'static str, help: &'static str, instrument: I) -> I {
        let handle = instrument.clone();
        self.register(Arc::new(Computed { name, help, value: move || handle.value() }));
        instrument
    }

    fn family<I: Instrument>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        kind: MetricKind,
        make: impl Fn() -> I + Send + Sync + 'static,
    ) -> Family<I> {
        let inner = FamilyInner {
            name,
            help,
            labels,
            kind,
            make: Box::new(make),
            children: RwLock::default(),
        };
        let family = Family { inner: Arc::new(inner) };
        self.register(Arc::new(family.clone()));
        family
    }
}

struct Computed<F> {
    name: &'static str,
    help: &'static str,
    value: F,
}

impl<F: Fn() -> MetricValue + Send + Sync> Collect for Computed<F> {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        out.push(MetricFamily::single(self.name, self.help, (self.value)()));
    }
}

/// Metrics of one name told apart by label values. Callers on hot paths keep the handle that [`Family::with`] gives.
pub struct Family<I> {
    inner: Arc<FamilyInner<I>>,
}

struct FamilyInner<I> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: MetricKind,
    make: Box<dyn Fn() -> I + Send + Sync>,
    children: RwLock<BTreeMap<Vec<String>, I>>,
}

impl<I> Clone for Family<I> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<I> fmt::Debug for Family<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<I: Instrument> Family<I> {
    /// The metric with these label values, made on first use; one value per label name, in their order.
    pub fn with(&self, values: &[&str]) -> I {
        assert_eq!(values.len(), self.inner.labels.len(), "BUG: {} label values", self.inner.name);
        let key: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        if let Some(child) = self.inner.children.read().get(&key) {
            return child.clone();
        }
        self.inner.children.write().entry(key).or_insert_with(|| (self.inner.make)()).clone()
    }

    /// Forgets the metric with these label values.
    pub fn remove(&self, values: &[&str]) {
        let key: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        self.inner.children.write().remove(&key);
    }

    /// Forgets the metrics for whose label values `keep` says no.
    pub fn retain(&self, mut keep: impl FnMut(&[String]) -> bool) {
        self.inner.children.write().retain(|key, _| keep(key));
    }
}

impl<I: Instrument> Collect for Family<I> {
    fn collect(&self, out: &mut Vec<MetricFamily>) {
        let children = self.inner.children.read();
        if children.is_empty() {
            return;
        }
        let metrics = children
            .iter()
            .map(|(values, child)| {
                let mut labels: Vec<(Cow<'static, str>, String)> = self
                    .inner
                    .labels
                    .iter()
                    .zip(values)
                    .map(|(name, value)| (Cow::Borrowed(*name), value.clone()))
                    .collect();
                labels.sort();
                Metric { labels, value: child.value() }
            })
            .collect();
        out.push(MetricFamily {
            name: self.inner.name.into(),
            help: self.inner.help.into(),
            kind: self.inner.kind,
            metrics,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_sorts_families_and_metrics() {
        let registry = Registry::new();
        registry.gauge("b", "help of b").set(1.5);
        let family = registry.counter_vec("a_total", "help of a", &["z", "code"]);
        family.with(&["1", "500"]).inc();
        family.with(&["1", "200"]).add(3);
        let all = registry.gather();
        assert_eq!(all.iter().map(|f| f.name.as_ref()).collect::<Vec<_>>(), ["a_total", "b"]);
        assert_eq!(
            all[0].metrics[0].labels,
            [("code".into(), "200".into()), ("z".into(), "1".into())]
        );
        assert_eq!(all[0].metrics[0].value, MetricValue::Counter(3.0));
    }

    #[test]
    fn histogram_buckets_are_cumulative_and_take_their_bound_in() {
        let registry = Registry::new();
        let histogram = registry.histogram("h", "", &[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 9.0] {
            histogram.observe(value);
        }
        let expected =
            MetricValue::Histogram { buckets: vec![(1.0, 2), (2.0, 3)], sum: 12.0, count: 4 };
        assert_eq!(registry.gather()[0].metrics[0].value, expected);
    }
}
