//! From discovered labels to targets.

use gauntlet_model::Labels;

use super::job;
use crate::target::{Outcome, Target};
use gauntlet_model::TargetGroup;

fn made(config: &str, own: &[(&str, &str)], group: &[(&str, &str)]) -> String {
    let group =
        TargetGroup { labels: Labels::from_pairs(group.iter().copied()), ..TargetGroup::default() };
    let own = Labels::from_pairs(own.iter().copied());
    match Target::discover(&job(config), &group, &own, &mut Default::default()) {
        Ok(Outcome::Keep(target)) => format!("{} {}", target.url(), target.labels()),
        Ok(Outcome::Drop { rule, .. }) => format!("dropped by {rule:?}"),
        Err(err) => err,
    }
}

#[test]
fn targets_take_labels_from_everywhere() {
    let address = ("__address__", "h:1");
    for (config, own, group, expect) in [
        ("", vec![address], vec![], r#"http://h:1/metrics {instance="h:1", job="j"}"#),
        (
            "scheme: https\nmetrics_path: /m\nparams: {a: [x, y]}\n",
            vec![address, ("team", "own")],
            vec![("team", "group"), ("rack", "r1")],
            r#"https://h:1/m?a=x&a=y {instance="h:1", job="j", rack="r1", team="own"}"#,
        ),
        (
            "relabel_configs:\n- {target_label: __param_a, replacement: z}\n- {target_label: instance, replacement: i}\n- {source_labels: [__meta_x], target_label: x}\n",
            vec![address, ("__meta_x", "meta")],
            vec![],
            r#"http://h:1/metrics?a=z {instance="i", job="j", x="meta"}"#,
        ),
        (
            "relabel_configs:\n- {target_label: a, replacement: b}\n- {source_labels: [job], regex: j, action: drop}\n",
            vec![address],
            vec![],
            "dropped by Some(1)",
        ),
        ("", vec![("a", "b")], vec![], "no address"),
        (
            "",
            vec![("__address__", "http://h:1/x")],
            vec![],
            r#""http://h:1/x" is not a valid hostname"#,
        ),
        (
            "",
            vec![address, ("__scrape_interval__", "1s")],
            vec![],
            r#"scrape timeout cannot be greater than scrape interval ("10s" > "1s")"#,
        ),
        ("", vec![address, ("__scrape_timeout__", "0s")], vec![], "scrape timeout cannot be 0"),
        (
            "",
            vec![address, ("__scrape_native_histograms__", "maybe")],
            vec![],
            r#"error parsing scrape native histograms: strconv.ParseBool: parsing "maybe": invalid syntax"#,
        ),
    ] {
        assert_eq!(made(config, &own, &group), expect);
    }
}
