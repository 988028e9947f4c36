//! One target's loop: wait for its moment, fetch, append, report; in the end, stale markers.
//!
//! Wall time comes from the clock seam, waiting is tokio's. A scrape under way is cut off by the process's shutdown only, not by a
//! reload. Source: upstream `scrapeLoop`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gauntlet_net::BufferPool;
use gauntlet_runtime::{Clock, Shutdown};
use gauntlet_storage::{AppendOptions, Appendable};
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::{debug, error, warn};

use crate::config::ScrapeConfig;
use crate::error::ScrapeError;
use crate::failure_log::FailureLogs;
use crate::fetch::{Fetch, Fetched};
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::report::{SyntheticSeries, Values};
use crate::target::{Health, Report, Target};

/// How a loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The target is gone: stale markers follow once it is sure not to come back.
    Gone,
    /// Another loop goes on with the same series.
    HandOver,
}

/// What a loop and its pool share while it runs.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Fails every scrape before it begins.
    pub(crate) forced: Mutex<Option<ScrapeError>>,
    /// No stale markers at the end: another server took the target over.
    pub(crate) no_stale: AtomicBool,
}

/// A pool's end of a running loop.
#[derive(Debug)]
pub(crate) struct LoopHandle {
    pub(crate) target: Arc<Target>,
    pub(crate) control: Arc<Control>,
    stop: oneshot::Sender<Stop>,
    stopped: oneshot::Receiver<Option<Box<Carried>>>,
}

/// What outlives a loop when another takes over.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) ingest: Ingest,
    pub(crate) synthetic: SyntheticSeries,
}

impl LoopHandle {
    /// Tells the loop to end and waits until it scrapes no more. What it carried comes back after a hand-over.
    pub(crate) async fn stop(self, how: Stop) -> Option<Box<Carried>> {
        // A loop that ended by itself has dropped its ends.
        let _ = self.stop.send(how);
        self.stopped.await.ok().flatten()
    }
}

/// What loops of a process share.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) appendable: Arc<dyn Appendable>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
    /// Places targets in their intervals.
    pub(crate) offset_seed: u64,
    pub(crate) append_metadata: bool,
    /// Scrapes this little late are given the planned time, so that timestamps compress well; never more than 1 % of the interval.
    pub(crate) timestamp_tolerance: Duration,
    /// Bodies are read into these.
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) failures: Arc<FailureLogs>,
}

pub(crate) struct TargetLoop<F> {
    around: Surroundings,
    target: Arc<Target>,
    config: Arc<ScrapeConfig>,
    fetch: F,
    carried: Box<Carried>,
    control: Arc<Control>,
    /// When the scrape before this one began.
    last: Option<Instant>,
    interval_name: String,
}

impl<F: Fetch> TargetLoop<F> {
    pub(crate) fn new(
        around: Surroundings,
        target: Arc<Target>,
        config: Arc<ScrapeConfig>,
        fetch: F,
        carried: Box<Carried>,
    ) -> Self {
        let interval_name = gauntlet_model::duration::GoDuration::from_ns(
            i64::try_from(target.interval.as_nanos()).unwrap_or(i64::MAX),
        )
        .to_string();
        Self {
            around,
            target,
            config,
            fetch,
            carried,
            control: Arc::default(),
            last: None,
            interval_name,
        }
    }

    /// The pool's end and the future that is the loop.
    pub(crate) fn start(self) -> (LoopHandle, impl Future<Output = ()> + Send) {
        let (stop, stop_asked) = oneshot::channel();
        let (tell_stopped, stopped) = oneshot::channel();
        let handle = LoopHandle {
            target: Arc::clone(&self.target),
            control: Arc::clone(&self.control),
            stop,
            stopped,
        };
        (handle, self.run(stop_asked, tell_stopped))
    }

    async fn run(
        mut self,
        mut stop: oneshot::Receiver<Stop>,
        stopped: oneshot::Sender<Option<Box<Carried>>>,
    ) {
        let shutdown = self.around.shutdown.clone();
        let now_ms = self.around.clock.now_ms();
        let offset = self.target.offset(now_ms, self.around.offset_seed);
        let first = Instant::now() + offset;
        let mut ticker = tokio::time::interval_at(first, self.target.interval);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut plan = Plan::default();
        let how = loop {
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                how = &mut stop => break how.unwrap_or(Stop::HandOver),
                _ = ticker.tick() => {}
            }
            let now_ms = self.around.clock.now_ms();
            let tolerance = self.around.timestamp_tolerance;
            let (t, lateness) = plan.next(now_ms, self.target.interval, tolerance);
            // Boxed: what a scrape needs while it runs is several times what its target needs in between.
            let scrape = Box::pin(self.scrape(t, lateness));
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                () = scrape => {}
            }
        };
        if how == Stop::HandOver {
            // Nobody waiting any more is the pool's own end.
            let _ = stopped.send(Some(self.carried));
            return;
        }
        let _ = stopped.send(None);
        tokio::select! {
            biased;
            () = shutdown.wait() => {}
            () = Box::pin(self.end(ticker)) => {}
        }
    }

    /// One scrape and its report.
    async fn scrape(&mut self, t: i64, lateness: Duration) {
        let metrics = Arc::clone(&self.around.metrics);
        let started = Instant::now();
        let wall = self.around.clock.monotonic();
        if let Some(last) = self.last.replace(started) {
            let since = started.duration_since(last).as_secs_f64();
            metrics.interval_length.with(&[&self.interval_name]).observe(since);
            metrics.interval_length_histogram.with(&[&self.interval_name]).observe(since);
        }
        let forced = self.control.forced.lock().clone();
        let fetched = match forced {
            Some(err) => Err(err),
            None => self.fetch.fetch().await,
        };
        let stage = Storing {
            carried: &mut self.carried,
            around: &self.around,
            target: &self.target,
            config: &self.config,
            t,
            lateness,
            wall,
        };
        let large = fetched.as_ref().is_ok_and(|fetched| fetched.body.len() > LARGE_BODY);
        let threads = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        if large && threads {
            // Other tasks of this thread move to another one meanwhile.
            tokio::task::block_in_place(|| stage.store(fetched));
        } else {
            stage.store(fetched);
        }
        self.fetch.release();
    }

    /// Stale markers for a target that is gone, written once it would have been scraped twice more had it come back.
    async fn end(mut self, mut ticker: Interval) {
        if self.last.is_none() {
            return;
        }
        ticker.tick().await;
        let t = self.around.clock.now_ms();
        ticker.tick().await;
        tokio::time::sleep(self.target.interval / 10).await;
        if self.control.no_stale.load(Ordering::Relaxed) {
            return;
        }
        let Carried { ingest, synthetic } = &mut *self.carried;
        // Should the target be back under another loop, its samples are newer and the markers are not taken.
        let options = AppendOptions { discard_out_of_order: true, ..AppendOptions::default() };
        let mut app = self.around.appendable.appender(options);
        if let Err(err) = ingest.append_empty(&mut *app, t) {
            app.rollback();
            app = self.around.appendable.appender(options);
            warn!(component = "scrape", target = self.target.url(), %err, "stale markers were not written");
        }
        let ended = synthetic.append_stale(&mut *app, self.target.labels(), t);
        let ended = ended.and_then(|()| app.commit());
        if let Err(err) = ended {
            warn!(component = "scrape", target = self.target.url(), %err, "stale markers were not written");
        }
    }
}

/// Bodies larger than this many bytes are not parsed where other tasks wait for the thread.
const LARGE_BODY: usize = 512 << 10;

/// The part of a scrape after its body came: parse, append, report, commit.
struct Storing<'a> {
    carried: &'a mut Box<Carried>,
    around: &'a Surroundings,
    target: &'a Target,
    config: &'a ScrapeConfig,
    t: i64,
    lateness: Duration,
    /// When the scrape began, by the monotonic clock.
    wall: Duration,
}

impl Storing<'_> {
    fn store(self, fetched: Result<Fetched<'_>, ScrapeError>) {
        let Carried { ingest, synthetic } = &mut **self.carried;
        let metrics = &self.around.metrics;
        let appendable = &*self.around.appendable;
        let now_ms = self.around.clock.now_ms();
        let (body, content_type, mut failure) = match &fetched {
            Ok(fetched) => (fetched.body, fetched.content_type.as_str(), None),
            Err(err) => (&[][..], "", Some(err.clone())),
        };
        let mut app = appendable.appender(AppendOptions::default());
        let (counts, appended) = ingest.append(&mut *app, body, content_type, self.t, now_ms);
        if let Err(err) = appended {
            app.rollback();
            app = appendable.appender(AppendOptions::default());
            debug!(component = "scrape", target = self.target.url(), %err, "append failed");
            // What was there before is so no more.
            if let Err(err) = ingest.append_empty(&mut *app, self.t) {
                app.rollback();
                app = appendable.appender(AppendOptions::default());
                warn!(component = "scrape", target = self.target.url(), %err, "stale markers were not written");
            }
            failure.get_or_insert(err);
        }
        if let Some(err) = &failure {
            debug!(component = "scrape", target = self.target.url(), stage = err.stage(), %err, "scrape failed");
            let (job, path) = (&self.config.job_name, &self.config.scrape_failure_log_file);
            metrics.failures.with(&[job.as_str(), err.stage()]).inc();
            if !path.is_empty() {
                let url = self.target.url();
                self.around.failures.log(path, now_ms, job, url, &err.to_string());
            }
        }
        let body_bytes = body.len();
        let over_limit = failure.as_ref().is_some_and(ScrapeError::is_body_limit);
        if over_limit {
            metrics.exceeded_body_size.inc();
        }
        let took = self.around.clock.monotonic().saturating_sub(self.wall);
        let values = Values {
            up: failure.is_none(),
            duration_seconds: took.as_secs_f64(),
            scraped: counts.scraped,
            kept: counts.kept,
            added: counts.added,
            timeout_seconds: self.target.timeout.as_secs_f64(),
            sample_limit: self.config.limits.sample_limit,
            body_bytes: if over_limit { -1 } else { body_bytes as i64 },
        };
        self.target.set_report(Report {
            health: if failure.is_none() { Health::Up } else { Health::Down },
            error: failure,
            started_ms: self.t,
            took,
            lateness: self.lateness,
            samples: counts.scraped,
            samples_kept: counts.kept,
            body_bytes,
        });
        match synthetic.append(
            &mut *app,
            self.target.labels(),
            self.t,
            values,
            self.around.append_metadata,
        ) {
            Ok(()) => {
                if let Err(err) = app.commit() {
                    error!(component = "scrape", target = self.target.url(), %err, "scrape was not stored");
                }
            }
            Err(err) => {
                app.rollback();
                warn!(component = "scrape", target = self.target.url(), %err, "scrape report was not written");
            }
        }
        if self.config.extra_scrape_metrics {
            let total = self.around.clock.monotonic().saturating_sub(self.wall);
            metrics.duration.observe(total.as_secs_f64());
        }
    }
}

/// The planned times of scrapes: one interval apart from the first.
#[derive(Debug, Default)]
struct Plan {
    next_ms: Option<i64>,
}

impl Plan {
    /// The timestamp of a scrape that begins now, and how late it is.
    fn next(&mut self, now_ms: i64, interval: Duration, tolerance: Duration) -> (i64, Duration) {
        let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut planned = self.next_ms.unwrap_or(now_ms);
        if now_ms - planned >= step {
            planned += (now_ms - planned) / step * step;
        }
        self.next_ms = Some(planned);
        let late = Duration::from_millis(u64::try_from(now_ms - planned).unwrap_or(0));
        let tolerance = tolerance.min(interval / 100);
        let t = if late <= tolerance { planned } else { now_ms };
        (t, late)
    }
}
