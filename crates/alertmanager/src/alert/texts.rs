//! Labels and annotations of all alerts, packed: what many alerts share is kept once, what one alone has stands in its own bytes.
//!
//! | pairs of annotations | pairs of labels |    pairs = count uvarint, then each: header uvarint, and in place: value uvarint len + bytes
//! header = symbol * 2 + 1: a name with its value, both shared; symbol * 2: a name, whose value is in place.
//! A pair is shared from the second alert on that has it, which a small table of hashes notices; a symbol that no alert has any
//! more is gone at once. An alert of eight labels and two annotations takes some 150 bytes, a third of them as separate texts.

use std::hash::BuildHasher as _;

use gauntlet_encoding::{Cursor, put_len_bytes, put_uvarint};
use gauntlet_model::Labels;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::labels::Annotations;

/// Hashes of pairs seen last, for telling the second of a kind from the first.
const SEEN: usize = 1 << 13;

/// The packed texts of one alert.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed(Box<[u8]>);

#[derive(Debug)]
struct Symbol {
    /// Name with its length before it, then the value; a name alone is the value of no name.
    text: Box<[u8]>,
    /// In how many places it stands.
    uses: u32,
}

/// What alerts share.
#[derive(Debug)]
pub(crate) struct Texts {
    symbols: Vec<Symbol>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    seen: Box<[u32]>,
    /// Reused for packing.
    buffer: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            symbols: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            seen: vec![0; SEEN].into(),
            buffer: Vec::new(),
        }
    }
}

impl Texts {
    /// Packs pairs that ascend by name. Whoever drops the result must [`Texts::release`] it.
    pub(crate) fn pack<'a>(
        &mut self,
        labels: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        annotations: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Packed {
        let mut out = std::mem::take(&mut self.buffer);
        out.clear();
        self.push(&mut out, annotations);
        self.push(&mut out, labels);
        let packed = Packed(out.as_slice().into());
        self.buffer = out;
        packed
    }

    fn push<'a>(
        &mut self,
        out: &mut Vec<u8>,
        pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) {
        put_uvarint(out, pairs.len() as u64);
        for (name, value) in pairs {
            let hash = self.hasher.hash_one((name, value));
            let mut shared = self.find(hash, name, value);
            if shared.is_none() {
                let seen = &mut self.seen[hash as usize % SEEN];
                let mark = (hash >> 32) as u32 | 1;
                if std::mem::replace(seen, mark) == mark {
                    shared = Some(self.insert(hash, name, value));
                }
            }
            match shared {
                Some(symbol) => {
                    self.symbols[symbol as usize].uses += 1;
                    put_uvarint(out, u64::from(symbol) << 1 | 1);
                }
                None => {
                    let symbol = self.name(name);
                    put_uvarint(out, u64::from(symbol) << 1);
                    put_len_bytes(out, value.as_bytes());
                }
            }
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(("", name));
        let known = self.find(hash, "", name);
        let symbol = known.unwrap_or_else(|| self.insert(hash, "", name));
        self.symbols[symbol as usize].uses += 1;
        symbol
    }

    fn find(&self, hash: u64, name: &str, value: &str) -> Option<u32> {
        let same = |symbol: &u32| self.pair(*symbol) == (name, value);
        self.index.find(hash, same).copied()
    }

    fn insert(&mut self, hash: u64, name: &str, value: &str) -> u32 {
        let mut text = Vec::with_capacity(name.len() + value.len() + 2);
        put_len_bytes(&mut text, name.as_bytes());
        text.extend_from_slice(value.as_bytes());
        let symbol = Symbol { text: text.into(), uses: 0 };
        let number = match self.free.pop() {
            Some(number) => {
                self.symbols[number as usize] = symbol;
                number
            }
            None => {
                self.symbols.push(symbol);
                (self.symbols.len() - 1) as u32
            }
        };
        let (symbols, hasher) = (&self.symbols, &self.hasher);
        let again = |number: &u32| hasher.hash_one(split(&symbols[*number as usize].text));
        self.index.insert_unique(hash, number, again);
        number
    }

    /// Gives up the symbols of packed texts.
    pub(crate) fn release(&mut self, packed: &Packed) {
        let mut pairs = Pairs::new(&packed.0);
        for _ in 0..2 {
            for _ in 0..pairs.count() {
                let (symbol, _) = pairs.next();
                let entry = &mut self.symbols[symbol as usize];
                entry.uses -= 1;
                if entry.uses == 0 {
                    let text = std::mem::take(&mut entry.text);
                    let hash = self.hasher.hash_one(split(&text));
                    if let Ok(found) = self.index.find_entry(hash, |number| *number == symbol) {
                        found.remove();
                    }
                    self.free.push(symbol);
                }
            }
        }
    }

    fn pair(&self, symbol: u32) -> (&str, &str) {
        split(&self.symbols[symbol as usize].text)
    }

    /// The next pair of packed ones.
    fn read<'a>(&'a self, pairs: &mut Pairs<'a>) -> (&'a str, &'a str) {
        match pairs.next() {
            (symbol, None) => self.pair(symbol),
            (symbol, Some(value)) => (self.pair(symbol).1, value),
        }
    }

    pub(crate) fn unpack(&self, packed: &Packed) -> (Labels, Annotations) {
        let mut pairs = Pairs::new(&packed.0);
        let count = pairs.count();
        let annotations = Annotations::from_sorted((0..count).map(|_| self.read(&mut pairs)));
        let count = pairs.count();
        (Labels::from_sorted((0..count).map(|_| self.read(&mut pairs))), annotations)
    }

    pub(crate) fn labels(&self, packed: &Packed) -> Labels {
        let mut pairs = Pairs::new(&packed.0);
        for _ in 0..pairs.count() {
            pairs.next();
        }
        let count = pairs.count();
        Labels::from_sorted((0..count).map(|_| self.read(&mut pairs)))
    }

    /// Whether the annotations are these, ascending by name. Allocates nothing.
    pub(crate) fn has_annotations<'a>(
        &self,
        packed: &Packed,
        mut wanted: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> bool {
        let mut pairs = Pairs::new(&packed.0);
        pairs.count() == wanted.len() && wanted.all(|pair| self.read(&mut pairs) == pair)
    }

    /// Length of all texts of an alert, unpacked, in bytes.
    pub(crate) fn size_bytes(&self, packed: &Packed) -> usize {
        let mut pairs = Pairs::new(&packed.0);
        let mut size = 0;
        for _ in 0..2 {
            for _ in 0..pairs.count() {
                let (name, value) = self.read(&mut pairs);
                size += name.len() + value.len();
            }
        }
        size
    }
}

/// Walks packed texts.
struct Pairs<'a>(Cursor<'a>);

const OWN: &str = "BUG: packed texts are not as they were packed";

impl<'a> Pairs<'a> {
    fn new(packed: &'a [u8]) -> Self {
        Self(Cursor::new(packed))
    }

    fn count(&mut self) -> usize {
        // Texts that nobody packed have no pairs.
        if self.0.is_empty() { 0 } else { self.0.uvarint().expect(OWN) as usize }
    }

    /// A symbol, and the value where that is in place.
    fn next(&mut self) -> (u32, Option<&'a str>) {
        let header = self.0.uvarint().expect(OWN);
        let value = (header & 1 == 0).then(|| self.0.len_str().expect(OWN));
        ((header >> 1) as u32, value)
    }
}

fn split(text: &[u8]) -> (&str, &str) {
    let mut cursor = Cursor::new(text);
    let name = cursor.len_str().expect(OWN);
    (name, std::str::from_utf8(cursor.rest()).expect(OWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Set<'a> = &'a [(&'a str, &'a str)];

    fn pack(texts: &mut Texts, labels: Set<'_>, annotations: Set<'_>) -> Packed {
        texts.pack(labels.iter().copied(), annotations.iter().copied())
    }

    fn check(texts: &Texts, packed: &Packed, labels: Set<'_>, annotations: Set<'_>) {
        let (found, notes) = texts.unpack(packed);
        assert_eq!(found.iter().collect::<Vec<_>>(), labels);
        assert_eq!(notes.iter().collect::<Vec<_>>(), annotations);
        assert_eq!(texts.labels(packed), found);
        assert!(texts.has_annotations(packed, annotations.iter().copied()));
        let length = |set: Set<'_>| set.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        assert_eq!(texts.size_bytes(packed), length(labels) + length(annotations));
    }

    #[test]
    fn texts_come_back_and_what_is_shared_is_kept_once() {
        let mut texts = Texts::default();
        let long = "x".repeat(100);
        let numbers: Vec<String> = (0..50).map(|n| format!("10.0.0.{n}")).collect();
        let mut all = Vec::new();
        for number in &numbers {
            let labels = [("alertname", "A"), ("instance", number.as_str()), ("job", &long)];
            let notes = [("empty", ""), ("text", number.as_str())];
            all.push((pack(&mut texts, &labels, &notes), labels, notes));
        }
        for (packed, labels, notes) in &all {
            check(&texts, packed, labels, notes);
        }
        let last = &all[49].0;
        assert!(last.0.len() < 40, "{}", last.0.len());
        assert!(!texts.has_annotations(last, [("empty", ""), ("text", "10.0.0.4")].into_iter()));
        assert!(!texts.has_annotations(last, [("empty", "")].into_iter()));
        assert!(!texts.has_annotations(last, [("empty", ""), ("texts", "10.0.0.49")].into_iter()));
        // Names, and pairs that came twice; instances came once each.
        assert_eq!(texts.index.len(), texts.symbols.len() - texts.free.len());
        assert!(texts.symbols.len() < 12, "{:?}", texts.symbols.len());
        for (packed, ..) in all.drain(1..) {
            texts.release(&packed);
        }
        let (first, labels, notes) = &all[0];
        check(&texts, first, labels, notes);
        texts.release(first);
        assert_eq!((texts.index.len(), texts.free.len()), (0, texts.symbols.len()));
        let again = pack(&mut texts, &[("a", "é")], &[]);
        check(&texts, &again, &[("a", "é")], &[]);
        let empty = texts.unpack(&Packed::default());
        assert!(empty.0.is_empty() && empty.1.is_empty());
    }

    #[test]
    fn any_texts_survive_each_others_coming_and_going() {
        let mut chance = gauntlet_runtime::Chance::seeded(7);
        let mut texts = Texts::default();
        let mut held: Vec<(Packed, Vec<(String, String)>)> = Vec::new();
        for _ in 0..5000 {
            if !held.is_empty() && chance.below(3) == 0 {
                let (packed, _) = held.swap_remove(chance.index(held.len()));
                texts.release(&packed);
                continue;
            }
            let count = 1 + chance.index(5);
            let pairs: Vec<(String, String)> = (0..count)
                .map(|at| (format!("n{at}"), format!("v{}", 1 + chance.below(40))))
                .collect();
            let labels: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
            held.push((pack(&mut texts, &labels, &labels[..1]), pairs));
        }
        for (packed, pairs) in &held {
            let labels: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
            check(&texts, packed, &labels, &labels[..1]);
        }
        held.iter().for_each(|(packed, _)| texts.release(packed));
        assert_eq!(texts.index.len(), 0);
    }
}
