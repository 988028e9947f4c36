//! Whose requests they are: keys as configured, from the environment, shared files, a web identity, a container or the instance,
//! and the role taken on with them.
//!
//! The order is that of Amazon's own clients. Left out: single sign-on, credential processes and roles named in shared files,
//! which are refused where a profile asks for them. Source: "Standardized credential providers", AWS SDKs and Tools guide.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use gauntlet_runtime::Clock;
use http::{Method, Request, StatusCode};
use tokio::sync::Mutex;

use super::{Keys, Scope, Unsigned, sign};
use crate::client::{BodyReader, HttpClient};
use crate::config::{Secret, SigV4Config};
use crate::percent::query;
use crate::time::parse_utc;

/// The instance's own service, and how long it may take to answer: elsewhere nobody does.
const INSTANCE: &str = "http://169.254.169.254";
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Where containers find relative addresses.
const CONTAINER: &str = "http://169.254.170.2";
/// Keys are renewed this long before they expire.
const EARLY_MS: i64 = 5 * 60 * 1000;
/// Largest shared file and largest answer that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// How much of an error's body is shown, in bytes.
const SHOWN_BYTES: usize = 300;

/// What of the configuration says whose keys to use.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub access_key: String,
    pub secret_key: Secret,
    /// Of the shared files; empty for that of the environment.
    pub profile: String,
    /// The role to take on with the keys that are found.
    pub role_arn: String,
    pub external_id: String,
    /// Configured; empty to look for it.
    pub region: String,
    /// Roles are taken on at the token service's address for FIPS.
    pub fips: bool,
}

impl From<&SigV4Config> for Choice {
    fn from(config: &SigV4Config) -> Self {
        Self {
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
            profile: config.profile.clone(),
            role_arn: config.role_arn.clone(),
            external_id: config.external_id.clone(),
            region: config.region.clone(),
            fips: config.use_fips_sts_endpoint,
        }
    }
}

/// Variables of the process: empty for what is not set.
pub type Environment = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The environment that the process was started with.
pub fn process_environment() -> Environment {
    Arc::new(|name| std::env::var(name).unwrap_or_default())
}

/// A small request of the chain.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub url: String,
    /// Secret, most of them: not for whoever a redirect names.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Bounds head and body each.
    pub timeout: Duration,
}

impl Call {
    fn get(url: String, timeout: Duration) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Vec::new(), timeout }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How the chain asks: over a client of the caller's, or a fake.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Status and body, whatever the status.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>>;
}

impl Transport for HttpClient {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>> {
        Box::pin(async move {
            let mut request = Request::builder().method(call.method).uri(&call.url);
            for (name, value) in call.headers {
                let value = http::HeaderValue::try_from(value);
                let mut value = value.map_err(|_| format!("invalid value of header {name}"))?;
                value.set_sensitive(true);
                request = request.header(name, value);
            }
            let request = request.body(Bytes::from(call.body));
            let request = request.map_err(|err| format!("{}: {err}", shown_url(&call.url)))?;
            let text = |err: crate::ClientError| err.to_string();
            let mut response = self.send(request, call.timeout).await.map_err(text)?;
            let status = response.status().as_u16();
            // The reader takes bodies of good answers alone; here all are wanted, if only for their messages.
            *response.status_mut() = StatusCode::OK;
            let mut reader = BodyReader::default();
            let body = reader.read(response, MAX_ANSWER_BYTES, call.timeout).await.map_err(text)?;
            Ok((status, body.bytes.to_vec()))
        })
    }
}

/// Finds keys and keeps them while they are good. Shared by all that sign with the same choice.
pub struct KeyChain {
    choice: Choice,
    environment: Environment,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// How long an answer may take, but for the instance's.
    timeout: Duration,
    /// One search at a time; others wait for its outcome.
    known: Mutex<Option<Found>>,
    /// What is known may have been refused.
    is_stale: AtomicBool,
}

impl fmt::Debug for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyChain").field("choice", &self.choice).finish_non_exhaustive()
    }
}

/// Keys and when they expire, in milliseconds since the epoch.
type Found = (Keys, i64);

/// The region that the configuration or the environment names.
pub fn region_of(configured: &str, environment: &Environment) -> Option<String> {
    let given =
        [configured.to_owned(), environment("AWS_REGION"), environment("AWS_DEFAULT_REGION")];
    given.into_iter().find(|region| !region.is_empty())
}

impl KeyChain {
    pub fn new(
        choice: Choice,
        environment: Environment,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> Self {
        let (known, is_stale) = (Mutex::new(None), AtomicBool::new(false));
        Self { choice, environment, transport, clock, timeout, known, is_stale }
    }

    fn var(&self, name: &str) -> String {
        (self.environment)(name)
    }

    /// The region: as configured, from the environment, shared files or the instance.
    pub async fn region(&self) -> Result<String, String> {
        if let Some(region) = region_of(&self.choice.region, &self.environment) {
            return Ok(region);
        }
        if let Some(region) = self.profile()?.get("region") {
            return Ok(region.clone());
        }
        let found = self.of_instance("placement/region").await;
        let body = found.map_err(|err| format!("could not determine AWS region: {err}"))?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    /// Keys to sign with now. `region` is where roles are taken on.
    pub async fn keys(&self, region: &str) -> Result<Keys, String> {
        let mut known = self.known.lock().await;
        let is_stale = self.is_stale.swap(false, Ordering::Relaxed);
        if let Some((keys, expires)) = &*known
            && !is_stale
            && self.clock.now_ms() < expires - EARLY_MS
        {
            return Ok(keys.clone());
        }
        let mut found = self.find(region).await?;
        if !self.choice.role_arn.is_empty() {
            let mut pairs = vec![
                ("RoleArn", self.choice.role_arn.as_str()),
                ("RoleSessionName", "gauntlet"),
                ("DurationSeconds", "900"),
            ];
            if !self.choice.external_id.is_empty() {
                pairs.push(("ExternalId", &self.choice.external_id));
            }
            found = self.assume("AssumeRole", &pairs, region, Some(&found.0)).await?;
        }
        *known = Some(found.clone());
        Ok(found.0)
    }

    /// Forgets the keys, as they may have been refused.
    pub fn forget(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// The body of an answer with a good status (2xx).
    async fn ask(&self, call: Call) -> Result<Vec<u8>, String> {
        let url = shown_url(&call.url).to_owned();
        let (status, body) = self.transport.call(call).await?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
        let shown = shown.trim();
        let colon = if shown.is_empty() { "" } else { ": " };
        Err(format!("{url}: server returned HTTP status {status}{colon}{shown}"))
    }

    async fn find(&self, region: &str) -> Result<Found, String> {
        let lasting = |access_key: String, secret_key: Secret, session_token: String| {
            let session_token = Secret::new(session_token);
            Ok((Keys { access_key, secret_key, session_token }, i64::MAX))
        };
        let choice = &self.choice;
        if !choice.access_key.is_empty() && !choice.secret_key.is_empty() {
            return lasting(choice.access_key.clone(), choice.secret_key.clone(), String::new());
        }
        let (id, secret) = (self.var("AWS_ACCESS_KEY_ID"), self.var("AWS_SECRET_ACCESS_KEY"));
        if choice.profile.is_empty() && !id.is_empty() && !secret.is_empty() {
            return lasting(id, Secret::new(secret), self.var("AWS_SESSION_TOKEN"));
        }
        let profile = self.profile()?;
        let of_profile = |key: &str| profile.get(key).cloned().unwrap_or_default();
        if profile.contains_key("aws_access_key_id") {
            let secret = Secret::new(of_profile("aws_secret_access_key"));
            return lasting(
                of_profile("aws_access_key_id"),
                secret,
                of_profile("aws_session_token"),
            );
        }
        for key in ["role_arn", "credential_process", "sso_session", "sso_start_url"] {
            if profile.contains_key(key) {
                return Err(format!("{key} of the AWS profile is not supported"));
            }
        }
        if !choice.profile.is_empty() {
            return Err(format!("AWS profile {:?} has no keys", choice.profile));
        }
        let (file, role) = (self.var("AWS_WEB_IDENTITY_TOKEN_FILE"), self.var("AWS_ROLE_ARN"));
        if !file.is_empty() && !role.is_empty() {
            let token = read(&file)?;
            let name = self.var("AWS_ROLE_SESSION_NAME");
            let name = if name.is_empty() { "gauntlet" } else { &name };
            let pairs = [
                ("RoleArn", role.as_str()),
                ("RoleSessionName", name),
                ("WebIdentityToken", token.trim()),
            ];
            return self.assume("AssumeRoleWithWebIdentity", &pairs, region, None).await;
        }
        let relative = self.var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = self.var("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if !relative.is_empty() || !full.is_empty() {
            let url = if relative.is_empty() { full } else { format!("{CONTAINER}{relative}") };
            let mut ask = Call::get(url, self.timeout);
            let file = self.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            let token = match file.as_str() {
                "" => self.var("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                file => read(file)?.trim().to_owned(),
            };
            if !token.is_empty() {
                ask = ask.header("authorization", token);
            }
            return served(&self.ask(ask).await?);
        }
        let role = self.of_instance("iam/security-credentials/").await?;
        let role = String::from_utf8_lossy(&role);
        let role = role.lines().next().unwrap_or_default().trim();
        served(&self.of_instance(&format!("iam/security-credentials/{role}")).await?)
    }

    /// What the instance says of itself, asked for with a token of its own.
    async fn of_instance(&self, path: &str) -> Result<Vec<u8>, String> {
        let base = match self.var("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            given if given.is_empty() => INSTANCE.to_owned(),
            given => given.trim_end_matches('/').to_owned(),
        };
        if self.var("AWS_EC2_METADATA_DISABLED").eq_ignore_ascii_case("true") {
            return Err(
                "no AWS credentials or region found, and instance metadata is disabled".to_owned()
            );
        }
        let mut ask = Call::get(format!("{base}/latest/api/token"), INSTANCE_TIMEOUT)
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        ask.method = http::Method::PUT;
        let token = self.ask(ask).await?;
        let ask = Call::get(format!("{base}/latest/meta-data/{path}"), INSTANCE_TIMEOUT)
            .header("x-aws-ec2-metadata-token", String::from_utf8_lossy(&token).trim());
        self.ask(ask).await
    }

    /// Takes on a role by the token service.
    async fn assume(
        &self,
        action: &'static str,
        pairs: &[(&str, &str)],
        region: &str,
        keys: Option<&Keys>,
    ) -> Result<Found, String> {
        let url = self.token_service(region)?;
        let (host, path) = host_and_path(&url);
        let all = [("Action", action), ("Version", "2011-06-15")];
        let body = query(all.into_iter().chain(pairs.iter().copied())).into_bytes();
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        let mut headers = vec![("content-type", content_type.to_owned())];
        if let Some(keys) = keys {
            let request =
                Unsigned { method: "POST", host, path, query: &[], headers: &headers, body: &body };
            let scope = Scope { region, service: "sts" };
            headers.extend(sign(&request, keys, scope, self.clock.now_ms()));
        }
        let call = Call { method: Method::POST, headers, body, ..Call::get(url, self.timeout) };
        let answer = self.ask(call).await?;
        let text = String::from_utf8_lossy(&answer);
        let missing = || format!("{action}: no credentials in the answer");
        let found = element(&text, "Credentials").ok_or_else(missing)?;
        let of = |name| element(found, name).map(|text| text.trim().to_owned()).ok_or_else(missing);
        let keys = Keys {
            access_key: of("AccessKeyId")?,
            secret_key: Secret::new(of("SecretAccessKey")?),
            session_token: Secret::new(of("SessionToken")?),
        };
        let expires = parse_utc(&of("Expiration")?);
        Ok((keys, expires.ok_or_else(|| format!("{action}: bad expiration"))?))
    }

    /// Where roles are taken on, with a path.
    fn token_service(&self, region: &str) -> Result<String, String> {
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("invalid AWS region {region:?}"));
        }
        let given = self.var("AWS_ENDPOINT_URL_STS");
        let base = if given.is_empty() {
            let name = if self.choice.fips { "sts-fips" } else { "sts" };
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://{name}.{region}.amazonaws.com{suffix}")
        } else if given.contains("://") {
            given
        } else {
            format!("https://{given}")
        };
        Ok(format!("{}/", base.trim_end_matches('/')))
    }

    /// The settings of the profile in both shared files.
    fn profile(&self) -> Result<BTreeMap<String, String>, String> {
        let name = [self.choice.profile.clone(), self.var("AWS_PROFILE"), "default".to_owned()];
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let home = self.var("HOME");
        let path = |variable: &str, file: &str| match self.var(variable) {
            given if given.is_empty() => format!("{home}/.aws/{file}"),
            given => given,
        };
        let mut settings = BTreeMap::new();
        for (path, section) in [
            (path("AWS_CONFIG_FILE", "config"), format!("profile {name}")),
            (path("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.clone()),
        ] {
            if !std::path::Path::new(&path).is_file() {
                continue;
            }
            let text = read(&path)?;
            let sections = if name == "default" { vec![name.as_str()] } else { vec![&*section] };
            settings.extend(section_of(&text, &sections));
        }
        Ok(settings)
    }
}

fn read(path: &str) -> Result<String, String> {
    let fail = |err: std::io::Error| format!("{path}: {err}");
    if std::fs::metadata(path).map_err(fail)?.len() > MAX_FILE_BYTES {
        return Err(format!("{path}: larger than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(fail)
}

/// Settings of a section of an INI file; nested ones are left out.
fn section_of(text: &str, names: &[&str]) -> BTreeMap<String, String> {
    let (mut settings, mut is_in) = (BTreeMap::new(), false);
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_in = names.contains(&name.trim());
        } else if is_in
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            settings.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    settings
}

/// Keys as containers and instances are served them.
fn served(body: &[u8]) -> Result<Found, String> {
    let served: serde_json::Value =
        serde_json::from_slice(body).map_err(|err| format!("cannot decode answer: {err}"))?;
    let of = |name: &str| served[name].as_str().unwrap_or_default().to_owned();
    let access_key = of("AccessKeyId");
    if access_key.is_empty() {
        return Err("no access key in the answer".to_owned());
    }
    let expiration = of("Expiration");
    let expires = if expiration.is_empty() {
        i64::MAX
    } else {
        parse_utc(&expiration).ok_or_else(|| format!("bad expiration {expiration:?}"))?
    };
    let secret_key = Secret::new(of("SecretAccessKey"));
    Ok((Keys { access_key, secret_key, session_token: Secret::new(of("Token")) }, expires))
}

/// What stands in the first element of a name; keys have nothing that XML would escape.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Host with port, and path, of a URL that has both.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// A URL without its query, which may hold secrets.
fn shown_url(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

#[cfg(test)]
mod tests;
