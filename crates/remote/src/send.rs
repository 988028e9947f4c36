//! Remote write out: every sample of the log to every configured destination, each once. Page: docs/formats/remote-write.md.
//!
//! A destination reads the log behind the storage (`feed`), from a place that survives restarts (`cursor`), encodes batches for
//! its shards (`batch`) and sends them with retries (`shard`). The place moves only over what was settled (`acks`), so that
//! an outage shorter than the log loses nothing. After an unclean end, what may have been sent before is sent again, and what the
//! receiver then refuses as known is counted apart.

mod acks;
mod auth;
mod batch;
mod client;
mod cursor;
mod delta;
mod elements;
mod feed;
mod fields;
mod metadata;
mod metrics;
mod queue;
mod rate;
mod series;
mod shard;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use gauntlet_model::{Labels, Metadata, Timestamp};
use gauntlet_runtime::{Clock, Fs};
use gauntlet_telemetry::Registry;
use gauntlet_tsdb::wal::Position;
use gauntlet_yaml::ToYaml as _;
use md5::{Digest as _, Md5};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use self::acks::Acks;
use self::client::WriteClient;
use self::cursor::{Cursor, Place};
use self::feed::{Feed, FeedOptions};
use self::metrics::Families;
use self::queue::Queue;
use self::rate::Rate;
use self::series::SeriesTable;
use self::shard::Delivery;
use crate::config::{AzureCredential, ProtobufMessage, RemoteWriteConfig};

/// The log that destinations read.
pub trait LogSource: Send + Sync + std::fmt::Debug {
    /// Its folder.
    fn dir(&self) -> PathBuf;
    /// The place behind the last whole batch.
    fn end(&self) -> Position;
    /// The newest sample's time; `None` while there is none.
    fn newest_ms(&self) -> Option<Timestamp>;
}

/// Gives the metadata that targets expose, each family's once or more, for 1.0 destinations.
pub type MetadataSource = Arc<dyn Fn() -> Vec<(String, Metadata)> + Send + Sync>;

/// What may be set besides the configuration file.
#[derive(Clone)]
pub struct WriterOptions {
    /// Where places are remembered: one small file a destination.
    pub dir: PathBuf,
    /// `--storage.remote.flush-deadline`
    pub flush_deadline: Duration,
    /// `--enable-feature=type-and-unit-labels`
    pub type_and_unit_labels: bool,
    pub user_agent: String,
    pub metadata: MetadataSource,
}

impl std::fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterOptions").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Sends to all destinations of a configuration.
#[derive(Debug)]
pub struct RemoteWriter {
    source: Arc<dyn LogSource>,
    options: WriterOptions,
    clock: Arc<dyn Clock>,
    fs: Arc<dyn Fs>,
    families: Families,
    running: tokio::sync::Mutex<Running>,
    deliveries: Arc<RwLock<Vec<Arc<Delivery>>>>,
}

#[derive(Debug, Default)]
struct Running {
    external: Labels,
    /// By hash of the configuration.
    queues: BTreeMap<String, Handle>,
}

#[derive(Debug)]
struct Handle {
    delivery: Arc<Delivery>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    metadata: Option<JoinHandle<()>>,
}

impl RemoteWriter {
    pub fn new(
        source: Arc<dyn LogSource>,
        options: WriterOptions,
        clock: Arc<dyn Clock>,
        fs: Arc<dyn Fs>,
        registry: &Registry,
    ) -> Self {
        let newest = Arc::clone(&source);
        registry.gauge_fn(
            "prometheus_remote_storage_highest_timestamp_in_seconds",
            "Highest timestamp that has come into the remote storage via the Appender interface, in seconds since epoch. Initialized to 0 when no data has been received yet. Deprecated, check prometheus_remote_storage_queue_highest_timestamp_seconds which is more accurate.",
            move || newest.newest_ms().map_or(0.0, |t| t.div_euclid(1000) as f64),
        );
        Self {
            source,
            options,
            clock,
            fs,
            families: Families::new(registry),
            running: tokio::sync::Mutex::default(),
            deliveries: Arc::default(),
        }
    }

    /// Puts a configuration into effect: destinations that did not change go on, others end and begin. On error nothing changes.
    pub async fn apply(
        &self,
        configs: &[RemoteWriteConfig],
        external: &Labels,
    ) -> Result<(), String> {
        let mut wanted = BTreeMap::new();
        for config in configs {
            let hash = hash_of(config);
            if let Some(what) = unsupported(config) {
                return Err(format!("remote_write {}: {what}", shown_url(config)));
            }
            let client = WriteClient::new(config, &self.options.user_agent, &self.clock)
                .map_err(|err| format!("remote_write {}: {err}", shown_url(config)))?;
            if wanted.insert(hash, (config, client)).is_some() {
                return Err(format!(
                    "duplicate remote write configs are not allowed, found duplicate for URL: {}",
                    shown_url(config)
                ));
            }
        }
        let mut running = self.running.lock().await;
        let same_labels = running.external == *external;
        let (mut kept, mut ending) = (BTreeMap::new(), Vec::new());
        for (hash, handle) in std::mem::take(&mut running.queues) {
            if same_labels && wanted.contains_key(&hash) {
                kept.insert(hash, handle);
            } else {
                ending.push(handle);
            }
        }
        self.end(ending).await;
        let keys = cursor_keys(configs);
        for (hash, (config, client)) in wanted {
            if let Some(handle) = kept.get(&hash) {
                // Secrets do not show in the hash.
                *handle.delivery.client.write() = Arc::new(client);
                continue;
            }
            let key = keys.get(&hash).cloned().unwrap_or_default();
            let handle = self.start(&hash, &key, config, client, external)?;
            kept.insert(hash, handle);
        }
        self.remove_cursors(keys.values());
        running.queues = kept;
        running.external = external.clone();
        *self.deliveries.write() =
            running.queues.values().map(|handle| Arc::clone(&handle.delivery)).collect();
        Ok(())
    }

    /// Ends all destinations: what is queued is sent within the flush deadline, the rest after the next start.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        let handles: Vec<Handle> = std::mem::take(&mut running.queues).into_values().collect();
        self.end(handles).await;
    }

    /// The oldest of what the destinations have sent last, ms; `None` where there is no destination.
    pub fn lowest_sent_ms(&self) -> Option<Timestamp> {
        let deliveries = self.deliveries.read();
        deliveries.iter().map(|delivery| delivery.highest_sent.load(Ordering::Relaxed)).min()
    }

    /// The first segment that some destination has not read and settled; `None` where there is no destination.
    pub fn first_needed_segment(&self) -> Option<u32> {
        let deliveries = self.deliveries.read();
        deliveries.iter().map(|delivery| delivery.acks.settled().segment).min()
    }

    async fn end(&self, handles: Vec<Handle>) {
        for handle in &handles {
            let _ = handle.stop.send(true);
            if let Some(metadata) = &handle.metadata {
                metadata.abort();
            }
        }
        for handle in handles {
            let _ = handle.task.await;
            self.families.remove(&handle.delivery.name, &handle.delivery.url);
        }
    }

    fn start(
        &self,
        hash: &str,
        key: &str,
        config: &RemoteWriteConfig,
        client: WriteClient,
        external: &Labels,
    ) -> Result<Handle, String> {
        let name = if config.name.is_empty() { hash[..6].to_owned() } else { config.name.clone() };
        let url = shown_url(config);
        let path = self.options.dir.join(format!("{key}.cursor"));
        let cursor = Cursor::open(&*self.fs, &path)
            .map_err(|err| format!("remote_write {url}: opening {}: {err}", path.display()))?;
        let (start, certain_from) = self.start_place(&name, cursor.place());
        let queue = &config.queue_config;
        let max = usize::try_from(queue.max_samples_per_send).unwrap_or(1).max(1);
        let options = FeedOptions {
            message: config.protobuf_message,
            send_exemplars: config.send_exemplars,
            send_histograms: config.send_native_histograms,
            max_items: if config.send_exemplars { max + max / 10 } else { max },
            age_limit_ms: queue.sample_age_limit.as_ms(),
        };
        let typed =
            self.options.type_and_unit_labels && config.protobuf_message == ProtobufMessage::V2;
        let table =
            SeriesTable::new(external.clone(), config.write_relabel_configs.clone()).typed(typed);
        let shards = usize::try_from(queue.min_shards).unwrap_or(1).max(1);
        let feed = Feed::new(
            Arc::clone(&self.fs),
            self.source.dir(),
            options,
            table,
            start,
            certain_from,
            shards,
        );
        let metrics = self.families.of(&name, &url);
        metrics.shard_capacity.set(queue.capacity as f64);
        metrics.shards_max.set(queue.max_shards as f64);
        metrics.shards_min.set(queue.min_shards as f64);
        metrics.shards_desired.set(queue.min_shards as f64);
        metrics.max_samples_per_send.set(queue.max_samples_per_send as f64);
        let delivery = Arc::new(Delivery {
            name,
            url,
            message: config.protobuf_message,
            queue: queue.clone(),
            client: RwLock::new(Arc::new(client)),
            clock: Arc::clone(&self.clock),
            metrics,
            acks: Acks::new(start),
            sent: Rate::default(),
            sending_ms: Rate::default(),
            last_send_ms: AtomicU64::new(0),
            frozen_until_ms: AtomicU64::new(0),
            highest_sent: AtomicI64::new(Timestamp::MIN),
        });
        let task = Queue {
            delivery: Arc::clone(&delivery),
            source: Arc::clone(&self.source),
            cursor: Arc::new(Mutex::new(cursor)),
            flush_deadline: self.options.flush_deadline,
        };
        let (stop, stopped) = watch::channel(false);
        let metadata = &config.metadata_config;
        let by_request = metadata.send && config.protobuf_message == ProtobufMessage::V1;
        let metadata = by_request.then(|| {
            tokio::spawn(metadata::run(
                Arc::clone(&delivery),
                metadata.clone(),
                Arc::clone(&self.options.metadata),
            ))
        });
        Ok(Handle { delivery, stop, task: tokio::spawn(task.run(feed, stopped)), metadata })
    }

    /// Where reading begins, and from where on nothing can have been sent before.
    fn start_place(&self, name: &str, place: Option<Place>) -> (Position, Position) {
        let end = self.source.end();
        match place {
            // A new destination gets what comes from now on.
            None => (end, end),
            Some(place) if place.position > end => {
                warn!(
                    component = "remote",
                    remote_name = name,
                    "the log is shorter than what was sent of it: begun anew"
                );
                (end, end)
            }
            Some(Place { position, clean: true }) => (position, position),
            Some(Place { position, clean: false }) => {
                info!(
                    component = "remote",
                    remote_name = name,
                    segment = position.segment,
                    offset = position.offset,
                    "going on after an unclean end"
                );
                (position, end)
            }
        }
    }

    /// Forgets the places of destinations that are no longer configured.
    fn remove_cursors<'a>(&self, kept: impl Iterator<Item = &'a String>) {
        let kept: Vec<String> = kept.map(|key| format!("{key}.cursor")).collect();
        let Ok(entries) = self.fs.list(&self.options.dir) else { return };
        for entry in entries {
            if entry.name.ends_with(".cursor") && !kept.contains(&entry.name) {
                let _ = self.fs.remove_file(&self.options.dir.join(entry.name));
            }
        }
    }
}

/// Upstream's identity of an entry: the MD5 of its YAML.
fn hash_of(config: &RemoteWriteConfig) -> String {
    hex(&gauntlet_yaml::to_string(&config.to_yaml()))
}

fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What names a destination's place, by hash of its configuration: its name, or URL and headers, so that other settings may change.
fn cursor_keys(configs: &[RemoteWriteConfig]) -> BTreeMap<String, String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for config in configs {
        let identity = match config.name.as_str() {
            "" => format!("url {} {:?}", config.url.as_str(), config.headers),
            name => format!("name {name}"),
        };
        let key = hex(&identity);
        let count = seen.entry(key.clone()).or_default();
        let key = if *count == 0 { key } else { format!("{key}-{count}") };
        *count += 1;
        keys.insert(hash_of(config), key);
    }
    keys
}

/// The URL without a password.
fn shown_url(config: &RemoteWriteConfig) -> String {
    let url = config.url.as_str();
    match config.url.user_info() {
        Some((user, Some(password))) => {
            url.replacen(&format!("{user}:{password}@"), &format!("{user}:xxxxx@"), 1)
        }
        _ => url.to_owned(),
    }
}

/// What of an entry is known and not built: refused by name.
pub fn unsupported(config: &RemoteWriteConfig) -> Option<&'static str> {
    match &config.azuread.as_ref()?.credential {
        AzureCredential::Certificate { certificate_password, .. }
            if !certificate_password.is_empty() =>
        {
            Some("azuread.certificate.certificate_password: keys with a password are not read")
        }
        _ => None,
    }
}
