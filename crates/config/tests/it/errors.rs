//! What a user is told.

use gauntlet_config::{Config, Env, LoadOptions, NoEnv};

#[derive(Debug)]
struct Vars;

impl Env for Vars {
    fn get(&self, name: &str) -> Option<String> {
        (name == "ZONE").then(|| "eu".to_owned())
    }
}

#[test]
fn all_problems_are_listed_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prometheus.yml");
    let text = "global:
  scrape_interval: 5x
  nope: 1
scrape_configs:
  - job_name: a
    scrape_timeout: 2h
    relabel_configs:
      - action: frob
  - job_name: a
    metrics_path: [x]
";
    std::fs::write(&path, text).unwrap();
    let err = Config::load(&path, &NoEnv).unwrap_err().to_string();
    let shown = err.replace(&format!("{}:", path.display()), "");
    let want = [
        "2:20: unknown unit \"x\" in duration \"5x\"",
        "3:3: field nope not found in type config.plain",
        "6:5: scrape timeout greater than scrape interval for scrape config with job name \"a\"",
        "8:17: unknown relabel action \"frob\"",
        "9:5: found multiple scrape configs with job name \"a\"",
        "10:19: cannot unmarshal !!seq into string",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), want);
}

#[test]
fn a_missing_file_is_named() {
    let err = Config::load(std::path::Path::new("/nonexistent/x.yml"), &NoEnv).unwrap_err();
    assert_eq!(err.to_string(), "/nonexistent/x.yml: no such file or directory");
    assert_eq!(err.upstream_text(), "open /nonexistent/x.yml: no such file or directory");
}

#[test]
fn external_labels_take_variables() {
    let text = "global: {external_labels: {zone: '${ZONE}-1', price: '5$$', none: 'x${NONE}'}}\n";
    let (config, warnings) =
        Config::parse(text.as_bytes(), "x.yml", &Vars, &LoadOptions::default()).unwrap();
    let labels = config.global.external_labels;
    assert_eq!(labels.to_string(), "{none=\"x\", price=\"5$\", zone=\"eu-1\"}");
    assert_eq!(warnings, ["empty environment variable NONE"]);
}

/// The shape of the files that come with releases: lists whose items are all comments.
#[test]
fn a_file_of_commented_lists_loads() {
    let text = "global:
  scrape_interval: 15s # every 15 seconds
  evaluation_interval: 15s
alerting:
  alertmanagers:
    - static_configs:
        - targets:
          # - alertmanager:9093
rule_files:
  # - \"first.yml\"
scrape_configs:
  - job_name: \"prometheus\"
    static_configs:
      - targets: [\"localhost:9090\"]
        labels:
          app: \"prometheus\"
";
    let (config, warnings) =
        Config::parse(text.as_bytes(), "x.yml", &NoEnv, &LoadOptions::default()).unwrap();
    assert!(warnings.is_empty() && config.rule_files.is_empty());
    assert_eq!(config.alerting.alertmanagers.len(), 1);
    assert_eq!(config.scrape_configs[0].scrape.scrape_timeout.to_string(), "10s");
}

#[test]
fn kinds_that_cannot_run_are_named() {
    let text = "scrape_configs: [{job_name: a, nerve_sd_configs: [{servers: [x], paths: [/y]}], static_configs: [{targets: [x]}]}]\n";
    let (config, _) =
        Config::parse(text.as_bytes(), "x.yml", &NoEnv, &LoadOptions::default()).unwrap();
    let err = config.scrape_configs[0].discovery.check_supported().unwrap_err();
    let start = "service discovery kind \"nerve\" is not supported by this build; supported are aws, azure, consul, ";
    assert!(err.to_string().starts_with(start), "{err}");
}

/// The echo hides secrets; a reload must still see that one changed.
#[test]
fn a_changed_secret_makes_a_changed_job() {
    let job = |password: &str| {
        let text = format!(
            "scrape_configs: [{{job_name: a, basic_auth: {{username: u, password: {password}}}}}]\n"
        );
        let parsed = Config::parse(text.as_bytes(), "x.yml", &NoEnv, &LoadOptions::default());
        parsed.map(|(config, _)| config)
    };
    let (one, same, other) = (job("p").unwrap(), job("p").unwrap(), job("q").unwrap());
    assert!(one == same && one != other);
    assert_eq!(one.yaml(), other.yaml());
}
