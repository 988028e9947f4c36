//! Label sets of alerts as Alertmanager counts and orders them: fingerprints, the notification log's hashes, the order of
//! groups, and the text that group keys are made of. The sets themselves are `model::Labels`.
//!
//! Sources: upstream `LabelSet.Fingerprint` (FNV-1a over names and values, each closed by a byte 0xFF), `LabelSet.Before`,
//! `LabelSet.String`, and the hash of notification log entries (XXH64 over the same bytes).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use gauntlet_encoding::{Cursor, put_len_bytes};
use gauntlet_model::Labels;
use gauntlet_model::float::GoQuoted;

/// The label that names an alert.
pub const ALERT_NAME: &str = "alertname";

const FNV_OFFSET: u64 = 14_695_981_039_346_656_037;
const FNV_PRIME: u64 = 1_099_511_628_211;
const SEPARATOR: u8 = 0xFF;

/// Identity of a label set. Prints as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Reads 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The fingerprint of a whole set.
pub fn fingerprint(labels: &Labels) -> Fingerprint {
    fingerprint_of(labels.iter())
}

/// The fingerprint of pairs that ascend by name. Unlike in a `Labels`, values may be empty.
pub fn fingerprint_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Fingerprint {
    let mut hash = FNV_OFFSET;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    for (name, value) in pairs {
        name.bytes().for_each(&mut add);
        add(SEPARATOR);
        value.bytes().for_each(&mut add);
        add(SEPARATOR);
    }
    Fingerprint(hash)
}

/// How the notification log names an alert.
pub fn log_hash(labels: &Labels) -> u64 {
    let mut bytes = Vec::with_capacity(labels.size_bytes() + 16);
    for (name, value) in labels.iter() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(SEPARATOR);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(SEPARATOR);
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}

/// Upstream's order of label sets: fewer labels first, then by the first name that one lacks or has less of.
pub fn set_order(a: &Labels, b: &Labels) -> Ordering {
    let by_count = a.len().cmp(&b.len());
    if by_count != Ordering::Equal {
        return by_count;
    }
    let (mut left, mut right) = (a.iter(), b.iter());
    loop {
        match (left.next(), right.next()) {
            // A name the left lacks sorts it first, so the smaller name is on the larger side.
            (Some((n, v)), Some((m, w))) => match n.cmp(m).reverse().then_with(|| v.cmp(w)) {
                Ordering::Equal => {}
                other => return other,
            },
            _ => return Ordering::Equal,
        }
    }
}

/// Upstream's order of alerts within a notification: by `job`, then `instance`, then as sets.
pub fn alert_order(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        match (a.get(name), b.get(name)) {
            (None, None) => {}
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(x), Some(y)) => match x.cmp(y) {
                Ordering::Equal => {}
                other => return other,
            },
        }
    }
    set_order(a, b)
}

/// Prints a set as `{a="b", c="d"}`, names bare whatever they hold.
#[derive(Clone, Copy, Debug)]
pub struct SetText<'a>(pub &'a Labels);

impl fmt::Display for SetText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={}", GoQuoted(value))?;
        }
        f.write_str("}")
    }
}

/// Annotations: pairs ascending by name; unlike labels, a value may be empty. One shared allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Names and values in turn, each with its length before it.
    data: Arc<[u8]>,
}

impl Annotations {
    /// From pairs in any order; of equal names the last wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let sorted: std::collections::BTreeMap<&str, &str> =
            pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        Self::from_sorted(sorted.into_iter())
    }

    /// From pairs that ascend by name, each name once.
    pub(crate) fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut data = Vec::new();
        for (name, value) in pairs {
            put_len_bytes(&mut data, name.as_bytes());
            put_len_bytes(&mut data, value.as_bytes());
        }
        Self { data: data.into() }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let mut cursor = Cursor::new(&self.data);
        (0..self.len()).map(move |_| {
            let mut next = || cursor.len_str().expect("BUG: annotations are not as they were made");
            (next(), next())
        })
    }

    pub fn len(&self) -> usize {
        let (mut cursor, mut texts) = (Cursor::new(&self.data), 0);
        while cursor.len_bytes().is_ok() {
            texts += 1;
        }
        texts / 2
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

impl fmt::Debug for Annotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn fingerprints_equal_the_recorded_ones() {
        for (pairs, text) in [
            (&[("alertname", "Outage")][..], "3b1b3e5448b04c65"),
            (&[("alertname", "Many"), ("few", "yes"), ("n", "0")], "cc8556f1c3daad68"),
            (&[("alertname", "utf8 \u{2603}"), ("a.b", "c")], "0b5290daeddce10a"),
        ] {
            let found = fingerprint(&set(pairs));
            assert_eq!(found.to_string(), text);
            assert_eq!(Fingerprint::parse(text), Some(found));
        }
        assert_eq!(Fingerprint::parse("+b1b3e5448b04c65"), None);
    }

    #[test]
    fn sets_order_by_count_then_missing_names_then_values() {
        let order = |a: &[(&str, &str)], b: &[(&str, &str)]| set_order(&set(a), &set(b));
        assert_eq!(order(&[("z", "9")], &[("a", "1"), ("b", "1")]), Ordering::Less);
        assert_eq!(order(&[("a", "1")], &[("a", "2")]), Ordering::Less);
        // The left has `a`, which the right lacks: the right comes first.
        assert_eq!(order(&[("a", "1")], &[("b", "1")]), Ordering::Greater);
        assert_eq!(order(&[("a", "1")], &[("a", "1")]), Ordering::Equal);
        assert_eq!(
            alert_order(&set(&[("x", "1")]), &set(&[("job", "a"), ("x", "1")])),
            Ordering::Greater
        );
    }

    #[test]
    fn annotations_keep_empty_values() {
        let found = Annotations::from_pairs([("b", "1"), ("a", ""), ("b", "2")]);
        assert_eq!(found.iter().collect::<Vec<_>>(), [("a", ""), ("b", "2")]);
        assert_eq!(found.get("b"), Some("2"));
    }
}
