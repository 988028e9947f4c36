//! Bytes of open chunks: chains of 64-byte cells, a cache line each. Growing takes a cell and moves nothing; a chain wastes half a
//! cell on average. A cell is 60 bytes of payload and the number of the next.

use gauntlet_chunk::xor::{XOR_HEADER_BYTES, XOR_STEP_BYTES, XorState};

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
}

#[derive(Debug)]
pub(crate) struct Cells {
    blocks: Vec<Box<[Cell]>>,
    free: CellId,
    used: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: NONE, used: 0 }
    }
}

impl Cells {
    /// Encodes a sample behind the others of a chunk. The chain holds the chunk without its count. About 10 ns.
    #[inline]
    pub(crate) fn append(&mut self, chain: &mut Chain, state: &mut XorState, t: i64, value: f64) {
        let before_bits = state.len_bits as usize - XOR_HEADER_BYTES * 8;
        let (byte, used) = (before_bits / 8, before_bits % 8);
        let at = byte % PAYLOAD_BYTES;
        let mut step = [0u8; XOR_HEADER_BYTES + 1 + XOR_STEP_BYTES];
        if used > 0 {
            step[XOR_HEADER_BYTES] = self.cell(chain.last)[at];
        }
        state.len_bits = (XOR_HEADER_BYTES * 8 + used) as u32;
        let taken = state.append(&mut step, t, value);
        debug_assert!(taken, "BUG: chunks are cut before they are full");
        let step_bits = state.len_bits as usize - XOR_HEADER_BYTES * 8;
        state.len_bits = (XOR_HEADER_BYTES * 8 + before_bits - used + step_bits) as u32;
        let new = &step[XOR_HEADER_BYTES..XOR_HEADER_BYTES + step_bits.div_ceil(8)];
        if at == 0 && used == 0 {
            self.extend(chain, byte == 0);
        }
        let here = new.len().min(PAYLOAD_BYTES - at);
        self.cell_mut(chain.last)[at..at + here].copy_from_slice(&new[..here]);
        if here < new.len() {
            self.extend(chain, false);
            self.cell_mut(chain.last)[..new.len() - here].copy_from_slice(&new[here..]);
        }
    }

    /// Appends the whole chunk, its count included, to `out`.
    pub(crate) fn copy_to(&self, chain: Chain, state_bits: u32, count: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&count.to_be_bytes());
        let mut left = (state_bits as usize - XOR_HEADER_BYTES * 8).div_ceil(8);
        let mut cell = chain.first;
        while left > 0 {
            let here = left.min(PAYLOAD_BYTES);
            let bytes = self.cell(cell);
            out.extend_from_slice(&bytes[..here]);
            left -= here;
            cell = next_of(bytes);
        }
    }

    /// Gives the cells of a chain that is not empty back.
    pub(crate) fn release(&mut self, chain: Chain, state_bits: u32) {
        let payload = (state_bits as usize - XOR_HEADER_BYTES * 8).div_ceil(8);
        self.used -= payload.div_ceil(PAYLOAD_BYTES);
        let free = self.free;
        set_next(self.cell_mut(chain.last), free);
        self.free = chain.first;
    }

    /// Cells in use, and bytes of all cells.
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        (self.used * CELL_BYTES, self.blocks.len() * BLOCK_CELLS * CELL_BYTES)
    }

    fn extend(&mut self, chain: &mut Chain, first: bool) {
        let cell = self.take();
        if first {
            chain.first = cell;
        } else {
            set_next(self.cell_mut(chain.last), cell);
        }
        chain.last = cell;
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

    use super::*;

    #[test]
    fn a_chain_holds_what_a_vector_would() {
        let mut cells = Cells::default();
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
                    cells.copy_to(*chain, state.len_bits, state.count, &mut out);
                    assert_eq!(out, expect.bytes());
                    cells.release(*chain, state.len_bits);
                    (*chain, *state, *expect) = Default::default();
                }
            }
        }
        for (chain, state, expect) in chunks {
            let mut out = Vec::new();
            if state.count > 0 {
                cells.copy_to(chain, state.len_bits, state.count, &mut out);
                assert_eq!(out, expect.bytes());
                cells.release(chain, state.len_bits);
            }
        }
        assert_eq!(cells.used, 0);
    }
}
