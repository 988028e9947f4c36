//! A label set: name/value pairs in ascending order of name, each name once, no empty value.
//!
//! One shared allocation per set, laid out as upstream's default build lays it out (each string is its length, one byte, or
//! 255 and three bytes little endian, then its bytes), so that [`Labels::hash`] equals the peer's without re-encoding.
//! A clone is a reference count. Interning across series is the head's business (crate `tsdb`), not done here.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";
/// Upper bound of a name's or value's length in bytes that the encoding can hold.
pub const MAX_LEN_BYTES: usize = (1 << 24) - 1;

/// An immutable label set. 16 bytes plus one shared allocation; an empty set allocates nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    data: Arc<[u8]>,
}

impl Labels {
    /// The empty set.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds a set from pairs in any order. Pairs with an empty value are left out; of equal names the last wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// Builds a set from pairs that already ascend by name, each name once and no value empty; checked in debug builds.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut data = Vec::with_capacity(128);
        let mut previous: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(previous.is_none_or(|p| p < name), "BUG: labels out of order");
            debug_assert!(!value.is_empty(), "BUG: empty label value");
            previous = Some(name);
            push_str(&mut data, name);
            push_str(&mut data, value);
        }
        Self { data: data.into() }
    }

    /// Number of pairs. Walks the set.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Size of the encoded set in bytes.
    pub fn size_bytes(&self) -> usize {
        self.data.len()
    }

    /// Pairs in ascending order of name.
    pub fn iter(&self) -> Iter<'_> {
        Iter { pairs: self.iter_bytes() }
    }

    /// Pairs as bytes, in ascending order of name: without looking whether they are UTF-8, which they are. For comparing and
    /// copying; 2 ns a pair.
    #[inline]
    pub fn iter_bytes(&self) -> BytesIter<'_> {
        BytesIter { rest: &self.data }
    }

    /// The value of `name`; `None` where the set has no such label.
    pub fn get(&self, name: &str) -> Option<&str> {
        for pair in self.iter_bytes() {
            match pair.name.cmp(name.as_bytes()) {
                Ordering::Less => {}
                Ordering::Equal => return Some(utf8(pair.value)),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The value of `name`, or the empty string, which by the data model is the same as absence.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric name, empty if there is none.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Hash of the whole set, equal to upstream's `labels.Labels.Hash` of the default build.
    pub fn hash(&self) -> u64 {
        xxhash_rust::xxh64::xxh64(&self.data, 0)
    }

    /// The set without the given labels. `names` need not be sorted.
    pub fn without(&self, names: &[&str]) -> Self {
        let named = |name: &[u8]| names.iter().any(|n| n.as_bytes() == name);
        if !self.iter_bytes().any(|pair| named(pair.name)) {
            return self.clone();
        }
        self.filter_bytes(|name| !named(name))
    }

    /// The set reduced to the labels whose name, as bytes, `keep` takes.
    pub fn filter_bytes(&self, mut keep: impl FnMut(&[u8]) -> bool) -> Self {
        let mut data = Vec::with_capacity(self.data.len());
        for pair in self.iter_bytes().filter(|pair| keep(pair.name)) {
            data.extend_from_slice(pair.encoded);
        }
        Self { data: data.into() }
    }

    /// The labels whose name, as bytes, `keep` takes, with those of `set` in their place or added; an empty value deletes.
    /// `set` ascends by name. One allocation.
    pub fn rewrite(&self, mut keep: impl FnMut(&[u8]) -> bool, set: &[(&str, &str)]) -> Self {
        debug_assert!(set.windows(2).all(|w| w[0].0 < w[1].0), "BUG: labels out of order");
        let mut data = Vec::with_capacity(self.data.len() + 64);
        let mut set = set.iter().peekable();
        let push = |data: &mut Vec<u8>, (name, value): (&str, &str)| {
            if !value.is_empty() {
                push_str(data, name);
                push_str(data, value);
            }
        };
        for pair in self.iter_bytes() {
            while let Some(new) = set.next_if(|(name, _)| name.as_bytes() < pair.name) {
                push(&mut data, *new);
            }
            if let Some(new) = set.next_if(|(name, _)| name.as_bytes() == pair.name) {
                push(&mut data, *new);
            } else if keep(pair.name) {
                data.extend_from_slice(pair.encoded);
            }
        }
        set.for_each(|new| push(&mut data, *new));
        Self { data: data.into() }
    }

    /// The set reduced to the given labels. `names` need not be sorted.
    pub fn keep(&self, names: &[&str]) -> Self {
        self.filter_bytes(|name| names.iter().any(|n| n.as_bytes() == name))
    }

    /// The set without its metric name.
    pub fn without_name(&self) -> Self {
        self.without(&[METRIC_NAME])
    }

    /// Starts a builder from this set.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }
}

impl Ord for Labels {
    /// Upstream's order: pair by pair, name before value; a prefix comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        // Bytes of UTF-8 are in the order of what they spell.
        let (mut a, mut b) = (self.iter_bytes(), other.iter_bytes());
        loop {
            match (a.next(), b.next()) {
                (Some(a), Some(b)) if a.encoded == b.encoded => {}
                (Some(a), Some(b)) => return (a.name, a.value).cmp(&(b.name, b.value)),
                (a, b) => return a.is_some().cmp(&b.is_some()),
            }
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Labels {
    /// `{a="b", c="d"}` with the metric name as an ordinary label, as Go's `Labels.String` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_legacy_label_name(name) {
                write!(f, "{name}={}", crate::float::GoQuoted(value))?;
            } else {
                write!(f, "{}={}", crate::float::GoQuoted(name), crate::float::GoQuoted(value))?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Pairs of a label set in ascending order of name.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    pairs: BytesIter<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next().map(|pair| (utf8(pair.name), utf8(pair.value)))
    }
}

/// A name and its value as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesPair<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// Both as the set holds them: equal for equal pairs.
    pub encoded: &'a [u8],
}

/// Pairs of a label set as bytes, in ascending order of name.
#[derive(Clone, Debug)]
pub struct BytesIter<'a> {
    rest: &'a [u8],
}

impl<'a> BytesIter<'a> {
    #[inline]
    fn take(&mut self) -> &'a [u8] {
        let (len, rest) = match self.rest {
            [255, a, b, c, rest @ ..] => {
                (usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16, rest)
            }
            [len, rest @ ..] => (usize::from(*len), rest),
            [] => panic!("BUG: label set cut short"),
        };
        let (text, rest) = rest.split_at(len);
        self.rest = rest;
        text
    }
}

impl<'a> Iterator for BytesIter<'a> {
    type Item = BytesPair<'a>;
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let all = self.rest;
        let name = self.take();
        let value = self.take();
        Some(BytesPair { name, value, encoded: &all[..all.len() - self.rest.len()] })
    }
}

fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("BUG: label set is not UTF-8")
}

/// Changes a label set. Holds the pairs sorted by name; setting an empty value removes the label.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).ok().map(|i| self.pairs[i].1.as_str())
    }

    /// The value of `name`, or the empty string.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// Sets a label; an empty value deletes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.find(name) {
            Ok(i) if value.is_empty() => {
                self.pairs.remove(i);
            }
            Ok(i) => {
                self.pairs[i].1.clear();
                self.pairs[i].1.push_str(value);
            }
            Err(_) if value.is_empty() => {}
            Err(i) => self.pairs.insert(i, (name.to_owned(), value.to_owned())),
        }
        self
    }

    pub fn del(&mut self, name: &str) -> &mut Self {
        if let Ok(i) = self.find(name) {
            self.pairs.remove(i);
        }
        self
    }

    /// Keeps the pairs for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(n, v)| keep(n, v));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Pairs in ascending order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name))
    }
}

/// Whether `name` is a label name of the old, pre-UTF-8 rule: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether `name` is a metric name of the old rule: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

fn push_str(data: &mut Vec<u8>, text: &str) {
    let len = text.len();
    if len < 255 {
        data.push(len as u8);
    } else {
        assert!(len <= MAX_LEN_BYTES, "BUG: label of {len} bytes passed the limits");
        data.extend_from_slice(&[255, len as u8, (len >> 8) as u8, (len >> 16) as u8]);
    }
    data.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_sorted_and_without_empty_values() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("a", "3")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "2")]);
        assert_eq!((labels.get("b"), labels.get("c"), labels.value("d")), (Some("2"), None, ""));
    }

    #[test]
    fn long_strings_survive() {
        let long = "x".repeat(70_000);
        let labels = Labels::from_pairs([("a", long.as_str()), ("b", &"y".repeat(255))]);
        assert_eq!(labels.value("a"), long);
        assert_eq!(labels.value("b").len(), 255);
    }

    #[test]
    fn order_is_by_name_then_value_then_length() {
        let of = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        assert!(of(&[("a", "1")]) < of(&[("a", "1"), ("b", "1")]));
        assert!(of(&[("a", "2")]) > of(&[("a", "1"), ("b", "1")]));
        assert!(of(&[("a", "10")]) < of(&[("b", "1")]));
        assert!(of(&[("a", "2")]) > of(&[("a", "10")]), "not by length");
        assert!(of(&[("a", "z")]) < of(&[("ab", "a")]));
        let long = "x".repeat(300);
        assert!(of(&[("a", &long)]) > of(&[("a", "x")]) && of(&[("a", &long)]) < of(&[("a", "y")]));
        assert_eq!(of(&[("a", "1")]).cmp(&of(&[("a", "1")])), Ordering::Equal);
        assert!(Labels::empty() < of(&[("a", "1")]));
    }

    #[test]
    fn rewriting_replaces_adds_and_deletes_in_order() {
        let labels = Labels::from_pairs([("b", "1"), ("c", "2"), ("d", "3"), ("e", "4")]);
        let set = [("a", "x"), ("b", "y"), ("c", ""), ("dd", "z"), ("f", ""), ("g", "w")];
        let expect = [("a", "x"), ("b", "y"), ("d", "3"), ("dd", "z"), ("g", "w")];
        assert_eq!(labels.rewrite(|name| name != b"e", &set), Labels::from_pairs(expect));
        assert_eq!(labels.rewrite(|_| true, &[]), labels);
    }

    #[test]
    fn without_and_keep_ignore_order_of_names() {
        let labels = Labels::from_pairs([("__name__", "m"), ("a", "1"), ("b", "2")]);
        assert_eq!(labels.without(&["b", "__name__"]), Labels::from_pairs([("a", "1")]));
        assert_eq!(labels.keep(&["b", "a"]), labels.without_name());
    }
}
