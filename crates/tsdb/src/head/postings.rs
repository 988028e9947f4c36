//! A list of ascending series ids as deltas in varints. Ids only grow while a list lives, so that adding is appending. Series of one
//! target or metric are born together: most deltas are small, a byte each.

use gauntlet_encoding::put_uvarint;

/// 32 bytes, and no heap memory for a list of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdList {
    /// Deltas from the second id on; the first id is the first delta where there are two.
    deltas: Vec<u8>,
    last: u32,
    len: u32,
}

impl IdList {
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Adds an id above all others.
    pub(crate) fn push(&mut self, id: u32) {
        debug_assert!(self.len == 0 || id > self.last, "BUG: ids out of order");
        if self.len == 1 {
            put_uvarint(&mut self.deltas, u64::from(self.last));
        }
        if self.len > 0 {
            put_uvarint(&mut self.deltas, u64::from(id - self.last));
        }
        self.last = id;
        self.len += 1;
    }

    /// Appends all ids to `out`.
    pub(crate) fn append_to(&self, out: &mut Vec<u32>) {
        if self.len == 1 {
            out.push(self.last);
            return;
        }
        out.reserve(self.len());
        let mut id = 0u32;
        let mut bytes = self.deltas.iter();
        while let Some(byte) = bytes.next() {
            let mut delta = u32::from(byte & 0x7f);
            let mut shift = 7;
            let mut more = byte & 0x80 != 0;
            while more {
                let Some(byte) = bytes.next() else { return };
                delta |= u32::from(byte & 0x7f) << shift;
                shift += 7;
                more = byte & 0x80 != 0;
            }
            id += delta;
            out.push(id);
        }
    }

    /// Heap bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.deltas.capacity()
    }
}

/// Keeps in `ids` what is also in `other`; both ascend.
pub(crate) fn intersect(ids: &mut Vec<u32>, other: &[u32]) {
    let mut at = 0;
    ids.retain(|id| {
        while at < other.len() && other[at] < *id {
            at += 1;
        }
        at < other.len() && other[at] == *id
    });
}

/// Removes from `ids` what is in `other`; both ascend.
pub(crate) fn subtract(ids: &mut Vec<u32>, other: &[u32]) {
    let mut at = 0;
    ids.retain(|id| {
        while at < other.len() && other[at] < *id {
            at += 1;
        }
        at >= other.len() || other[at] != *id
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_list_gives_what_was_pushed(deltas in prop::collection::vec(1u32..100_000, 0..200)) {
            let mut list = IdList::default();
            let mut expect = Vec::new();
            let mut id = 0;
            for delta in deltas {
                list.push(id);
                expect.push(id);
                id += delta;
            }
            let mut out = Vec::new();
            list.append_to(&mut out);
            prop_assert_eq!(list.len(), expect.len());
            prop_assert_eq!(out, expect);
        }
    }

    #[test]
    fn sets_meet_and_part() {
        let mut ids = vec![1, 3, 5, 9];
        intersect(&mut ids, &[0, 3, 4, 9, 12]);
        assert_eq!(ids, [3, 9]);
        subtract(&mut ids, &[1, 9]);
        assert_eq!(ids, [3]);
    }
}
