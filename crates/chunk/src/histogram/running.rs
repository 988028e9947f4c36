//! The state that writer and reader of a histogram chunk share: layout, last sample, and what differences need.

use gauntlet_encoding::{BitReader, BitWriter};
use gauntlet_model::{Timestamp, is_stale_nan};

use super::bucket::{Bucket, View};
use super::layout::Layout;
use super::spans::count_buckets;
use crate::fault::Fault;
use crate::window::XorWindow;

#[derive(Clone, Debug)]
pub(crate) struct Running<B: Bucket> {
    pub(crate) layout: Layout,
    pub(crate) t: Timestamp,
    delta: i64,
    pub(crate) count: B::Count,
    count_memory: B::Memory,
    pub(crate) zero_count: B::Count,
    zero_memory: B::Memory,
    pub(crate) sum: f64,
    sum_window: XorWindow,
    pub(crate) positive: Vec<B>,
    positive_memory: Vec<B::Memory>,
    pub(crate) negative: Vec<B>,
    negative_memory: Vec<B::Memory>,
}

impl<B: Bucket> Running<B> {
    pub(crate) fn for_writing() -> Self {
        Self {
            count_memory: B::fresh(),
            zero_memory: B::fresh(),
            sum_window: XorWindow::NONE,
            t: i64::MIN,
            ..Self::for_reading()
        }
    }

    pub(crate) fn for_reading() -> Self {
        Self {
            layout: Layout::default(),
            t: 0,
            delta: 0,
            count: B::Count::default(),
            count_memory: B::Memory::default(),
            zero_count: B::Count::default(),
            zero_memory: B::Memory::default(),
            sum: 0.0,
            sum_window: XorWindow::default(),
            positive: Vec::new(),
            positive_memory: Vec::new(),
            negative: Vec::new(),
            negative_memory: Vec::new(),
        }
    }

    /// Writes layout and first sample. Bucket counts must agree with the spans.
    pub(crate) fn put_first(&mut self, writer: &mut BitWriter<'_>, t: Timestamp, h: &View<'_, B>) {
        let stale = is_stale_nan(h.sum);
        *self = Self { t, sum: h.sum, ..Self::for_writing() };
        if !stale {
            self.layout = Layout {
                schema: h.schema,
                zero_threshold: h.zero_threshold,
                positive_spans: h.positive_spans.to_vec(),
                negative_spans: h.negative_spans.to_vec(),
                custom_values: h.custom_values.to_vec(),
            };
            (self.count, self.zero_count) = (h.count, h.zero_count);
            (self.positive, self.negative) = (h.positive.to_vec(), h.negative.to_vec());
        }
        self.positive_memory = vec![B::fresh(); self.positive.len()];
        self.negative_memory = vec![B::fresh(); self.negative.len()];
        self.layout.put(writer);
        writer.varbit_int(t);
        B::put_first_count(writer, self.count);
        B::put_first_count(writer, self.zero_count);
        writer.bits(self.sum.to_bits(), 64);
        for bucket in self.positive.iter().chain(&self.negative) {
            B::put_first(writer, *bucket);
        }
    }

    /// Writes a later sample of the same layout; a stale one has no buckets.
    pub(crate) fn put_next(&mut self, writer: &mut BitWriter<'_>, t: Timestamp, h: &View<'_, B>) {
        let stale = is_stale_nan(h.sum);
        let delta = t.wrapping_sub(self.t);
        writer.varbit_int(delta.wrapping_sub(self.delta));
        (self.t, self.delta) = (t, delta);
        let (count, zero_count) = if stale { Default::default() } else { (h.count, h.zero_count) };
        B::put_count(writer, &mut self.count, &mut self.count_memory, count, stale);
        B::put_count(writer, &mut self.zero_count, &mut self.zero_memory, zero_count, stale);
        self.sum_window.put(writer, &mut self.sum, h.sum);
        if stale {
            return;
        }
        let sides = [
            (&mut self.positive, &mut self.positive_memory, h.positive),
            (&mut self.negative, &mut self.negative_memory, h.negative),
        ];
        for (last, memory, buckets) in sides {
            for ((last, memory), bucket) in last.iter_mut().zip(memory).zip(buckets) {
                B::put_next(writer, last, memory, *bucket);
            }
        }
    }

    pub(crate) fn read_first(
        &mut self,
        reader: &mut BitReader<'_>,
        end: usize,
    ) -> Result<(), Fault> {
        self.layout = Layout::read(reader, end - reader.position())?;
        self.t = reader.varbit_int()?;
        self.count = B::read_first_count(reader)?;
        self.zero_count = B::read_first_count(reader)?;
        self.sum = f64::from_bits(reader.bits(64)?);
        let (positive, negative) = (
            count_buckets(&self.layout.positive_spans),
            count_buckets(&self.layout.negative_spans),
        );
        if (positive + negative) * B::FIRST_BITS > end - reader.position() {
            return Err(Fault::Cut);
        }
        for (buckets, memory, count) in [
            (&mut self.positive, &mut self.positive_memory, positive),
            (&mut self.negative, &mut self.negative_memory, negative),
        ] {
            memory.resize(count, B::Memory::default());
            for _ in 0..count {
                buckets.push(B::read_first(reader)?);
            }
        }
        Ok(())
    }

    pub(crate) fn read_next(&mut self, reader: &mut BitReader<'_>) -> Result<(), Fault> {
        self.delta = self.delta.wrapping_add(reader.varbit_int()?);
        self.t = self.t.wrapping_add(self.delta);
        B::read_count(reader, &mut self.count, &mut self.count_memory)?;
        B::read_count(reader, &mut self.zero_count, &mut self.zero_memory)?;
        self.sum_window.read(reader, &mut self.sum)?;
        if is_stale_nan(self.sum) {
            return Ok(());
        }
        for (last, memory) in [
            (&mut self.positive, &mut self.positive_memory),
            (&mut self.negative, &mut self.negative_memory),
        ] {
            for (last, memory) in last.iter_mut().zip(memory) {
                B::read_next(reader, last, memory)?;
            }
        }
        Ok(())
    }
}
