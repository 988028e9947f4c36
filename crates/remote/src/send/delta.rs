//! How a record of a 1.0 body is written as copies of the record before it: label by label, what is the same is copied.
//!
//! A search for repetitions costs more than everything else that a sample costs on its way out. Here the labels say what repeats, and
//! since the log brings series in the same order again and again, what was found for a pair of series is kept (`series`).

use gauntlet_wire::snappy;

use super::fields::{label_field_len, put_label, put_tag, put_uvarint, uvarint_len};
use super::series::{Sent, StringId, Strings};

/// Parts of the record before that are looked through for a label.
const LOOK_AHEAD: usize = 8;

/// A record up to what it carries: tag, length, label fields, and the first bytes of what follows.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Name and end of each part. Length and trailer have names that no label has.
    parts: Vec<(StringId, usize)>,
}

const LENGTH: StringId = StringId::MAX;
const TRAILER: StringId = StringId::MAX - 1;

/// Length of a head whose record carries `inner` bytes, without its trailer.
pub(super) fn head_len(labels_len: usize, inner: usize) -> usize {
    1 + uvarint_len((labels_len + inner) as u64) + labels_len
}

impl Head {
    pub(super) fn fill(&mut self, strings: &Strings, sent: &Sent, inner: usize, trailer: &[u8]) {
        let Self { bytes, parts } = self;
        bytes.clear();
        parts.clear();
        put_tag(bytes, 1, 2);
        put_uvarint(bytes, (sent.encoded_len as usize + inner) as u64);
        parts.push((LENGTH, bytes.len()));
        for pair in sent.pairs.chunks_exact(2) {
            put_label(bytes, strings.get(pair[0]), strings.get(pair[1]));
            parts.push((pair[0], bytes.len()));
        }
        bytes.extend_from_slice(trailer);
        parts.push((TRAILER, bytes.len()));
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A run of a head's bytes: copied from `distance` before, or as they are where that is 0.
#[derive(Clone, Copy, Debug)]
struct Run {
    len: usize,
    distance: usize,
}

/// Runs under construction, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// Writes `next` as elements, given the head of the record that begins `distance` bytes before.
    pub(super) fn write(&mut self, before: &Head, distance: usize, next: &Head, out: &mut Vec<u8>) {
        self.0.clear();
        let (mut from, mut start) = (0, 0);
        for (name, end) in &next.parts {
            let part = &next.bytes[start..*end];
            let mut ahead = before.parts[from..].iter().take(LOOK_AHEAD);
            match ahead.position(|(known, _)| known == name) {
                Some(found) => {
                    let found = from + found;
                    from = found + 1;
                    let old_start = found.checked_sub(1).map_or(0, |at| before.parts[at].1);
                    let old_end = before.parts[found].1;
                    let old = &before.bytes[old_start..old_end];
                    let head = common_prefix(part, old);
                    let tail = common_suffix(&part[head..], &old[head..]);
                    self.push(head, distance + start - old_start);
                    self.push(part.len() - head - tail, 0);
                    self.push(tail, distance + end - old_end);
                }
                None => self.push(part.len(), 0),
            }
            start = *end;
        }
        self.emit(&next.bytes, out);
    }

    fn push(&mut self, len: usize, distance: usize) {
        match self.0.last_mut() {
            _ if len == 0 => {}
            Some(last) if last.distance == distance => last.len += len,
            _ => self.0.push(Run { len, distance }),
        }
    }

    fn emit(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let (mut at, mut literal) = (0, 0);
        for Run { len, distance } in &self.0 {
            let copied = (1..=snappy::MAX_DISTANCE).contains(distance) && *len >= snappy::MIN_COPY;
            if copied {
                snappy::put_literal(out, &bytes[literal..at]);
                snappy::put_copy(out, *distance, *len);
                literal = at + len;
            }
            at += len;
        }
        snappy::put_literal(out, &bytes[literal..at]);
    }
}

/// Length of labels as fields of a 1.0 series.
pub(super) fn labels_len<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> usize {
    labels.map(|(name, value)| label_field_len(name, value)).sum()
}

/// How many bytes both begin with.
#[inline]
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut len = 0;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let differ = word(a) ^ word(b);
        if differ != 0 {
            return len + differ.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + a[len..].iter().zip(&b[len..]).take_while(|(a, b)| a == b).count()
}

/// How many bytes both end with.
#[inline]
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let mut len = 0;
    for (a, b) in a.rchunks_exact(8).zip(b.rchunks_exact(8)) {
        let differ = word(a) ^ word(b);
        if differ != 0 {
            return len + differ.leading_zeros() as usize / 8;
        }
        len += 8;
    }
    let (a, b) = (&a[..a.len() - len], &b[..b.len() - len]);
    len + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_is_counted_to_the_byte() {
        let text = b"0123456789abcdefghijklmnopqrstuvwxyz";
        for len in 0..text.len() {
            for at in 0..=len {
                let mut other = text[..len].to_vec();
                if let Some(byte) = other.get_mut(at) {
                    *byte = b'!';
                }
                assert_eq!(common_prefix(&text[..len], &other), at);
                assert_eq!(
                    common_suffix(&text[..len], &other),
                    if at < len { len - at - 1 } else { len }
                );
                assert_eq!(common_prefix(&text[..len], &text[..at]), at);
                assert_eq!(common_suffix(&text[..len], &text[at..len]), len - at);
            }
        }
    }
}
