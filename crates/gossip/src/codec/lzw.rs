//! LZW as memberlist compresses with it: GIF's flavour, least significant bit first, 8-bit literals, codes of 9 to 12 bits.
//!
//! Code 256 clears the table, 257 ends the data. The encoder gives the same bytes as the peer's, the moment of clearing included.
//! The decoder stops at a limit of output, so that no small packet grows large.

const CLEAR: u16 = 256;
const END: u16 = 257;
const FIRST_FREE: u16 = 258;
const MIN_WIDTH: u32 = 9;
const MAX_WIDTH: u32 = 12;
/// The encoder starts over when it comes to assign this code.
const LAST_CODE: u16 = 4095;
const TABLE: usize = 1 << MAX_WIDTH;

/// Why bytes could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LzwError {
    #[error("compressed data ends before its end code")]
    Cut,
    #[error("compressed data holds a code that was never assigned")]
    Code,
    #[error("compressed data inflates to more than {limit} bytes")]
    TooLong { limit: usize },
}

/// Inflates up to `limit` bytes. What follows the end code is ignored.
pub(crate) fn inflate(data: &[u8], limit: usize) -> Result<Vec<u8>, LzwError> {
    let mut bits = BitSource { data, hold: 0, held: 0 };
    let mut prefix = [0u16; TABLE];
    let mut suffix = [0u8; TABLE];
    let mut out = Vec::with_capacity(data.len().saturating_mul(3).min(limit));
    let mut width = MIN_WIDTH;
    let mut next = FIRST_FREE;
    let mut last: Option<u16> = None;
    loop {
        let code = bits.take(width).ok_or(LzwError::Cut)?;
        match code {
            CLEAR => {
                width = MIN_WIDTH;
                next = FIRST_FREE;
                last = None;
                continue;
            }
            END => return Ok(out),
            _ => {}
        }
        let free = usize::from(next) < TABLE;
        // The string of `code`, last byte first. A code about to be assigned is the last string and its own first byte.
        let start = out.len();
        let mut walk = code;
        if code >= next {
            match last {
                Some(previous) if code == next && free => {
                    out.push(0);
                    walk = previous;
                }
                _ => return Err(LzwError::Code),
            }
        }
        while walk >= FIRST_FREE {
            out.push(suffix[usize::from(walk)]);
            walk = prefix[usize::from(walk)];
        }
        let first = walk as u8;
        out.push(first);
        if code >= next {
            out[start] = first;
        }
        out[start..].reverse();
        if out.len() > limit {
            return Err(LzwError::TooLong { limit });
        }
        if let Some(previous) = last
            && free
        {
            prefix[usize::from(next)] = previous;
            suffix[usize::from(next)] = first;
            next += 1;
        }
        last = Some(code);
        if width < MAX_WIDTH && next >= 1 << width {
            width += 1;
        }
    }
}

struct BitSource<'a> {
    data: &'a [u8],
    hold: u32,
    held: u32,
}

impl BitSource<'_> {
    fn take(&mut self, width: u32) -> Option<u16> {
        while self.held < width {
            let (byte, rest) = self.data.split_first()?;
            self.data = rest;
            self.hold |= u32::from(*byte) << self.held;
            self.held += 8;
        }
        let code = self.hold & ((1 << width) - 1);
        self.hold >>= width;
        self.held -= width;
        Some(code as u16)
    }
}

/// Compresses `data`.
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder {
        out: Vec::with_capacity(data.len() / 2 + 8),
        hold: 0,
        held: 0,
        width: MIN_WIDTH,
        assigned: END,
        strings: Strings::new(),
    };
    encoder.put(CLEAR);
    let mut bytes = data.iter();
    if let Some(first) = bytes.next() {
        let mut code = u16::from(*first);
        for byte in bytes {
            match encoder.strings.find(code, *byte) {
                Ok(longer) => code = longer,
                Err(slot) => {
                    encoder.put(code);
                    if encoder.assign() {
                        encoder.strings.put(slot, code, *byte, encoder.assigned);
                    }
                    code = u16::from(*byte);
                }
            }
        }
        encoder.put(code);
        encoder.assign();
    }
    encoder.put(END);
    if encoder.held > 0 {
        encoder.out.push(encoder.hold as u8);
    }
    encoder.out
}

struct Encoder {
    out: Vec<u8>,
    hold: u32,
    held: u32,
    width: u32,
    /// The code assigned last.
    assigned: u16,
    strings: Strings,
}

impl Encoder {
    fn put(&mut self, code: u16) {
        self.hold |= u32::from(code) << self.held;
        self.held += self.width;
        while self.held >= 8 {
            self.out.push(self.hold as u8);
            self.hold >>= 8;
            self.held -= 8;
        }
    }

    /// Takes the next code; `false` when there was none left and the table began anew.
    fn assign(&mut self) -> bool {
        self.assigned += 1;
        if u32::from(self.assigned) == 1 << self.width {
            self.width += 1;
        }
        if self.assigned == LAST_CODE {
            self.put(CLEAR);
            self.width = MIN_WIDTH;
            self.assigned = END;
            self.strings.clear();
            return false;
        }
        true
    }
}

/// The encoder's strings: (code, byte) to the code of both, in an open-addressed table.
struct Strings {
    /// Key in the upper 20 bits, code in the lower 12; 0 is empty, as no string has code 0.
    slots: Vec<u32>,
}

impl Strings {
    const SLOTS: usize = 4 * TABLE;

    fn new() -> Self {
        Self { slots: vec![0; Self::SLOTS] }
    }

    fn clear(&mut self) {
        self.slots.fill(0);
    }

    /// The code, or the slot where it would be.
    fn find(&self, code: u16, byte: u8) -> Result<u16, usize> {
        let key = u32::from(code) << 8 | u32::from(byte);
        let mut slot = (key.wrapping_mul(0x9e37_79b1) >> 18) as usize;
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return Err(slot);
            }
            if found >> 12 == key {
                return Ok((found & 0xfff) as u16);
            }
            slot = (slot + 1) % Self::SLOTS;
        }
    }

    fn put(&mut self, slot: usize, code: u16, byte: u8, assigned: u16) {
        let key = u32::from(code) << 8 | u32::from(byte);
        self.slots[slot] = key << 12 | u32::from(assigned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_runtime::Chance;
    use proptest::prelude::*;

    fn check(data: &[u8]) {
        let packed = deflate(data);
        assert_eq!(inflate(&packed, data.len()).as_deref(), Ok(data));
        if !data.is_empty() {
            let limit = data.len() - 1;
            assert_eq!(inflate(&packed, limit), Err(LzwError::TooLong { limit }));
        }
        if packed.len() > 2 {
            assert_eq!(inflate(&packed[..packed.len() - 2], data.len()), Err(LzwError::Cut));
        }
    }

    #[test]
    fn the_table_fills_and_begins_anew() {
        let mut chance = Chance::seeded(3);
        for len in [3_000, 3_840, 3_900, 5_000, 40_000] {
            let data: Vec<u8> = (0..len).map(|_| chance.next_u64() as u8).collect();
            check(&data);
        }
        check(&vec![7; 1 << 20]);
        check(&[]);
        check(&[255]);
    }

    #[test]
    fn a_full_table_without_a_clear_code_is_borne() {
        // Literals only: nothing ever asks for an assigned code, the width still grows to 12 and stays.
        let (mut out, mut hold, mut held) = (Vec::new(), 0u32, 0u32);
        let mut put = |code: u32, width: u32| {
            hold |= code << held;
            held += width;
            while held >= 8 {
                out.push(hold as u8);
                hold >>= 8;
                held -= 8;
            }
            if code == u32::from(END) {
                out.push(hold as u8);
            }
        };
        put(u32::from(CLEAR), 9);
        let mut next = u32::from(FIRST_FREE);
        for count in 0..6_000u32 {
            let width = (32 - next.leading_zeros()).clamp(9, 12);
            put(count % 256, width);
            if count > 0 && next < 4096 {
                next += 1;
            }
        }
        put(u32::from(END), 12);
        let data: Vec<u8> = (0..6_000u32).map(|count| (count % 256) as u8).collect();
        assert_eq!(inflate(&out, 6_000), Ok(data));
    }

    #[test]
    fn unassigned_codes_are_refused() {
        let mut chance = Chance::seeded(1);
        let mut refused = 0;
        for _ in 0..2_000 {
            let noise: Vec<u8> = (0..40).map(|_| chance.next_u64() as u8).collect();
            refused += u32::from(inflate(&noise, 1 << 16) == Err(LzwError::Code));
        }
        assert!(refused > 1_000, "{refused}");
    }

    proptest! {
        #[test]
        fn what_is_deflated_inflates(data in prop::collection::vec(0u8..6, 0..6000)) {
            check(&data);
        }
    }
}
