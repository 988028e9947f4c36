//! The layout in front of a histogram chunk's samples: zero threshold, schema, spans, custom bounds.

use gauntlet_encoding::{BitReader, BitWriter};
use gauntlet_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};

use crate::fault::Fault;

/// Exponential schemas that a chunk may have; those above 8 are read and reduced.
const SCHEMAS: std::ops::RangeInclusive<i64> = -9..=52;

/// What all samples of a chunk have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) positive_spans: Vec<Span>,
    pub(crate) negative_spans: Vec<Span>,
    pub(crate) custom_values: Vec<f64>,
}

impl Layout {
    pub(crate) fn put(&self, writer: &mut BitWriter<'_>) {
        put_zero_threshold(writer, self.zero_threshold);
        writer.varbit_int(i64::from(self.schema));
        put_spans(writer, &self.positive_spans);
        put_spans(writer, &self.negative_spans);
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            writer.varbit_uint(self.custom_values.len() as u64);
            for bound in &self.custom_values {
                put_custom_bound(writer, *bound);
            }
        }
    }

    /// Reads a layout; `bits_left` bounds what it may claim to hold.
    pub(crate) fn read(reader: &mut BitReader<'_>, bits_left: usize) -> Result<Self, Fault> {
        let zero_threshold = read_zero_threshold(reader)?;
        let schema = reader.varbit_int()?;
        if !SCHEMAS.contains(&schema) && schema != i64::from(CUSTOM_BUCKETS_SCHEMA) {
            return Err(Fault::Bad("histogram has an unknown schema"));
        }
        let schema = schema as i32;
        let positive_spans = read_spans(reader, bits_left)?;
        let negative_spans = read_spans(reader, bits_left)?;
        let mut custom_values = Vec::new();
        if schema == CUSTOM_BUCKETS_SCHEMA {
            let count = reader.varbit_uint()?;
            if count > bits_left as u64 {
                return Err(Fault::Bad("more custom bounds than bits"));
            }
            for _ in 0..count {
                custom_values.push(read_custom_bound(reader)?);
            }
        }
        Ok(Self { schema, zero_threshold, positive_spans, negative_spans, custom_values })
    }
}

fn put_spans(writer: &mut BitWriter<'_>, spans: &[Span]) {
    writer.varbit_uint(spans.len() as u64);
    for span in spans {
        writer.varbit_uint(u64::from(span.length));
        writer.varbit_int(i64::from(span.offset));
    }
}

fn read_spans(reader: &mut BitReader<'_>, bits_left: usize) -> Result<Vec<Span>, Fault> {
    let count = reader.varbit_uint()?;
    if count > bits_left as u64 {
        return Err(Fault::Bad("more spans than bits"));
    }
    let mut spans = Vec::with_capacity(count.min(64) as usize);
    let mut buckets = 0u64;
    for _ in 0..count {
        let bad = |_| Fault::Bad("span does not fit 32 bits");
        let length = u32::try_from(reader.varbit_uint()?).map_err(bad)?;
        let offset = i32::try_from(reader.varbit_int()?).map_err(bad)?;
        if offset < 0 && !spans.is_empty() {
            return Err(Fault::Bad("span goes backwards"));
        }
        buckets += u64::from(length);
        if buckets > bits_left as u64 {
            return Err(Fault::Bad("more buckets than bits"));
        }
        spans.push(Span { offset, length });
    }
    Ok(spans)
}

/// One byte: 0 is zero, 1..=254 the powers of two from 2^-243 to 2^10, 255 any other number, which follows.
fn put_zero_threshold(writer: &mut BitWriter<'_>, threshold: f64) {
    let bits = threshold.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let power_of_two = bits << 12 == 0;
    if threshold == 0.0 {
        writer.byte(0);
    } else if power_of_two && (-243..=10).contains(&exponent) {
        writer.byte((exponent + 244) as u8);
    } else {
        writer.byte(255);
        writer.bits(bits, 64);
    }
}

fn read_zero_threshold(reader: &mut BitReader<'_>) -> Result<f64, Fault> {
    Ok(match reader.bits(8)? {
        0 => 0.0,
        255 => f64::from_bits(reader.bits(64)?),
        // 2^(byte - 244), put together from its exponent.
        byte => f64::from_bits((byte + 1023 - 244) << 52),
    })
}

/// Thousandths up to 33554.43 as their count plus one; any other bound as a zero bit and the number.
fn put_custom_bound(writer: &mut BitWriter<'_>, bound: f64) {
    let thousandths = bound * 1000.0;
    let whole = thousandths.round();
    if (0.0..=33_554_430.0).contains(&thousandths) && whole / 1000.0 == bound {
        writer.varbit_uint(whole as u64 + 1);
    } else {
        writer.bits(0, 1);
        writer.bits(bound.to_bits(), 64);
    }
}

fn read_custom_bound(reader: &mut BitReader<'_>) -> Result<f64, Fault> {
    Ok(match reader.varbit_uint()? {
        0 => f64::from_bits(reader.bits(64)?),
        thousandths => (thousandths - 1) as f64 / 1000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_and_bounds_survive_and_common_ones_are_short() {
        let cases = [
            (0.0, 1),
            (2f64.powi(-128), 1),
            (2f64.powi(-243), 1),
            (2f64.powi(-244), 9),
            (1024.0, 1),
            (2048.0, 9),
            (0.3, 9),
            (-0.5, 9),
        ];
        for (threshold, bytes) in cases {
            let mut out = Vec::new();
            put_zero_threshold(&mut BitWriter::resume(&mut out, 0), threshold);
            assert_eq!(out.len(), bytes, "{threshold}");
            assert_eq!(read_zero_threshold(&mut BitReader::new(&out)).unwrap(), threshold);
        }
        let mut out = Vec::new();
        put_zero_threshold(&mut BitWriter::resume(&mut out, 0), 2f64.powi(-128));
        assert_eq!(out, [116]);
        for bound in [0.0, 0.005, 0.1, 1.0, 33554.43, 33554.431, -1.0, 0.0001, f64::INFINITY] {
            let mut out = Vec::new();
            put_custom_bound(&mut BitWriter::resume(&mut out, 0), bound);
            assert_eq!(read_custom_bound(&mut BitReader::new(&out)).unwrap(), bound);
        }
    }
}
