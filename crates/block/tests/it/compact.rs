//! Compaction against a real Prometheus' compactions of golden blocks, and against what must hold of any.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_block::compact::{CompactOptions, compact_blocks};
use gauntlet_block::{BlockMeta, BlockReader, PageCache, Ulid};
use gauntlet_runtime::{Fs, SystemFs};

fn open(folder: &Path) -> Arc<BlockReader> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    BlockReader::open(&fs, folder, &PageCache::new(1 << 24)).unwrap()
}

fn compact(dest: &Path, folders: &[PathBuf], ulid: Ulid) -> Option<BlockMeta> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let blocks: Vec<_> = folders.iter().map(|f| open(f)).collect();
    compact_blocks(&fs, dest, &blocks, ulid, &CompactOptions::default()).unwrap()
}

/// Compares with compactions that a real Prometheus made: GAUNTLET_COMPACTIONS names a folder with parents and results. For work on
/// the compactor; the fixed cases below always run.
#[test]
fn compactions_in_a_folder_are_ours_byte_for_byte() {
    let Ok(folder) = std::env::var("GAUNTLET_COMPACTIONS") else { return };
    let folder = Path::new(&folder);
    let dir = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let theirs = entry.unwrap().path();
        let Ok(meta) = BlockMeta::read(&SystemFs, &theirs) else { continue };
        let parents: Vec<_> =
            meta.compaction.parents.iter().map(|p| folder.join(p.ulid.to_string())).collect();
        if parents.is_empty() || parents.iter().any(|p| !p.exists()) {
            continue;
        }
        let ours_meta = compact(dir.path(), &parents, meta.ulid).unwrap();
        let ours = dir.path().join(meta.ulid.to_string());
        for name in ["chunks/000001", "index", "meta.json", "tombstones"] {
            let (a, b) = (
                std::fs::read(ours.join(name)).unwrap(),
                std::fs::read(theirs.join(name)).unwrap(),
            );
            let at = a.iter().zip(&b).position(|(a, b)| a != b);
            assert!(
                a == b,
                "{theirs:?} {name}: {} and {} bytes, differ at {at:?}",
                a.len(),
                b.len()
            );
        }
        println!(
            "{} level {}: {} parents equal",
            meta.ulid,
            ours_meta.compaction.level,
            parents.len()
        );
        compared += 1;
    }
    println!("compared {compared}");
    assert!(compared > 0);
}
