//! What receivers take from `global`, and what they keep of their own.

use gauntlet_yaml::{Context, Dialect, Document, Mapping, Problems};

use super::{GlobalReceivers, HostPort, Receiver};

/// One receiver, and what is global; both in flow style.
fn read(global: &str, receiver: &str) -> Result<Receiver, Problems> {
    let text = format!("global: {{{global}}}\nreceiver: {{name: r, {receiver}}}\n");
    let document = Document::parse(text.as_bytes(), Dialect::V2).unwrap();
    let mut cx = Context::new();
    let mut map = Mapping::read(document.root().unwrap(), "config.plain", &mut cx).unwrap();
    let node = map.node("global").unwrap();
    let mut globals = Mapping::read(node, "config.plain", &mut cx).unwrap();
    let globals = GlobalReceivers::read(&mut globals, &mut cx);
    let receiver = Receiver::read(map.node("receiver").unwrap(), &mut cx, Some(&globals));
    cx.finish(receiver)
}

#[test]
fn what_is_said_wins_over_what_is_global() {
    let global = "victorops_api_key: G, victorops_api_url: 'http://g/x', telegram_bot_token: G, opsgenie_api_key: G, smtp_from: g@x, smtp_smarthost: 'g:25', smtp_auth_password: G, smtp_auth_secret: G, smtp_require_tls: false, smtp_hello: g";
    let receiver = read(
        global,
        "victorops_configs: [{routing_key: r}, {routing_key: r, api_key: own, api_url: 'http://o/?a=b'}], telegram_configs: [{chat_id: 1}, {chat_id: 1, bot_token_file: own}], opsgenie_configs: [{}, {api_key_file: own}], email_configs: [{to: t}, {to: t, from: o@x, smarthost: 'o:26', auth_password_file: own, require_tls: true, hello: o, headers: {from: f}}]",
    )
    .unwrap();
    let [of_global, own] = &receiver.victorops_configs[..] else { panic!("two") };
    assert_eq!(of_global.api_key.expose(), "G");
    assert_eq!(of_global.api_url.as_ref().unwrap().as_str(), "http://g/x/");
    assert_eq!(own.api_key.expose(), "own");
    assert_eq!(own.api_url.as_ref().unwrap().as_str(), "http://o/?a=b");
    let [of_global, own] = &receiver.telegram_configs[..] else { panic!("two") };
    assert_eq!((of_global.bot_token.expose(), own.bot_token.expose()), ("G", ""));
    assert_eq!(own.bot_token_file, "own");
    // Key and file are filled in one by one here: the key of `global` comes beside the file.
    let [of_global, own] = &receiver.opsgenie_configs[..] else { panic!("two") };
    assert_eq!((of_global.api_key.expose(), own.api_key.expose()), ("G", "G"));
    let [of_global, own] = &receiver.email_configs[..] else { panic!("two") };
    assert_eq!((of_global.from.as_str(), of_global.hello.as_str()), ("g@x", "g"));
    assert_eq!((of_global.require_tls, own.require_tls), (Some(false), Some(true)));
    assert_eq!((of_global.auth_password.expose(), own.auth_password.expose()), ("G", ""));
    assert_eq!((own.auth_secret.expose(), own.smarthost.to_string().as_str()), ("G", "o:26"));
    assert_eq!(own.headers["From"], "f");
    assert_eq!(own.headers["To"], "t");
}

#[test]
fn tokens_of_slack_become_authorization() {
    let authorization = |global: &str, config: &str| {
        let receiver = read(global, &format!("slack_configs: [{config}]"));
        let slack = receiver.unwrap().slack_configs.remove(0);
        let authorization = slack.http_config.unwrap().authorization;
        let token = authorization.map(|a| a.credentials.expose().to_owned());
        (token, slack.api_url.unwrap().expose().to_owned())
    };
    let post = "https://slack.com/api/chat.postMessage".to_owned();
    assert_eq!(authorization("slack_app_token: G", "{}"), (Some("G".into()), post.clone()));
    assert_eq!(authorization("slack_app_token: G", "{app_token: o}"), (Some("o".into()), post));
    // A webhook, or credentials of its own, keep the token of `global` away.
    assert_eq!(
        authorization("slack_app_token: G", "{api_url: 'http://w'}"),
        (None, "http://w".to_owned())
    );
    assert_eq!(
        authorization(
            "slack_app_token: G, slack_api_url: 'http://g'",
            "{http_config: {authorization: {credentials: own}}}"
        ),
        (Some("own".to_owned()), "http://g".to_owned())
    );
}

#[test]
fn clients_are_global_unless_of_their_own() {
    let global = "http_config: {proxy_url: 'http://p', follow_redirects: false}";
    let teams = "webhook_url: 'http://t'";
    let receiver = read(
        global,
        &format!("msteams_configs: [{{{teams}, http_config: {{enable_http2: false}}}}], msteamsv2_configs: [{{{teams}}}, {{{teams}, http_config: {{enable_http2: false}}}}, {{{teams}, http_config: {{proxy_url: 'http://own'}}}}]"),
    )
    .unwrap();
    let proxy = |http: &Option<gauntlet_net::config::HttpClientConfig>| {
        http.as_ref().unwrap().proxy.proxy_url.as_ref().map(ToString::to_string)
    };
    assert_eq!(proxy(&receiver.msteams_configs[0].http_config), None);
    let [of_global, partly, own] = &receiver.msteamsv2_configs[..] else { panic!("three") };
    assert_eq!(proxy(&of_global.http_config).as_deref(), Some("http://p"));
    assert!(!of_global.http_config.as_ref().unwrap().follow_redirects);
    assert_eq!(proxy(&partly.http_config).as_deref(), Some("http://p"));
    assert!(partly.http_config.as_ref().unwrap().follow_redirects);
    assert_eq!(proxy(&own.http_config).as_deref(), Some("http://own"));
}

#[test]
fn files_of_clients_are_found_from_the_configurations_folder() {
    let mut receiver = read(
        "",
        "webhook_configs: [{url_file: u, http_config: {authorization: {credentials_file: f}}}]",
    )
    .unwrap();
    receiver.set_directory("/etc/am");
    let webhook = &receiver.webhook_configs[0];
    // The file with the URL is not, as upstream does not.
    assert_eq!(webhook.url_file, "u");
    let authorization = webhook.http_config.as_ref().unwrap().authorization.as_ref().unwrap();
    assert_eq!(authorization.credentials_file, "/etc/am/f");
}

#[test]
fn jiras_texts_keep_their_default_beside_other_keys() {
    let jira = |settings: &str| {
        let config = format!(
            "jira_configs: [{{api_url: 'http://j', project: p, issue_type: b, {settings}}}]"
        );
        read("", &config).unwrap().jira_configs.remove(0)
    };
    let config = jira("summary: {enable_update: false}, description: own");
    assert_eq!(config.summary.template, "{{ template \"jira.default.summary\" . }}");
    assert!(!config.summary.updates() && config.description.updates());
    assert_eq!(config.description.template, "own");
    assert_eq!(jira("summary: {template: ''}").summary.template, "");
}

#[test]
fn integrations_run_in_the_peers_order() {
    let receiver = read(
        "",
        "discord_configs: [{webhook_url: 'http://d'}], pagerduty_configs: [{routing_key: k}], webhook_configs: [{url: 'http://a'}, {url: 'http://b', send_resolved: false}]",
    )
    .unwrap();
    let all = receiver.integrations();
    let names: Vec<_> = all.iter().map(|(c, at)| (c.name(), *at, c.send_resolved())).collect();
    assert_eq!(
        names,
        [("webhook", 0, true), ("webhook", 1, false), ("pagerduty", 0, true), ("discord", 0, true)]
    );
    assert_eq!(receiver.labels["name"], "r");
}

#[test]
fn hosts_and_ports_print_as_they_were() {
    for text in ["", "a:25", "[::1]:465", ":25"] {
        assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(HostPort::parse("[a]:smtp").unwrap().to_string(), "a:smtp");
}
