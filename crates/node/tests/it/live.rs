//! The collectors on the host that runs the tests.

use gauntlet_node::{Filter, FilterError, NodeConfig, NodeExporter, Outcome};

fn exporter() -> NodeExporter {
    NodeExporter::new(NodeConfig::from_flags(&|_| Vec::new()).unwrap()).unwrap()
}

#[test]
fn every_default_collector_succeeds_or_says_why_not() {
    let exporter = exporter();
    let mut out = Vec::new();
    exporter.collect(&Filter::All, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\nnode_load1 "), "{text}");
    for row in exporter.status().iter().filter(|row| row.enabled) {
        match &row.outcome {
            Outcome::Success => {}
            Outcome::NoData(reason) | Outcome::Failed(reason) => {
                println!("{}: {reason}", row.name);
                assert!(!reason.is_empty() && !reason.contains("BUG"), "{}: {reason}", row.name);
            }
            Outcome::Pending => panic!("{} never ran", row.name),
        }
    }
}

#[test]
fn filters_choose_collectors_and_bad_names_are_refused() {
    let exporter = exporter();
    let mut out = Vec::new();
    let only = Filter::from_query(vec!["loadavg".into()], vec![]).unwrap();
    exporter.collect(&only, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("node_load1 ") && !text.contains("node_cpu"), "{text}");
    assert!(text.contains("node_scrape_collector_success{collector=\"loadavg\"} 1\n"), "{text}");
    let refused = |name: &str| {
        exporter.collect(&Filter::Only(vec![name.into()]), &mut Vec::new()).unwrap_err()
    };
    assert_eq!(refused("nope"), FilterError::Missing("nope".into()));
    let both = Filter::from_query(vec!["a".into()], vec!["b".into()]);
    assert_eq!(both, Err(FilterError::Combined));
}
