//! Whose keys are found, by a service that answers from a table.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;

use parking_lot::Mutex as SyncMutex;

use super::*;

/// 2024-01-01T00:00:00Z
const START: i64 = 1_704_067_200_000;

#[derive(Debug, Default)]
struct Table {
    /// Answers by method, URL and a part of the body.
    answers: Vec<(&'static str, &'static str, &'static str, u16, &'static str)>,
    asked: SyncMutex<Vec<Call>>,
}

impl Transport for Table {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>> {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let found = self.answers.iter().find(|(method, url, part, ..)| {
            call.method == *method && call.url == *url && body.contains(part)
        });
        let answer = match found {
            Some((.., status, text)) => Ok((*status, text.as_bytes().to_vec())),
            None => Err(format!("nobody at {}", call.url)),
        };
        self.asked.lock().push(call);
        Box::pin(async move { answer })
    }
}

#[derive(Debug)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct Lab {
    chain: KeyChain,
    table: Arc<Table>,
    clock: Arc<Hands>,
}

fn lab(
    choice: Choice,
    variables: &[(&'static str, &str)],
    answers: &[(&'static str, &'static str, &'static str, u16, &'static str)],
) -> Lab {
    let variables: HashMap<&str, String> =
        variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let environment: Environment =
        Arc::new(move |name| variables.get(name).cloned().unwrap_or_default());
    let table = Arc::new(Table { answers: answers.to_vec(), ..Table::default() });
    let clock = Arc::new(Hands(AtomicI64::new(START)));
    let (transport, timeout) = (Arc::clone(&table) as Arc<dyn Transport>, Duration::from_secs(5));
    let chain = KeyChain::new(choice, environment, transport, Arc::clone(&clock) as _, timeout);
    Lab { chain, table, clock }
}

impl Lab {
    fn keys(&self) -> Result<Keys, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.chain.keys("eu-1"))
    }

    fn asked(&self) -> Vec<Call> {
        std::mem::take(&mut *self.table.asked.lock())
    }
}

fn keys(access_key: &str, secret_key: &str, session_token: &str) -> Result<Keys, String> {
    Ok(Keys {
        access_key: access_key.to_owned(),
        secret_key: Secret::new(secret_key),
        session_token: Secret::new(session_token),
    })
}

const ROLE: &str = "<AssumeRoleResponse xmlns=\"x\"><AssumeRoleResult><Credentials><AccessKeyId>R</AccessKeyId>\
    <SecretAccessKey>RS</SecretAccessKey><SessionToken> RT\n</SessionToken><Expiration>2024-01-01T00:15:00Z</Expiration></Credentials>\
    <AssumedRoleUser/></AssumeRoleResult></AssumeRoleResponse>";
const METADATA: &str = "http://169.254.169.254/latest";

#[test]
fn configured_keys_come_before_those_of_the_environment() {
    let environment =
        [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "ES"), ("AWS_SESSION_TOKEN", "ET")];
    let given =
        Choice { access_key: "C".into(), secret_key: Secret::new("CS"), ..Choice::default() };
    assert_eq!(lab(given, &environment, &[]).keys(), keys("C", "CS", ""));
    assert_eq!(lab(Choice::default(), &environment, &[]).keys(), keys("E", "ES", "ET"));
    // A profile that is asked for is not passed over for the environment.
    let profile = Choice { profile: "p".into(), ..Choice::default() };
    assert_eq!(
        lab(profile, &environment, &[]).keys(),
        Err("AWS profile \"p\" has no keys".to_owned())
    );
}

#[test]
fn profiles_are_read_from_the_shared_files() {
    let dir = tempfile::tempdir().unwrap();
    let (config, shared) = (dir.path().join("config"), dir.path().join("credentials"));
    std::fs::write(&config, "[profile p]\nregion = us-9\n[profile r]\nrole_arn = x\n").unwrap();
    std::fs::write(
        &shared,
        "[p]\naws_access_key_id = P\naws_secret_access_key=PS\naws_session_token = PT\n",
    )
    .unwrap();
    let files = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap()),
    ];
    let of = |profile: &str| {
        lab(Choice { profile: profile.to_owned(), ..Choice::default() }, &files, &[])
    };
    assert_eq!(of("p").keys(), keys("P", "PS", "PT"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(of("p").chain.region()), Ok("us-9".to_owned()));
    assert_eq!(of("r").keys(), Err("role_arn of the AWS profile is not supported".to_owned()));
    assert_eq!(of("q").keys(), Err("AWS profile \"q\" has no keys".to_owned()));
}

#[test]
fn a_role_is_taken_on_with_the_keys_that_are_found_and_kept_while_it_is_good() {
    let choice = Choice {
        access_key: "C".into(),
        secret_key: Secret::new("CS"),
        role_arn: "arn:r".into(),
        external_id: "e 1".into(),
        ..Choice::default()
    };
    let answers = [("POST", "https://sts.eu-1.amazonaws.com/", "Action=AssumeRole&", 200, ROLE)];
    let lab = lab(choice, &[], &answers);
    assert_eq!(lab.keys(), keys("R", "RS", "RT"));
    let asked = lab.asked().remove(0);
    assert_eq!(
        String::from_utf8(asked.body).unwrap(),
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Ar&RoleSessionName=gauntlet&DurationSeconds=900&ExternalId=e%201"
    );
    let (_, authorization) =
        asked.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=C/20240101/eu-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature="),
        "{authorization}"
    );
    // Fifteen minutes, renewed five before their end.
    lab.clock.0.store(START + 10 * 60 * 1000 - 1, Ordering::SeqCst);
    assert_eq!((lab.keys(), lab.asked().len()), (keys("R", "RS", "RT"), 0));
    lab.clock.0.store(START + 10 * 60 * 1000, Ordering::SeqCst);
    assert_eq!((lab.keys(), lab.asked().len()), (keys("R", "RS", "RT"), 1));
    lab.clock.0.store(START, Ordering::SeqCst);
    lab.chain.forget();
    assert_eq!((lab.keys(), lab.asked().len()), (keys("R", "RS", "RT"), 1));
    assert_eq!((lab.keys(), lab.asked().len()), (keys("R", "RS", "RT"), 0));
}

#[test]
fn the_token_service_is_where_the_choice_and_the_environment_put_it() {
    let of = |fips: bool, region: &str, given: &str| {
        let choice = Choice { fips, ..Choice::default() };
        lab(choice, &[("AWS_ENDPOINT_URL_STS", given)], &[]).chain.token_service(region)
    };
    let is = |text: &str| Ok(text.to_owned());
    assert_eq!(of(false, "eu-1", ""), is("https://sts.eu-1.amazonaws.com/"));
    assert_eq!(of(true, "us-1", ""), is("https://sts-fips.us-1.amazonaws.com/"));
    assert_eq!(of(false, "cn-north-1", ""), is("https://sts.cn-north-1.amazonaws.com.cn/"));
    assert_eq!(of(false, "eu-1", "h:1"), is("https://h:1/"));
    assert_eq!(of(false, "eu-1", "http://h:1/p/"), is("http://h:1/p/"));
    assert!(of(false, "evil.example/", "").is_err() && of(false, "", "").is_err());
    assert_eq!(host_and_path("http://h:1/p/"), ("h:1", "/p/"));
}

#[test]
fn a_web_identity_is_exchanged_without_a_signature() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "jwt\n").unwrap();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:w"),
        ("AWS_ROLE_SESSION_NAME", "me"),
    ];
    let answers = [(
        "POST",
        "https://sts.eu-1.amazonaws.com/",
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aw&RoleSessionName=me&WebIdentityToken=jwt",
        200,
        ROLE,
    )];
    let lab = lab(Choice::default(), &variables, &answers);
    assert_eq!(lab.keys(), keys("R", "RS", "RT"));
    assert!(lab.asked()[0].headers.iter().all(|(name, _)| *name == "content-type"));
}

const SERVED: &str = r#"{"Code": "Success", "AccessKeyId": "I", "SecretAccessKey": "IS", "Token": "IT", "Expiration": "2024-01-01T06:00:00Z"}"#;

#[test]
fn containers_are_served_keys() {
    let answers = [
        ("GET", "http://169.254.170.2/v2/x", "", 200, SERVED),
        ("GET", "http://h/y", "", 200, SERVED),
    ];
    let relative = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")];
    let lab_of = |variables: &[(&'static str, &str)]| lab(Choice::default(), variables, &answers);
    assert_eq!(lab_of(&relative).keys(), keys("I", "IS", "IT"));
    let full = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h/y"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t"),
    ];
    let lab = lab_of(&full);
    assert_eq!(lab.keys(), keys("I", "IS", "IT"));
    assert_eq!(lab.asked()[0].headers, [("authorization", "t".to_owned())]);
}

#[test]
fn the_instance_is_asked_last_with_a_token_of_its_own() {
    const TOKEN: &str = "http://169.254.169.254/latest/api/token";
    const ROLES: &str = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    const OF_ROLE: &str = "http://169.254.169.254/latest/meta-data/iam/security-credentials/web";
    const REGION: &str = "http://169.254.169.254/latest/meta-data/placement/region";
    assert!(TOKEN.starts_with(METADATA));
    let answers = [
        ("PUT", TOKEN, "", 200, "tok"),
        ("GET", ROLES, "", 200, "web\nother\n"),
        ("GET", OF_ROLE, "", 200, SERVED),
        ("GET", REGION, "", 200, "eu-7\n"),
    ];
    let here = lab(Choice::default(), &[], &answers);
    assert_eq!(here.keys(), keys("I", "IS", "IT"));
    let asked = here.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0].headers, [("x-aws-ec2-metadata-token-ttl-seconds", "300".to_owned())]);
    assert_eq!(asked[1].headers, [("x-aws-ec2-metadata-token", "tok".to_owned())]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(here.chain.region()), Ok("eu-7".to_owned()));

    let off = lab(Choice::default(), &[("AWS_EC2_METADATA_DISABLED", "True")], &answers);
    assert!(off.keys().unwrap_err().contains("instance metadata is disabled"));
    assert!(off.asked().is_empty());
    let refused = lab(Choice::default(), &[], &[("PUT", TOKEN, "", 403, " no \n")]);
    let text = format!("{TOKEN}: server returned HTTP status 403: no");
    assert_eq!(refused.keys(), Err(text));
}

#[test]
fn sections_of_shared_files_are_read() {
    let text = "[default]\nregion = eu-1\n# x = y\n[profile p]\nREGION=us-1\n s3 =\n  nested = 1\naws_access_key_id= a\n";
    let of = |names: &[&str]| format!("{:?}", section_of(text, names));
    assert_eq!(of(&["default"]), r#"{"region": "eu-1"}"#);
    assert_eq!(of(&["profile p"]), r#"{"aws_access_key_id": "a", "region": "us-1"}"#);
    assert_eq!(of(&["q"]), "{}");
}

#[test]
fn served_keys_expire() {
    assert_eq!(served(SERVED.as_bytes()), keys("I", "IS", "IT").map(|k| (k, START + 21_600_000)));
    assert!(served(b"{}").is_err() && served(b"x").is_err() && served(b"[]").is_err());
    let bad = br#"{"AccessKeyId": "a", "Expiration": "soon"}"#;
    assert_eq!(served(bad), Err("bad expiration \"soon\"".to_owned()));
}
