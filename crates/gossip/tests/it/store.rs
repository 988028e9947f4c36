//! A piece of state for tests: a set of words, spread as Alertmanager spreads silences.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use gauntlet_gossip::{Channel, MAX_GOSSIPED_BYTES, MergeError, State};
use parking_lot::Mutex;

/// Words, each on a line. News are told again, as long as they are small.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Mutex<BTreeSet<String>>,
    channel: OnceLock<Channel>,
}

impl Words {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn set_channel(&self, channel: Channel) {
        self.channel.set(channel).expect("set once");
    }

    /// Adds a word here and tells the others.
    pub(crate) fn say(&self, word: &str) {
        self.words.lock().insert(word.to_owned());
        if let Some(channel) = self.channel.get() {
            channel.broadcast(format!("{word}\n").into_bytes());
        }
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.lock().contains(word)
    }

    pub(crate) fn len(&self) -> usize {
        self.words.lock().len()
    }

    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.words.lock().clone()
    }
}

impl State for Words {
    fn marshal(&self) -> Bytes {
        let mut out = String::new();
        for word in self.words.lock().iter() {
            out.push_str(word);
            out.push('\n');
        }
        Bytes::from(out)
    }

    fn merge(&self, data: &[u8]) -> Result<(), MergeError> {
        let text = std::str::from_utf8(data).map_err(|err| MergeError(err.to_string()))?;
        for word in text.lines() {
            let new = self.words.lock().insert(word.to_owned());
            if new
                && data.len() <= MAX_GOSSIPED_BYTES
                && let Some(channel) = self.channel.get()
            {
                channel.broadcast(data.to_vec());
            }
        }
        Ok(())
    }
}
