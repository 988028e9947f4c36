//! The fuzz doors over golden files, whole, cut and with flipped bits.

use super::golden::golden_blocks;
use gauntlet_block::fuzz;

#[test]
fn damaged_golden_files_neither_panic_nor_hang() {
    type Door = fn(&[u8]);
    let doors: [(&str, Door); 5] = [
        ("index", fuzz::index),
        ("meta.json", fuzz::meta),
        ("tombstones", fuzz::tombstones),
        ("chunks/000001", fuzz::segment),
        ("index", |data| {
            let head = [&[0xba, 0xaa, 0xd7, 0x92, 1, 2][..], data].concat();
            fuzz::index_header(&head);
        }),
    ];
    let mut seed = 7u64;
    for folder in golden_blocks().into_iter().rev().take(3) {
        for (name, door) in doors {
            let Ok(good) = std::fs::read(folder.join(name)) else { continue };
            let good = &good[..good.len().min(20_000)];
            door(good);
            for _ in 0..40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % good.len();
                door(&good[..at]);
                let mut bad = good.to_vec();
                bad[at] ^= 1 << (seed % 8);
                door(&bad);
            }
        }
    }
}
