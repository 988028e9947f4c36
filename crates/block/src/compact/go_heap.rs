//! A binary heap that breaks ties exactly as Go's `container/heap` does: which of two equal chunks or samples comes first decides bytes.

#[derive(Debug)]
pub(crate) struct GoHeap<T> {
    items: Vec<T>,
}

impl<T> Default for GoHeap<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> GoHeap<T> {
    pub(crate) fn peek(&self) -> Option<&T> {
        self.items.first()
    }

    pub(crate) fn push(&mut self, item: T, less: impl Fn(&T, &T) -> bool) {
        self.items.push(item);
        let mut child = self.items.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !less(&self.items[child], &self.items[parent]) {
                break;
            }
            self.items.swap(child, parent);
            child = parent;
        }
    }

    pub(crate) fn pop(&mut self, less: impl Fn(&T, &T) -> bool) -> Option<T> {
        let last = self.items.len().checked_sub(1)?;
        self.items.swap(0, last);
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            if left >= last {
                break;
            }
            let right = left + 1;
            let child = if right < last && less(&self.items[right], &self.items[left]) {
                right
            } else {
                left
            };
            if !less(&self.items[child], &self.items[parent]) {
                break;
            }
            self.items.swap(parent, child);
            parent = child;
        }
        self.items.pop()
    }
}
