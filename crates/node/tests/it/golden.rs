//! Upstream's end-to-end test over its recorded trees; `testkit` has the comparison.

use std::path::{Path, PathBuf};

use gauntlet_node::{Filter, NodeConfig, NodeExporter};
use gauntlet_testkit::conformance::node_exporter;
use gauntlet_testkit::conformance_dir;

/// The unpacked fixture trees.
pub(crate) struct Fixtures(PathBuf);

impl Fixtures {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

pub(crate) fn fixtures() -> Option<Fixtures> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    Some(Fixtures(node_exporter::fixtures(&conformance_dir()?, scratch).unwrap()))
}

pub(crate) fn exporter(root: &Path, flags: &[(&str, &str)]) -> NodeExporter {
    let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let mut given: Vec<(String, String)> = vec![
        ("path.rootfs".into(), root.to_str().unwrap().into()),
        ("path.procfs".into(), at("proc")),
        ("path.sysfs".into(), at("sys")),
        ("path.udev.data".into(), at("udev/data")),
    ];
    given.extend(flags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let get = |name: &str| {
        given.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    NodeExporter::new(NodeConfig::from_flags(&get).unwrap()).unwrap()
}

#[test]
fn fixture_tree_gives_upstreams_output() {
    let Some(dir) = conformance_dir() else { return };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let collect = |root: &Path, flags: &[(String, String)]| {
        let flags: Vec<(&str, &str)> =
            flags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut out = Vec::new();
        exporter(root, &flags).collect(&Filter::All, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let report = node_exporter::run(&dir, scratch, &collect).unwrap();
    println!("node_exporter e2e: {} of {} lines equal", report.passed, report.total);
    assert!(report.stale_gaps.is_empty(), "these families match now: {:?}", report.stale_gaps);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
