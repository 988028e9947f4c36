//! The whole scrape: run the wanted collectors, put their text together, remember how each fared.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::collector::{Collector, Kind};
use crate::collectors;
use crate::config::{Filter, NodeConfig};
use crate::env::Env;
use crate::error::{ConfigError, Failure, FilterError};
use crate::exposition::{Exposition, render};
use crate::pool::{Fate, Pool};

/// How one collector's last run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not run yet.
    Pending,
    Success,
    /// The host has no such source.
    NoData(String),
    Failed(String),
}

/// One row of the landing page.
#[derive(Clone, Debug)]
pub struct CollectorStatus {
    pub name: &'static str,
    pub enabled: bool,
    pub outcome: Outcome,
    /// Of the last finished run.
    pub duration: Duration,
    /// Samples in the last finished run.
    pub samples: usize,
    pub reads: &'static str,
    pub families: &'static str,
}

/// A host's metrics. Cheap to share; scrapes at the same time wait for each other.
#[derive(Debug)]
pub struct NodeExporter {
    slots: Arc<[Slot]>,
    pool: Pool,
    deadline: Duration,
    /// Held for one scrape: its result buffer for the exporter's own families.
    scrape: Mutex<Exposition>,
}

/// One enabled collector: its working half belongs to whichever thread runs it, the published half is swapped in at the end.
struct Slot {
    name: &'static str,
    row: usize,
    work: Mutex<Work>,
    published: Mutex<Published>,
}

struct Work {
    collector: Box<dyn Collector>,
    env: Env,
    out: Exposition,
}

struct Published {
    out: Exposition,
    outcome: Outcome,
    duration: Duration,
    /// The deadline was missed and that has been logged.
    overdue: bool,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).finish_non_exhaustive()
    }
}

impl NodeExporter {
    /// Builds every enabled collector. Errs on flags that contradict each other, bad patterns, and collectors that this build
    /// refuses.
    pub fn new(config: NodeConfig) -> Result<NodeExporter, ConfigError> {
        let mut collectors = Vec::new();
        for (row, info) in collectors::all().iter().enumerate() {
            if config.enabled[row] {
                collectors.push((row, (info.make)(&config.settings)?));
            }
        }
        Ok(NodeExporter::of(&config, collectors))
    }

    /// Collectors with their rows in the table.
    fn of(config: &NodeConfig, collectors: Vec<(usize, Box<dyn Collector>)>) -> NodeExporter {
        let paths = Arc::new(config.paths.clone());
        let slot = |(row, collector)| {
            let env = Env::new(Arc::clone(&paths));
            let work = Work { collector, env, out: Exposition::new() };
            let published = Published {
                out: Exposition::new(),
                outcome: Outcome::Pending,
                duration: Duration::ZERO,
                overdue: false,
            };
            let (work, published) = (Mutex::new(work), Mutex::new(published));
            let row: usize = row;
            Slot { name: collectors::all()[row].name, row, work, published }
        };
        let slots: Arc<[Slot]> = collectors.into_iter().map(slot).collect();
        let for_pool = Arc::clone(&slots);
        let pool = Pool::new(slots.len(), config.max_workers, move |job| for_pool[job].run());
        NodeExporter {
            slots,
            pool,
            deadline: config.collector_deadline,
            scrape: Mutex::new(Exposition::new()),
        }
    }

    /// Names of the enabled collectors, sorted.
    pub fn enabled(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.slots.iter().map(|s| s.name).collect();
        names.sort_unstable();
        names
    }

    /// One scrape: appends the document to `out`. Blocks up to the collectors' deadline (and for a scrape already under way);
    /// to be called where blocking is allowed.
    pub fn collect(&self, filter: &Filter, out: &mut Vec<u8>) -> Result<(), FilterError> {
        self.collect_with(filter, |_| {}, out)
    }

    /// Like [`NodeExporter::collect`], with families of the caller (build info, process metrics) sorted in among the others.
    pub fn collect_with(
        &self,
        filter: &Filter,
        extra: impl FnOnce(&mut Exposition),
        out: &mut Vec<u8>,
    ) -> Result<(), FilterError> {
        let jobs = self.wanted(filter)?;
        let mut own = self.scrape.lock();
        let fates = self.pool.run_batch(&jobs, self.deadline);
        own.begin();
        let duration = own.family(
            "node_scrape_collector_duration_seconds",
            "node_exporter: Duration of a collector scrape.",
            Kind::Gauge,
        );
        let success = own.family(
            "node_scrape_collector_success",
            "node_exporter: Whether a collector succeeded.",
            Kind::Gauge,
        );
        let mut published: Vec<_> =
            jobs.iter().map(|&job| self.slots[job].published.lock()).collect();
        for ((&job, fate), slot) in jobs.iter().zip(&fates).zip(&mut published) {
            let name = self.slots[job].name;
            let ok = self.settle(name, *fate, slot);
            own.put(duration, &[("collector", name)], slot.duration.as_secs_f64());
            own.put(success, &[("collector", name)], f64::from(u8::from(ok)));
        }
        extra(&mut own);
        own.finish();
        let mut parts: Vec<&Exposition> = Vec::with_capacity(published.len() + 1);
        parts.push(&own);
        parts.extend(published.iter().map(|p| &p.out));
        render(&parts, out);
        Ok(())
    }

    /// Notes (and logs once) a missed deadline; says whether the collector counts as successful.
    fn settle(&self, name: &'static str, fate: Fate, slot: &mut Published) -> bool {
        let reason = match fate {
            Fate::Done => {
                slot.overdue = false;
                return slot.outcome == Outcome::Success;
            }
            Fate::Stuck => "still running past its deadline; showing its last values",
            Fate::NotStarted => "no thread was free before the deadline; showing its last values",
        };
        if !slot.overdue {
            slot.overdue = true;
            tracing::warn!(collector = name, reason, "collector missed its deadline");
        }
        slot.outcome = Outcome::Failed(reason.to_owned());
        slot.duration = self.deadline;
        false
    }

    fn wanted(&self, filter: &Filter) -> Result<Vec<usize>, FilterError> {
        match filter {
            Filter::All => Ok((0..self.slots.len()).collect()),
            Filter::Except(names) => Ok((0..self.slots.len())
                .filter(|&i| !names.iter().any(|n| n == self.slots[i].name))
                .collect()),
            Filter::Only(names) => {
                let mut jobs = Vec::with_capacity(names.len());
                for name in names {
                    match self.slots.iter().position(|s| s.name == name) {
                        Some(job) => jobs.push(job),
                        None if collectors::all().iter().any(|i| i.name == name) => {
                            return Err(FilterError::Disabled(name.clone()));
                        }
                        None => return Err(FilterError::Missing(name.clone())),
                    }
                }
                jobs.sort_unstable();
                jobs.dedup();
                Ok(jobs)
            }
        }
    }

    /// Every collector, enabled or not, with how its last run went.
    pub fn status(&self) -> Vec<CollectorStatus> {
        let mut rows: Vec<CollectorStatus> = collectors::all()
            .iter()
            .map(|info| CollectorStatus {
                name: info.name,
                enabled: false,
                outcome: Outcome::Pending,
                duration: Duration::ZERO,
                samples: 0,
                reads: info.reads,
                families: info.families,
            })
            .collect();
        for slot in self.slots.iter() {
            let published = slot.published.lock();
            let row = &mut rows[slot.row];
            row.enabled = true;
            row.outcome = published.outcome.clone();
            row.duration = published.duration;
            row.samples = published.out.sample_count();
        }
        rows
    }
}

impl Slot {
    /// One run on a pool thread. A panic in a collector counts as its failure.
    fn run(&self) {
        let mut work = self.work.lock();
        let Work { collector, env, out } = &mut *work;
        let begin = monotonic();
        out.begin();
        env.begin();
        let result = catch_unwind(AssertUnwindSafe(|| collector.update(env, out)))
            .unwrap_or_else(|_| Err(Failure::Other("BUG: the collector panicked".to_owned())));
        out.finish();
        let duration = monotonic().saturating_sub(begin);
        let failure = result.err().or_else(|| out.take_problem());
        let mut published = self.published.lock();
        std::mem::swap(out, &mut published.out);
        published.duration = duration;
        let outcome = match failure {
            None => Outcome::Success,
            Some(Failure::NoData(reason)) => Outcome::NoData(reason),
            Some(failure) => Outcome::Failed(failure.to_string()),
        };
        if outcome != published.outcome {
            log_change(self.name, &outcome);
        }
        published.outcome = outcome;
    }
}

/// A change is logged once, not every scrape.
fn log_change(collector: &'static str, outcome: &Outcome) {
    match outcome {
        Outcome::Failed(reason) => tracing::error!(collector, %reason, "collector failed"),
        Outcome::NoData(reason) => tracing::debug!(collector, %reason, "collector has no data"),
        Outcome::Success => tracing::debug!(collector, "collector succeeds"),
        Outcome::Pending => {}
    }
}

/// Time since boot, for durations.
pub(crate) fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Shows how often it ran; waits for a message from the second run on.
    struct Slow {
        runs: u32,
        gate: mpsc::Receiver<()>,
    }

    impl Collector for Slow {
        fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
            self.runs += 1;
            if self.runs > 1 {
                let _ = self.gate.recv();
            }
            out.gauge("slow_runs", "", &[], f64::from(self.runs));
            Ok(())
        }
    }

    struct Panicking;

    impl Collector for Panicking {
        fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
            out.gauge("before_the_panic", "", &[], 1.0);
            panic!("on purpose");
        }
    }

    fn text(exporter: &NodeExporter) -> String {
        let mut out = Vec::new();
        exporter.collect(&Filter::All, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn config() -> NodeConfig {
        let mut config = NodeConfig::from_flags(&|_| Vec::new()).unwrap();
        config.collector_deadline = Duration::from_millis(300);
        config
    }

    #[test]
    fn a_stuck_collector_shows_its_last_values_with_a_reason() {
        let (open, gate) = mpsc::channel();
        let exporter = NodeExporter::of(&config(), vec![(0, Box::new(Slow { runs: 0, gate }))]);
        let name = collectors::all()[0].name;
        let success = |n: u32| format!("collector_success{{collector=\"{name}\"}} {n}\n");
        let first = text(&exporter);
        assert!(first.contains("slow_runs 1\n") && first.contains(&success(1)), "{first}");
        let stuck = text(&exporter);
        assert!(stuck.contains("slow_runs 1\n") && stuck.contains(&success(0)), "{stuck}");
        let reason = exporter.status()[0].outcome.clone();
        assert!(matches!(reason, Outcome::Failed(r) if r.contains("still running")));
        drop(open); // it returns now, and every later run does at once
        let mut later = text(&exporter);
        while !later.contains(&success(1)) {
            std::thread::yield_now();
            later = text(&exporter);
        }
        assert!(!later.contains("slow_runs 1\n"), "{later}");
    }

    #[test]
    fn a_panic_is_a_failure_of_that_collector_alone() {
        let (open, gate) = mpsc::channel();
        drop(open);
        let collectors: Vec<(usize, Box<dyn Collector>)> =
            vec![(0, Box::new(Panicking)), (1, Box::new(Slow { runs: 0, gate }))];
        let exporter = NodeExporter::of(&config(), collectors);
        for _ in 0..2 {
            let text = text(&exporter);
            assert!(text.contains("before_the_panic 1\n") && text.contains("slow_runs "), "{text}");
        }
        assert!(
            matches!(&exporter.status()[0].outcome, Outcome::Failed(r) if r.contains("panicked"))
        );
    }
}
