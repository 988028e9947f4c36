//! List and watch of one resource, shared by all discoveries that look at it.
//!
//! A task lists the objects page by page, then follows a watch from the list's version; bookmarks move the version on. A watch
//! that ends is begun again where it ended; one whose version is too old (410) makes the task list anew and find the differences
//! by itself. Objects are compared by what is looked at, and only real changes reach the subscribers. The task ends when the
//! last holder of the watch goes. Facts: Kubernetes API concepts, "efficient detection of changes".

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gauntlet_net::config::HttpClientConfig;
use gauntlet_runtime::{Clock, Shutdown, ShutdownTrigger};
use parking_lot::Mutex;

use super::objects::{ApiStatus, Bookmark, Event, EventKind, List, Object};
use super::queue::{Counts, Input, Queue};
use crate::deps::KubernetesMetrics;
use crate::discoverer::{Client, pause};
use crate::fetch::{Answer, Ask};
use crate::rest::{MAX_PAGES, decode, refusal};

/// Objects a page of a list.
const PAGE: usize = 500;
/// Most bytes of a page, unpacked.
const MAX_PAGE_BYTES: u64 = 256 << 20;
/// How long the head of an answer, and a page, may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long the server is asked to keep a watch open, in seconds.
const WATCH_SECS: u64 = 480;
/// A watch that the server has not ended this long after its time is dead.
const WATCH_GRACE: Duration = Duration::from_secs(30);
/// A watch that ended sooner than this is waited after.
const SHORT_WATCH: Duration = Duration::from_secs(1);
/// First and longest wait after trouble.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Watches by what they ask. A watch is forgotten when nobody holds it.
#[derive(Clone, Debug, Default)]
pub struct SharedWatches(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    url: String,
    http: HttpClientConfig,
    watch: Weak<dyn Any + Send + Sync>,
}

/// Where and how to ask.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) http: HttpClientConfig,
    /// Without a slash at its end.
    pub(super) base: String,
    pub(super) metrics: KubernetesMetrics,
    pub(super) clock: Arc<dyn Clock>,
}

/// The objects of a watch and who wants to hear of them.
#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    _stop: ShutdownTrigger,
}

#[derive(Debug)]
struct State<T> {
    objects: BTreeMap<String, Arc<T>>,
    is_synced: bool,
    subscribers: Vec<Subscriber>,
    next_id: u64,
}

#[derive(Debug)]
struct Subscriber {
    id: u64,
    queue: Arc<Queue>,
    input: Input,
    counts: Counts,
}

/// A subscription to a watch. Ends when dropped.
#[derive(Debug)]
pub(super) struct Store<T> {
    shared: Arc<Shared<T>>,
    id: u64,
}

impl SharedWatches {
    /// Subscribes to the watch of a resource, beginning it if nobody has yet. An empty namespace means all.
    pub(super) fn subscribe<T: Object>(
        &self,
        source: &Source,
        namespace: &str,
        selectors: (&str, &str),
        queue: &Arc<Queue>,
        (input, counts): (Input, Counts),
    ) -> Store<T> {
        let url = resource_url::<T>(&source.base, namespace, selectors);
        let mut entries = self.0.lock();
        entries.retain(|entry| entry.watch.strong_count() > 0);
        let found = entries.iter().find(|entry| entry.url == url && entry.http == source.http);
        let running = found.and_then(|entry| entry.watch.upgrade()?.downcast::<Shared<T>>().ok());
        let shared = running.unwrap_or_else(|| {
            let shared = start::<T>(source.clone(), url.clone());
            let watch = Arc::downgrade(&shared);
            entries.push(Entry { url, http: source.http.clone(), watch });
            shared
        });
        drop(entries);
        let id = shared.state.lock().subscribe(queue, input, counts);
        Store { shared, id }
    }

    /// How many watches run.
    pub fn count(&self) -> usize {
        self.0.lock().iter().filter(|entry| entry.watch.strong_count() > 0).count()
    }
}

/// The URL of a list, selectors included, to which more parameters can be joined by `&`.
fn resource_url<T: Object>(base: &str, namespace: &str, (label, field): (&str, &str)) -> String {
    let scope = if namespace.is_empty() {
        String::new()
    } else {
        format!("/namespaces/{}", crate::rest::escape(namespace, b""))
    };
    let mut url = format!("{base}{}{scope}/{}?", T::GROUP, T::PLURAL);
    for (name, value) in [("labelSelector", label), ("fieldSelector", field)] {
        if !value.is_empty() {
            url.push_str(&format!("{name}={}&", crate::rest::escape(value, b"")));
        }
    }
    url
}

fn start<T: Object>(source: Source, url: String) -> Arc<Shared<T>> {
    let (stop, ended) = Shutdown::new();
    let state =
        State { objects: BTreeMap::new(), is_synced: false, subscribers: Vec::new(), next_id: 0 };
    let shared = Arc::new(Shared { state: Mutex::new(state), _stop: stop });
    let follower =
        Follower { source, url, shared: Arc::downgrade(&shared), version: None, wait: BACKOFF.0 };
    tokio::spawn(follower.run(ended));
    shared
}

impl<T: Object> State<T> {
    fn subscribe(&mut self, queue: &Arc<Queue>, input: Input, counts: Counts) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        for key in self.objects.keys() {
            queue.add(input, key);
        }
        if self.is_synced {
            queue.wake();
        }
        self.subscribers.push(Subscriber { id, queue: Arc::clone(queue), input, counts });
        id
    }

    /// Puts an object in place of the last one of its key. One that was told of, not listed, counts even if it is the same.
    fn put(&mut self, mut object: T, is_event: bool, metrics: &KubernetesMetrics) {
        object.meta_mut().resource_version = String::new();
        let key = object.key();
        let event = match self.objects.get(&key) {
            Some(old) if **old == object => {
                if is_event {
                    self.count(metrics, "update");
                }
                return;
            }
            Some(_) => "update",
            None => "add",
        };
        self.objects.insert(key.clone(), Arc::new(object));
        self.tell(&key, event, metrics);
    }

    fn remove(&mut self, key: &str, metrics: &KubernetesMetrics) {
        if self.objects.remove(key).is_some() {
            self.tell(key, "delete", metrics);
        }
    }

    fn tell(&self, key: &str, event: &str, metrics: &KubernetesMetrics) {
        self.count(metrics, event);
        for subscriber in &self.subscribers {
            subscriber.queue.add(subscriber.input, key);
        }
    }

    fn count(&self, metrics: &KubernetesMetrics, event: &str) {
        let counts = |s: &&Subscriber| match s.counts {
            Counts::All => true,
            Counts::Updates => event == "update",
            Counts::Nothing => false,
        };
        let counting = self.subscribers.iter().filter(counts).count();
        if counting > 0 {
            metrics.events.with(&[T::ROLE, event]).add(counting as u64);
        }
    }
}

impl<T> Store<T> {
    pub(super) fn is_synced(&self) -> bool {
        self.shared.state.lock().is_synced
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<T>> {
        self.shared.state.lock().objects.get(key).cloned()
    }

    /// Keys of the objects for which `wanted` says so.
    pub(super) fn keys_where(&self, wanted: impl Fn(&str, &T) -> bool) -> Vec<String> {
        let state = self.shared.state.lock();
        let found = state.objects.iter().filter(|(key, object)| wanted(key, object));
        found.map(|(key, _)| key.clone()).collect()
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        self.shared.state.lock().subscribers.retain(|s| s.id != self.id);
    }
}

/// Why a step went no further.
enum Trouble {
    /// The version is too old: list again.
    Gone,
    Failed(String),
    /// Nobody holds the watch any more.
    Forgotten,
}

/// The task behind a watch.
struct Follower<T> {
    source: Source,
    url: String,
    shared: Weak<Shared<T>>,
    /// Where to watch from; `None`: list first.
    version: Option<String>,
    /// The next wait after trouble.
    wait: Duration,
}

impl<T: Object> Follower<T> {
    async fn run(mut self, ended: Shutdown) {
        loop {
            let step = async {
                match self.version.take() {
                    None => self.list().await,
                    Some(version) => self.watch(version).await,
                }
            };
            let done = tokio::select! {
                done = step => done,
                () = ended.wait() => return,
            };
            match done {
                Ok(()) => continue,
                Err(Trouble::Forgotten) => return,
                Err(Trouble::Gone) => self.version = None,
                Err(Trouble::Failed(reason)) => {
                    self.source.metrics.failures.inc();
                    let resource = T::PLURAL;
                    tracing::error!(discovery = "kubernetes", resource, reason, "watch failed");
                    let Some(shared) = self.shared.upgrade() else { return };
                    for subscriber in &shared.state.lock().subscribers {
                        subscriber.queue.fail(&format!("{resource}: {reason}"));
                    }
                }
            }
            let wait = self.next_wait();
            if !pause(wait, &ended).await {
                return;
            }
        }
    }

    /// Doubles each time; the later half is left to chance, so that many servers do not come back at once.
    fn next_wait(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(BACKOFF.1);
        let chance = self.source.clock.monotonic().subsec_nanos() % 1000;
        wait / 2 + wait / 2 * chance / 1000
    }

    async fn list(&mut self) -> Result<(), Trouble> {
        let mut next = String::new();
        let mut objects: Vec<T> = Vec::new();
        let mut version = String::new();
        for page in 0.. {
            if page == MAX_PAGES {
                return Err(Trouble::Failed(format!("list has more than {MAX_PAGES} pages")));
            }
            let more = if next.is_empty() {
                String::new()
            } else {
                format!("&continue={}", crate::rest::escape(&next, b""))
            };
            let mut ask = Ask::get(format!("{}limit={PAGE}{more}", self.url), TIMEOUT);
            ask.max_body_bytes = MAX_PAGE_BYTES;
            let ask = ask.header("accept", "application/json").header("accept-encoding", "gzip");
            let start = self.source.clock.monotonic();
            let sent = self.source.client.send(ask).await;
            self.count_request(sent.as_ref().ok().map(|answer| answer.status));
            self.observe(start);
            let answer = sent.map_err(|err| Trouble::Failed(err.to_string()))?;
            check_status(&self.url, &answer)?;
            let list: List<T> = decode(&answer.body).map_err(Trouble::Failed)?;
            objects.extend(list.items);
            version = list.metadata.resource_version;
            next = list.metadata.next;
            if next.is_empty() {
                break;
            }
        }
        let shared = self.shared.upgrade().ok_or(Trouble::Forgotten)?;
        let mut state = shared.state.lock();
        let there: BTreeSet<String> = objects.iter().map(Object::key).collect();
        let gone: Vec<String> =
            state.objects.keys().filter(|key| !there.contains(*key)).cloned().collect();
        for key in gone {
            state.remove(&key, &self.source.metrics);
        }
        for object in objects {
            state.put(object, false, &self.source.metrics);
        }
        state.is_synced = true;
        for subscriber in &state.subscribers {
            subscriber.queue.wake();
        }
        self.version = Some(version);
        Ok(())
    }

    async fn watch(&mut self, version: String) -> Result<(), Trouble> {
        let parameters = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECS}&resourceVersion={}",
            crate::rest::escape(&version, b"")
        );
        let start = self.source.clock.monotonic();
        self.version = Some(version);
        let longest = Duration::from_secs(WATCH_SECS) + WATCH_GRACE;
        let ask = Ask::get(format!("{}{parameters}", self.url), TIMEOUT)
            .header("accept", "application/json");
        let followed = tokio::time::timeout(longest, self.follow(ask)).await;
        match followed {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => return Err(trouble),
            Err(_) => return Err(Trouble::Failed("watch did not end in its time".to_owned())),
        }
        let took = self.source.clock.monotonic().saturating_sub(start);
        if took < SHORT_WATCH {
            let wait = self.next_wait();
            tokio::time::sleep(wait).await;
        } else {
            self.wait = BACKOFF.0;
        }
        Ok(())
    }

    /// Reads a watch to its end.
    async fn follow(&mut self, ask: Ask) -> Result<(), Trouble> {
        let opened = self.source.client.open(ask).await;
        self.count_request(opened.as_ref().ok().map(|lines| lines.status));
        let failed = |err: crate::fetch::FetchError| Trouble::Failed(err.to_string());
        let mut lines = opened.map_err(failed)?;
        if lines.status != 200 {
            let mut body = Vec::new();
            while let Some(line) = lines.next().await.map_err(failed)? {
                body.extend_from_slice(line);
            }
            return check_status(
                &self.url,
                &Answer { status: lines.status, headers: Vec::new(), body },
            );
        }
        while let Some(line) = lines.next().await.map_err(failed)? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.take_in(line)?;
        }
        Ok(())
    }

    fn take_in(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let kind = decode::<EventKind>(line).map_err(Trouble::Failed)?.kind;
        let shared = self.shared.upgrade().ok_or(Trouble::Forgotten)?;
        let metrics = &self.source.metrics;
        match kind.as_str() {
            "ADDED" | "MODIFIED" | "DELETED" => {
                let mut object = decode::<Event<T>>(line).map_err(Trouble::Failed)?.object;
                self.version = Some(std::mem::take(&mut object.meta_mut().resource_version));
                let mut state = shared.state.lock();
                if kind == "DELETED" {
                    state.remove(&object.key(), metrics);
                } else {
                    state.put(object, true, metrics);
                }
            }
            "BOOKMARK" => {
                let bookmark = decode::<Event<Bookmark>>(line).map_err(Trouble::Failed)?.object;
                self.version = Some(bookmark.metadata.resource_version);
            }
            "ERROR" => {
                let status = decode::<Event<ApiStatus>>(line).map_err(Trouble::Failed)?.object;
                if status.code == 410 {
                    return Err(Trouble::Gone);
                }
                return Err(Trouble::Failed(format!("{} ({})", status.message, status.reason)));
            }
            other => return Err(Trouble::Failed(format!("unknown watch event {other:?}"))),
        }
        Ok(())
    }

    fn count_request(&self, status: Option<u16>) {
        let code = status.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        self.source.metrics.requests.with(&[&code]).inc();
    }

    fn observe(&self, start: Duration) {
        let took = self.source.clock.monotonic().saturating_sub(start).as_secs_f64();
        let path = self.url.split('?').next().unwrap_or_default();
        let path = path.splitn(4, '/').nth(3).unwrap_or_default();
        self.source.metrics.request_duration.with(&[&format!("/{path}")]).observe(took);
    }
}

fn check_status(url: &str, answer: &Answer) -> Result<(), Trouble> {
    match answer.status {
        200 => Ok(()),
        410 => Err(Trouble::Gone),
        _ => {
            let message = decode::<ApiStatus>(&answer.body).map(|s| s.message).unwrap_or_default();
            let url = url.split('?').next().unwrap_or_default();
            Err(Trouble::Failed(if message.is_empty() {
                refusal(url, answer)
            } else {
                format!("{url}: {message} (HTTP status {})", answer.status)
            }))
        }
    }
}
