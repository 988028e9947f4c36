//! The echo of `/api/v1/status/config`, from golden/prometheus-api.json.

use gauntlet_config::{Config, LoadOptions, NoEnv};
use serde_json::Value;

/// The first answer that holds a whole configuration.
fn echoed(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) if text.starts_with("global:\n") => Some(text),
        Value::Array(items) => items.iter().find_map(echoed),
        Value::Object(fields) => fields.values().find_map(echoed),
        _ => None,
    }
}

#[test]
fn an_echoed_configuration_is_echoed_the_same() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let text = std::fs::read(dir.join("golden/prometheus-api.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let text = echoed(&file).unwrap();
    let (config, _) =
        Config::parse(text.as_bytes(), "echo.yml", &NoEnv, &LoadOptions::default()).unwrap();
    assert_eq!(config.yaml(), text);
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "global:\n", "global: {}\n", "# nothing\n"] {
        let (config, _) =
            Config::parse(text.as_bytes(), "x.yml", &NoEnv, &LoadOptions::default()).unwrap();
        assert_eq!(config.global.scrape.scrape_interval.to_string(), "1m", "{text:?}");
        assert!(config.yaml().contains("\nruntime:\n  gogc: 75\n"), "{}", config.yaml());
    }
}

#[test]
fn every_good_file_is_echoed_stably() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.join("conformance/prometheus-config")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(loaded) = Config::load(&path, &NoEnv) else { continue };
        let echo = |text: &str| {
            let (config, _) =
                Config::parse(text.as_bytes(), "echo.yml", &NoEnv, &LoadOptions::default())
                    .unwrap_or_else(|err| panic!("{}: {err}\n{text}", path.display()));
            config.yaml()
        };
        // The first echo leaves out what is false, as the peer's does; from then on nothing changes.
        let once = echo(&loaded.config.yaml());
        assert_eq!(echo(&once), once, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}
