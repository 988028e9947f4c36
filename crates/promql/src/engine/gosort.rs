//! Sorting and heaps in the very order in which Go's `sort.Sort` and `container/heap` do them.
//!
//! Both leave equal elements in an order that depends on the algorithm, and users see it: `sort`, `topk` and `bottomk` over equal
//! values. The sort is pattern-defeating quicksort with Go's parameters; the order relation need not be sound (NaN is less than
//! itself there).

/// Sorts `data` by `less`.
pub(super) fn sort<T>(data: &mut [T], mut less: impl FnMut(&T, &T) -> bool) {
    let limit = usize::BITS - data.len().leading_zeros();
    Sorter { data, less: &mut less }.quick(0, usize::MAX, limit);
}

/// Adds an element to a heap whose least element is the first.
pub(super) fn heap_push<T>(heap: &mut Vec<T>, item: T, less: impl Fn(&T, &T) -> bool) {
    heap.push(item);
    let mut child = heap.len() - 1;
    while child > 0 {
        let parent = (child - 1) / 2;
        if !less(&heap[child], &heap[parent]) {
            break;
        }
        heap.swap(parent, child);
        child = parent;
    }
}

/// Repairs a heap whose first element was replaced.
pub(super) fn heap_fix_first<T>(heap: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let mut parent = 0;
    loop {
        let mut child = 2 * parent + 1;
        if child >= heap.len() {
            break;
        }
        if child + 1 < heap.len() && less(&heap[child + 1], &heap[child]) {
            child += 1;
        }
        if !less(&heap[child], &heap[parent]) {
            break;
        }
        heap.swap(parent, child);
        parent = child;
    }
}

struct Sorter<'a, T, F> {
    data: &'a mut [T],
    less: &'a mut F,
}

#[derive(PartialEq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

impl<T, F: FnMut(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&mut self, i: usize, j: usize) -> bool {
        (self.less)(&self.data[i], &self.data[j])
    }

    fn insertion(&mut self, a: usize, b: usize) {
        for i in a + 1..b {
            let mut j = i;
            while j > a && self.less(j, j - 1) {
                self.data.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    /// Sorts `a..b`; `b` beyond the end means the end.
    fn quick(&mut self, mut a: usize, b: usize, mut limit: u32) {
        let mut b = b.min(self.data.len());
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = b - a;
            if length <= 12 {
                return self.insertion(a, b);
            }
            if limit == 0 {
                return self.heap(a, b);
            }
            if !balanced {
                self.break_patterns(a, b);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(a, b);
            if hint == Hint::Decreasing {
                self.data[a..b].reverse();
                pivot = (b - 1) - (pivot - a);
                hint = Hint::Increasing;
            }
            if balanced && partitioned && hint == Hint::Increasing && self.partial_insertion(a, b) {
                return;
            }
            if a > 0 && !self.less(a - 1, pivot) {
                a = self.partition_equal(a, b, pivot);
                continue;
            }
            let (middle, was_partitioned) = self.partition(a, b, pivot);
            partitioned = was_partitioned;
            let (left, right) = (middle - a, b - middle);
            let threshold = length / 8;
            if left < right {
                balanced = left >= threshold;
                self.quick(a, middle, limit);
                a = middle + 1;
            } else {
                balanced = right >= threshold;
                self.quick(middle + 1, b, limit);
                b = middle;
            }
        }
    }

    fn partition(&mut self, a: usize, b: usize, pivot: usize) -> (usize, bool) {
        self.data.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        let mut first = true;
        loop {
            while i <= j && self.less(i, a) {
                i += 1;
            }
            while i <= j && !self.less(j, a) {
                j -= 1;
            }
            if i > j {
                self.data.swap(j, a);
                return (j, first);
            }
            self.data.swap(i, j);
            first = false;
            i += 1;
            j -= 1;
        }
    }

    fn partition_equal(&mut self, a: usize, b: usize, pivot: usize) -> usize {
        self.data.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        loop {
            while i <= j && !self.less(a, i) {
                i += 1;
            }
            while i <= j && self.less(a, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.data.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    /// Tries to finish a range that is nearly sorted; says whether it is sorted now.
    fn partial_insertion(&mut self, a: usize, b: usize) -> bool {
        let mut i = a + 1;
        for _ in 0..5 {
            while i < b && !self.less(i, i - 1) {
                i += 1;
            }
            if i == b {
                return true;
            }
            if b - a < 50 {
                return false;
            }
            self.data.swap(i, i - 1);
            if i - a >= 2 {
                let mut j = i - 1;
                while j >= 1 && self.less(j, j - 1) {
                    self.data.swap(j, j - 1);
                    j -= 1;
                }
            }
            if b - i >= 2 {
                let mut j = i + 1;
                while j < b && self.less(j, j - 1) {
                    self.data.swap(j, j - 1);
                    j += 1;
                }
            }
        }
        false
    }

    fn break_patterns(&mut self, a: usize, b: usize) {
        let length = b - a;
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let modulus = 1u64 << (u64::BITS - (length as u64).leading_zeros());
        let first = a + (length / 4) * 2 - 1;
        for i in first..first + 3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = (random & (modulus - 1)) as usize;
            if other >= length {
                other -= length;
            }
            self.data.swap(i, a + other);
        }
    }

    fn choose_pivot(&mut self, a: usize, b: usize) -> (usize, Hint) {
        let length = b - a;
        let quarter = length / 4;
        let (mut i, mut j, mut k) = (a + quarter, a + quarter * 2, a + quarter * 3);
        let mut swaps = 0;
        if length >= 8 {
            if length >= 50 {
                i = self.median(i - 1, i, i + 1, &mut swaps);
                j = self.median(j - 1, j, j + 1, &mut swaps);
                k = self.median(k - 1, k, k + 1, &mut swaps);
            }
            j = self.median(i, j, k, &mut swaps);
        }
        let hint = match swaps {
            0 => Hint::Increasing,
            12 => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (j, hint)
    }

    fn median(&mut self, a: usize, b: usize, c: usize, swaps: &mut u32) -> usize {
        let (a, b) = self.ordered(a, b, swaps);
        let (b, _) = self.ordered(b, c, swaps);
        self.ordered(a, b, swaps).1
    }

    fn ordered(&mut self, a: usize, b: usize, swaps: &mut u32) -> (usize, usize) {
        if self.less(b, a) {
            *swaps += 1;
            (b, a)
        } else {
            (a, b)
        }
    }

    fn heap(&mut self, a: usize, b: usize) {
        let length = b - a;
        for i in (0..=(length - 1) / 2).rev() {
            self.sift_down(i, length, a);
        }
        for i in (0..length).rev() {
            self.data.swap(a, a + i);
            self.sift_down(0, i, a);
        }
    }

    fn sift_down(&mut self, mut root: usize, end: usize, first: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.data.swap(first + root, first + child);
            root = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_any_pattern() {
        for len in [0usize, 1, 5, 12, 13, 50, 51, 300, 1000] {
            let patterns: [Box<dyn Fn(u64) -> u64>; 5] = [
                Box::new(|i| i),
                Box::new(move |i| len as u64 - i),
                Box::new(|i| i.wrapping_mul(2_654_435_761) % 97),
                Box::new(|_| 7),
                Box::new(|i| i % 3),
            ];
            for pattern in patterns {
                let mut data: Vec<u64> = (0..len as u64).map(&pattern).collect();
                let mut expect = data.clone();
                expect.sort_unstable();
                sort(&mut data, |a, b| a < b);
                assert_eq!(data, expect);
            }
        }
    }

    #[test]
    fn heaps_keep_the_least_first() {
        let mut heap = Vec::new();
        for x in [5, 3, 8, 1, 9, 2] {
            heap_push(&mut heap, x, |a, b| a < b);
        }
        assert_eq!(heap[0], 1);
        heap[0] = 7;
        heap_fix_first(&mut heap, |a, b| a < b);
        assert_eq!(heap[0], 2);
    }
}
