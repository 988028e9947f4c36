//! Whose requests they are: keys as configured, from the environment, shared files, a web identity, a container or the instance,
//! and the role taken on with them.
//!
//! The order is that of Amazon's own clients. Left out: single sign-on, credential processes and roles named in shared files,
//! which are refused where a profile asks for them. Source: "Standardized credential providers", AWS SDKs and Tools guide.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_net::config::Secret;
use gauntlet_runtime::Clock;

use super::client::{Endpoint, query_request};
use crate::answer::answer;
use crate::fetch::Ask;
use crate::rest::{Api, decode, query};
use crate::time::parse_utc;
use crate::xml::Element;

/// The instance's own service, and how long it may take to answer: elsewhere nobody does.
const INSTANCE: &str = "http://169.254.169.254";
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Where containers find relative addresses.
const CONTAINER: &str = "http://169.254.170.2";
/// Keys are renewed this long before they expire.
const EARLY_MS: i64 = 5 * 60 * 1000;
/// Largest shared file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Keys to sign with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    /// Empty for keys that do not expire.
    pub(super) session_token: Secret,
}

/// What of the configuration says whose keys to use.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    pub(super) profile: String,
    pub(super) role_arn: String,
    pub(super) external_id: String,
    /// Configured; empty to look for it.
    pub(super) region: String,
}

/// Variables of the process.
pub(super) type Environment = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Finds keys and keeps them while they are good.
pub(super) struct Credentials {
    choice: Choice,
    environment: Environment,
    api: Api,
    clock: Arc<dyn Clock>,
    known: Option<(Keys, i64)>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("choice", &self.choice).finish_non_exhaustive()
    }
}

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Served {
        access_key_id: String,
        secret_access_key: String,
        token: String,
        expiration: String,
    }
}

/// Keys and when they expire, in milliseconds since the epoch.
type Found = (Keys, i64);

impl Credentials {
    pub(super) fn new(
        choice: Choice,
        environment: Environment,
        api: Api,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { choice, environment, api, clock, known: None }
    }

    /// The same choice, to be found anew.
    pub(super) fn again(&self) -> Self {
        let environment = Arc::clone(&self.environment);
        Self::new(self.choice.clone(), environment, self.api.clone(), Arc::clone(&self.clock))
    }

    fn var(&self, name: &str) -> String {
        (self.environment)(name)
    }

    /// The region: as configured, from the environment, shared files or the instance.
    pub(super) async fn region(&self) -> Result<String, String> {
        let given =
            [self.choice.region.clone(), self.var("AWS_REGION"), self.var("AWS_DEFAULT_REGION")];
        if let Some(region) = given.into_iter().find(|region| !region.is_empty()) {
            return Ok(region);
        }
        if let Some(region) = self.profile()?.get("region") {
            return Ok(region.clone());
        }
        let found = self.of_instance("placement/region").await;
        let body = found.map_err(|err| format!("could not determine AWS region: {err}"))?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    /// Keys to sign with now.
    pub(super) async fn keys(&mut self, region: &str) -> Result<Keys, String> {
        let now = self.clock.now_ms();
        if let Some((keys, expires)) = &self.known
            && now < expires - EARLY_MS
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
        self.known = Some(found.clone());
        Ok(found.0)
    }

    /// Forgets the keys, as they were refused.
    pub(super) fn forget(&mut self) {
        self.known = None;
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
            let mut ask = Ask::get(url, self.api.timeout);
            let file = self.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
            let token = match file.as_str() {
                "" => self.var("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                file => read(file)?.trim().to_owned(),
            };
            if !token.is_empty() {
                ask = ask.header("authorization", token);
            }
            return served(&self.api.send(ask).await?.body);
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
        let mut ask = Ask::get(format!("{base}/latest/api/token"), INSTANCE_TIMEOUT)
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        ask.method = http::Method::PUT;
        let token = self.api.send(ask).await?.body;
        let ask = Ask::get(format!("{base}/latest/meta-data/{path}"), INSTANCE_TIMEOUT)
            .header("x-aws-ec2-metadata-token", String::from_utf8_lossy(&token).trim());
        Ok(self.api.send(ask).await?.body)
    }

    /// Takes on a role by the token service.
    async fn assume(
        &self,
        action: &'static str,
        pairs: &[(&str, &str)],
        region: &str,
        keys: Option<&Keys>,
    ) -> Result<Found, String> {
        let given = self.var("AWS_ENDPOINT_URL_STS");
        let endpoint = Endpoint::new("sts", "sts", region, &given)?;
        let all = [("Action", action), ("Version", "2011-06-15")];
        let body = query(all.into_iter().chain(pairs.iter().copied()));
        let ask = query_request(&endpoint, body, keys, self.clock.now_ms(), self.api.timeout);
        let answer = self.api.send(ask).await?;
        let root = Element::of_bytes(&answer.body)?;
        let result = root.child(&format!("{action}Result"));
        let found = result.and_then(|result| result.child("Credentials"));
        let found = found.ok_or_else(|| format!("{action}: no credentials in the answer"))?;
        let keys = Keys {
            access_key: found.str("AccessKeyId").to_owned(),
            secret_key: Secret::new(found.str("SecretAccessKey")),
            session_token: Secret::new(found.str("SessionToken")),
        };
        let expires = parse_utc(found.str("Expiration"));
        Ok((keys, expires.ok_or_else(|| format!("{action}: bad expiration"))?))
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
    let found: Served = decode(body)?;
    if found.access_key_id.is_empty() {
        return Err("no access key in the answer".to_owned());
    }
    let expires = if found.expiration.is_empty() {
        i64::MAX
    } else {
        parse_utc(&found.expiration)
            .ok_or_else(|| format!("bad expiration {:?}", found.expiration))?
    };
    let keys = Keys {
        access_key: found.access_key_id,
        secret_key: Secret::new(found.secret_access_key),
        session_token: Secret::new(found.token),
    };
    Ok((keys, expires))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let body = br#"{"Code": "Success", "AccessKeyId": "a", "SecretAccessKey": "s", "Token": "t", "Expiration": "2024-01-01T00:00:00Z"}"#;
        let (keys, expires) = served(body).unwrap();
        assert_eq!(
            (keys.access_key.as_str(), keys.session_token.expose(), expires),
            ("a", "t", 1_704_067_200_000)
        );
        assert!(served(b"{}").is_err() && served(b"x").is_err());
    }
}
