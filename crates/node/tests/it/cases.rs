//! Upstream's recorded results of single collectors under other flags: text files, virtual server labels, PCI names.

use std::fs;
use std::path::Path;

use gauntlet_node::Filter;
use gauntlet_testkit::conformance_dir;

use crate::golden::{exporter, fixtures};

/// What one collector shows, without the exporter's own families; paths as upstream's tests have them.
pub(crate) fn collect(root: &Path, collector: &str, flags: &[(&str, &str)]) -> String {
    let switch = format!("collector.{collector}");
    let mut all = vec![("collector.disable-defaults", "true"), (switch.as_str(), "true")];
    all.extend_from_slice(flags);
    let mut out = Vec::new();
    exporter(root, &all).collect(&Filter::All, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap().replace(root.to_str().unwrap(), "fixtures");
    let own = |line: &&str| !line.contains("node_scrape_collector_");
    text.lines().filter(own).map(|line| format!("{line}\n")).collect()
}

fn expected(name: &str) -> String {
    let dir = conformance_dir().unwrap().join("conformance/node_exporter");
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn text_files_are_merged_as_upstream_does() {
    let Some(dir) = fixtures() else { return };
    let root = dir.path();
    let cases: &[(&[&str], &str)] = &[
        (&["no_metric_files"], "no_metric_files"),
        (&["two_metric_files"], "two_metric_files"),
        (&["nonexistent_path"], "nonexistent_path"),
        (&["client_side_timestamp"], "client_side_timestamp"),
        (&["different_metric_types"], "different_metric_types"),
        (&["inconsistent_metrics"], "inconsistent_metrics"),
        (&["histogram"], "histogram"),
        (&["histogram_extra_dimension"], "histogram_extra_dimension"),
        (&["summary"], "summary"),
        (&["summary_extra_dimension"], "summary_extra_dimension"),
        (&["histogram_extra_dimension", "summary_extra_dimension"], "glob_extra_dimension"),
        (&["*_extra_dimension"], "glob_extra_dimension"),
        (&["metrics_merge_empty_help"], "metrics_merge_empty_help"),
        (&["metrics_merge_no_help"], "metrics_merge_no_help"),
        (&["metrics_merge_same_help"], "metrics_merge_same_help"),
        (&["metrics_merge_different_help"], "metrics_merge_different_help"),
    ];
    let mut equal = 0;
    for (folders, result) in cases {
        let paths: Vec<String> = folders
            .iter()
            .map(|f| root.join("textfile").join(f).to_str().unwrap().to_owned())
            .collect();
        let flags: Vec<(&str, &str)> =
            paths.iter().map(|p| ("collector.textfile.directory", p.as_str())).collect();
        // upstream's test fixes the modification time at 1
        let ours: String = collect(root, "textfile", &flags)
            .lines()
            .map(|line| match line.strip_prefix("node_textfile_mtime_seconds{") {
                Some(rest) => {
                    let labels = rest.split('}').next().unwrap();
                    format!("node_textfile_mtime_seconds{{{labels}}} 1\n")
                }
                None => format!("{line}\n"),
            })
            .collect();
        assert_eq!(ours, expected(&format!("textfile/{result}.out")), "{folders:?}");
        equal += 1;
    }
    println!("text files: {equal} of {} cases equal", cases.len());
}

#[test]
fn virtual_server_labels_can_be_chosen() {
    let Some(dir) = fixtures() else { return };
    let flag = "collector.ipvs.backend-labels";
    for (flags, result) in [
        (&[][..], "ip_vs_result.txt"),
        (&[(flag, "")][..], "ip_vs_result_lbs_none.txt"),
        (&[(flag, "local_port")][..], "ip_vs_result_lbs_local_port.txt"),
        (
            &[(flag, "local_address,local_port")][..],
            "ip_vs_result_lbs_local_address_local_port.txt",
        ),
    ] {
        assert_eq!(collect(dir.path(), "ipvs", flags), expected(result), "{flags:?}");
    }
}

#[test]
fn pci_devices_get_names() {
    let Some(dir) = fixtures() else { return };
    let ids = dir.path().join("pci.ids").to_str().unwrap().to_owned();
    let flags =
        [("collector.pcidevice.names", "true"), ("collector.pcidevice.idsfile", ids.as_str())];
    // upstream compares values, not lines: its file has comments of its own and another order of labels
    let sorted = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().filter(|l| is_metric(l)).map(sort_labels).collect();
        lines.sort();
        lines
    };
    let ours = collect(dir.path(), "pcidevice", &flags);
    assert_eq!(sorted(&ours), sorted(&expected("pcidevice-names-output.txt")));
}

fn is_metric(line: &str) -> bool {
    !line.is_empty()
        && (!line.starts_with('#') || line.starts_with("# HELP") || line.starts_with("# TYPE"))
}

fn sort_labels(line: &str) -> String {
    match line.split_once('{') {
        Some((name, rest)) if !line.starts_with('#') => {
            let (labels, value) = rest.rsplit_once('}').unwrap();
            let mut labels: Vec<&str> =
                labels.split("\",").map(|l| l.trim_end_matches('"')).collect();
            labels.sort_unstable();
            format!("{name}{labels:?}{value}")
        }
        _ => line.to_owned(),
    }
}
