//! The block as users write it, right and wrong.

use gauntlet_yaml::{Context, Document, Mapping, ToYaml, to_string};

use super::*;

fn read(text: &str) -> Result<HttpClientConfig, String> {
    let document = Document::parse(text.as_bytes(), gauntlet_yaml::Dialect::V2).unwrap();
    let mut cx = Context::new();
    let mut map = Mapping::read(document.root().unwrap(), "config.plain", &mut cx).unwrap();
    let config = HttpClientConfig::read(&mut map, &mut cx, HttpClientConfig::default());
    let good = map.finish(&mut cx);
    cx.finish(good.then_some(config)).map_err(|err| err.go_text())
}

#[test]
fn secrets_are_never_shown() {
    let config =
        read("basic_auth: {username: u, password: hunter2}\nproxy_url: http://a:hunter2@p:1\n")
            .unwrap();
    let shown = format!("{config:?}{}", to_string(&config.to_yaml()));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("password: <secret>") && shown.contains("http://a:xxxxx@p:1"),
        "{shown}"
    );
}

#[test]
fn a_bearer_token_becomes_an_authorization() {
    let config = read("bearer_token_file: t\n").unwrap();
    let auth = config.authorization.unwrap();
    assert_eq!((auth.kind.as_str(), auth.credentials_file.as_str()), ("Bearer", "t"));
}

#[test]
fn contradictions_are_refused_in_upstream_words() {
    let check = |text: &str, want: &str| assert_eq!(read(text).unwrap_err(), want, "{text}");
    check(
        "bearer_token: a\nbearer_token_file: b\n",
        "at most one of bearer_token & bearer_token_file must be configured",
    );
    check(
        "authorization: {type: Basic}\n",
        "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
    );
    check("oauth2: {client_id: x}\n", "oauth2 token_url must be configured");
    check("no_proxy: x\n", "if no_proxy is configured, proxy_url must also be configured");
    check("http_headers: {host: {values: [x]}}\n", "setting header \"Host\" is not allowed");
    check(
        "tls_config: {cert_file: x}\n",
        "exactly one of key or key_file must be configured when a client certificate is configured",
    );
    check("tls_config: {min_version: TLS14}\n", "unknown TLS version: TLS14");
}

#[test]
fn urls_are_taken_and_refused_as_go_does() {
    let host =
        |text: &str| text.parse::<Url>().map(|u| u.host().to_owned()).map_err(|e| e.to_string());
    assert_eq!(host("http://u:p@h:1/x?y#z").unwrap(), "h:1");
    assert_eq!(host("/only/path").unwrap(), "");
    assert_eq!(host("http://[::1]:9090").unwrap(), "[::1]:9090");
    assert_eq!(host("kubernetes:443").unwrap(), "");
    assert_eq!(host("://invalid").unwrap_err(), "parse \"://invalid\": missing protocol scheme");
    assert_eq!(
        host("1a:b").unwrap_err(),
        "parse \"1a:b\": first path segment in URL cannot contain colon"
    );
    assert_eq!(
        host("http://h:x/").unwrap_err(),
        "parse \"http://h:x/\": invalid port \":x\" after host"
    );
    assert_eq!(
        host("http://h/%zz").unwrap_err(),
        "parse \"http://h/%zz\": invalid URL escape \"%zz\""
    );
    assert_eq!(
        host("http://a:b@h:x").unwrap_err(),
        "parse \"http://a:xxxxx@h:x\": invalid port \":x\" after host"
    );
}

#[test]
fn relative_files_are_found_beside_the_configuration() {
    let join = |dir: &str, path: &str| {
        let mut path = path.to_owned();
        join_dir(dir, &mut path);
        path
    };
    assert_eq!(join("/etc/p", "a/../b.yml"), "/etc/p/b.yml");
    assert_eq!(join(".", "rules/*.yml"), "rules/*.yml");
    assert_eq!(join("x", "/abs"), "/abs");
    assert_eq!(join("x", ""), "");
    assert_eq!(join("x", "../../y"), "../y");
}
