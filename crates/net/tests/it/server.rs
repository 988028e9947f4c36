//! Listening, the web config file, the end.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use gauntlet_net::config::{BasicAuth, HttpClientConfig, Secret, TlsConfig};
use gauntlet_net::{
    BodyReader, ClientError, ClientOptions, HttpClient, ServeError, Server, ServerOptions, Stage,
};
use http::{Request, Response};
use hyper::body::Incoming;

use crate::{serve, testdata};

const SOON: Duration = Duration::from_secs(10);

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn options(web_config: &str, dir: &tempfile::TempDir) -> ServerOptions {
    let path = dir.path().join("web.yml");
    std::fs::write(&path, web_config).unwrap();
    ServerOptions { web_config_file: path.to_str().unwrap().into(), ..ServerOptions::default() }
}

async fn get_with(config: &HttpClientConfig, url: &str) -> Result<Response<Incoming>, ClientError> {
    let client = HttpClient::new(config, ClientOptions::default()).unwrap();
    client.send(Request::get(url).body(Bytes::new()).unwrap(), SOON).await
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let server = serve(router(), ServerOptions::default()).await;
    let address = server.address.to_string();
    let err = Server::bind(&[&address], ServerOptions::default()).await.unwrap_err();
    assert!(matches!(err, ServeError::InUse(_)));
    assert_eq!(
        err.to_string(),
        format!(
            "cannot listen on {address}: address already in use; stop the process that has it or choose another port"
        )
    );
    for (bad, text) in [("nowhere", "missing port in address"), ("a:b", "invalid port")] {
        let err = Server::bind(&[bad], ServerOptions::default()).await.unwrap_err();
        assert!(err.to_string().contains(text), "{err}");
    }
}

#[tokio::test]
async fn requests_at_work_end_before_the_server_does() {
    let (started, mut has_started) = tokio::sync::mpsc::channel(1);
    let (finish, may_finish) = tokio::sync::oneshot::channel::<()>();
    let may_finish = std::sync::Arc::new(tokio::sync::Mutex::new(Some(may_finish)));
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            started.send(()).await.unwrap();
            let wait = may_finish.lock().await.take().unwrap();
            wait.await.unwrap();
            "done"
        }),
    );
    let mut server = serve(router, ServerOptions::default()).await;
    let url = format!("http://{}/slow", server.address);
    let asked = tokio::spawn(async move { get_with(&HttpClientConfig::default(), &url).await });
    has_started.recv().await.unwrap();
    server.trigger.fire();
    // Nobody listens any more once the accept loop has seen the shutdown.
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    finish.send(()).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    server.task.await.unwrap();
}

#[tokio::test]
async fn users_need_their_password() {
    let dir = tempfile::tempdir().unwrap();
    // bcrypt of "secret", cost 4.
    let hash = bcrypt::hash("secret", 4).unwrap();
    let web = format!(
        "basic_auth_users:\n  alice: {hash}\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    );
    let server = serve(router(), options(&web, &dir)).await;
    let url = format!("http://{}/", server.address);
    for (user, password, status) in [
        ("alice", "secret", 200),
        ("alice", "secret", 200),
        ("alice", "wrong", 401),
        ("bob", "secret", 401),
    ] {
        let basic = BasicAuth {
            username: user.into(),
            password: Secret::new(password),
            ..BasicAuth::default()
        };
        let config = HttpClientConfig { basic_auth: Some(basic), ..HttpClientConfig::default() };
        let response = get_with(&config, &url).await.unwrap();
        assert_eq!(response.status(), status, "{user} {password}");
        assert_eq!(response.headers()["x-frame-options"], "deny");
    }
    let response = get_with(&HttpClientConfig::default(), &url).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Basic");
    // The file counts as it is at the request.
    std::fs::write(dir.path().join("web.yml"), "{}\n").unwrap();
    assert_eq!(get_with(&HttpClientConfig::default(), &url).await.unwrap().status(), 200);
}

#[tokio::test]
async fn tls_checks_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let web = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n",
        testdata("server.pem"),
        testdata("server.key"),
        testdata("ca.pem")
    );
    let server = serve(router(), options(&web, &dir)).await;
    let url = format!("https://{}/", server.address);
    let with =
        |tls_config: TlsConfig| HttpClientConfig { tls_config, ..HttpClientConfig::default() };
    let full = TlsConfig {
        ca_file: testdata("ca.pem"),
        cert_file: testdata("client.pem"),
        key_file: testdata("client.key"),
        ..TlsConfig::default()
    };
    let response = get_with(&with(full.clone()), &url).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let mut reader = BodyReader::default();
    assert_eq!(reader.read(response, 0, SOON).await.unwrap().bytes, b"hello");
    let named = TlsConfig { server_name: "server.test".into(), ..full.clone() };
    assert_eq!(get_with(&with(named), &url).await.unwrap().status(), 200);
    let anyone = TlsConfig { insecure_skip_verify: true, ca_file: String::new(), ..full.clone() };
    assert_eq!(get_with(&with(anyone), &url).await.unwrap().status(), 200);

    let stranger = TlsConfig { ca_file: String::new(), ..full.clone() };
    let err = get_with(&with(stranger), &url).await.unwrap_err();
    assert_eq!(err.stage, Stage::Tls);
    assert!(
        err.to_string().ends_with(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        ),
        "{err}"
    );
    let misnamed = TlsConfig { server_name: "other.test".into(), ..full.clone() };
    assert_eq!(get_with(&with(misnamed), &url).await.unwrap_err().stage, Stage::Tls);
    let nameless = TlsConfig { cert_file: String::new(), key_file: String::new(), ..full };
    assert!(get_with(&with(nameless), &url).await.is_err());
}

#[tokio::test]
async fn clients_need_one_of_the_allowed_names() {
    let client = HttpClientConfig {
        tls_config: TlsConfig {
            ca_file: testdata("ca.pem"),
            cert_file: testdata("client.pem"),
            key_file: testdata("client.key"),
            ..TlsConfig::default()
        },
        ..HttpClientConfig::default()
    };
    for (auth, sans, taken) in [
        ("RequireAndVerifyClientCert", "[other.test, client.test]", true),
        ("RequireAndVerifyClientCert", "[127.0.0.1]", true),
        ("RequireAndVerifyClientCert", "[client]", false),
        ("RequireAndVerifyClientCert", "[]", false),
        ("VerifyClientCertIfGiven", "[other.test]", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let web = format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  client_auth_type: {auth}\n  client_allowed_sans: {sans}\n",
            testdata("server.pem"),
            testdata("server.key"),
            testdata("ca.pem")
        );
        let server = serve(router(), options(&web, &dir)).await;
        let url = format!("https://{}/", server.address);
        assert_eq!(get_with(&client, &url).await.is_ok(), taken, "{auth} {sans}");
    }
}

#[tokio::test]
async fn bad_web_configs_are_refused_at_the_start() {
    for (web, text) in [
        ("tls_server_confi: {}\n", "field tls_server_confi not found"),
        ("tls_server_config:\n  cert_file: x\n", "missing one of key or key_file"),
        ("tls_server_config:\n  cert_file: nope\n  key_file: nope\n", "failed to read cert_file"),
        ("http_server_config:\n  headers:\n    X-Other: x\n", "can not be configured"),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: maybe\n",
            "Expected one of: [\"deny\" \"sameorigin\"]",
        ),
        ("basic_auth_users:\n  a: plain\n", "not a bcrypt hash"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let err = Server::bind(&["127.0.0.1:0"], options(web, &dir)).await.unwrap_err();
        assert!(err.to_string().contains(text), "{web}: {err}");
    }
}

#[tokio::test]
async fn too_many_requests_are_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(router(), options("rate_limit:\n  interval: 1h\n  burst: 2\n", &dir)).await;
    let url = format!("http://{}/", server.address);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(get_with(&HttpClientConfig::default(), &url).await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [200, 200, 429]);
}
