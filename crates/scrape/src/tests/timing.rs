//! When things happen, in virtual time: offsets, timestamps, stale markers at the end, hand-overs, shutdown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_model::Labels;
use gauntlet_net::{ClientError, Stage};
use gauntlet_runtime::{Clock, Shutdown, ShutdownTrigger};
use gauntlet_telemetry::Registry;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::job;
use super::recorder::Recorder;
use crate::error::ScrapeError;
use crate::fetch::{Fetch, Fetched};
use crate::ingest::{Ingest, IngestOptions};
use crate::metrics::Metrics;
use crate::report::SyntheticSeries;
use crate::target::{Health, Outcome, Target};
use crate::target_loop::{Carried, LoopHandle, Stop, Surroundings, TargetLoop};
use gauntlet_model::TargetGroup;

/// Wall time that follows tokio's.
#[derive(Debug)]
struct VirtualClock {
    start: Instant,
}

/// Divisible by the interval, so that the offset is the hash's alone.
const EPOCH_MS: i64 = 1_700_000_000_000;

impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        EPOCH_MS + self.start.elapsed().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Bodies handed out one after the other; the last one again and again.
#[derive(Clone, Default)]
struct Script {
    bodies: Arc<Mutex<VecDeque<Result<&'static str, ScrapeError>>>>,
    takes: Duration,
}

impl Fetch for Script {
    async fn fetch(&mut self) -> Result<Fetched<'_>, ScrapeError> {
        tokio::time::sleep(self.takes).await;
        let mut bodies = self.bodies.lock();
        let next = if bodies.len() > 1 { bodies.pop_front() } else { bodies.front().cloned() };
        let body = next.unwrap_or(Ok(""))?;
        Ok(Fetched { body: body.as_bytes(), content_type: "text/plain".into() })
    }
}

struct World {
    recorder: Arc<Recorder>,
    around: Surroundings,
    trigger: ShutdownTrigger,
    target: Arc<Target>,
    config: Arc<crate::ScrapeConfig>,
    start: Instant,
}

impl World {
    fn new() -> Self {
        let config = job("scrape_interval: 10s\nscrape_timeout: 5s\n");
        let own = Labels::from_pairs([("__address__", "h:1")]);
        let made =
            Target::discover(&config, &TargetGroup::default(), &own, &mut Default::default());
        let Ok(Outcome::Keep(target)) = made else { panic!("no target") };
        let target: Arc<Target> = Arc::from(target);
        let recorder = Recorder::new();
        let (trigger, shutdown) = Shutdown::new();
        let start = Instant::now();
        let around = Surroundings {
            appendable: Arc::clone(&recorder) as _,
            clock: Arc::new(VirtualClock { start }),
            metrics: Arc::new(Metrics::new(&Registry::new())),
            shutdown,
            // The first scrape comes after two seconds.
            offset_seed: target.hash() ^ 2_000_000_000,
            append_metadata: false,
            timestamp_tolerance: Duration::from_millis(2),
            buffers: Arc::default(),
            failures: Arc::default(),
        };
        Self { recorder, around, trigger, target, config: Arc::new(config), start }
    }

    fn spawn(&self, bodies: &[Result<&'static str, ScrapeError>], takes: Duration) -> LoopHandle {
        let carried = Box::new(Carried {
            ingest: Ingest::new(
                Arc::clone(&self.target),
                Arc::clone(&self.config),
                IngestOptions::default(),
                Arc::clone(&self.around.metrics),
            ),
            synthetic: SyntheticSeries::new(false),
        });
        self.spawn_with(bodies, takes, carried)
    }

    fn spawn_with(
        &self,
        bodies: &[Result<&'static str, ScrapeError>],
        takes: Duration,
        carried: Box<Carried>,
    ) -> LoopHandle {
        let script =
            Script { bodies: Arc::new(Mutex::new(bodies.iter().cloned().collect())), takes };
        let (target, config) = (Arc::clone(&self.target), Arc::clone(&self.config));
        let looping = TargetLoop::new(self.around.clone(), target, config, script, carried);
        let (handle, run) = looping.start();
        // There are thousands of them, and nearly all wait.
        assert!(std::mem::size_of_val(&run) <= 1024, "{}", std::mem::size_of_val(&run));
        tokio::spawn(run);
        handle
    }

    /// Lets time pass until so many milliseconds after the start.
    async fn until(&self, ms: u64) {
        tokio::time::sleep_until(self.start + Duration::from_millis(ms)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    /// Samples since the last call: `name value` and seconds since the start.
    fn samples(&self) -> Vec<String> {
        let short = |line: String| {
            let (name, rest) = line.split_once('{').unwrap();
            let (_, rest) = rest.split_once("} ").unwrap();
            let (value, t) = rest.split_once('@').unwrap();
            let t: i64 = t.parse().unwrap();
            format!("{name} {value} {}", (t - EPOCH_MS) as f64 / 1000.0)
        };
        let all = self.recorder.take().into_iter().map(short);
        all.filter(|line| line.starts_with("a ") || line.starts_with("up ")).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn scrapes_begin_at_the_targets_offset_and_keep_their_step() {
    let world = World::new();
    let _running = world.spawn(&[Ok("a 1\n")], Duration::from_millis(300));
    world.until(1_999).await;
    assert!(world.samples().is_empty());
    world.until(23_000).await;
    // Timestamps are the planned ones, however long a scrape takes.
    assert_eq!(world.samples(), ["a 1 2", "up 1 2", "a 1 12", "up 1 12", "a 1 22", "up 1 22"]);
    let report = world.target.report();
    assert_eq!((report.health, report.samples), (Health::Up, 1));
    assert_eq!(report.took, Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_tick_missed_by_a_slow_scrape_fires_once_it_ends() {
    let world = World::new();
    let _running = world.spawn(&[Ok("a 1\n")], Duration::from_secs(13));
    world.until(55_000).await;
    // The ticks at 12 and 22 come late; late scrapes have their true time.
    assert_eq!(
        world.samples(),
        ["a 1 2", "up 1 2", "a 1 15", "up 1 15", "a 1 28", "up 1 28", "a 1 41", "up 1 41"]
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_leave_stale_markers() {
    let world = World::new();
    let refused = ScrapeError::from(ClientError::new(Stage::Connect, "connection refused"));
    let _running =
        world.spawn(&[Ok("a 1\n"), Err(refused), Ok("a 2\n"), Ok("broken{")], Duration::ZERO);
    world.until(13_000).await;
    assert_eq!(world.samples(), ["a 1 2", "up 1 2", "a STALE 12", "up 0 12"]);
    let report = world.target.report();
    assert_eq!(report.health, Health::Down);
    assert_eq!(report.error.as_ref().map(ScrapeError::stage), Some("connect"));
    world.until(33_000).await;
    assert_eq!(world.samples(), ["a 2 22", "up 1 22", "a STALE 32", "up 0 32"]);
    assert_eq!(world.target.report().error.map(|err| err.stage()), Some("parse"));
    let failures = |stage| world.around.metrics.failures.with(&["j", stage]).get();
    assert_eq!([failures("connect"), failures("parse"), failures("limit")], [1.0, 1.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_goes_is_stale_two_intervals_later() {
    let world = World::new();
    let running = world.spawn(&[Ok("a 1\n")], Duration::ZERO);
    world.until(15_000).await;
    world.samples();
    assert!(running.stop(Stop::Gone).await.is_none());
    world.until(32_900).await;
    assert!(world.samples().is_empty());
    world.until(33_100).await;
    // Stamped where the next scrape would have been.
    assert_eq!(world.samples(), ["a STALE 22", "up STALE 22"]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_back_is_not_ended() {
    let world = World::new();
    let running = world.spawn(&[Ok("a 1\n")], Duration::ZERO);
    world.until(15_000).await;
    running.stop(Stop::Gone).await;
    let _again = world.spawn(&[Ok("a 2\n")], Duration::ZERO);
    world.until(40_000).await;
    let samples = world.samples();
    assert!(samples.contains(&"a 2 32".to_owned()), "{samples:?}");
    assert!(!samples.iter().any(|line| line.contains("STALE")), "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_marked_at_shutdown_or_when_handed_off() {
    let mut world = World::new();
    let running = world.spawn(&[Ok("a 1\n")], Duration::ZERO);
    world.until(15_000).await;
    running.control.no_stale.store(true, std::sync::atomic::Ordering::Relaxed);
    running.stop(Stop::Gone).await;
    let _other = world.spawn(&[Ok("a 1\n")], Duration::ZERO);
    world.until(30_000).await;
    world.trigger.fire();
    world.samples();
    world.until(90_000).await;
    assert!(world.samples().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_keeps_series_and_their_staleness() {
    let world = World::new();
    let running = world.spawn(&[Ok("a 1\nb 1\n")], Duration::ZERO);
    world.until(15_000).await;
    let named = world.recorder.named();
    let carried = running.stop(Stop::HandOver).await.unwrap();
    world.samples();
    let _next = world.spawn_with(&[Ok("b 2\n")], Duration::ZERO, carried);
    world.until(23_000).await;
    assert_eq!(world.samples(), ["a STALE 22", "up 1 22"]);
    assert_eq!(world.recorder.named(), named);
}

#[tokio::test(start_paused = true)]
async fn a_forced_error_fails_scrapes_before_they_begin() {
    let world = World::new();
    let running = world.spawn(&[Ok("a 1\n")], Duration::ZERO);
    world.until(3_000).await;
    *running.control.forced.lock() = Some(ScrapeError::TargetLimit { targets: 3, limit: 2 });
    world.until(13_000).await;
    assert_eq!(world.samples(), ["a 1 2", "up 1 2", "a STALE 12", "up 0 12"]);
    assert_eq!(
        world.target.report().error.unwrap().to_string(),
        "target_limit exceeded (number of targets: 3, limit: 2)"
    );
}
