//! The allocator: giving back what a burst of work has left.

/// Returns free pages of the heap to the system, those between used ones included. Takes about a millisecond per 10 MB of heap, so
/// it is for after a burst and not for every request. Does nothing where the C library has no such call.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: takes no pointer, may be called from any thread, and touches free memory alone.
        #[allow(unsafe_code, reason = "the allocator has no safe interface")]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; 5000]).collect();
        drop((0..1000).map(|n| vec![1u8; n * 10]).collect::<Vec<_>>());
        super::give_back();
        assert!(kept.iter().zip(0..).all(|(bytes, n)| bytes.iter().all(|b| *b == n)));
    }
}
