//! Delivering one batch: packed, sent, sent again while that may help.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, atomic::AtomicU64};
use std::time::Duration;

use bytes::Bytes;
use gauntlet_model::Timestamp;
use gauntlet_runtime::Clock;
use gauntlet_wire::WireError;
use parking_lot::RwLock;
use tracing::{error, warn};

use super::acks::Acks;
use super::batch::{Batch, Counts};
use super::client::{Refusal, Taken, WriteClient};
use super::metrics::{QueueMetrics, SENT_BEFORE};
use super::rate::Rate;
use crate::config::{ProtobufMessage, QueueConfig};

/// What the shards of a destination share.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) message: ProtobufMessage,
    pub(super) queue: QueueConfig,
    pub(super) client: RwLock<Arc<WriteClient>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: QueueMetrics,
    pub(super) acks: Acks,
    /// Entries sent, and milliseconds spent sending.
    pub(super) sent: Rate,
    pub(super) sending_ms: Rate,
    /// When the last batch ended, ms on the monotonic clock.
    pub(super) last_send_ms: AtomicU64,
    /// No resharding before, ms on the monotonic clock.
    pub(super) frozen_until_ms: AtomicU64,
    /// Newest sample sent.
    pub(super) highest_sent: AtomicI64,
}

/// How a part of a batch ended.
struct Ended {
    /// What was in the last request.
    counts: Counts,
    taken: Option<Taken>,
    refused: Option<(String, u16)>,
    /// An attempt before had no good answer, and may have been carried out.
    again: bool,
}

impl Ended {
    fn unsent(counts: Counts, err: &WireError) -> Self {
        Self { counts, taken: None, refused: Some((err.to_string(), 0)), again: false }
    }
}

impl Delivery {
    /// Delivers a batch, however long that takes, and settles it.
    pub(super) async fn deliver(&self, mut batch: Batch) {
        let begin = self.clock.monotonic();
        let whole = batch.seal();
        let mut parts = Vec::new();
        parts.push(0..batch.len());
        while let Some(range) = parts.pop() {
            let ended = match &whole {
                Ok(whole) => self.send(&batch, whole, range.clone()).await,
                Err(err) => Ended::unsent(batch.counts(range.clone()), err),
            };
            let refused = ended.refused.as_ref().is_some_and(|(_, status)| *status == 400);
            let may_cut = self.message == ProtobufMessage::V1 && batch.uncertain;
            if refused && may_cut && range.len() > 1 {
                // Part of it was taken before a restart, and 1.0 refuses a request for one such sample.
                let middle = range.start + range.len() / 2;
                parts.push(middle..range.end);
                parts.push(range.start..middle);
                continue;
            }
            self.account(&batch, ended);
        }
        let counts = batch.counts(0..batch.len());
        self.metrics.pending([counts.samples, counts.histograms, counts.exemplars], -1.0);
        self.sent.add(counts.queued());
        let now = self.clock.monotonic();
        self.sending_ms.add(u64::try_from((now - begin).as_millis()).unwrap_or(0));
        self.last_send_ms.store(u64::try_from(now.as_millis()).unwrap_or(0), Ordering::Relaxed);
        if batch.highest > Timestamp::MIN {
            let before = self.highest_sent.fetch_max(batch.highest, Ordering::Relaxed);
            let highest = before.max(batch.highest);
            self.metrics.highest_sent.set(highest.div_euclid(1000) as f64);
        }
        self.acks.settle(&batch.epochs);
    }

    fn account(&self, batch: &Batch, ended: Ended) {
        let Ended { counts, taken, refused, again } = ended;
        let all = Taken {
            samples: counts.samples,
            histograms: counts.histograms,
            exemplars: counts.exemplars,
        };
        let taken = match (&refused, taken) {
            (None, None) => all,
            (_, taken) => taken.unwrap_or_default(),
        };
        let missing = [
            all.samples.saturating_sub(taken.samples),
            all.histograms.saturating_sub(taken.histograms),
            all.exemplars.saturating_sub(taken.exemplars),
        ];
        if let Some((err, 400)) = &refused
            && (batch.uncertain || again)
        {
            warn!(
                component = "remote",
                remote_name = self.name,
                url = self.url,
                samples = missing[0],
                histograms = missing[1],
                exemplars = missing[2],
                err,
                "refused when sent again: taken before"
            );
            for (kind, count) in missing.into_iter().enumerate() {
                self.metrics.drop_some(kind, SENT_BEFORE, count);
            }
            return;
        }
        for (counter, count) in self.metrics.failed.iter().zip(missing) {
            counter.add(count);
        }
        let total: u64 = missing.iter().sum();
        match refused {
            Some((err, _)) => {
                error!(
                    component = "remote",
                    remote_name = self.name,
                    url = self.url,
                    samples = missing[0],
                    histograms = missing[1],
                    exemplars = missing[2],
                    err,
                    "non-recoverable error"
                );
            }
            None if total > 0 => {
                error!(
                    component = "remote",
                    remote_name = self.name,
                    url = self.url,
                    count = total,
                    "the receiver answered with success and says that it did not take everything"
                );
            }
            None => {}
        }
    }

    async fn send(&self, batch: &Batch, whole: &Bytes, range: Range<usize>) -> Ended {
        let limit = self.queue.sample_age_limit.as_ms();
        let lowest = batch.lowest(range.clone());
        let oldest = |now_ms: i64| if limit > 0 { now_ms - limit } else { Timestamp::MIN };
        let mut packed: Option<(Bytes, Counts, Timestamp)> = None;
        let mut backoff = self.queue.min_backoff.to_std();
        let mut accepted: Option<Taken> = None;
        let mut attempt = 0;
        loop {
            let oldest = oldest(self.clock.now_ms());
            let valid =
                packed.as_ref().is_some_and(|(_, _, since)| *since >= oldest || oldest <= lowest);
            if !valid {
                match self.part(batch, whole, range.clone(), oldest) {
                    Ok((bytes, counts)) => packed = Some((bytes, counts, oldest)),
                    Err(err) => return Ended::unsent(batch.counts(range), &err),
                }
            }
            let Some((bytes, counts, _)) = packed.clone() else {
                unreachable!("BUG: packed above")
            };
            if counts.queued() == 0 {
                return Ended { counts, taken: None, refused: None, again: false };
            }
            QueueMetrics::count(&self.metrics.total, &counts);
            let client = Arc::clone(&self.client.read());
            let begin = self.clock.monotonic();
            let size = bytes.len() as u64;
            let (taken, outcome) = client.store(bytes, attempt, &*self.clock).await;
            self.metrics.duration.observe((self.clock.monotonic() - begin).as_secs_f64());
            if let Some(taken) = taken {
                let sum = accepted.get_or_insert_default();
                sum.samples += taken.samples;
                sum.histograms += taken.histograms;
                sum.exemplars += taken.exemplars;
            }
            match outcome {
                Ok(()) => {
                    self.metrics.bytes.add(size);
                    let refused = self.taken_nothing(&counts, taken).map(|reason| (reason, 0));
                    return Ended { counts, taken: accepted, refused, again: attempt > 0 };
                }
                Err(Refusal::Final { reason, status }) => {
                    self.metrics.bytes.add(size);
                    let refused = Some((reason, status));
                    return Ended { counts, taken: accepted, refused, again: attempt > 0 };
                }
                Err(refusal @ Refusal::Retry { .. }) => {
                    let Refusal::Retry { after, .. } = &refusal else { continue };
                    let wait = after.unwrap_or(backoff);
                    self.freeze(wait * 2);
                    QueueMetrics::count(&self.metrics.retried, &counts);
                    warn!(
                        component = "remote",
                        remote_name = self.name,
                        url = self.url,
                        err = refusal.reason(),
                        wait_ms = wait.as_millis() as u64,
                        "Failed to send batch, retrying"
                    );
                    tokio::time::sleep(wait).await;
                    backoff = (wait * 2).min(self.queue.max_backoff.to_std());
                    attempt += 1;
                }
            }
        }
    }

    fn part(
        &self,
        batch: &Batch,
        whole: &Bytes,
        range: Range<usize>,
        oldest: Timestamp,
    ) -> Result<(Bytes, Counts), WireError> {
        let before = batch.counts(range.clone());
        let (packed, counts) = batch.part(whole, range, oldest)?;
        let old = [
            before.samples - counts.samples,
            before.histograms - counts.histograms,
            before.exemplars - counts.exemplars,
        ];
        for (kind, count) in old.into_iter().enumerate() {
            self.metrics.drop_some(kind, "too_old", count);
        }
        Ok((packed, counts))
    }

    /// A 2.0 receiver that takes nothing of a batch did not understand it, whatever its status.
    fn taken_nothing(&self, counts: &Counts, taken: Option<Taken>) -> Option<String> {
        let taken = taken.unwrap_or_default();
        let nothing = self.message == ProtobufMessage::V2 && taken == Taken::default();
        nothing.then(|| {
            format!(
                "sent v2 request with {} samples, {} histograms and {} exemplars; got 2xx, but PRW 2.0 response header statistics indicate 0 samples, 0 histograms and 0 exemplars were accepted; assuming failure e.g. the target only supports PRW 1.0 prometheus.WriteRequest, but does not check the Content-Type header correctly",
                counts.samples, counts.histograms, counts.exemplars
            )
        })
    }

    fn freeze(&self, time: Duration) {
        let until = (self.clock.monotonic() + time).as_millis();
        self.frozen_until_ms.fetch_max(u64::try_from(until).unwrap_or(0), Ordering::Relaxed);
    }
}
