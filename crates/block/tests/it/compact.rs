//! Compaction against a real Prometheus' compactions of golden blocks, and against what must hold of any.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_block::compact::{CompactOptions, compact_blocks};
use gauntlet_block::downsample::downsample_block;
use gauntlet_block::{BlockMeta, BlockReader, PageCache, Ulid};
use gauntlet_runtime::{Cancel, Fs, SystemFs};

fn open(folder: &Path) -> Arc<BlockReader> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    BlockReader::open(&fs, folder, &PageCache::new(1 << 24)).unwrap()
}

fn compact(dest: &Path, folders: &[PathBuf], ulid: Ulid) -> Option<BlockMeta> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let blocks: Vec<_> = folders.iter().map(|f| open(f)).collect();
    compact_blocks(&fs, dest, &blocks, ulid, &CompactOptions::default()).unwrap()
}

/// Copies a block under another name and without tombstones.
fn copy_without_tombstones(from: &Path, parent: &Path, ulid: &str) -> PathBuf {
    let target = parent.join(ulid);
    std::fs::create_dir_all(target.join("chunks")).unwrap();
    for name in ["index", "chunks/000001"] {
        std::fs::copy(from.join(name), target.join(name)).unwrap();
    }
    let mut meta = BlockMeta::read(&SystemFs, from).unwrap();
    meta.ulid = ulid.parse().unwrap();
    meta.stats.num_tombstones = 0;
    meta.write(&SystemFs, &target).unwrap();
    target
}

/// Prometheus 3.14 compacted the same parents to files with these checksums.
#[test]
fn compactions_equal_those_of_the_peer() {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return };
    let golden = root.join("golden");
    let dir = tempfile::tempdir().unwrap();
    let deleted = golden.join("prometheus-data/stopped/01M8625T7B66PWCTB3JMJZMG28");
    let whole = copy_without_tombstones(&deleted, dir.path(), "01M8625T7B66PWCTB3JMJZMGZZ");
    let replicas = ["01M85QAKHTXXDPQXZPB8WDHPRS", "01M85QC1VHE60X0R16E182R3A0"];
    let replicas = replicas.map(|ulid| golden.join("bucket-raw").join(ulid)).to_vec();
    let cases = [
        // Two replicas, 13 s apart: every chunk overlaps.
        (replicas, "01M86BKSDJZ8RDASZEAEQWXYVR", [0x0f4f_3508, 0x25d3_e74f, 0x8631_7541u32]),
        // Floats and histograms, one input with deletions.
        (
            vec![deleted, whole],
            "01M86BRQ0WFYBZTPSW0ZD1BBZJ",
            [0x3e3e_e194, 0x1c09_199b, 0xcd5a_0fb1],
        ),
    ];
    for (parents, ulid, checksums) in cases {
        compact(dir.path(), &parents, ulid.parse().unwrap()).unwrap();
        for (name, checksum) in ["chunks/000001", "index", "meta.json"].into_iter().zip(checksums) {
            let file = std::fs::read(dir.path().join(ulid).join(name)).unwrap();
            assert_eq!(gauntlet_encoding::crc32c(&file), checksum, "{ulid} {name}");
        }
    }
}

/// Every downsampled golden block was made of another one by Thanos.
#[test]
fn downsampled_blocks_equal_those_of_the_peer() {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return };
    assert_eq!(downsample_as_in(&root.join("golden/bucket-compacted")), 8);
}

/// Downsamples again what Thanos downsampled in a bucket; returns how many blocks came out the same.
fn downsample_as_in(bucket: &Path) -> usize {
    let mut blocks = Vec::new();
    for entry in std::fs::read_dir(bucket).unwrap() {
        let folder = entry.unwrap().path();
        let meta = BlockMeta::read(&SystemFs, &folder).unwrap();
        blocks.push((meta.thanos.as_ref().unwrap().downsample.resolution_ms, folder, meta));
    }
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = SystemFs::shared();
    let mut compared = 0;
    for (resolution, folder, meta) in &blocks {
        let source = blocks.iter().filter(|(finer, _, m)| {
            finer < resolution && m.compaction.sources == meta.compaction.sources
        });
        let Some((_, source, _)) = source.max_by_key(|(finer, ..)| *finer) else { continue };
        let ours = downsample_block(
            &fs,
            dir.path(),
            &open(source),
            meta.ulid,
            *resolution,
            &Cancel::new(),
        );
        let ours = ours.unwrap().unwrap();
        assert_eq!(ours.stats, meta.stats);
        let thanos = ours.thanos.unwrap();
        assert_eq!(thanos.segment_files, ["000001"]);
        for name in ["chunks/000001", "index"] {
            let target = dir.path().join(meta.ulid.to_string()).join(name);
            assert!(
                std::fs::read(target).unwrap() == std::fs::read(folder.join(name)).unwrap(),
                "{folder:?} {name}"
            );
        }
        compared += 1;
    }
    compared
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
