//! One destination at work: reads the log, keeps the shards busy, remembers the place. The task owns the feed; shards are tasks of
//! their own, fed over bounded channels, so that a slow receiver slows the reading and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gauntlet_tsdb::wal::Position;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::LogSource;
use super::batch::Batch;
use super::cursor::{Cursor, Place};
use super::feed::{Feed, Step};
use super::rate::{self, Load, Rate, TICK_SECONDS};
use super::shard::Delivery;

/// How often the log is looked at while it does not grow.
const POLL: Duration = Duration::from_millis(50);
/// How often the place is made durable.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Wait after the log could not be read.
const READ_RETRY: Duration = Duration::from_secs(5);

/// Everything that a running destination works on.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) delivery: Arc<Delivery>,
    pub(super) source: Arc<dyn LogSource>,
    pub(super) cursor: Arc<Mutex<Cursor>>,
    pub(super) flush_deadline: Duration,
}

/// Shards at work.
struct Shards {
    senders: Vec<mpsc::Sender<Batch>>,
    tasks: JoinSet<()>,
}

impl Shards {
    fn start(delivery: &Arc<Delivery>, count: usize) -> Self {
        let queue = &delivery.queue;
        let batches = (queue.capacity / queue.max_samples_per_send.max(1)).max(1);
        let batches = usize::try_from(batches).unwrap_or(1);
        let (mut senders, mut tasks) = (Vec::with_capacity(count), JoinSet::new());
        for _ in 0..count {
            let (sender, mut receiver) = mpsc::channel::<Batch>(batches);
            let delivery = Arc::clone(delivery);
            tasks.spawn(async move {
                while let Some(batch) = receiver.recv().await {
                    delivery.deliver(batch).await;
                }
            });
            senders.push(sender);
        }
        delivery.metrics.shards.set(count as f64);
        Self { senders, tasks }
    }

    /// Lets the shards end their work. `false`: some could not in time, and were cut off.
    async fn finish(mut self, deadline: Option<Duration>) -> bool {
        self.senders.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let Some(deadline) = deadline else {
            all.await;
            return true;
        };
        if timeout(deadline, all).await.is_ok() {
            return true;
        }
        self.tasks.shutdown().await;
        false
    }
}

/// Why reading ended early.
struct Stopped;

impl Queue {
    /// Runs until `stop` says so; then flushes for a while, and remembers the place.
    pub(super) async fn run(self, feed: Feed, mut stop: watch::Receiver<bool>) {
        let delivery = Arc::clone(&self.delivery);
        let Some(mut feed) = self.load(feed).await else { return };
        info!(
            component = "remote",
            remote_name = delivery.name,
            url = delivery.url,
            segment = feed.position().segment,
            "Starting WAL watcher"
        );
        let mut shards = Shards::start(&delivery, feed.shards());
        let (read, dropped) = (Rate::default(), Rate::default());
        let mut next_tick = delivery.clock.monotonic() + Duration::from_secs_f64(TICK_SECONDS);
        let mut next_sync = delivery.clock.monotonic();
        loop {
            let now = delivery.clock.monotonic();
            if now >= next_tick {
                next_tick = now + Duration::from_secs_f64(TICK_SECONDS);
                let count = self.shards_wanted(&read, &dropped, feed.shards());
                if count != feed.shards() {
                    info!(
                        component = "remote",
                        remote_name = delivery.name,
                        from = feed.shards(),
                        to = count,
                        "Remote storage resharding"
                    );
                    if self.dispatch(&shards, feed.flush(), &mut stop).await.is_err() {
                        break;
                    }
                    // The old shards are done with everything before the new ones begin: order is kept.
                    let ended = tokio::select! {
                        _ = shards.finish(None) => true,
                        () = stopped(&mut stop) => false,
                    };
                    feed.set_shards(count);
                    shards = Shards::start(&delivery, count);
                    if !ended {
                        break;
                    }
                }
            }
            if now >= next_sync {
                next_sync = now + SYNC_EVERY;
                self.remember(true, false).await;
            }
            let deadline = delivery.queue.batch_send_deadline.to_std();
            let overdue = now.checked_sub(deadline).map(|latest| feed.flush_overdue(latest));
            if self.dispatch(&shards, overdue.unwrap_or_default(), &mut stop).await.is_err() {
                break;
            }
            let end = self.source.end();
            if feed.position() >= end {
                self.remember(false, false).await;
                tokio::select! {
                    () = sleep(POLL) => continue,
                    () = stopped(&mut stop) => break,
                }
            }
            let (back, step) = self.step(feed, end).await;
            let Some(back) = back else { return };
            feed = back;
            let Some(step) = step else {
                tokio::select! {
                    () = sleep(READ_RETRY) => continue,
                    () = stopped(&mut stop) => break,
                }
            };
            self.count(&step, &feed);
            read.add(step.read());
            dropped.add(step.dropped_total());
            delivery.acks.push(feed.position(), step.outstanding());
            if self.dispatch(&shards, step.batches, &mut stop).await.is_err() {
                break;
            }
        }
        self.finish(feed, shards).await;
    }

    async fn load(&self, mut feed: Feed) -> Option<Feed> {
        let loading = tokio::task::spawn_blocking(move || {
            let loaded = feed.load();
            (feed, loaded)
        });
        let Ok((feed, loaded)) = loading.await else {
            error!(
                component = "remote",
                remote_name = self.delivery.name,
                "reading the log ended without a result"
            );
            return None;
        };
        if let Err(err) = loaded {
            warn!(component = "remote", remote_name = self.delivery.name, %err, "series of the log could not be read; samples of unknown series are dropped");
        }
        Some(feed)
    }

    async fn step(&self, mut feed: Feed, end: Position) -> (Option<Feed>, Option<Step>) {
        let epoch = self.delivery.acks.next();
        let clock = Arc::clone(&self.delivery.clock);
        let reading = tokio::task::spawn_blocking(move || {
            let step = feed.step(end, epoch, clock.now_ms(), clock.monotonic());
            (feed, step)
        });
        match reading.await {
            Ok((feed, Ok(step))) => (Some(feed), Some(step)),
            Ok((feed, Err(err))) => {
                self.delivery.metrics.damage.inc();
                warn!(component = "remote", remote_name = self.delivery.name, %err, "the log could not be read, it is tried again");
                (Some(feed), None)
            }
            Err(_) => {
                error!(
                    component = "remote",
                    remote_name = self.delivery.name,
                    "reading the log ended without a result; nothing more is sent until a reload"
                );
                (None, None)
            }
        }
    }

    fn count(&self, step: &Step, feed: &Feed) {
        let metrics = &self.delivery.metrics;
        metrics.dropped(&step.dropped);
        metrics.pending(step.queued, 1.0);
        for (counter, count) in metrics.records.iter().zip(step.records) {
            counter.add(count);
        }
        metrics.undecodable.add(step.undecodable);
        metrics.segment.set(f64::from(feed.position().segment));
        if step.highest > i64::MIN {
            metrics.highest.set(step.highest.div_euclid(1000) as f64);
        }
    }

    /// Hands batches to their shards, waiting for room.
    async fn dispatch(
        &self,
        shards: &Shards,
        batches: Vec<(usize, Batch)>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        for (shard, batch) in batches {
            let sender = &shards.senders[shard];
            let batch = match sender.try_send(batch) {
                Ok(()) => continue,
                Err(
                    mpsc::error::TrySendError::Full(batch)
                    | mpsc::error::TrySendError::Closed(batch),
                ) => batch,
            };
            self.delivery.metrics.enqueue_retries.inc();
            let sending = sender.send(batch);
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    sent = &mut sending => {
                        sent.map_err(|_| Stopped)?;
                        break;
                    }
                    () = sleep(SYNC_EVERY) => self.remember(true, false).await,
                    () = stopped(stop) => return Err(Stopped),
                }
            }
        }
        Ok(())
    }

    fn shards_wanted(&self, read: &Rate, dropped: &Rate, present: usize) -> usize {
        let delivery = &self.delivery;
        let highest_sent = delivery.highest_sent.load(Ordering::Relaxed);
        let newest = self.source.newest_ms().unwrap_or(i64::MIN);
        let behind = match highest_sent > i64::MIN && newest > highest_sent {
            true => (newest - highest_sent) as f64 / 1000.0,
            false => 0.0,
        };
        let load = Load {
            read: read.tick(),
            dropped: dropped.tick(),
            sent: delivery.sent.tick(),
            sending: delivery.sending_ms.tick() / 1000.0,
            behind,
        };
        let Some(wanted) = rate::wanted(&load) else { return present };
        delivery.metrics.shards_desired.set(wanted);
        let bound = |n: i64| usize::try_from(n.max(1)).unwrap_or(1);
        let (min, max) = (bound(delivery.queue.min_shards), bound(delivery.queue.max_shards));
        let next = rate::shards(wanted, behind, present, min, max);
        let now = u64::try_from(delivery.clock.monotonic().as_millis()).unwrap_or(0);
        let last = delivery.last_send_ms.load(Ordering::Relaxed);
        let idle = now.saturating_sub(last) > (TICK_SECONDS * 1000.0) as u64;
        if next != present && (idle || now < delivery.frozen_until_ms.load(Ordering::Relaxed)) {
            return present;
        }
        next
    }

    /// Writes the place down.
    async fn remember(&self, durably: bool, clean: bool) {
        let place = Place { position: self.delivery.acks.settled(), clean };
        let cursor = Arc::clone(&self.cursor);
        let write = move || {
            let mut cursor = cursor.lock();
            cursor.write(place)?;
            if durably { cursor.sync() } else { Ok(()) }
        };
        // A page of the cache is written at once; the disk is waited for elsewhere.
        let written: std::io::Result<()> = if durably {
            tokio::task::spawn_blocking(write).await.unwrap_or(Ok(()))
        } else {
            write()
        };
        if let Err(err) = written {
            warn!(component = "remote", remote_name = self.delivery.name, %err, "the place in the log could not be remembered; after a crash samples are sent again");
        }
    }

    async fn finish(&self, mut feed: Feed, shards: Shards) {
        let delivery = &self.delivery;
        let deadline = delivery.clock.monotonic() + self.flush_deadline;
        let mut whole = true;
        for (shard, batch) in feed.flush() {
            let left = deadline.saturating_sub(delivery.clock.monotonic());
            let sent = timeout(left, shards.senders[shard].send(batch)).await;
            whole &= matches!(sent, Ok(Ok(())));
        }
        let left = deadline.saturating_sub(delivery.clock.monotonic());
        whole &= shards.finish(Some(left)).await;
        let all_settled = delivery.acks.settled() == feed.position();
        self.remember(true, whole && all_settled).await;
        if !whole {
            warn!(
                component = "remote",
                remote_name = delivery.name,
                url = delivery.url,
                "not everything could be sent before the end; it is sent after the next start"
            );
        }
        info!(
            component = "remote",
            remote_name = delivery.name,
            url = delivery.url,
            "Remote storage stopped."
        );
    }
}

/// Completes once the queue is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
