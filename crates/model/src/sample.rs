//! Timestamps, series references and the bit pattern that marks a series as gone.

/// Milliseconds since the Unix epoch.
pub type Timestamp = i64;

/// A series as one storage names it: stable while that storage lives, meaningless elsewhere. 0 means "not known yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(pub u64);

/// The not-a-number that ends a series ("stale marker"). Compare bits, not values: see [`is_stale_nan`].
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);
/// Bits of [`STALE_NAN`]; source: upstream `model/value`.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;
/// Bits of the ordinary not-a-number that upstream writes.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Whether `value` is the stale marker.
pub fn is_stale_nan(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
