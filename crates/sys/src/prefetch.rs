//! Telling the processor what will be read soon, so that many loads from memory are under way at once.

/// Asks for the start of `value` to be brought near. Changes nothing else; does nothing where there is no such instruction.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint may name any address; this one is of a live value.
        #[allow(unsafe_code, unused_unsafe, reason = "unsafe in some releases of the compiler")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
