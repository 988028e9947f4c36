//! What between sections must hold, in upstream's words; every file of the peer's own tests; the echo.

use super::*;

const HEAD: &str = "route: {receiver: r}\nreceivers: [{name: r}]\n";

fn error(text: &str) -> String {
    Config::parse(text, ParseMode::Fallback).expect_err(text).upstream_text()
}

#[test]
fn sections_must_fit_each_other() {
    for (text, wanted) in [
        ("", "no route provided in config"),
        ("{}", "no routes provided"),
        ("receivers: [{name: r}]", "no routes provided"),
        ("route: {}\nreceivers: [{name: r}]", "root route must specify a default receiver"),
        ("route: {receiver: x}\nreceivers: [{name: r}]", "undefined receiver \"x\" used in route"),
        (
            "route: {receiver: r, routes: [{routes: [{receiver: x}]}]}\nreceivers: [{name: r}]",
            "undefined receiver \"x\" used in route",
        ),
        (
            "route: {receiver: r, match: {a: b}}\nreceivers: [{name: r}]",
            "root route must not have any matchers",
        ),
        (
            "route: {receiver: r, continue: true}\nreceivers: [{name: r}]",
            "cannot have continue in root route",
        ),
        (
            "route: {receiver: r, mute_time_intervals: [x]}\nreceivers: [{name: r}]",
            "root route must not have any mute time intervals",
        ),
        (
            "route: {receiver: r, active_time_intervals: [x]}\nreceivers: [{name: r}]",
            "root route must not have any active time intervals",
        ),
        (
            "route: {receiver: r, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: r}]",
            "undefined time interval \"x\" used in route",
        ),
        (
            "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]",
            "notification config name \"r\" is not unique",
        ),
        ("route: {receiver: r}\nreceivers: [{}]", "missing name in receiver"),
        (
            &format!("{HEAD}time_intervals: [{{name: a}}, {{name: a}}]"),
            "time interval \"a\" is not unique",
        ),
        (
            &format!("{HEAD}mute_time_intervals: [{{name: a}}]\ntime_intervals: [{{name: a}}]"),
            "time interval \"a\" is not unique",
        ),
        (&format!("{HEAD}time_intervals: [{{}}]"), "missing name in time interval"),
        (&format!("{HEAD}mute_time_intervals: [{{}}]"), "missing name in mute time interval"),
        (&format!("{HEAD}tracing: {{}}"), "tracing endpoint must be set"),
        (
            &format!("{HEAD}tracing: {{endpoint: x, client_type: y}}"),
            "expected tracing client type to be to be http or grpc, but got y",
        ),
    ] {
        assert_eq!(error(text), wanted, "{text}");
    }
}

#[test]
fn routes_are_checked_one_by_one() {
    let route =
        |text: &str| error(&format!("receivers: [{{name: r}}]\nroute: {{receiver: r, {text}}}"));
    for (text, wanted) in [
        (
            "group_by: ['...', a]",
            "cannot have wildcard group_by (`...`) and other labels at the same time",
        ),
        ("group_by: [a, a]", "duplicated label \"a\" in group_by"),
        ("group_by: ['']", "invalid label name \"\" in group_by list"),
        ("group_interval: 0s", "group_interval cannot be zero"),
        ("repeat_interval: 0s", "repeat_interval cannot be zero"),
        ("group_wait: x", "not a valid duration string: \"x\""),
        ("routes: [{match: {'a-b': c}}]", "invalid label name \"a-b\""),
        ("routes: [{match_re: {a: '('}}]", "error parsing regexp: missing closing ): `^(?:()$`"),
        ("routes: [{matchers: [a]}]", "bad matcher format: a"),
        ("labels: {'': x}", "\"\" is not a valid label name"),
        (
            "grup_by: [a]",
            "yaml: unmarshal errors:\n  line 2: field grup_by not found in type config.plain",
        ),
    ] {
        assert_eq!(route(text), wanted, "{text}");
    }
}

#[test]
fn all_problems_are_named_with_their_places() {
    let text = "global: {nope: 1}\nroute:\n  receiver: x\n  group_interval: 0s\n  routes:\n  - matchers: ['a=~\"(\"']\nreceivers: [{name: r}, {name: r}]\n";
    let errors = Config::parse(text, ParseMode::Fallback).expect_err("errors");
    assert_eq!(
        errors.to_string(),
        "1:10: field nope not found in type config.plain\n\
         4:3: group_interval cannot be zero\n\
         6:16: error parsing regexp: missing closing ): `^(?:()$`\n\
         7:24: notification config name \"r\" is not unique"
    );
}

#[test]
fn label_names_follow_the_mode() {
    let text = "receivers: [{name: r}]\nroute: {receiver: r, group_by: [a.b]}\ninhibit_rules: [{equal: ['ü']}]";
    assert!(Config::parse(text, ParseMode::Fallback).is_ok());
    let errors = Config::parse(text, ParseMode::Classic).expect_err("classic");
    let reasons: Vec<&str> = errors.problems().map(|p| p.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["invalid label name \"a.b\" in group_by list", "invalid label name \"ü\" in equal list"]
    );
}

#[test]
fn files_are_found_beside_the_configuration() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("am.yml");
    std::fs::write(&path, format!("{HEAD}templates: [x/*.tmpl, /abs.tmpl]\n")).expect("write");
    let config = Config::load(&path, ParseMode::Fallback).expect("loads").config;
    let beside = dir.path().join("x/*.tmpl").display().to_string();
    assert_eq!(config.templates, [beside, "/abs.tmpl".to_owned()]);
    let missing = Config::load(&dir.path().join("no.yml"), ParseMode::Fallback).expect_err("no");
    assert!(missing.to_string().ends_with("no.yml: no such file or directory"));
}

#[test]
fn the_seed_corpus_is_read() {
    for seed in ["", HEAD, "route: [", "route: {routes: [~]}", "receivers: ~", "- a"] {
        fuzz::check(seed.as_bytes());
    }
}

/// The peer's own words for each bad file, taken from running it.
const REFUSED: &[(&str, &str)] = &[
    (
        "config/testdata/conf.mattermost-both-webhook-url-and-file.yml",
        "at most one of mattermost_webhook_url & mattermost_webhook_url_file must be configured",
    ),
    (
        "config/testdata/conf.mattermost-no-webhook-url.yml",
        "missing webhook_url or webhook_url_file on mattermost_config",
    ),
    (
        "config/testdata/conf.mattermost-valid-receiver-both-webhook-url-and-file.yml",
        "at most one of mattermost_webhook_url & mattermost_webhook_url_file must be configured",
    ),
    ("config/testdata/conf.nil-match_re-route.yml", "invalid regexp value for \"invalid_label\""),
    (
        "config/testdata/conf.nil-source_match_re-inhibition.yml",
        "invalid regexp value for \"invalid_source_label\"",
    ),
    (
        "config/testdata/conf.nil-target_match_re-inhibition.yml",
        "invalid regexp value for \"invalid_target_label\"",
    ),
    (
        "config/testdata/conf.opsgenie-both-file-and-apikey.yml",
        "at most one of opsgenie_api_key & opsgenie_api_key_file must be configured",
    ),
    (
        "config/testdata/conf.opsgenie-default-apikey-old-team.yml",
        "yaml: unmarshal errors:\n  line 16: field teams not found in type opsgenie.plain",
    ),
    (
        "config/testdata/conf.opsgenie-no-apikey.yml",
        "no global OpsGenie API Key set either inline or in a file",
    ),
    (
        "config/testdata/conf.rocketchat-both-token-and-tokenfile.yml",
        "at most one of rocketchat_token & rocketchat_token_file must be configured",
    ),
    (
        "config/testdata/conf.rocketchat-both-tokenid-and-tokenidfile.yml",
        "at most one of rocketchat_token_id & rocketchat_token_id_file must be configured",
    ),
    (
        "config/testdata/conf.rocketchat-no-token.yml",
        "no global Rocketchat Token set either inline or in a file",
    ),
    (
        "config/testdata/conf.slack-both-file-and-token.yml",
        "at most one of slack_app_token & slack_app_token_file must be configured",
    ),
    (
        "config/testdata/conf.slack-both-file-and-url.yml",
        "at most one of slack_api_url & slack_api_url_file must be configured",
    ),
    (
        "config/testdata/conf.slack-both-url-and-token.yml",
        "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
    ),
    (
        "config/testdata/conf.slack-no-api-url-or-token.yml",
        "no Slack API URL nor App token set either inline or in a file",
    ),
    (
        "config/testdata/conf.slack-update-message-and-webhook.yml",
        "update_message can only be used with bot tokens. api_url must be set to https://slack.com/api/chat.postMessage",
    ),
    (
        "config/testdata/conf.smtp-both-password-and-file.yml",
        "at most one of smtp_auth_password & smtp_auth_password_file must be configured",
    ),
    (
        "config/testdata/conf.sns-invalid.yml",
        "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
    ),
    (
        "config/testdata/conf.telegram-both-bot-token-and-file.yml",
        "at most one of telegram_bot_token & telegram_bot_token_file must be configured",
    ),
    (
        "config/testdata/conf.telegram-no-bot-token.yml",
        "missing bot_token or bot_token_file on telegram_config",
    ),
    (
        "config/testdata/conf.telegram-valid-receiver-both-bot-token-and-file.yml",
        "at most one of telegram_bot_token & telegram_bot_token_file must be configured",
    ),
    (
        "config/testdata/conf.victorops-both-file-and-apikey.yml",
        "at most one of victorops_api_key & victorops_api_key_file must be configured",
    ),
    ("config/testdata/conf.victorops-no-apikey.yml", "no global VictorOps API Key set"),
    (
        "config/testdata/conf.wechat-both-file-and-secret.yml",
        "at most one of wechat_api_secret & wechat_api_secret_file must be configured",
    ),
    (
        "config/testdata/conf.wechat-no-api-secret.yml",
        "no global Wechat Api Secret set either inline or in a file",
    ),
    (
        "cli/testdata/conf.bad.yml",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `BAD` into config.plain",
    ),
    (
        "cli/config/testdata/amtool.bad.yml",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `BAD` into config.plain",
    ),
    (
        "cli/config/testdata/amtool.good1.yml",
        "yaml: unmarshal errors:\n  line 1: field id not found in type config.plain\n  line 2: field url not found in type config.plain",
    ),
    (
        "cli/config/testdata/amtool.good2.yml",
        "yaml: unmarshal errors:\n  line 1: field old-id not found in type config.plain\n  line 2: field url not found in type config.plain",
    ),
    (
        "cli/config/testdata/http_config.bad.yml",
        "yaml: unmarshal errors:\n  line 1: field authorization not found in type config.plain",
    ),
    (
        "cli/config/testdata/http_config.basic_auth.good.yml",
        "yaml: unmarshal errors:\n  line 1: field basic_auth not found in type config.plain",
    ),
    (
        "cli/config/testdata/http_config.good.yml",
        "yaml: unmarshal errors:\n  line 1: field authorization not found in type config.plain\n  line 4: field proxy_url not found in type config.plain",
    ),
];

#[test]
fn the_peers_files_are_judged_as_the_peer_judges_them() {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return };
    let root = root.join("conformance/alertmanager");
    let (mut passed, mut total, mut wrong) = (0, 0, Vec::new());
    for folder in ["config/testdata", "cli/testdata", "cli/config/testdata"] {
        let mut names: Vec<_> = std::fs::read_dir(root.join(folder))
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
            .filter(|name| name.ends_with(".yml"))
            .collect();
        names.sort();
        for name in names {
            let name = format!("{folder}/{name}");
            let wanted = REFUSED.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
            let found = Config::load(&root.join(&name), ParseMode::Fallback);
            let found = found.err().map(|errors| errors.upstream_text());
            total += 1;
            if found.as_deref() == wanted {
                passed += 1;
            } else {
                wrong.push(format!("{name}\n  found  {found:?}\n  wanted {wanted:?}"));
            }
        }
    }
    println!("alertmanager configurations: {passed}/{total}");
    assert!(wrong.is_empty() && total > 40, "{}", wrong.join("\n"));
}

#[test]
fn the_echo_is_upstreams() {
    let Some(root) = gauntlet_testkit::conformance_dir() else { return };
    let golden = std::fs::read(root.join("golden/alertmanager.json")).expect("golden");
    let golden: serde_json::Value = serde_json::from_slice(&golden).expect("json");
    let text = golden["config"].as_str().expect("config");
    let config = Config::parse(text, ParseMode::Fallback).expect("parses").config;
    let calls = golden["api"].as_array().expect("calls");
    let status = calls.iter().find(|c| c["path"] == "/api/v2/status").expect("status");
    let echo = status["response"]["config"]["original"].as_str().expect("echo");
    assert_eq!(config.yaml(), echo);
}
