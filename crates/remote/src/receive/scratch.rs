//! Memory of requests, used again: a body of half a megabyte on fresh pages costs more to map than to unpack.

use std::ops::{Deref, DerefMut};

use gauntlet_model::SeriesRef;
use parking_lot::Mutex;

/// Sets kept: requests that are received at a time, mostly.
const KEPT: usize = 16;
/// Larger bodies are rare, and their memory is given back, bytes.
const KEPT_BYTES: usize = 4 << 20;

/// What a request is worked on with.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The unpacked body; what is in it is of the request before.
    pub(super) body: Vec<u8>,
    pub(super) lists: Lists,
}

/// Of each series of a request: its key in the cache, and what the cache says.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) keys: Vec<u128>,
    pub(super) known: Vec<SeriesRef>,
    /// What the cache is to learn.
    pub(super) fresh: Vec<(u128, SeriesRef)>,
}

impl Lists {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.known.clear();
        self.fresh.clear();
    }
}

/// Memory that no request uses now.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    pub(super) fn take(&self) -> Borrowed<'_> {
        let scratch = self.0.lock().pop().unwrap_or_default();
        Borrowed { pool: self, scratch }
    }
}

/// Goes back to the pool when dropped.
#[derive(Debug)]
pub(super) struct Borrowed<'a> {
    pool: &'a Pool,
    scratch: Scratch,
}

impl Deref for Borrowed<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        if scratch.body.capacity() > KEPT_BYTES || scratch.lists.keys.capacity() > KEPT_BYTES / 16 {
            return;
        }
        let mut kept = self.pool.0.lock();
        if kept.len() < KEPT {
            kept.push(scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_unless_it_is_too_much() {
        let pool = Pool::default();
        pool.take().body.resize(1000, 1);
        assert_eq!(pool.take().body.len(), 1000);
        pool.take().body.reserve(KEPT_BYTES + 1);
        assert_eq!(pool.take().body.capacity(), 0);
        let all: Vec<_> = (0..KEPT + 3).map(|_| pool.take()).collect();
        drop(all);
        assert_eq!(pool.0.lock().len(), KEPT);
    }
}
