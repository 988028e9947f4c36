//! The manager over real files: acknowledged means on disk, a restart goes on where the last process stopped.

use std::sync::atomic::{AtomicUsize, Ordering};

use gauntlet_runtime::{ManualClock, Shutdown, SystemClock};

use super::*;
use crate::matcher::ParseMode;
use crate::nflog::LogReceiver;
use crate::pipeline::{Attempt, Integration, Notification, Notifier, Outcome, ReceiverPipeline};
use crate::silence::SilenceMatcher;
use gauntlet_model::MatchOp;

/// Counts what it is told.
#[derive(Default)]
struct Counter {
    told: AtomicUsize,
    wake: Notify,
}

struct Told(Arc<Counter>);

impl Notifier for Told {
    fn notify(&self, notification: Arc<Notification>) -> Attempt {
        let counter = Arc::clone(&self.0);
        Box::pin(async move {
            counter.told.fetch_add(1, Ordering::SeqCst);
            counter.wake.notify_one();
            Outcome { result: Ok(()), receiver_data: notification.receiver_data.clone() }
        })
    }
}

fn pipelines(counter: &Arc<Counter>) -> Pipelines {
    let log = LogReceiver { group_name: "r".into(), integration: "webhook".into(), index: 0 };
    let notifier = Arc::new(Told(Arc::clone(counter)));
    let integration = Arc::new(Integration { log, send_resolved: true, notifier });
    vec![ReceiverPipeline { name: "r".into(), integrations: vec![integration] }]
}

fn config() -> Arc<Config> {
    let text = "route: {receiver: r, group_wait: 0s, group_interval: 1h}\nreceivers: [{name: r}]";
    Arc::new(Config::parse(text, ParseMode::Fallback).expect("config").config)
}

fn manager(dir: &tempfile::TempDir, clock: Arc<dyn Clock>) -> Arc<Manager> {
    let options = ManagerOptions::new(Some(dir.path().to_owned()), clock);
    Manager::open(options, &Registry::new()).expect("open")
}

fn alert(name: &str) -> PostedAlert<'_> {
    PostedAlert { labels: vec![("alertname".into(), name.into())], ..PostedAlert::default() }
}

fn silence(name: &str, now: Time) -> Silence {
    let matcher =
        SilenceMatcher { op: MatchOp::Equal, name: "alertname".into(), pattern: name.into() };
    Silence {
        matcher_sets: vec![vec![matcher]],
        ends_at: now.plus_ns(3_600_000_000_000),
        ..Silence::default()
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let dir = tempfile::tempdir().expect("dir");
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let first = manager(&dir, clock.clone());
    let outcome = first.post_alerts(vec![alert("A"), alert("B"), alert("")], "test").await;
    assert_eq!(outcome.posted.invalid, ["at least one label pair required"]);
    assert_eq!(outcome.durable, Ok(()));
    let id = first.set_silence(silence("B", first.now())).await.expect("silence");
    // No shutdown: the process is gone.
    drop(first);
    let second = manager(&dir, clock.clone());
    assert_eq!(second.alerts(AlertQuery::ALL).len(), 2);
    let quiet =
        second.alerts(AlertQuery { labels: &|l| l.value("alertname") == "B", ..AlertQuery::ALL });
    assert_eq!(quiet[0].status.silenced_by, std::slice::from_ref(&id));
    second.expire_silence(&id).await.expect("expire");
    drop(second);
    // The alerts ran out while nobody could report them: they are given time, once.
    clock.advance_ms(6 * 60_000);
    let third = manager(&dir, clock.clone());
    assert_eq!(third.alerts(AlertQuery::ALL).len(), 2);
    assert!(third.silences(|s| s.state(third.now()).as_str() == "active").is_empty());
    let entries = third.ledger(LedgerQuery::default()).await.expect("ledger");
    assert!(entries.iter().any(|e| e.in_words().contains("its end passed meanwhile")));
    // Nobody reported them although somebody listened: they are over, for the next process too.
    clock.advance_ms(6 * 60_000);
    third.sync_all();
    drop(third);
    clock.advance_ms(60_000);
    let fourth = manager(&dir, clock.clone());
    assert!(fourth.alerts(AlertQuery::ALL).is_empty());
    assert!(
        fourth
            .alert(crate::fingerprint(&gauntlet_model::Labels::from_pairs([("alertname", "A")])))
            .is_some()
    );
}

#[tokio::test]
async fn a_restart_tells_nothing_twice() {
    let dir = tempfile::tempdir().expect("dir");
    let counter = Arc::new(Counter::default());
    for round in 0..3 {
        let manager = manager(&dir, Arc::new(SystemClock));
        manager.apply(config(), pipelines(&counter));
        let (mut trigger, shutdown) = Shutdown::new();
        let task = tokio::spawn(Arc::clone(&manager).run(shutdown));
        if round == 0 {
            manager.post_alerts(vec![alert("A")], "test").await;
            counter.wake.notified().await;
        } else {
            // A second alert makes the pipeline run; the first must stay untold.
            manager
                .post_alerts(vec![PostedAlert { generator_url: "x".into(), ..alert("A") }], "test")
                .await;
        }
        // The outcome is noted before the next question is answered.
        for _ in 0..200 {
            if manager.core.lock().log().len() == 1 {
                break;
            }
            tokio::task::yield_now().await;
        }
        trigger.fire();
        task.await.expect("run");
    }
    assert_eq!(counter.told.load(Ordering::SeqCst), 1);
    assert!(dir.path().join("nflog").metadata().expect("nflog").len() > 0);
}

#[tokio::test]
async fn damaged_snapshots_are_set_aside_and_the_rest_starts() {
    let dir = tempfile::tempdir().expect("dir");
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let first = manager(&dir, clock.clone());
    let id = first.set_silence(silence("A", first.now())).await.expect("silence");
    drop(first);
    for name in ["silences", "nflog"] {
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).expect("read");
        bytes.extend_from_slice(b"\xff\xff\xff\x7fgarbage");
        std::fs::write(&path, bytes).expect("write");
    }
    let second = manager(&dir, clock.clone());
    assert!(second.silence(&id).is_some());
    drop(second);
    for name in ["silences.corrupt", "nflog.corrupt"] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
    assert!(manager(&dir, clock).silence(&id).is_some(), "written anew");
}

#[tokio::test]
async fn maintenance_keeps_files_small_and_state_whole() {
    let dir = tempfile::tempdir().expect("dir");
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let manager = manager(&dir, clock.clone());
    let id = manager.set_silence(silence("A", manager.now())).await.expect("silence");
    for _ in 0..50 {
        clock.advance_ms(1000);
        let silence =
            Silence { id: id.clone(), ..Silence::clone(&manager.silence(&id).expect("there")) };
        manager.set_silence(silence).await.expect("update");
    }
    let path = dir.path().join("silences");
    let before = std::fs::metadata(&path).expect("meta").len();
    manager.maintain();
    let after = std::fs::metadata(&path).expect("meta").len();
    assert!(after * 40 < before, "{before} {after}");
    clock.advance_ms(3_600_000 + 121 * 3_600_000);
    manager.maintain();
    assert!(manager.silence(&id).is_none() && std::fs::metadata(&path).expect("meta").len() == 0);
}

/// Reports alerts and makes silences one after the other; returns the names that were acknowledged.
async fn work(manager: &Arc<Manager>) -> (Vec<String>, Vec<String>) {
    let (mut alerts, mut silences) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let name = format!("A{n}");
        if manager.post_alerts(vec![alert(&name)], "test").await.durable.is_ok() {
            alerts.push(name.clone());
        }
        if let Ok(id) = manager.set_silence(silence(&name, manager.now())).await {
            silences.push(id);
        }
        if n == 3 {
            manager.maintain();
            manager.sync_all();
        }
    }
    (alerts, silences)
}

#[tokio::test]
async fn no_crash_loses_what_was_acknowledged() {
    use gauntlet_testkit::{FaultFs, Loss};
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let open = |fs: &FaultFs| {
        let mut options = ManagerOptions::new(Some("/data".into()), clock.clone());
        options.fs = Arc::new(fs.clone());
        Manager::open(options, &Registry::new())
    };
    let calm = FaultFs::new(0);
    work(&open(&calm).expect("open")).await;
    let operations = calm.operations();
    assert!(operations > 40, "{operations}");
    for crash in 0..operations {
        for loss in [Loss::Process, Loss::Machine] {
            let fs = FaultFs::new(crash);
            fs.crash_at(crash);
            let (alerts, silences) = match open(&fs) {
                Ok(manager) => work(&manager).await,
                Err(_) => continue,
            };
            let after = open(&fs.after_crash(loss)).expect("opens by itself");
            let known = after.alerts(AlertQuery::ALL);
            for name in &alerts {
                let found = known.iter().any(|info| info.alert.name() == name);
                assert!(found, "crash at {crash}: alert {name} is gone");
            }
            for id in &silences {
                assert!(after.silence(id).is_some(), "crash at {crash}: silence {id} is gone");
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_alerts_go_on() {
    let fs = gauntlet_testkit::FaultFs::new(1);
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let mut options = ManagerOptions::new(Some("/data".into()), clock);
    options.fs = Arc::new(fs.clone());
    let manager = Manager::open(options, &Registry::new()).expect("open");
    fs.set_capacity(Some(0));
    let outcome = manager.post_alerts(vec![alert("A")], "test").await;
    assert!(outcome.durable.is_err() && outcome.posted.invalid.is_empty());
    assert_eq!(manager.alerts(AlertQuery::ALL).len(), 1, "known and told of all the same");
    let refused = manager.set_silence(silence("A", manager.now())).await.expect_err("no room");
    assert!(matches!(refused, SilenceError::NotDurable(_)));
    manager.maintain();
    manager.sync_all();
    fs.set_capacity(None);
    let outcome = manager.post_alerts(vec![alert("B")], "test").await;
    assert_eq!(outcome.durable, Ok(()));
    let fs = fs.after_crash(gauntlet_testkit::Loss::Machine);
    let mut options =
        ManagerOptions::new(Some("/data".into()), Arc::new(ManualClock::new(1_700_000_000_000)));
    options.fs = Arc::new(fs);
    let again = Manager::open(options, &Registry::new()).expect("open");
    assert_eq!(
        again.alerts(AlertQuery::ALL).len(),
        2,
        "what was refused is written with what follows"
    );
}

#[tokio::test]
async fn a_journal_of_repetitions_is_rewritten_small() {
    let dir = tempfile::tempdir().expect("dir");
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let first = manager(&dir, clock.clone());
    let names: Vec<String> = (0..50).map(|n| format!("A{n}")).collect();
    for _ in 0..60 {
        clock.advance_ms(1000);
        first.post_alerts(names.iter().map(|name| alert(name)).collect(), "test").await;
    }
    first.sync_all();
    let path = dir.path().join("alerts.journal");
    let before = std::fs::metadata(&path).expect("meta").len();
    first.shrink_journal();
    let after = std::fs::metadata(&path).expect("meta").len();
    assert!(before > 100_000 && after < 10_000, "{before} {after}");
    clock.advance_ms(1000);
    first.post_alerts(vec![alert("A7"), alert("new")], "test").await;
    let (known, newest) = (first.alerts(AlertQuery::ALL), first.now());
    drop(first);
    let second = manager(&dir, clock);
    let restored = second.alerts(AlertQuery::ALL);
    let plain = |all: &[AlertInfo]| all.iter().map(|info| info.alert.clone()).collect::<Vec<_>>();
    assert_eq!(plain(&restored), plain(&known));
    assert_eq!(restored.iter().filter(|info| info.alert.updated_at == newest).count(), 2);
}
