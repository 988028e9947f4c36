//! Metadata for 1.0 destinations: what targets expose, sent apart from samples at an interval.

use std::sync::Arc;

use gauntlet_wire::convert::metadata_to_proto;
use gauntlet_wire::prost::Message as _;
use gauntlet_wire::{prompb, snappy};
use tracing::{error, warn};

use super::MetadataSource;
use super::client::Refusal;
use super::shard::Delivery;
use crate::config::MetadataConfig;

/// Sends until it is aborted.
pub(super) async fn run(delivery: Arc<Delivery>, config: MetadataConfig, source: MetadataSource) {
    let most = usize::try_from(config.max_samples_per_send).unwrap_or(1).max(1);
    loop {
        tokio::time::sleep(config.send_interval.to_std()).await;
        let mut all = source();
        all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.help.cmp(&b.1.help)));
        all.dedup();
        for part in all.chunks(most) {
            let metadata = part.iter().map(|(name, m)| metadata_to_proto(name, m)).collect();
            let body = prompb::WriteRequest { timeseries: Vec::new(), metadata }.encode_to_vec();
            let Ok(packed) = snappy::pack(&body) else { continue };
            send(&delivery, packed.into(), part.len() as u64).await;
        }
    }
}

async fn send(delivery: &Delivery, packed: bytes::Bytes, count: u64) {
    const METADATA: usize = 3;
    let metrics = &delivery.metrics;
    let mut backoff = delivery.queue.min_backoff.to_std();
    let mut attempt = 0;
    loop {
        let client = Arc::clone(&delivery.client.read());
        let begin = delivery.clock.monotonic();
        let size = packed.len() as u64;
        let (_, outcome) = client.store(packed.clone(), attempt, &*delivery.clock).await;
        metrics.duration.observe((delivery.clock.monotonic() - begin).as_secs_f64());
        match outcome {
            Ok(()) => {
                metrics.total[METADATA].add(count);
                metrics.metadata_bytes.add(size);
                return;
            }
            Err(Refusal::Final { reason, .. }) => {
                metrics.failed[METADATA].add(count);
                error!(
                    component = "remote",
                    remote_name = delivery.name,
                    count,
                    err = reason,
                    "non-recoverable error while sending metadata"
                );
                return;
            }
            Err(Refusal::Retry { reason, after }) => {
                let wait = after.unwrap_or(backoff);
                metrics.retried[METADATA].add(count);
                warn!(
                    component = "remote",
                    remote_name = delivery.name,
                    err = reason,
                    "Failed to send metadata, retrying"
                );
                tokio::time::sleep(wait).await;
                backoff = (wait * 2).min(delivery.queue.max_backoff.to_std());
                attempt += 1;
            }
        }
    }
}
