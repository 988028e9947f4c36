//! Snappy elements under construction: a copy that goes on where the one before ended is one with it.

use gauntlet_wire::{WireError, snappy};

/// Room for the length of the body, in front of the elements.
const LENGTH_ROOM: usize = 5;

#[derive(Debug)]
pub(super) struct Elements {
    bytes: Vec<u8>,
    /// A copy that is not written yet, of `open` bytes.
    open: usize,
    distance: usize,
}

impl Elements {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut all = Vec::with_capacity(LENGTH_ROOM + bytes);
        all.resize(LENGTH_ROOM, 0);
        Self { bytes: all, open: 0, distance: 0 }
    }

    #[inline]
    fn close(&mut self) {
        if self.open > 0 {
            snappy::put_copy(&mut self.bytes, self.distance, self.open);
            self.open = 0;
        }
    }

    #[inline]
    pub(super) fn literal(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.close();
            snappy::put_literal(&mut self.bytes, bytes);
        }
    }

    /// `distance` is at most [`snappy::MAX_DISTANCE`].
    #[inline]
    pub(super) fn copy(&mut self, distance: usize, len: usize) {
        if self.open > 0 && self.distance != distance && len > 0 {
            self.close();
        }
        if len > 0 {
            (self.distance, self.open) = (distance, self.open + len);
        }
    }

    /// Whether a copy of this distance goes on: a longer one costs nothing.
    #[inline]
    fn goes_on(&self, distance: usize) -> bool {
        self.open > 0 && self.distance == distance
    }

    /// Elements that are written already.
    #[inline]
    pub(super) fn written(&mut self, elements: &[u8]) {
        if !elements.is_empty() {
            self.close();
            self.bytes.extend_from_slice(elements);
        }
    }

    /// Bytes as the elements that searching them alone gives.
    pub(super) fn searched(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.close();
        snappy::put_packed(&mut self.bytes, bytes)
    }

    /// Eight bytes of which some may be those of `before`, `distance` back, and then `follows` bytes that are those there.
    #[inline]
    pub(super) fn value(
        &mut self,
        value: [u8; 8],
        before: [u8; 8],
        distance: usize,
        follows: usize,
    ) {
        let differ = u64::from_le_bytes(value) ^ u64::from_le_bytes(before);
        if differ == 0 {
            self.copy(distance, 8 + follows);
            return;
        }
        let same = differ.trailing_zeros() as usize / 8;
        let first = if same >= snappy::MIN_COPY || self.goes_on(distance) { same } else { 0 };
        let last = if follows > 0 { differ.leading_zeros() as usize / 8 } else { 0 };
        self.copy(distance, first);
        self.literal(&value[first..8 - last]);
        self.copy(distance, last + follows);
    }

    /// Bytes that begin and end as others, which begin `distance` before, do.
    #[inline]
    pub(super) fn like(&mut self, bytes: &[u8], others: &[u8], distance: usize) {
        let (long, end) = (snappy::MIN_COPY, distance + bytes.len() - others.len());
        if distance.max(end) > snappy::MAX_DISTANCE {
            self.literal(bytes);
            return;
        }
        let same = common_prefix(bytes, others);
        let head = if same >= long || self.goes_on(distance) { same } else { 0 };
        self.copy(distance, head);
        let same = common_suffix(&bytes[head..], &others[head..]);
        let tail = if same >= long { same } else { 0 };
        self.literal(&bytes[head..bytes.len() - tail]);
        self.copy(end, tail);
    }

    /// The elements behind a literal of `front` and the length of everything: a block.
    pub(super) fn into_block(mut self, front: &[u8], length: usize) -> Result<Vec<u8>, WireError> {
        self.close();
        let mut block = self.bytes;
        if !front.is_empty() {
            let mut all = Vec::with_capacity(block.len() + front.len());
            all.resize(LENGTH_ROOM, 0);
            snappy::put_packed(&mut all, front)?;
            all.extend_from_slice(&block[LENGTH_ROOM..]);
            block = all;
        }
        let mut room = Vec::with_capacity(LENGTH_ROOM);
        super::fields::put_uvarint(&mut room, length as u64);
        block.splice(..LENGTH_ROOM, room);
        Ok(block)
    }
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
                let end = if at < len { len - at - 1 } else { len };
                assert_eq!(common_suffix(&text[..len], &other), end);
                assert_eq!(common_prefix(&text[..len], &text[..at]), at);
                assert_eq!(common_suffix(&text[..len], &text[at..len]), len - at);
            }
        }
    }

    #[test]
    fn copies_that_go_on_are_one() {
        let mut elements = Elements::with_capacity(0);
        elements.literal(b"0123456789");
        elements.copy(10, 3);
        elements.copy(10, 2);
        elements.value(*b"56x89012", *b"56789012", 10, 2);
        elements.like(b"56xy9012", b"56x89012", 10);
        let block = elements.into_block(b"front", 33 + 5).unwrap();
        let body = snappy::unpack(&block, 100).unwrap();
        assert_eq!(body, b"front01234567890123456x890123456xy9012");
        // Length, a literal for the front and the first, two copies with a literal between, and as much again.
        assert_eq!(block.len(), 1 + 6 + 11 + 2 + 2 + 2 + 2 + 2);
    }
}
