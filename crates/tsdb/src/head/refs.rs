//! From a reference's number to a slot: a paged array, four bytes a series, since numbers are given in ascending order.

use hashbrown::HashMap;

const PAGE: usize = 64;
/// Numbers from here on, which only a foreign or damaged log has, go to a map.
const FAR: u32 = 1 << 28;
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct RefTable {
    /// Pages before this one are gone for good.
    first: usize,
    pages: Vec<Option<Box<[u32; PAGE]>>>,
    far: HashMap<u32, u32, foldhash::fast::FixedState>,
}

impl RefTable {
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<u32> {
        if number >= FAR {
            return self.far.get(&number).copied();
        }
        let page = (number as usize / PAGE).checked_sub(self.first)?;
        let slot = self.pages.get(page)?.as_ref()?[number as usize % PAGE];
        (slot != NONE).then_some(slot)
    }

    pub(crate) fn set(&mut self, number: u32, slot: u32) {
        if number >= FAR {
            self.far.insert(number, slot);
            return;
        }
        let page = number as usize / PAGE;
        if self.pages.is_empty() {
            self.first = page;
        }
        if page < self.first {
            let missing = self.first - page;
            self.pages.splice(0..0, std::iter::repeat_with(|| None).take(missing));
            self.first = page;
        }
        let at = page - self.first;
        if at >= self.pages.len() {
            self.pages.resize_with(at + 1, || None);
        }
        self.pages[at].get_or_insert_with(|| Box::new([NONE; PAGE]))[number as usize % PAGE] = slot;
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if number >= FAR {
            self.far.remove(&number);
            return;
        }
        let Some(at) = (number as usize / PAGE).checked_sub(self.first) else { return };
        let Some(entry) = self.pages.get_mut(at) else { return };
        if let Some(page) = entry {
            page[number as usize % PAGE] = NONE;
            if page.iter().all(|slot| *slot == NONE) {
                *entry = None;
            }
        }
    }

    /// Drops empty pages in front.
    pub(crate) fn trim(&mut self) {
        let empty = self.pages.iter().take_while(|page| page.is_none()).count();
        self.pages.drain(..empty);
        self.first += empty;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.pages.iter().flatten().count() * PAGE * 4
            + self.pages.capacity() * 8
            + self.far.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_slots_wherever_they_lie() {
        let mut table = RefTable::default();
        let numbers = [5000u32, 5001, 3, 700_000, u32::MAX - 1, FAR];
        for (slot, number) in numbers.iter().enumerate() {
            table.set(*number, slot as u32);
        }
        for (slot, number) in numbers.iter().enumerate() {
            assert_eq!(table.get(*number), Some(slot as u32));
        }
        assert_eq!(table.get(4), None);
        for number in &numbers[2..] {
            table.remove(*number);
        }
        table.trim();
        assert_eq!((table.get(3), table.get(5001), table.get(FAR)), (None, Some(1), None));
    }
}
