//! How a record of a 1.0 body is written as copies of the record before it: label by label, what is the same is copied.
//!
//! A search for repetitions costs more than everything else that a sample costs on its way out. Here the labels say what repeats, and
//! since the log brings series in the same order again and again, what was found for a pair of series is kept (`series`).

use gauntlet_wire::snappy;

use super::elements::{common_prefix, common_suffix};
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

/// Lengths of the copies that a head begins and ends with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) first: usize,
    pub(super) last: usize,
}

/// Runs under construction, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// Writes `next` as elements, given the head of the record that begins `distance` bytes before; but for the copies that it
    /// begins and ends with, which may go on from what is before, and in what follows.
    pub(super) fn write(
        &mut self,
        before: &Head,
        distance: usize,
        next: &Head,
        out: &mut Vec<u8>,
    ) -> Ends {
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
        let end_distance = distance + next.bytes.len() - before.bytes.len();
        if distance.max(end_distance) > snappy::MAX_DISTANCE {
            self.emit(0, &next.bytes, out);
            return Ends::default();
        }
        let mut ends = Ends::default();
        if let Some(run) = self.0.first_mut().filter(|run| run.distance == distance) {
            ends.first = std::mem::take(&mut run.len);
        }
        if let Some(run) = self.0.last_mut().filter(|run| run.distance == end_distance) {
            ends.last = std::mem::take(&mut run.len);
        }
        self.emit(ends.first, &next.bytes[..next.bytes.len() - ends.last], out);
        ends
    }

    fn push(&mut self, len: usize, distance: usize) {
        match self.0.last_mut() {
            _ if len == 0 => {}
            Some(last) if last.distance == distance => last.len += len,
            _ => self.0.push(Run { len, distance }),
        }
    }

    /// `bytes` are those of the runs, from `start` on.
    fn emit(&self, start: usize, bytes: &[u8], out: &mut Vec<u8>) {
        let (mut at, mut literal) = (start, start);
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
