//! The shipper: what goes up, in which order, and what is remembered.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gauntlet_block::BlockMeta;
use gauntlet_bucket::{Shipper, ShipperOptions};
use gauntlet_model::Labels;
use gauntlet_objstore::{Bucket, Filesystem};
use gauntlet_runtime::{ManualClock, SystemFs};

fn shipper(data: &Path, bucket: &Path, options: ShipperOptions) -> Shipper {
    let bucket: Arc<dyn Bucket> = Arc::new(Filesystem::new(bucket));
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Shipper::new(bucket, SystemFs::shared(), clock, data.to_owned(), options)
}

/// Blocks as a Prometheus leaves them: without a Thanos section.
pub(crate) fn local_blocks(data: &Path, count: usize) -> Option<Vec<BlockMeta>> {
    let folder = crate::golden("bucket-raw")?;
    let mut metas = Vec::new();
    for block in fs::read_dir(folder).unwrap().take(count) {
        let block = block.unwrap();
        let to = data.join(block.file_name());
        fs::create_dir_all(to.join("chunks")).unwrap();
        for file in ["index", "chunks/000001"] {
            fs::copy(block.path().join(file), to.join(file)).unwrap();
        }
        let content = fs::read(block.path().join("meta.json")).unwrap();
        let mut meta = BlockMeta::parse("m", &content).unwrap();
        meta.thanos = None;
        fs::write(to.join("meta.json"), meta.to_json()).unwrap();
        metas.push(meta);
    }
    metas.sort_by_key(|m| (m.min_time, m.ulid));
    Some(metas)
}

fn labels() -> Labels {
    Labels::from_pairs([("replica", "a"), ("cluster", "x")])
}

#[tokio::test]
async fn blocks_go_up_once_with_labels_and_a_list_of_files() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(metas) = local_blocks(data.path(), 3) else { return };
    let options = ShipperOptions { hash_files: true, ..ShipperOptions::default() };
    let shipper = shipper(data.path(), bucket.path(), options);
    let report = shipper.sync(&labels()).await.unwrap();
    assert_eq!(report.uploaded, metas.iter().map(|m| m.ulid).collect::<Vec<_>>());
    let at = bucket.path().join(metas[0].ulid.to_string());
    let shipped = BlockMeta::parse("m", &fs::read(at.join("meta.json")).unwrap()).unwrap();
    let thanos = shipped.thanos.clone().unwrap();
    assert_eq!(Labels::from_pairs(&thanos.labels), labels());
    assert_eq!(
        (thanos.source.as_str(), &thanos.segment_files[..]),
        ("sidecar", &["000001".to_owned()][..])
    );
    let files: Vec<&str> = thanos.files.iter().map(|f| f.rel_path.as_str()).collect();
    assert_eq!(files, ["chunks/000001", "index", "meta.json"]);
    assert_eq!(thanos.files[1].size_bytes, fs::metadata(at.join("index")).unwrap().len());
    assert_eq!(thanos.files[1].hash.as_ref().unwrap().value.len(), 64);
    assert_eq!(thanos.upload_time.as_deref(), Some("2023-11-14T22:13:20Z"));
    let state = fs::read_to_string(data.path().join("thanos.shipper.json")).unwrap();
    assert!(metas.iter().all(|m| state.contains(&m.ulid.to_string())));
    assert!(!data.path().join("thanos/upload").join(metas[0].ulid.to_string()).exists());
    // What a compactor removed from the bucket does not come back.
    fs::remove_dir_all(&at).unwrap();
    assert!(shipper.sync(&labels()).await.unwrap().uploaded.is_empty());
    assert!(!at.exists());
    // Without the file the bucket itself is asked.
    fs::write(data.path().join("thanos.shipper.json"), "damaged").unwrap();
    assert_eq!(shipper.sync(&labels()).await.unwrap().uploaded, [metas[0].ulid]);
}

#[tokio::test]
async fn what_must_not_go_up_stays() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(metas) = local_blocks(data.path(), 4) else { return };
    let rewrite = |i: usize, change: &dyn Fn(&mut BlockMeta)| {
        let mut meta = metas[i].clone();
        change(&mut meta);
        let path = data.path().join(meta.ulid.to_string()).join("meta.json");
        fs::write(path, meta.to_json()).unwrap();
    };
    rewrite(0, &|m| m.stats.num_samples = 0);
    rewrite(1, &|m| m.compaction.level = 2);
    let plain = shipper(data.path(), bucket.path(), ShipperOptions::default());
    assert!(
        plain.sync(&Labels::empty()).await.is_err(),
        "without labels nothing can be told apart"
    );
    let report = plain.sync(&labels()).await.unwrap();
    assert_eq!(report.uploaded, [metas[2].ulid, metas[3].ulid]);
    // A compacted block over ranges that the bucket has already is refused.
    let (min_time, max_time) = (metas[2].min_time, metas[2].max_time);
    rewrite(1, &|m| {
        m.compaction.level = 2;
        (m.min_time, m.max_time) = (min_time, max_time);
    });
    let options = ShipperOptions { upload_compacted: true, ..ShipperOptions::default() };
    let err =
        shipper(data.path(), bucket.path(), options.clone()).sync(&labels()).await.unwrap_err();
    assert!(err.to_string().contains("overlap"), "{err}");
    let options = ShipperOptions { allow_out_of_order: true, ..options };
    let report = shipper(data.path(), bucket.path(), options).sync(&labels()).await.unwrap();
    assert_eq!(report.uploaded, [metas[1].ulid]);
}

#[tokio::test]
async fn an_interrupted_upload_leaves_no_block_and_is_finished_later() {
    let (data, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(metas) = local_blocks(data.path(), 1) else { return };
    let local = data.path().join(metas[0].ulid.to_string());
    fs::rename(local.join("index"), local.join("index.away")).unwrap();
    let shipper = shipper(data.path(), bucket.path(), ShipperOptions::default());
    assert!(shipper.sync(&labels()).await.is_err());
    let meta = bucket.path().join(metas[0].ulid.to_string()).join("meta.json");
    assert!(!meta.exists());
    fs::rename(local.join("index.away"), local.join("index")).unwrap();
    assert_eq!(shipper.sync(&labels()).await.unwrap().uploaded, [metas[0].ulid]);
    assert!(meta.exists());
}
