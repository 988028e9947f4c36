//! Cloud authorisation against fakes in the shapes that the services document.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use gauntlet_model::relabel::NameScheme;
use gauntlet_net::aws::Call;
use gauntlet_runtime::ManualClock;
use parking_lot::Mutex;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::send::client::WriteClient;

const NOW: i64 = 1_440_938_160_000;

fn config(text: &str) -> RemoteWriteConfig {
    let document = gauntlet_yaml::Document::parse(text.as_bytes(), gauntlet_yaml::Dialect::V2);
    let (document, mut cx) = (document.unwrap(), gauntlet_yaml::Context::new());
    let config = RemoteWriteConfig::read(document.root().unwrap(), &mut cx, NameScheme::Utf8);
    cx.finish(config).unwrap()
}

/// Answers in turn, and remembers what was asked.
#[derive(Debug, Default)]
struct Fake {
    answers: Mutex<VecDeque<(u16, String)>>,
    calls: Mutex<Vec<Call>>,
}

impl Fake {
    fn answering(answers: &[(u16, &str)]) -> Arc<Self> {
        let answers = answers.iter().map(|(status, text)| (*status, (*text).to_owned())).collect();
        Arc::new(Self { answers: Mutex::new(answers), calls: Mutex::default() })
    }

    fn call(&self, at: usize) -> (String, BTreeMap<String, String>) {
        let calls = self.calls.lock();
        let call = &calls[at];
        let mut all: BTreeMap<_, _> =
            pairs(&String::from_utf8_lossy(&call.body)).into_iter().collect();
        let (url, query) = call.url.split_once('?').unwrap_or((&call.url, ""));
        all.extend(pairs(query));
        all.extend(call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        (format!("{} {url}", call.method), all)
    }
}

impl Transport for Fake {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>> {
        self.calls.lock().push(call);
        let answer = self.answers.lock().pop_front();
        Box::pin(async move {
            answer
                .map(|(status, text)| (status, text.into_bytes()))
                .ok_or("nobody there".to_owned())
        })
    }
}

fn means(fake: &Arc<Fake>, variables: &[(&str, &str)]) -> (Means, Arc<ManualClock>) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<String, String> = variables.iter().map(own).collect();
    let clock = Arc::new(ManualClock::new(NOW));
    let means = Means {
        environment: Arc::new(move |name| variables.get(name).cloned().unwrap_or_default()),
        transport: fake.clone(),
        clock: clock.clone(),
    };
    (means, clock)
}

async fn bearer(auth: &CloudAuth) -> Result<String, String> {
    let mut request = Request::new(Bytes::from_static(b"x"));
    auth.apply(&mut request).await?;
    assert!(request.headers()[AUTHORIZATION].is_sensitive());
    Ok(request.headers()[AUTHORIZATION].to_str().unwrap().to_owned())
}

fn text<'a>(pairs: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    pairs.get(key).map_or("", String::as_str)
}

/// Header and claims of a token, its signature verified.
fn opened(token: &str, pss: bool) -> (Value, Value) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let key = jwt::private_key(include_str!("../../../testdata/rsa.key")).unwrap();
    let public = key.public().as_ref().to_vec();
    let signature = decode(signature);
    let verified = if pss {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &signature)
    } else {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &signature)
    };
    verified.unwrap();
    let parsed = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (parsed(header), parsed(claims))
}

const ID: &str = "00000000-1111-2222-3333-444444444444";

#[tokio::test]
async fn what_is_signed_for_amazon_is_what_is_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"the body") {
            socket.read_buf(&mut got).await.unwrap();
        }
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(got).unwrap()
    });
    let text = format!(
        "url: http://{address}/workspaces//ws-1/./api/v1/remote_write?a=b%20c&d=e\nsigv4: {{region: us-east-1, access_key: AKIDEXAMPLE, secret_key: secret}}\n"
    );
    let (means, clock) = means(&Fake::answering(&[]), &[]);
    let client = WriteClient::with(&config(&text), "test", means).unwrap();
    let (_, outcome) = client.store(Bytes::from_static(b"the body"), 0, &*clock).await;
    assert_eq!(outcome, Ok(()));
    let got = server.await.unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    assert_eq!(first, "POST /workspaces/ws-1/api/v1/remote_write?a=b%20c&d=e HTTP/1.1");
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    let keys = gauntlet_net::aws::Keys {
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: Secret::new("secret"),
        session_token: Secret::default(),
    };
    let expected = sign(
        &Unsigned {
            method: "POST",
            host: &headers["host"],
            path: "/workspaces/ws-1/api/v1/remote_write",
            query: &[("a".to_owned(), "b c".to_owned()), ("d".to_owned(), "e".to_owned())],
            headers: &[("content-type", headers["content-type"].clone())],
            body: body.as_bytes(),
        },
        &keys,
        Scope { region: "us-east-1", service: "aps" },
        NOW,
    );
    assert_eq!(headers["authorization"], expected[0].1);
    assert!(headers["authorization"].contains("/20150830/us-east-1/aps/aws4_request"));
}

#[tokio::test]
async fn amazons_keys_are_looked_for_again_after_a_refusal() {
    let credentials = r#"{"Code": "Success", "AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2015-08-31T00:00:00Z"}"#;
    let fake = Fake::answering(&[(200, credentials), (200, credentials)]);
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/keys"),
    ];
    let (means, _) = means(&fake, &variables);
    let auth =
        CloudAuth::new(&config("url: http://x/\nsigv4: {service_name: es}\n"), means).unwrap();
    let first = bearer(&auth).await.unwrap();
    assert!(first.contains("Credential=A/20150830/eu-west-1/es/aws4_request"), "{first}");
    assert!(first.contains("x-amz-security-token"), "{first}");
    bearer(&auth).await.unwrap();
    assert_eq!(fake.calls.lock().len(), 1);
    auth.forget();
    bearer(&auth).await.unwrap();
    assert_eq!(fake.calls.lock().len(), 2);
}

#[tokio::test]
async fn a_managed_identity_asks_the_instance_and_keeps_the_token() {
    let answer = r#"{"access_token": "one", "expires_in": "3600", "token_type": "Bearer"}"#;
    let fake = Fake::answering(&[(200, answer), (200, &answer.replace("one", "two")), (400, "no")]);
    let (means, clock) = means(&fake, &[]);
    let yaml = format!("url: http://x/\nazuread: {{managed_identity: {{client_id: {ID}}}}}\n");
    let auth = CloudAuth::new(&config(&yaml), means).unwrap();
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer one");
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer one");
    let (url, asked) = fake.call(0);
    assert_eq!(url, "GET http://169.254.169.254/metadata/identity/oauth2/token");
    assert_eq!((text(&asked, "metadata"), text(&asked, "client_id")), ("true", ID));
    assert_eq!(text(&asked, "resource"), "https://monitor.azure.com/");
    clock.advance_ms(56 * 60 * 1000);
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer two");
    clock.advance_ms(56 * 60 * 1000);
    let err = bearer(&auth).await.unwrap_err();
    assert!(err.contains("server returned HTTP status 400: no"), "{err}");
}

#[tokio::test]
async fn azure_takes_secrets_workload_tokens_and_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "projected\n").unwrap();
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rsa.crt");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rsa.key");
    let answer = (200, r#"{"access_token": "t", "expires_in": 3600}"#);
    let check = async |credential: &str, variables: &[(&str, &str)]| {
        let fake = Fake::answering(&[answer]);
        let (means, _) = means(&fake, variables);
        let yaml = format!("url: http://x/\nazuread: {{cloud: AzureChina, {credential}}}\n");
        let auth = CloudAuth::new(&config(&yaml), means).unwrap();
        assert_eq!(bearer(&auth).await.unwrap(), "Bearer t");
        fake.call(0)
    };
    const URL: &str = "POST https://login.chinacloudapi.cn/the-tenant/oauth2/v2.0/token";
    let (url, asked) = check(
        &format!("oauth: {{client_id: {ID}, client_secret: hush, tenant_id: the-tenant}}"),
        &[],
    )
    .await;
    assert_eq!((url.as_str(), text(&asked, "client_secret")), (URL, "hush"));
    assert_eq!(text(&asked, "scope"), "https://monitor.azure.cn//.default");
    let workload = format!("workload_identity: {{client_id: {ID}, tenant_id: {ID}}}");
    let (_, asked) =
        check(&workload, &[("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap())]).await;
    assert_eq!(text(&asked, "client_assertion"), "projected");
    let variables = [
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_TENANT_ID", "the-tenant"),
        ("AZURE_CLIENT_SECRET", "of the environment"),
    ];
    let (url, asked) = check("sdk: {}", &variables).await;
    assert_eq!((url.as_str(), text(&asked, "client_secret")), (URL, "of the environment"));
    let hosted = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi"), ("IDENTITY_HEADER", "h")];
    let (url, asked) = check("managed_identity: {}, scope: \"api://x/.default\"", &hosted).await;
    assert_eq!(
        (url.as_str(), text(&asked, "x-identity-header")),
        ("GET http://127.0.0.1:1/msi", "h")
    );
    assert_eq!(text(&asked, "resource"), "api://x");
    let certified = format!(
        "certificate: {{client_id: {ID}, tenant_id: the-tenant, certificate_path: {certificate}, certificate_key_path: {key}, send_certificate_chain: true}}"
    );
    let (url, asked) = check(&certified, &[]).await;
    assert_eq!(url, URL);
    let (header, claims) = opened(text(&asked, "client_assertion"), true);
    assert_eq!((&header["alg"], header["x5c"].as_array().unwrap().len()), (&"PS256".into(), 1));
    assert_eq!(claims["aud"], URL.strip_prefix("POST ").unwrap());
    assert_eq!((&claims["iss"], &claims["exp"]), (&ID.into(), &(NOW / 1000 + 600).into()));
}

#[tokio::test]
async fn google_takes_key_files_logins_and_the_machines_account() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.json");
    let key = include_str!("../../../testdata/rsa.key");
    let account = serde_json::json!({
        "type": "service_account", "client_email": "me@x", "private_key_id": "k1",
        "private_key": key, "token_uri": "http://127.0.0.1:1/token",
    });
    std::fs::write(&file, account.to_string()).unwrap();
    let answer = (200, r#"{"access_token": "t", "expires_in": 3600}"#);
    let path = file.display();
    let fake = Fake::answering(&[answer]);
    let yaml = format!("url: http://x/\ngoogle_iam: {{credentials_file: {path}}}\n");
    let auth = CloudAuth::new(&config(&yaml), means(&fake, &[]).0).unwrap();
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer t");
    let (url, asked) = fake.call(0);
    assert_eq!(url, "POST http://127.0.0.1:1/token");
    let (header, claims) = opened(text(&asked, "assertion"), false);
    assert_eq!((&header["alg"], &header["kid"]), (&"RS256".into(), &"k1".into()));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/monitoring.write");
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&"me@x".into(), &"http://127.0.0.1:1/token".into())
    );

    let user = r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}"#;
    std::fs::write(&file, user).unwrap();
    let err = CloudAuth::new(&config(&yaml), means(&fake, &[]).0).unwrap();
    let err = bearer(&err).await.unwrap_err();
    assert!(err.contains("\"authorized_user\" are not supported"), "{err}");
    let fake = Fake::answering(&[answer]);
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
    let default = config("url: http://x/\ngoogle_iam: {}\n");
    let auth = CloudAuth::new(&default, means(&fake, &variables).0).unwrap();
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer t");
    assert_eq!(text(&fake.call(0).1, "refresh_token"), "r");

    let fake = Fake::answering(&[answer]);
    let auth = CloudAuth::new(&default, means(&fake, &[("GCE_METADATA_HOST", "m:1")]).0).unwrap();
    assert_eq!(bearer(&auth).await.unwrap(), "Bearer t");
    let (url, asked) = fake.call(0);
    assert_eq!(url, "GET http://m:1/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(text(&asked, "metadata-flavor"), "Google");
    let missing = config("url: http://x/\ngoogle_iam: {credentials_file: /nowhere}\n");
    assert!(CloudAuth::new(&missing, means(&fake, &[]).0).unwrap_err().contains("no such file"));
}

#[test]
fn paths_and_queries_are_signed_as_they_are_meant() {
    for (given, want) in [("/", "/"), ("", "/"), ("//a/./b/../c/", "/a/c"), ("/..", "/")] {
        assert_eq!(clean_path(given), want);
    }
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs("a=b%2Fc+d&e&f=%"), [own("a", "b/c d"), own("e", ""), own("f", "%")]);
}
