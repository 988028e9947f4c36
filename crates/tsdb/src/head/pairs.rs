//! Label pairs, interned: each distinct (name, value) is a number. Strings lie in one arena that only grows; it is made anew when
//! the index is (see [`super::index`]).

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use gauntlet_encoding::put_uvarint;
use hashbrown::HashTable;

/// Number of an interned pair.
pub(crate) type PairId = u32;
/// Number of an interned label name.
pub(crate) type NameId = u32;

#[derive(Clone, Debug)]
struct Name {
    at: u32,
    /// Position among all names in order of text.
    rank: u32,
    values: Vec<PairId>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: NameId,
    value_at: u32,
}

/// 8 bytes a pair, about 7 of table, 4 in its name's list, and its value's bytes.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Strings, each behind its length as uvarint.
    arena: Vec<u8>,
    names: Vec<Name>,
    name_table: HashTable<NameId>,
    pairs: Vec<Pair>,
    pair_table: HashTable<PairId>,
    hasher: FixedState,
}

impl Pairs {
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (NameId, &str)> {
        self.names.iter().enumerate().map(|(id, name)| (id as NameId, self.text(name.at)))
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<NameId> {
        let hash = self.hasher.hash_one(name.as_bytes());
        let same = |id: &NameId| bytes(&self.arena, self.names[*id as usize].at) == name.as_bytes();
        self.name_table.find(hash, same).copied()
    }

    pub(crate) fn name(&self, id: NameId) -> &str {
        self.text(self.names[id as usize].at)
    }

    /// Pairs of a name, in the order of their making.
    pub(crate) fn values_of(&self, name: NameId) -> &[PairId] {
        &self.names[name as usize].values
    }

    pub(crate) fn name_of(&self, pair: PairId) -> NameId {
        self.pairs[pair as usize].name
    }

    /// Position of a pair's name among all names in order of text.
    pub(crate) fn name_rank(&self, pair: PairId) -> u32 {
        self.names[self.name_of(pair) as usize].rank
    }

    /// What pairs are ordered by: name, then value.
    pub(crate) fn sort_key(&self, pair: PairId) -> (u32, &[u8]) {
        (self.name_rank(pair), bytes(&self.arena, self.pairs[pair as usize].value_at))
    }

    pub(crate) fn value(&self, pair: PairId) -> &str {
        self.text(self.pairs[pair as usize].value_at)
    }

    pub(crate) fn pair(&self, pair: PairId) -> (&str, &str) {
        (self.name(self.name_of(pair)), self.value(pair))
    }

    pub(crate) fn find(&self, name: &str, value: &str) -> Option<PairId> {
        let name = self.find_name(name)?;
        self.find_with(name, value)
    }

    pub(crate) fn find_with(&self, name: NameId, value: &str) -> Option<PairId> {
        let hash = self.hasher.hash_one((name, value.as_bytes()));
        let same = |id: &PairId| {
            let pair = self.pairs[*id as usize];
            pair.name == name && bytes(&self.arena, pair.value_at) == value.as_bytes()
        };
        self.pair_table.find(hash, same).copied()
    }

    /// The pair's number, new if need be. `None` where the arena is full (4 GiB of strings).
    pub(crate) fn intern(&mut self, name: &str, value: &str) -> Option<PairId> {
        let name = self.intern_name(name)?;
        if let Some(found) = self.find_with(name, value) {
            return Some(found);
        }
        let value_at = self.put(value)?;
        let id = PairId::try_from(self.pairs.len()).ok()?;
        let hash = self.hasher.hash_one((name, value.as_bytes()));
        self.pairs.push(Pair { name, value_at });
        self.names[name as usize].values.push(id);
        let Self { arena, pairs, pair_table, hasher, .. } = self;
        pair_table.insert_unique(hash, id, |id| {
            let pair = pairs[*id as usize];
            hasher.hash_one((pair.name, bytes(arena, pair.value_at)))
        });
        Some(id)
    }

    fn intern_name(&mut self, string: &str) -> Option<NameId> {
        if let Some(found) = self.find_name(string) {
            return Some(found);
        }
        let at = self.put(string)?;
        let id = self.names.len() as NameId;
        let hash = self.hasher.hash_one(string.as_bytes());
        let before = |name: &Name| bytes(&self.arena, name.at) < string.as_bytes();
        let rank = self.names.iter().filter(|name| before(name)).count() as u32;
        self.names.iter_mut().filter(|name| name.rank >= rank).for_each(|name| name.rank += 1);
        self.names.push(Name { at, rank, values: Vec::new() });
        let Self { arena, names, name_table, hasher, .. } = self;
        name_table
            .insert_unique(hash, id, |id| hasher.hash_one(bytes(arena, names[*id as usize].at)));
        Some(id)
    }

    fn put(&mut self, string: &str) -> Option<u32> {
        let at = u32::try_from(self.arena.len()).ok()?;
        put_uvarint(&mut self.arena, string.len() as u64);
        self.arena.extend_from_slice(string.as_bytes());
        Some(at)
    }

    fn text(&self, at: u32) -> &str {
        text(&self.arena, at)
    }

    /// Bytes of strings, and of tables over them.
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        let lists: usize = self.names.iter().map(|name| name.values.capacity() * 4).sum();
        let tables = self.pairs.capacity() * size_of::<Pair>()
            + self.pair_table.allocation_size()
            + self.name_table.allocation_size()
            + self.names.capacity() * size_of::<Name>()
            + lists;
        (self.arena.capacity(), tables)
    }
}

fn text(arena: &[u8], at: u32) -> &str {
    std::str::from_utf8(bytes(arena, at)).expect("BUG: arena holds UTF-8")
}

/// The string's bytes: comparing and hashing need no check of them.
#[inline]
fn bytes(arena: &[u8], at: u32) -> &[u8] {
    let rest = &arena[at as usize..];
    let (mut len, mut shift, mut used) = (0usize, 0, 0);
    for byte in rest {
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        used += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    &rest[used..used + len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_number() {
        let mut pairs = Pairs::default();
        let a = pairs.intern("job", "api").unwrap();
        let b = pairs.intern("job", &"x".repeat(300)).unwrap();
        let c = pairs.intern("zone", "api").unwrap();
        for n in 0..1000 {
            pairs.intern("n", &n.to_string()).unwrap();
        }
        assert_eq!(pairs.intern("job", "api"), Some(a));
        assert_eq!(pairs.find("zone", "api"), Some(c));
        assert_eq!(pairs.find("zone", "other"), None);
        assert_eq!(pairs.pair(b), ("job", "x".repeat(300).as_str()));
        let job = pairs.find_name("job").unwrap();
        assert_eq!(pairs.values_of(job), [a, b]);
        assert_eq!(pairs.len(), 1003);
    }
}
