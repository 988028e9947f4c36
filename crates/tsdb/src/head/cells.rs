//! Bytes of open chunks: chains of 64-byte cells, a cache line each. Growing takes a cell and moves nothing; a chain wastes half a
//! cell on average. A cell is 60 bytes of payload and the number of the next. What is written of a chunk never changes: cells that
//! are full leave for a scratch file ([`super::spill`]), so that all chunks may be nearly full at once without taking the memory.

use std::sync::Arc;

use gauntlet_chunk::xor::{XOR_HEADER_BYTES, XOR_STEP_BYTES, XorState};
use gauntlet_chunk::xor2::{Starts, append_step};
use gauntlet_sys::prefetch::prefetch;

use super::spill::{Spill, SpillLost, Spilled, UNIT_CELLS};

/// Number of a cell.
pub(crate) type CellId = u32;

const CELL_BYTES: usize = 64;
/// Payload of a cell.
pub(crate) const PAYLOAD_BYTES: usize = CELL_BYTES - 4;
const BLOCK_CELLS: usize = 1024;
const NONE: CellId = CellId::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Cell([u8; CELL_BYTES]);

/// First and last cell of a chain; meaningless while the chain is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain {
    pub(crate) first: CellId,
    pub(crate) last: CellId,
    /// The chunk's bytes before the first cell.
    pub(crate) spilled: Spilled,
}

#[derive(Debug)]
pub(crate) struct Cells {
    blocks: Vec<Box<[Cell]>>,
    free: CellId,
    used: usize,
    spill: Option<Arc<Spill>>,
    /// Memory for one step of encoding 4.
    step: Vec<u8>,
}

impl Default for Cells {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: NONE, used: 0, spill: None, step: Vec::new() }
    }
}

impl Cells {
    /// Full cells go to `spill` from now on.
    pub(crate) fn spill_to(&mut self, spill: Arc<Spill>) {
        self.spill = Some(spill);
    }

    /// Asks for the chain's last cell to be brought near.
    #[inline]
    pub(crate) fn prefetch(&self, chain: Chain) {
        if let Some(block) = self.blocks.get(chain.last as usize / BLOCK_CELLS) {
            prefetch(&block[chain.last as usize % BLOCK_CELLS]);
        }
    }

    /// Encodes a sample behind the others of a chunk. The chain holds the chunk without its count. About 10 ns.
    #[inline]
    pub(crate) fn append(&mut self, chain: &mut Chain, state: &mut XorState, t: i64, value: f64) {
        let before_bits = state.len_bits as usize - XOR_HEADER_BYTES * 8;
        let (byte, used) = (before_bits / 8, before_bits % 8);
        let mut step = [0u8; XOR_HEADER_BYTES + 1 + XOR_STEP_BYTES];
        if used > 0 {
            step[XOR_HEADER_BYTES] = self.cell(chain.last)[byte % PAYLOAD_BYTES];
        }
        state.len_bits = (XOR_HEADER_BYTES * 8 + used) as u32;
        let taken = state.append(&mut step, t, value);
        debug_assert!(taken, "BUG: chunks are cut before they are full");
        let step_bits = state.len_bits as usize - XOR_HEADER_BYTES * 8;
        state.len_bits = (XOR_HEADER_BYTES * 8 + before_bits - used + step_bits) as u32;
        let new = &step[XOR_HEADER_BYTES..XOR_HEADER_BYTES + step_bits.div_ceil(8)];
        self.place(chain, before_bits, new);
    }

    /// As [`Cells::append`] for a chunk of encoding 4, which is held without count and start header. About 30 ns.
    pub(crate) fn append_xor2(
        &mut self,
        chain: &mut Chain,
        state: &mut XorState,
        t: i64,
        value: f64,
        starts: Option<(&mut Starts, i64)>,
    ) {
        let before_bits = state.len_bits as usize - XOR_HEADER_BYTES * 8;
        let (byte, used) = (before_bits / 8, before_bits % 8);
        let mut step = std::mem::take(&mut self.step);
        step.clear();
        if used > 0 {
            step.push(self.cell(chain.last)[byte % PAYLOAD_BYTES]);
        }
        let free = ((8 - used) % 8) as u8;
        let free = append_step(state, &mut step, free, t, value, starts);
        let step_bits = step.len() * 8 - usize::from(free);
        state.len_bits = (XOR_HEADER_BYTES * 8 + before_bits - used + step_bits) as u32;
        self.place(chain, before_bits, &step);
        self.step = step;
    }

    /// Puts bytes behind a chain of `before_bits` bits; the first replaces the chain's last one where that is not full. At most a
    /// cell more is taken.
    #[inline]
    fn place(&mut self, chain: &mut Chain, before_bits: usize, new: &[u8]) {
        let (byte, used) = (before_bits / 8, before_bits % 8);
        let at = byte % PAYLOAD_BYTES;
        if at == 0 && used == 0 {
            self.extend(chain, byte);
        }
        let here = new.len().min(PAYLOAD_BYTES - at);
        self.cell_mut(chain.last)[at..at + here].copy_from_slice(&new[..here]);
        if here < new.len() {
            self.extend(chain, byte - at + PAYLOAD_BYTES);
            self.cell_mut(chain.last)[..new.len() - here].copy_from_slice(&new[here..]);
        }
    }

    /// Appends the whole chunk, its count and start header (of encoding 4) included, to `out`. Errs where a part of it was lost on its
    /// way through the scratch file.
    pub(crate) fn copy_to(
        &self,
        chain: Chain,
        state_bits: u32,
        count: u16,
        start_header: Option<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), SpillLost> {
        out.extend_from_slice(&count.to_be_bytes());
        out.extend(start_header);
        let mut left = (state_bits as usize - XOR_HEADER_BYTES * 8).div_ceil(8);
        if let Some(spill) = &self.spill {
            spill.read(chain.spilled, out)?;
            left -= chain.spilled.cells() * PAYLOAD_BYTES;
        }
        let mut cell = chain.first;
        while left > 0 {
            let here = left.min(PAYLOAD_BYTES);
            let bytes = self.cell(cell);
            out.extend_from_slice(&bytes[..here]);
            left -= here;
            cell = next_of(bytes);
        }
        Ok(())
    }

    /// Gives the cells of a chain that is not empty back.
    pub(crate) fn release(&mut self, chain: Chain, state_bits: u32) {
        let payload = (state_bits as usize - XOR_HEADER_BYTES * 8).div_ceil(8);
        self.used -= payload.div_ceil(PAYLOAD_BYTES) - chain.spilled.cells();
        if let Some(spill) = &self.spill {
            spill.free(chain.spilled);
        }
        let free = self.free;
        set_next(self.cell_mut(chain.last), free);
        self.free = chain.first;
    }

    /// Cells in use, and bytes of all cells.
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        (self.used * CELL_BYTES, self.blocks.len() * BLOCK_CELLS * CELL_BYTES)
    }

    /// Adds a cell to a chain that is full; `before` is the number of bytes in it.
    fn extend(&mut self, chain: &mut Chain, before: usize) {
        if before == 0 {
            chain.spilled = Spilled::default();
        }
        let held = before / PAYLOAD_BYTES - chain.spilled.cells();
        let spilled = held > 0 && held.is_multiple_of(UNIT_CELLS) && self.spill_all(chain);
        let cell = self.take();
        if held == 0 || spilled {
            chain.first = cell;
        } else {
            set_next(self.cell_mut(chain.last), cell);
        }
        chain.last = cell;
    }

    /// Moves the chain's cells, a whole number of units, out. False where they stay.
    fn spill_all(&mut self, chain: &mut Chain) -> bool {
        let Some(spill) = &self.spill else { return false };
        let mut bytes = [0; UNIT_CELLS * PAYLOAD_BYTES];
        let (mut cell, mut left) = (chain.first, 0);
        loop {
            let content = self.cell(cell);
            bytes[left * PAYLOAD_BYTES..(left + 1) * PAYLOAD_BYTES]
                .copy_from_slice(&content[..PAYLOAD_BYTES]);
            left += 1;
            if cell == chain.last || left == UNIT_CELLS {
                break;
            }
            cell = next_of(content);
        }
        // After a refusal more than one unit is held: they stay for the rest of the chunk.
        if cell != chain.last || !spill.add(&mut chain.spilled, &bytes) {
            return false;
        }
        self.used -= UNIT_CELLS;
        let free = self.free;
        set_next(self.cell_mut(chain.last), free);
        self.free = chain.first;
        true
    }

    fn take(&mut self) -> CellId {
        if self.free == NONE {
            let base = (self.blocks.len() * BLOCK_CELLS) as CellId;
            let mut block = vec![Cell([0; CELL_BYTES]); BLOCK_CELLS].into_boxed_slice();
            for (i, cell) in block.iter_mut().enumerate() {
                let next = if i + 1 < BLOCK_CELLS { base + i as CellId + 1 } else { NONE };
                set_next(&mut cell.0, next);
            }
            self.blocks.push(block);
            self.free = base;
        }
        let cell = self.free;
        self.free = next_of(self.cell(cell));
        self.used += 1;
        cell
    }

    #[inline]
    fn cell(&self, id: CellId) -> &[u8; CELL_BYTES] {
        &self.blocks[id as usize / BLOCK_CELLS][id as usize % BLOCK_CELLS].0
    }

    #[inline]
    fn cell_mut(&mut self, id: CellId) -> &mut [u8; CELL_BYTES] {
        &mut self.blocks[id as usize / BLOCK_CELLS][id as usize % BLOCK_CELLS].0
    }
}

fn next_of(cell: &[u8; CELL_BYTES]) -> CellId {
    let [.., a, b, c, d] = *cell;
    CellId::from_le_bytes([a, b, c, d])
}

fn set_next(cell: &mut [u8; CELL_BYTES], next: CellId) {
    cell[PAYLOAD_BYTES..].copy_from_slice(&next.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use gauntlet_chunk::xor::XorAppender;
    use gauntlet_runtime::SystemFs;

    use super::*;

    #[test]
    fn a_chain_holds_what_a_vector_would() {
        check(Cells::default());
    }

    #[test]
    fn so_does_one_whose_start_has_left() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Arc::new(Spill::new(SystemFs::shared(), dir.path()));
        let mut cells = Cells::default();
        cells.spill_to(Arc::clone(&spill));
        check(cells);
        assert_eq!(spill.used(), 0);
    }

    fn check(mut cells: Cells) {
        let mut chunks: Vec<(Chain, XorState, XorAppender)> =
            (0..50).map(|_| Default::default()).collect();
        let mut x = 1u64;
        for round in 0..400i64 {
            for (i, (chain, state, expect)) in chunks.iter_mut().enumerate() {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let t = round * 15_000 + (x >> 60) as i64;
                let v = if i % 3 == 0 { round as f64 } else { f64::from_bits(x >> 2) };
                cells.append(chain, state, t, v);
                assert!(expect.append(t, v));
                if (x >> 33).is_multiple_of(97) {
                    let mut out = Vec::new();
                    cells.copy_to(*chain, state.len_bits, state.count, None, &mut out).unwrap();
                    assert_eq!(out, expect.bytes());
                    cells.release(*chain, state.len_bits);
                    (*chain, *state, *expect) = Default::default();
                }
            }
        }
        for (chain, state, expect) in chunks {
            let mut out = Vec::new();
            if state.count > 0 {
                cells.copy_to(chain, state.len_bits, state.count, None, &mut out).unwrap();
                assert_eq!(out, expect.bytes());
                cells.release(chain, state.len_bits);
            }
        }
        assert_eq!(cells.used, 0);
    }

    #[test]
    fn so_does_a_chain_of_the_other_encoding() {
        use gauntlet_chunk::Xor2Appender;

        let mut cells = Cells::default();
        let mut x = 7u64;
        for round in 0..50 {
            let (mut chain, mut state) = (Chain::default(), XorState::default());
            let (mut starts, mut expect) = (None, Xor2Appender::new());
            for i in 0..240u16 {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let t = i64::from(i) * 15_000 + (x >> 60) as i64;
                let start = if round % 2 == 0 || i < 20 { 0 } else { t - (x >> 50) as i64 };
                let v = match x >> 61 {
                    0 => gauntlet_model::STALE_NAN,
                    1 => f64::from_bits(x),
                    _ => f64::from(i / 7),
                };
                let needed = starts.is_some() || Starts::are_needed(i, start);
                let with = needed.then(|| (starts.get_or_insert_with(Starts::default), start));
                cells.append_xor2(&mut chain, &mut state, t, v, with);
                assert!(expect.append(start, t, v));
                let mut out = Vec::new();
                let header = starts.map_or(0, |starts| starts.header());
                cells.copy_to(chain, state.len_bits, state.count, Some(header), &mut out).unwrap();
                assert_eq!(out, expect.bytes(), "round {round}, sample {i}");
            }
            cells.release(chain, state.len_bits);
        }
        assert_eq!(cells.used, 0);
    }
}
