//! Protobuf fields of requests, written. Field numbers: docs/formats/remote-write.md.

use gauntlet_model::Timestamp;
use gauntlet_wire::prost::Message as _;

use crate::config::ProtobufMessage;

pub(super) fn put_sample(
    out: &mut Vec<u8>,
    message: ProtobufMessage,
    start: Timestamp,
    t: Timestamp,
    value: f64,
) {
    let start = if message == ProtobufMessage::V2 { start as u64 } else { 0 };
    let mut inner = [0u8; 32];
    let mut len = 0;
    // Zero is what a missing field means; minus zero is not.
    if value.to_bits() != 0 {
        inner[0] = 1 << 3 | 1;
        inner[1..9].copy_from_slice(&value.to_le_bytes());
        len = 9;
    }
    for (field, number) in [(2, t as u64), (3, start)] {
        if number != 0 {
            inner[len] = field << 3;
            len += 1;
            let mut rest = number;
            while rest >= 0x80 {
                inner[len] = rest as u8 | 0x80;
                len += 1;
                rest >>= 7;
            }
            inner[len] = rest as u8;
            len += 1;
        }
    }
    put_bytes(out, 2, &inner[..len]);
}

pub(super) fn put_histogram(
    out: &mut Vec<u8>,
    message: ProtobufMessage,
    start: Timestamp,
    mut histogram: gauntlet_wire::prompb::Histogram,
) {
    let field = if message == ProtobufMessage::V1 {
        4
    } else {
        histogram.start_timestamp = start;
        3
    };
    put_bytes(out, field, &histogram.encode_to_vec());
}

/// Length of a label as a field of a 1.0 series.
pub(super) fn label_field_len(name: &str, value: &str) -> usize {
    let inner = label_len(name, value);
    1 + uvarint_len(inner as u64) + inner
}

pub(super) fn label_len(name: &str, value: &str) -> usize {
    let one = |text: &str| 1 + uvarint_len(text.len() as u64) + text.len();
    one(name) + one(value)
}

pub(super) fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    put_tag(out, 1, 2);
    put_uvarint(out, label_len(name, value) as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

#[inline]
pub(super) fn put_tag(out: &mut Vec<u8>, field: u8, wire: u8) {
    out.push(field << 3 | wire);
}

#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_tag(out, field, 2);
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        put_tag(out, field, 0);
        put_uvarint(out, number);
    }
}

pub(super) fn put_double(out: &mut Vec<u8>, field: u8, value: f64) {
    if value.to_bits() != 0 {
        put_tag(out, field, 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[inline]
pub(super) fn put_uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
pub(super) fn uvarint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Length of a number's field, nothing for zero.
pub(super) fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + uvarint_len(number) }
}
