//! The silences of this process and its cluster.
//!
//! A change is merged, appended to the snapshot file and queued for the cluster, in that order, by whoever owns the state
//! machine; none of it waits. [`Silences::version`] rises with every change, so that what an alert's silences were is known
//! to hold still. An index by one equality of each silence answers which may concern an alert.

use std::collections::HashMap;
use std::sync::Arc;

use super::snapshot::{MeshSilence, decode};
use super::validate::{compile, validate};
use super::{Silence, SilenceCache, SilenceError, SilenceState};
use crate::durable::AppendFile;
use crate::matcher::{MatchIndex, Matchers, ParseMode};
use crate::metrics::SilenceMetrics;
use crate::snapshot::OVERSIZED_BYTES;
use crate::time::Time;
use gauntlet_model::Labels;

/// Bounds on silences; 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilenceLimits {
    /// Expired ones that are still remembered count.
    pub max_silences: usize,
    /// Of one silence as stored.
    pub max_size_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    silence: Arc<Silence>,
    expires_at: Time,
    sets: Vec<Matchers>,
    /// Order in which silences came to be known.
    number: u64,
}

/// The store.
#[derive(Debug)]
pub struct Silences {
    entries: HashMap<Arc<str>, Entry>,
    index: MatchIndex<Arc<str>>,
    version: u64,
    numbers: u64,
    retention_ns: i64,
    limits: SilenceLimits,
    mode: ParseMode,
    file: Option<Arc<AppendFile>>,
    outgoing: Vec<Vec<u8>>,
    metrics: SilenceMetrics,
    /// Log every change.
    logging: bool,
}

impl Silences {
    /// An empty store. A silence is remembered for `retention_ns` after its end.
    pub fn new(
        retention_ns: i64,
        limits: SilenceLimits,
        mode: ParseMode,
        metrics: SilenceMetrics,
    ) -> Self {
        Self {
            entries: HashMap::new(),
            index: MatchIndex::default(),
            // Of 0 are the caches that know nothing yet.
            version: 1,
            numbers: 0,
            retention_ns,
            limits,
            mode,
            file: None,
            outgoing: Vec::new(),
            metrics,
            logging: false,
        }
    }

    pub(crate) fn set_logging(&mut self, logging: bool) {
        self.logging = logging;
    }

    /// Takes in a snapshot and goes on appending to `file`, which holds it. Silences whose matchers do not compile are left
    /// out and named.
    pub fn restore(
        &mut self,
        silences: Vec<MeshSilence>,
        file: Option<Arc<AppendFile>>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        for mesh in silences {
            let id = mesh.silence.id.clone();
            if let Err(reason) = self.put(mesh.silence, mesh.expires_at) {
                self.metrics.compile_errors_load.inc();
                problems.push(format!("silence {id}: {reason}"));
            }
        }
        self.file = file;
        problems
    }

    /// Rises with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Number of silences, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.metrics.queries.inc();
        self.entries.get(id).map(|entry| &entry.silence)
    }

    /// Silences that pass, in the order they came to be known.
    pub fn query(&self, mut pass: impl FnMut(&Silence) -> bool) -> Vec<Arc<Silence>> {
        self.metrics.queries.inc();
        self.metrics.scanned.add(self.entries.len() as u64);
        let mut found: Vec<&Entry> =
            self.entries.values().filter(|entry| pass(&entry.silence)).collect();
        found.sort_unstable_by_key(|entry| entry.number);
        found.into_iter().map(|entry| Arc::clone(&entry.silence)).collect()
    }

    /// Number of silences in a state.
    pub fn count(&self, state: SilenceState, now: Time) -> usize {
        self.entries.values().filter(|entry| entry.silence.state(now) == state).count()
    }

    /// Ids of the active silences of a label set, in the order they came to be known. `cache` is the alert's own.
    pub fn silencing(&self, labels: &Labels, cache: &mut SilenceCache, now: Time) -> Vec<String> {
        if cache.version == self.version {
            self.metrics.skipped.add(self.entries.len() as u64);
            if cache.ids.is_empty() {
                return Vec::new();
            }
        } else {
            let mut scanned = 0;
            let mut ids = Vec::new();
            self.index.candidates(labels, |id| {
                scanned += 1;
                let Some(entry) = self.entries.get(id) else { return };
                if entry.silence.state(now) != SilenceState::Expired
                    && entry.sets.iter().any(|set| set.matches(labels))
                    && !ids.contains(id)
                {
                    ids.push(Arc::clone(id));
                }
            });
            let number = |id: &Arc<str>| self.entries.get(id).map(|entry| entry.number);
            ids.sort_unstable_by_key(number);
            cache.ids = ids.into();
            self.metrics.scanned.add(scanned);
            cache.version = self.version;
        }
        let active = |id: &&Arc<str>| {
            let entry = self.entries.get(*id);
            entry.is_some_and(|entry| entry.silence.state(now) == SilenceState::Active)
        };
        cache.ids.iter().filter(active).map(|id| id.as_ref().to_owned()).collect()
    }

    /// Makes a silence, or changes the one with its id. What would rewrite history ends the old one and makes a new one.
    /// Returns the id. `new_id` gives a UUID.
    pub fn set(
        &mut self,
        mut silence: Silence,
        now: Time,
        new_id: impl FnOnce() -> String,
    ) -> Result<String, SilenceError> {
        if silence.starts_at.is_zero() {
            silence.starts_at = now;
        }
        validate(&silence, self.mode)
            .and_then(|()| compile(&silence).map(drop))
            .map_err(SilenceError::Invalid)?;
        let previous = self.entries.get(silence.id.as_str()).map(|e| Arc::clone(&e.silence));
        if !silence.id.is_empty() && previous.is_none() {
            return Err(SilenceError::NotFound);
        }
        if let Some(previous) = previous.as_ref().filter(|p| can_update(p, &silence, now)) {
            silence.updated_at = after(previous.updated_at, now);
            self.check_size(&silence)?;
            let id = silence.id.clone();
            self.log("update silence", &silence);
            self.change(silence)?;
            return Ok(id);
        }
        let limit = self.limits.max_silences;
        if limit > 0 && self.entries.len() + 1 > limit {
            let count = self.entries.len();
            return Err(SilenceError::Limit(format!(
                "exceeded maximum number of silences: {count} (limit: {limit})"
            )));
        }
        silence.id = new_id();
        silence.starts_at = silence.starts_at.max(now);
        silence.updated_at = now;
        self.check_size(&silence)?;
        if let Some(previous) = previous {
            self.expire(&previous.id, now)?;
        }
        let id = silence.id.clone();
        self.log("create silence", &silence);
        self.change(silence)?;
        Ok(id)
    }

    /// Ends a silence now. One that ended already is left as it is.
    pub fn expire(&mut self, id: &str, now: Time) -> Result<(), SilenceError> {
        let entry = self.entries.get(id).ok_or(SilenceError::NotFound)?;
        let mut silence = Silence::clone(&entry.silence);
        match silence.state(now) {
            SilenceState::Expired => return Ok(()),
            SilenceState::Active => {}
            SilenceState::Pending => silence.starts_at = now,
        }
        silence.ends_at = now;
        silence.updated_at = after(silence.updated_at, now);
        self.log("expire silence", &silence);
        self.change(silence)
    }

    /// Takes in what the cluster sent. Returns whether anything was new. Errs, after taking in what is good, if some was not.
    pub fn merge(&mut self, bytes: &[u8], now: Time) -> Result<bool, String> {
        let decoded = decode(bytes);
        let mut news = false;
        let mut problems = decoded.damage;
        for mesh in decoded.silences {
            let known = self.entries.get(mesh.silence.id.as_str());
            let newer = known.is_none_or(|e| e.silence.updated_at < mesh.silence.updated_at);
            if mesh.expires_at < now || !newer {
                continue;
            }
            let (silence, expires_at) = (mesh.silence, mesh.expires_at);
            let mut own = Vec::new();
            MeshSilence::encode(&silence, expires_at, &mut own);
            if let Err(reason) = self.put(silence, expires_at) {
                self.metrics.compile_errors_index.inc();
                problems.push(reason);
                continue;
            }
            news = true;
            self.append(&own);
        }
        if news && bytes.len() <= OVERSIZED_BYTES {
            self.outgoing.push(bytes.to_vec());
            self.metrics.propagated.inc();
        }
        if problems.is_empty() { Ok(news) } else { Err(problems.join("; ")) }
    }

    /// Messages for the cluster since the last call.
    pub fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.outgoing)
    }

    /// Forgets what was to be remembered until now. Returns how many.
    pub fn collect(&mut self, now: Time) -> usize {
        let gone: Vec<Arc<str>> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires_at <= now)
            .map(|(id, _)| Arc::clone(id))
            .collect();
        for id in &gone {
            if let Some(entry) = self.entries.remove(id) {
                entry.sets.iter().for_each(|set| self.index.remove(set, id));
            }
        }
        self.update_sizes();
        gone.len()
    }

    /// The whole state, as in the snapshot file and for a peer that joins.
    pub fn encode(&self) -> Vec<u8> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        let mut out = Vec::new();
        for entry in entries {
            MeshSilence::encode(&entry.silence, entry.expires_at, &mut out);
        }
        out
    }

    fn change(&mut self, silence: Silence) -> Result<(), SilenceError> {
        let expires_at = silence.ends_at.plus_ns(self.retention_ns);
        let mut bytes = Vec::new();
        MeshSilence::encode(&silence, expires_at, &mut bytes);
        self.put(silence, expires_at).map_err(SilenceError::Invalid)?;
        self.append(&bytes);
        self.outgoing.push(bytes);
        Ok(())
    }

    fn put(&mut self, silence: Silence, expires_at: Time) -> Result<(), String> {
        let sets = compile(&silence)?;
        let id: Arc<str> = silence.id.as_str().into();
        let known = self.entries.get(&id).map(|entry| (entry.number, entry.sets.clone()));
        if let Some((_, old)) = &known {
            old.iter().for_each(|set| self.index.remove(set, &id));
        }
        sets.iter().for_each(|set| self.index.insert(set, Arc::clone(&id)));
        let number = known.map_or_else(
            || {
                self.numbers += 1;
                self.numbers
            },
            |(number, _)| number,
        );
        self.version += 1;
        let silence = Arc::new(silence);
        self.entries.insert(id, Entry { silence, expires_at, sets, number });
        self.update_sizes();
        Ok(())
    }

    fn append(&self, bytes: &[u8]) {
        if let Some(file) = &self.file {
            file.append(bytes);
        }
    }

    fn check_size(&self, silence: &Silence) -> Result<(), SilenceError> {
        let limit = self.limits.max_size_bytes;
        if limit == 0 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        MeshSilence::encode(silence, silence.ends_at.plus_ns(self.retention_ns), &mut bytes);
        let size = MeshSilence::size_bytes(&bytes);
        if size > limit {
            return Err(SilenceError::Limit(format!(
                "silence exceeded maximum size: {size} bytes (limit: {limit} bytes)"
            )));
        }
        Ok(())
    }

    fn update_sizes(&self) {
        let count = self.entries.len() as f64;
        for gauge in
            [&self.metrics.state_size, &self.metrics.matcher_index, &self.metrics.version_index]
        {
            gauge.set(count);
        }
    }

    fn log(&self, what: &'static str, silence: &Silence) {
        if !self.logging {
            return;
        }
        let matchers: Vec<String> = silence
            .matcher_sets
            .iter()
            .flatten()
            .map(|m| format!("{}{}{}", m.name, m.op.as_str(), m.pattern))
            .collect();
        tracing::info!(
            component = "silences",
            id = %silence.id,
            created_by = %silence.created_by,
            comment = %silence.comment,
            starts_at = %silence.starts_at,
            ends_at = %silence.ends_at,
            matchers = %matchers.join(","),
            "{what}"
        );
    }
}

/// A time after `previous`: changes within one tick of the clock must still be told apart.
pub(crate) fn after(previous: Time, now: Time) -> Time {
    if now > previous { now } else { previous.plus_ns(1) }
}

/// Whether `new` can take the place of `old` without rewriting what has already been silenced.
fn can_update(old: &Silence, new: &Silence, now: Time) -> bool {
    if old.matcher_sets != new.matcher_sets {
        return false;
    }
    match old.state(now) {
        SilenceState::Active => {
            old.starts_at.unix_secs() == new.starts_at.unix_secs() && new.ends_at >= now
        }
        SilenceState::Pending => new.starts_at >= now,
        SilenceState::Expired => false,
    }
}
