//! Tokens for Google's APIs by the application default credentials: a key file, the user's own login, or the machine's account.
//!
//! Left out: credentials of other identity providers (`external_account`) and impersonation, which are refused. Sources: "How
//! Application Default Credentials works", RFC 7523.

use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_net::config::Secret;
use gauntlet_net::jwt::{Algorithm, RsaKey};
use gauntlet_runtime::Clock;

use super::Making;
use crate::answer::answer;
use crate::fetch::Ask;
use crate::rest::{Api, query};

const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 60_000;
/// Largest credentials file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

answer! {
    struct File {
        #[serde(rename = "type")]
        kind: String,
        client_id: String,
        client_secret: String,
        refresh_token: String,
        client_email: String,
        private_key: String,
        private_key_id: String,
        token_uri: String,
    }

    struct Token {
        access_token: String,
        expires_in: i64,
    }
}

enum Source {
    /// Signs statements of its own with a key.
    ServiceAccount { email: String, key_id: String, key: Box<RsaKey>, url: String },
    /// Has a lasting token of a user.
    User { client_id: String, client_secret: Secret, refresh_token: Secret, url: String },
    /// Asks the machine.
    Machine { host: String },
}

/// Gets tokens and keeps them while they are good.
pub(super) struct GoogleTokens {
    api: Api,
    clock: Arc<dyn Clock>,
    scope: &'static str,
    source: Source,
    known: Option<(Secret, i64)>,
}

impl std::fmt::Debug for GoogleTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoogleTokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl GoogleTokens {
    pub(super) fn new(api: Api, making: &Making<'_>, scope: &'static str) -> Result<Self, String> {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let given = var("GOOGLE_APPLICATION_CREDENTIALS");
        let usual =
            PathBuf::from(var("HOME")).join(".config/gcloud/application_default_credentials.json");
        let source = if !given.is_empty() {
            of_file(&read(&PathBuf::from(given))?)?
        } else if usual.is_file() {
            of_file(&read(&usual)?)?
        } else {
            let host = var("GCE_METADATA_HOST");
            let host = if host.is_empty() { "169.254.169.254".to_owned() } else { host };
            Source::Machine { host }
        };
        Ok(Self { api, clock: Arc::clone(&making.deps.clock), scope, source, known: None })
    }

    /// The Authorization header.
    pub(super) async fn bearer(&mut self) -> Result<String, String> {
        let now = self.clock.now_ms();
        if let Some((token, expires)) = &self.known
            && now < expires - EARLY_MS
        {
            return Ok(format!("Bearer {}", token.expose()));
        }
        let token: Token = match &self.source {
            Source::Machine { host } => {
                let url = format!(
                    "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?{}",
                    query([("scopes", self.scope)])
                );
                let ask = self.api.get_ask(url).header("metadata-flavor", "Google");
                self.api.json(ask).await?
            }
            Source::User { client_id, client_secret, refresh_token, url } => {
                let pairs = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ];
                self.api.json(self.form(url, &pairs)).await?
            }
            Source::ServiceAccount { email, key_id, key, url } => {
                let assertion = assertion(email, key_id, key, url, self.scope, now / 1000)?;
                let pairs = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", &*assertion),
                ];
                self.api.json(self.form(url, &pairs)).await?
            }
        };
        let expires = now.saturating_add(token.expires_in.saturating_mul(1000));
        let bearer = format!("Bearer {}", token.access_token);
        self.known = Some((Secret::new(token.access_token), expires));
        Ok(bearer)
    }

    fn form(&self, url: &str, pairs: &[(&str, &str)]) -> Ask {
        self.api
            .post_ask(url, query(pairs.iter().copied()))
            .header("content-type", "application/x-www-form-urlencoded")
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let fail = |err: std::io::Error| format!("{}: {err}", path.display());
    if std::fs::metadata(path).map_err(fail)?.len() > MAX_FILE_BYTES {
        return Err(format!("{}: larger than {MAX_FILE_BYTES} bytes", path.display()));
    }
    std::fs::read(path).map_err(fail)
}

fn of_file(text: &[u8]) -> Result<Source, String> {
    let file: File =
        serde_json::from_slice(text).map_err(|err| format!("bad credentials file: {err}"))?;
    let url = if file.token_uri.is_empty() { TOKEN_URL.to_owned() } else { file.token_uri };
    match file.kind.as_str() {
        "service_account" => Ok(Source::ServiceAccount {
            email: file.client_email,
            key_id: file.private_key_id,
            key: Box::new(RsaKey::from_pem(&file.private_key)?),
            url,
        }),
        "authorized_user" => Ok(Source::User {
            client_id: file.client_id,
            client_secret: Secret::new(file.client_secret),
            refresh_token: Secret::new(file.refresh_token),
            url: TOKEN_URL.to_owned(),
        }),
        kind => Err(format!("credentials of type {kind:?} are not supported")),
    }
}

fn assertion(
    email: &str,
    key_id: &str,
    key: &RsaKey,
    url: &str,
    scope: &str,
    now_secs: i64,
) -> Result<String, String> {
    let claims = serde_json::json!({
        "iss": email, "scope": scope, "aud": url, "iat": now_secs, "exp": now_secs + 3600,
    });
    key.token(Algorithm::Rs256, key_id, &claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_credentials_are_refused() {
        let check = |text: &str, want: &str| {
            let err = of_file(text.as_bytes()).err().unwrap();
            assert!(err.contains(want), "{err}");
        };
        check("{", "bad credentials file");
        check(r#"{"type": "external_account"}"#, "\"external_account\" are not supported");
        check(r#"{"type": "service_account", "private_key": "x"}"#, "bad private key");
    }
}
