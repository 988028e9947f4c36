//! `stackit_sd_configs`: STACKIT's servers. Source: STACKIT IaaS API v1.
//!
//! Requests carry what the HTTP block says, or a token got with the key of a service account ("key flow"). Left out: credentials
//! files, which are refused.

use std::sync::Arc;

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::config::Secret;
use gauntlet_net::jwt::{Algorithm, RsaKey, token_id};
use gauntlet_runtime::Clock;
use serde_json::{Map, Value, json};

use super::{Making, refresh};
use crate::answer::answer;
use crate::config::Fields;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, escape, query};

answer! {
    struct Servers {
        items: Vec<Server>,
    }

    #[serde(rename_all = "camelCase")]
    struct Server {
        availability_zone: String,
        id: String,
        labels: Map<String, Value>,
        machine_type: String,
        name: String,
        nics: Vec<Nic>,
        power_status: String,
        status: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Nic {
        network_name: String,
        ipv4: String,
        public_ip: String,
    }
}

answer! {
    struct KeyFile {
        credentials: KeyCredentials,
    }

    #[serde(rename_all = "camelCase")]
    struct KeyCredentials {
        aud: String,
        iss: String,
        kid: String,
        sub: String,
        private_key: String,
        token_endpoint: String,
    }

    struct Token {
        access_token: String,
        expires_in: i64,
    }
}

const TOKEN_URL: &str = "https://service-account.api.stackit.cloud/token";
/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 60_000;
/// Largest key that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A service account that signs for its tokens.
struct Account {
    credentials: KeyCredentials,
    key: RsaKey,
    known: Option<(Secret, i64)>,
}

pub(super) struct Stackit {
    api: Api,
    clock: Arc<dyn Clock>,
    account: Option<Account>,
    url: String,
    project: String,
    port: i64,
}

impl Account {
    /// `None`: no key is configured.
    fn new(fields: &Fields) -> Result<Option<Self>, String> {
        if !fields.str("credentials_file_path").is_empty() {
            return Err("credentials_file_path is not supported".to_owned());
        }
        let given = |inline: &str, path: &str| match fields.secret(inline) {
            secret if !secret.is_empty() => Ok(secret.expose().to_owned()),
            _ if fields.str(path).is_empty() => Ok(String::new()),
            _ => read(fields.str(path)),
        };
        let text = given("service_account_key", "service_account_key_path")?;
        if text.is_empty() {
            return Ok(None);
        }
        let file: KeyFile = serde_json::from_str(&text)
            .map_err(|err| format!("setting up authentication: bad service account key: {err}"))?;
        let pem = match given("private_key", "private_key_path")? {
            pem if pem.is_empty() => file.credentials.private_key.clone(),
            pem => pem,
        };
        let key =
            RsaKey::from_pem(&pem).map_err(|err| format!("setting up authentication: {err}"))?;
        Ok(Some(Self { credentials: file.credentials, key, known: None }))
    }

    async fn bearer(&mut self, api: &Api, now_ms: i64) -> Result<String, String> {
        if let Some((token, expires)) = &self.known
            && now_ms < expires - EARLY_MS
        {
            return Ok(format!("Bearer {}", token.expose()));
        }
        let KeyCredentials { aud, iss, kid, sub, token_endpoint, .. } = &self.credentials;
        let url = if token_endpoint.is_empty() { TOKEN_URL } else { token_endpoint };
        let now = now_ms / 1000;
        let claims = json!({
            "iss": iss, "sub": sub, "jti": token_id()?, "aud": aud, "iat": now, "exp": now + 3600,
        });
        let assertion = self.key.token(Algorithm::Rs512, kid, &claims)?;
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &*assertion),
        ];
        let ask = api.post_ask(url, query(pairs));
        let ask = ask.header("content-type", "application/x-www-form-urlencoded");
        let token: Token = api.json(ask).await?;
        let expires = now_ms.saturating_add(token.expires_in.saturating_mul(1000));
        let bearer = format!("Bearer {}", token.access_token);
        self.known = Some((Secret::new(token.access_token), expires));
        Ok(bearer)
    }
}

fn read(path: &str) -> Result<String, String> {
    let fail = |err: std::io::Error| format!("{path}: {err}");
    if std::fs::metadata(path).map_err(fail)?.len() > MAX_FILE_BYTES {
        return Err(format!("{path}: larger than {MAX_FILE_BYTES} bytes"));
    }
    std::fs::read_to_string(path).map_err(fail)
}

impl Stackit {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let account = Account::new(fields).map_err(|err| making.refused(err))?;
        let base = match fields.str("endpoint") {
            "" => format!("https://iaas.api.{}.stackit.cloud", fields.str("region")),
            given => given.trim_end_matches('/').to_owned(),
        };
        let project = fields.str("project");
        let url = format!("{base}/v1/projects/{}/servers?details=true", escape(project, b""));
        Ok(Self {
            api: making.api()?,
            clock: Arc::clone(&making.deps.clock),
            account,
            url,
            project: project.to_owned(),
            port: fields.int("port"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let mut ask = self.api.get_ask(&self.url).header("accept", "application/json");
        if let Some(account) = &mut self.account {
            let bearer = account.bearer(&self.api, self.clock.now_ms()).await?;
            ask = ask.header("authorization", bearer);
        }
        let servers: Option<Servers> = self.api.json(ask).await?;
        let servers = servers.unwrap_or_default();
        let targets = servers.items.iter().filter_map(|server| self.target(server)).collect();
        Ok(one_group("stackit", targets))
    }

    /// `None`: the server has no address.
    fn target(&self, server: &Server) -> Option<Labels> {
        let mut target = Meta::new("__meta_stackit_");
        target
            .put("project", &self.project)
            .put("id", &server.id)
            .put("name", &server.name)
            .put("availability_zone", &server.availability_zone)
            .put("status", &server.status)
            .put("power_status", &server.power_status)
            .put("type", &server.machine_type);
        let (mut public, mut host) = ("", "");
        for nic in &server.nics {
            if public.is_empty() && !nic.public_ip.is_empty() {
                public = &nic.public_ip;
                host = public;
            }
            if !nic.ipv4.is_empty() {
                let name = format!("private_ipv4_{}", sanitise(&nic.network_name));
                target.put(&name, &nic.ipv4);
                if host.is_empty() {
                    host = &nic.ipv4;
                }
            }
        }
        if host.is_empty() {
            return None;
        }
        target.put("public_ipv4", public).address(host, self.port);
        for (name, value) in &server.labels {
            if let Value::String(value) = value {
                target.put(&format!("labelpresent_{}", sanitise(name)), "true");
                target.put(&format!("label_{}", sanitise(name)), value);
            }
        }
        Some(target.build())
    }
}

refresh!(Stackit);
