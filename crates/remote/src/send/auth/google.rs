//! `google_iam`: tokens for Google's APIs by a service account's key file, the user's own login, or the machine's account.
//!
//! With `credentials_file` a service account's key and nothing else; without, the application default credentials. Left out:
//! credentials of other identity providers (`external_account`) and impersonation, which are refused. Sources: "How Application
//! Default Credentials works", RFC 7523.

use std::path::{Path, PathBuf};

use gauntlet_net::percent::query;
use serde_json::{Value, json};

use super::{Kept, Means, form, get, jwt};
use crate::config::GoogleIamConfig;

const SCOPE: &str = "https://www.googleapis.com/auth/monitoring.write";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 60_000;
/// Largest credentials file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
enum Source {
    /// A service account's key.
    Account(PathBuf),
    /// Whatever a file of the default credentials holds.
    Default(PathBuf),
    Machine {
        host: String,
    },
}

/// Gets tokens and keeps them while they are good.
#[derive(Debug)]
pub(crate) struct GoogleTokens {
    means: Means,
    source: Source,
    kept: Kept,
}

impl GoogleTokens {
    pub(super) fn new(config: &GoogleIamConfig, means: Means) -> Result<Self, String> {
        let given = means.var("GOOGLE_APPLICATION_CREDENTIALS");
        let usual = Path::new(&means.var("HOME"))
            .join(".config/gcloud/application_default_credentials.json");
        let source = if !config.credentials_file.is_empty() {
            let path = PathBuf::from(&config.credentials_file);
            if !path.is_file() {
                let path = path.display();
                return Err(format!("google_iam.credentials_file: {path}: no such file"));
            }
            Source::Account(path)
        } else if !given.is_empty() {
            Source::Default(given.into())
        } else if usual.is_file() {
            Source::Default(usual)
        } else {
            let host = means.var("GCE_METADATA_HOST");
            let host = if host.is_empty() { "169.254.169.254".to_owned() } else { host };
            Source::Machine { host }
        };
        Ok(Self { means, source, kept: Kept::default() })
    }

    /// The Authorization header.
    pub(super) async fn bearer(&self) -> Result<String, String> {
        let token = self.kept.bearer(&*self.means.clock, EARLY_MS, || self.ask()).await;
        token.map_err(|err| format!("cannot get a Google token: {err}"))
    }

    async fn ask(&self) -> Result<Value, String> {
        let call = match &self.source {
            Source::Machine { host } => {
                let url = format!(
                    "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?{}",
                    query([("scopes", SCOPE)])
                );
                get(url, ("metadata-flavor", "Google".to_owned()))
            }
            Source::Account(path) | Source::Default(path) => {
                let shown = path.display();
                let text = read(&path.to_string_lossy()).await?;
                let file: Value = serde_json::from_str(&text)
                    .map_err(|err| format!("{shown}: bad credentials file: {err}"))?;
                let account_only = matches!(self.source, Source::Account(_));
                let call = of_file(&file, account_only, self.means.clock.now_ms() / 1000);
                call.map_err(|err| format!("{shown}: {err}"))?
            }
        };
        super::json(&*self.means.transport, call).await
    }
}

fn of_file(
    file: &Value,
    account_only: bool,
    now_secs: i64,
) -> Result<gauntlet_net::aws::Call, String> {
    let text = |key: &str| file[key].as_str().unwrap_or_default();
    match text("type") {
        "service_account" => {
            let url = match text("token_uri") {
                "" => TOKEN_URL,
                url => url,
            };
            let header = json!({"alg": "RS256", "typ": "JWT", "kid": text("private_key_id")});
            let claims = json!({
                "iss": text("client_email"), "scope": SCOPE, "aud": url,
                "iat": now_secs, "exp": now_secs + 3600,
            });
            let key = jwt::private_key(text("private_key"))?;
            let assertion = jwt::signed(&key, &header, &claims)?;
            let pairs = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &*assertion),
            ];
            Ok(form(url.to_owned(), &pairs))
        }
        "authorized_user" if !account_only => {
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", text("client_id")),
                ("client_secret", text("client_secret")),
                ("refresh_token", text("refresh_token")),
            ];
            Ok(form(TOKEN_URL.to_owned(), &pairs))
        }
        kind => Err(format!("credentials of type {kind:?} are not supported here")),
    }
}

/// A small file. It is read each time: who rotates it need not tell us.
pub(super) async fn read(path: &str) -> Result<String, String> {
    let fail = |err: std::io::Error| format!("{path}: {err}");
    if tokio::fs::metadata(path).await.map_err(fail)?.len() > MAX_FILE_BYTES {
        return Err(format!("{path}: larger than {MAX_FILE_BYTES} bytes"));
    }
    tokio::fs::read_to_string(path).await.map_err(fail)
}
