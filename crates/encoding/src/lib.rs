//! Varints, bit streams, CRC32C, checked byte cursors, JSON texts.
//!
//! What every format of ours is made of. Reading never panics and never reads past its slice; writing appends to a `Vec<u8>`.
//! Numbers of fixed width are big endian, as upstream's formats have them.

pub mod bits;
pub mod crc;
pub mod cursor;
pub mod json;
pub mod put;
pub mod varbit;

pub use bits::{BitReader, BitWriter};
pub use crc::{crc32c, crc32c_append};
pub use cursor::{Cursor, DecodeError};
pub use json::push_json_str;
pub use put::{put_f64, put_len_bytes, put_u16, put_u32, put_u64, put_uvarint, put_varint};
