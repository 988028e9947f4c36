//! Requests, bodies, and the words of their errors.

use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use gauntlet_net::config::{BasicAuth, HttpClientConfig, Secret};
use gauntlet_net::{BodyReader, ClientError, ClientOptions, HttpClient, ServerOptions, Stage};
use http::{HeaderMap, Request};

use crate::{serve, testdata};

const SOON: Duration = Duration::from_secs(5);

fn client(config: &HttpClientConfig) -> HttpClient {
    HttpClient::new(config, ClientOptions::default()).unwrap()
}

async fn fetch(client: &HttpClient, url: &str, limit: u64) -> Result<String, ClientError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let response = client.send(request, SOON).await?;
    let mut reader = BodyReader::default();
    let body = reader.read(response, limit, SOON).await?;
    Ok(String::from_utf8(body.bytes.to_vec()).unwrap())
}

fn router() -> Router {
    let gzip = |text: &'static str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        ([("content-encoding", "gzip")], packer.finish().unwrap())
    };
    Router::new()
        .route("/plain", get(|| async { "plain text" }))
        .route("/gzip", get(move || async move { gzip("packed text") }))
        .route("/broken", get(|| async { ([("content-encoding", "gzip")], "no gzip at all") }))
        .route("/gone", get(|| async { http::StatusCode::GONE }))
        .route("/hop", get(|| async { (http::StatusCode::FOUND, [("location", "/plain")], "") }))
        .route("/loop", get(|| async { (http::StatusCode::FOUND, [("location", "loop")], "") }))
        .route(
            "/auth",
            get(|headers: HeaderMap| async move {
                headers
                    .get("authorization")
                    .map(|v| v.to_str().unwrap().to_owned())
                    .unwrap_or_default()
            }),
        )
}

#[tokio::test]
async fn bodies_come_plain_and_unpacked() {
    let server = serve(router(), ServerOptions::default()).await;
    let base = format!("http://{}", server.address);
    let client = client(&HttpClientConfig::default());
    assert_eq!(fetch(&client, &format!("{base}/plain"), 0).await.unwrap(), "plain text");
    assert_eq!(fetch(&client, &format!("{base}/gzip"), 0).await.unwrap(), "packed text");
    assert_eq!(fetch(&client, &format!("{base}/hop"), 0).await.unwrap(), "plain text");
    // The bound is on what comes out, and is not itself allowed.
    assert_eq!(fetch(&client, &format!("{base}/gzip"), 12).await.unwrap(), "packed text");
    for path in ["gzip", "plain"] {
        let err = fetch(&client, &format!("{base}/{path}"), 10).await.unwrap_err();
        assert_eq!((err.stage, err.to_string()), (Stage::Limit, "body size limit exceeded".into()));
    }
}

#[tokio::test]
async fn errors_name_stage_and_reason() {
    let server = serve(router(), ServerOptions::default()).await;
    let base = format!("http://{}", server.address);
    let follow = client(&HttpClientConfig::default());
    let stay = client(&HttpClientConfig { follow_redirects: false, ..HttpClientConfig::default() });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (client, url, stage, text) in [
        (
            &follow,
            format!("http://{closed}/metrics"),
            Stage::Connect,
            format!(
                "Get \"http://{closed}/metrics\": dial tcp {closed}: connect: connection refused"
            ),
        ),
        (
            &follow,
            "http://host.invalid/metrics".to_owned(),
            Stage::Resolve,
            "Get \"http://host.invalid/metrics\": dial tcp: lookup host.invalid: no such host"
                .to_owned(),
        ),
        (
            &follow,
            format!("{base}/gone"),
            Stage::Status,
            "server returned HTTP status 410 Gone".to_owned(),
        ),
        (
            &stay,
            format!("{base}/hop"),
            Stage::Status,
            "server returned HTTP status 302 Found".to_owned(),
        ),
        (
            &follow,
            format!("{base}/loop"),
            Stage::Redirect,
            format!("Get \"{base}/loop\": stopped after 10 redirects"),
        ),
    ] {
        let err = fetch(client, &url, 0).await.unwrap_err();
        assert_eq!((err.stage, err.to_string()), (stage, text));
    }
    let err = fetch(&follow, &format!("{base}/broken"), 0).await.unwrap_err();
    assert_eq!(err.stage, Stage::Read, "{err}");
}

#[tokio::test]
async fn a_redirect_to_another_host_leaves_credentials_behind() {
    let echo = |headers: HeaderMap| async move {
        let shown = ["authorization", "cookie", "x-key", "x-secret", "x-plain", "x-token"];
        let shown = shown.iter().filter(|name| headers.contains_key(**name));
        shown.copied().collect::<Vec<_>>().join(" ")
    };
    let other = serve(Router::new().route("/", get(echo)), ServerOptions::default()).await;
    let away = format!("http://{}/", other.address);
    let router = Router::new().route("/home", get(echo)).route(
        "/{to}",
        get(move |to: axum::extract::Path<String>| {
            let target = if to.0 == "stay" { "/home".to_owned() } else { away.clone() };
            async move { (http::StatusCode::TEMPORARY_REDIRECT, [("location", target)], "") }
        }),
    );
    let server = serve(router, ServerOptions::default()).await;
    let text = "basic_auth: {username: u, password: p}\nhttp_headers: {x-secret: {secrets: [s]}, x-plain: {values: [v]}}\n";
    let document = gauntlet_yaml::Document::parse(text.as_bytes(), gauntlet_yaml::Dialect::V2);
    let document = document.unwrap();
    let mut cx = gauntlet_yaml::Context::new();
    let config =
        <HttpClientConfig as gauntlet_yaml::FromYaml>::from_yaml(document.root().unwrap(), &mut cx);
    let client = client(&cx.finish(config).unwrap());
    for (path, wanted) in [
        ("stay", "authorization cookie x-key x-secret x-plain x-token"),
        ("away", "x-plain x-token"),
    ] {
        let mut request = Request::get(format!("http://{}/{path}", server.address))
            .header("cookie", "c")
            .header("x-token", "not marked")
            .body(Bytes::new())
            .unwrap();
        let mut key = http::HeaderValue::from_static("k");
        key.set_sensitive(true);
        request.headers_mut().insert("x-key", key);
        let response = client.send(request, SOON).await.unwrap();
        let mut reader = BodyReader::default();
        let body = reader.read(response, 0, SOON).await.unwrap();
        assert_eq!(std::str::from_utf8(body.bytes).unwrap(), wanted, "{path}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", silent.local_addr().unwrap());
    let client = client(&HttpClientConfig::default());
    let request = Request::get(&url).body(Bytes::new()).unwrap();
    let err = client.send(request, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(err.stage, Stage::Timeout);
    assert_eq!(err.to_string(), format!("Get \"{url}\": context deadline exceeded"));
}

#[tokio::test]
async fn credentials_are_read_when_they_are_sent() {
    let server = serve(router(), ServerOptions::default()).await;
    let url = format!("http://{}/auth", server.address);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "one\n").unwrap();
    let basic = BasicAuth {
        username: "me".into(),
        password_file: file.to_str().unwrap().into(),
        ..BasicAuth::default()
    };
    let client =
        client(&HttpClientConfig { basic_auth: Some(basic), ..HttpClientConfig::default() });
    assert_eq!(fetch(&client, &url, 0).await.unwrap(), "Basic bWU6b25l");
    std::fs::write(&file, "two\n").unwrap();
    assert_eq!(fetch(&client, &url, 0).await.unwrap(), "Basic bWU6dHdv");
    std::fs::remove_file(&file).unwrap();
    let err = fetch(&client, &url, 0).await.unwrap_err();
    assert_eq!(err.stage, Stage::Config);
    assert!(err.to_string().contains("unable to read password file"), "{err}");
}

#[tokio::test]
async fn bearer_tokens_stay_with_the_host_first_asked() {
    let other = serve(router(), ServerOptions::default()).await;
    let target = format!("http://{}/auth", other.address);
    let router = router().route(
        "/away",
        get(move || async move { (http::StatusCode::FOUND, [("location", target)], "") }),
    );
    let server = serve(router, ServerOptions::default()).await;
    let authorization =
        gauntlet_net::config::Authorization::bearer(Secret::new("token"), String::new());
    let config =
        HttpClientConfig { authorization: Some(authorization), ..HttpClientConfig::default() };
    let client = client(&config);
    let base = format!("http://{}", server.address);
    assert_eq!(fetch(&client, &format!("{base}/auth"), 0).await.unwrap(), "Bearer token");
    assert_eq!(fetch(&client, &format!("{base}/away"), 0).await.unwrap(), "");
}

#[tokio::test]
async fn oauth2_tokens_are_had_for_a_signed_assertion() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let token = move |headers: HeaderMap, form: String| async move {
        assert!(!headers.contains_key("authorization"));
        seen.lock().unwrap().push(form);
        r#"{"access_token":"abc","expires_in":3600}"#
    };
    let router = router().route("/token", axum::routing::post(token));
    let server = serve(router, ServerOptions::default()).await;
    let oauth2 = gauntlet_net::config::OAuth2 {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".into(),
        client_id: "me".into(),
        client_certificate_key_file: testdata("rsa.key"),
        client_certificate_key_id: "k1".into(),
        signature_algorithm: "RS384".into(),
        token_url: format!("http://{}/token", server.address),
        scopes: vec!["a".into()],
        endpoint_params: [("x".to_owned(), "y".to_owned())].into(),
        ..gauntlet_net::config::OAuth2::default()
    };
    let client = client(&HttpClientConfig { oauth2: Some(oauth2), ..HttpClientConfig::default() });
    let url = format!("http://{}/auth", server.address);
    for _ in 0..2 {
        assert_eq!(fetch(&client, &url, 0).await.unwrap(), "Bearer abc");
    }
    let forms = asked.lock().unwrap();
    let [form] = &forms[..] else { panic!("{forms:?}") };
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let rest = form.strip_prefix(grant).unwrap();
    let assertion = rest.strip_suffix("&scope=a&x=y").unwrap();
    let parts: Vec<&str> = assertion.split('.').collect();
    let read = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(read(parts[0]), serde_json::json!({"alg": "RS384", "typ": "JWT", "kid": "k1"}));
    let claims = read(parts[1]);
    assert_eq!([&claims["iss"], &claims["sub"], &claims["scope"]], ["me", "me", "a"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    let public = std::fs::read(testdata("rsa.der")).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA384, public)
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap())
        .unwrap();
}

#[tokio::test]
async fn oauth2_tokens_are_fetched_once_and_kept() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    // A server that wants the credentials in the form.
    let token = move |headers: HeaderMap, form: String| async move {
        seen.lock().unwrap().push(form.clone());
        if headers.contains_key("authorization") || !form.contains("client_secret=s%26t") {
            return (http::StatusCode::UNAUTHORIZED, String::new());
        }
        (
            http::StatusCode::OK,
            r#"{"access_token":"abc","token_type":"bearer","expires_in":3600}"#.to_owned(),
        )
    };
    let router = router().route("/token", axum::routing::post(token));
    let server = serve(router, ServerOptions::default()).await;
    let oauth2 = gauntlet_net::config::OAuth2 {
        client_id: "me".into(),
        client_secret: Secret::new("s&t"),
        token_url: format!("http://{}/token", server.address),
        scopes: vec!["a".into(), "b".into()],
        ..gauntlet_net::config::OAuth2::default()
    };
    let client = client(&HttpClientConfig { oauth2: Some(oauth2), ..HttpClientConfig::default() });
    let url = format!("http://{}/auth", server.address);
    for _ in 0..2 {
        assert_eq!(fetch(&client, &url, 0).await.unwrap(), "Bearer abc");
    }
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "grant_type=client_credentials&scope=a+b",
            "grant_type=client_credentials&scope=a+b&client_id=me&client_secret=s%26t"
        ]
    );
}
