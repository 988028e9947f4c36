//! `azuread`: tokens of Microsoft's identity platform by a managed identity, a workload's token, a client's secret or certificate.
//!
//! `sdk` takes the first that the environment names: a client's secret, a workload's token, a managed identity. Left out there:
//! logins of tools and of developers. Certificates are taken in PEM, not as PKCS #12. Sources: Microsoft identity platform, client
//! credentials flow and certificate credentials; "How to use managed identities to acquire an access token".

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gauntlet_net::config::Secret;
use gauntlet_net::percent::{escape, query};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use super::{Kept, Means, form, get, jwt};
use crate::config::{AZURE_TOKEN_FILE as TOKEN_FILE, AzureAdConfig, AzureCredential};

/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 5 * 60 * 1000;
const INSTANCE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What a scope ends with that names all of a resource.
const ALL: &str = "/.default";

#[derive(Debug)]
enum Method {
    Secret { tenant: String, client: String, secret: Secret },
    Workload { tenant: String, client: String, file: String },
    Certificate { tenant: String, client: String, certificate: String, key: String, chain: bool },
    Managed { client: String },
}

/// Gets tokens and keeps them while they are good.
#[derive(Debug)]
pub(crate) struct AzureTokens {
    means: Means,
    login: &'static str,
    scope: String,
    method: Method,
    kept: Kept,
}

impl AzureTokens {
    pub(super) fn new(config: &AzureAdConfig, means: Means) -> Self {
        let (login, scope) = match config.cloud.as_str() {
            "AzureChina" => {
                ("https://login.chinacloudapi.cn", "https://monitor.azure.cn//.default")
            }
            "AzureGovernment" => {
                ("https://login.microsoftonline.us", "https://monitor.azure.us//.default")
            }
            _ => ("https://login.microsoftonline.com", "https://monitor.azure.com//.default"),
        };
        let scope = if config.scope.is_empty() { scope } else { &config.scope }.to_owned();
        let method = match config.credential.clone() {
            AzureCredential::ManagedIdentity { client_id } => Method::Managed { client: client_id },
            AzureCredential::WorkloadIdentity { client_id, tenant_id, token_file_path } => {
                // Where the platform says that it is, unless configured to be elsewhere.
                let advertised = means.var("AZURE_FEDERATED_TOKEN_FILE");
                let file = match token_file_path.as_str() {
                    TOKEN_FILE if !advertised.is_empty() => advertised,
                    _ => token_file_path,
                };
                Method::Workload { tenant: tenant_id, client: client_id, file }
            }
            AzureCredential::OAuth { client_id, client_secret, tenant_id } => {
                Method::Secret { tenant: tenant_id, client: client_id, secret: client_secret }
            }
            AzureCredential::Sdk { tenant_id } => of_environment(&means, tenant_id),
            AzureCredential::Certificate {
                client_id,
                tenant_id,
                certificate_path,
                certificate_key_path,
                send_certificate_chain,
                ..
            } => {
                let key = match certificate_key_path.as_str() {
                    "" => certificate_path.clone(),
                    path => path.to_owned(),
                };
                Method::Certificate {
                    tenant: tenant_id,
                    client: client_id,
                    certificate: certificate_path,
                    key,
                    chain: send_certificate_chain,
                }
            }
        };
        Self { means, login, scope, method, kept: Kept::default() }
    }

    /// The Authorization header.
    pub(super) async fn bearer(&self) -> Result<String, String> {
        let token = self.kept.bearer(&*self.means.clock, EARLY_MS, || self.ask()).await;
        token.map_err(|err| format!("cannot get an Azure AD token: {err}"))
    }

    async fn ask(&self) -> Result<Value, String> {
        let call = match &self.method {
            Method::Managed { client } => {
                let (url, header) =
                    (self.means.var("IDENTITY_ENDPOINT"), self.means.var("IDENTITY_HEADER"));
                if url.is_empty() || header.is_empty() {
                    let query = self.identity_query("2018-02-01", client);
                    get(format!("{INSTANCE}?{query}"), ("metadata", "true".to_owned()))
                } else {
                    // The service that hosts the program has tokens for it.
                    let query = self.identity_query("2019-08-01", client);
                    get(format!("{url}?{query}"), ("x-identity-header", header))
                }
            }
            Method::Secret { tenant, client, secret } => {
                let pairs = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client),
                    ("client_secret", secret.expose()),
                    ("scope", &self.scope),
                ];
                form(self.url(tenant), &pairs)
            }
            Method::Workload { tenant, client, file } => {
                let assertion = super::google::read(file).await?;
                self.asserted(tenant, client, assertion.trim())
            }
            Method::Certificate { tenant, client, certificate, key, chain } => {
                let texts =
                    (super::google::read(certificate).await?, super::google::read(key).await?);
                let now_secs = self.means.clock.now_ms() / 1000;
                let url = self.url(tenant);
                let assertion = assertion(&texts.0, &texts.1, *chain, client, &url, now_secs);
                let assertion = assertion.map_err(|err| format!("{certificate}: {err}"))?;
                self.asserted(tenant, client, &assertion)
            }
        };
        super::json(&*self.means.transport, call).await
    }

    fn url(&self, tenant: &str) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.login, escape(tenant, b""))
    }

    fn asserted(&self, tenant: &str, client: &str, assertion: &str) -> gauntlet_net::aws::Call {
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion),
            ("scope", &self.scope),
        ];
        form(self.url(tenant), &pairs)
    }

    fn identity_query(&self, version: &str, client: &str) -> String {
        let resource = self.scope.strip_suffix(ALL).unwrap_or(&self.scope);
        let mut pairs = vec![("api-version", version), ("resource", resource)];
        if !client.is_empty() {
            pairs.push(("client_id", client));
        }
        query(pairs)
    }
}

fn of_environment(means: &Means, tenant: String) -> Method {
    let tenant = if tenant.is_empty() { means.var("AZURE_TENANT_ID") } else { tenant };
    let client = means.var("AZURE_CLIENT_ID");
    let (secret, file) =
        (means.var("AZURE_CLIENT_SECRET"), means.var("AZURE_FEDERATED_TOKEN_FILE"));
    if !secret.is_empty() {
        return Method::Secret { tenant, client, secret: Secret::new(secret) };
    }
    match file.as_str() {
        "" => Method::Managed { client },
        _ => Method::Workload { tenant, client, file },
    }
}

/// A statement that proves to have the certificate's key.
fn assertion(
    certificates: &str,
    key: &str,
    chain: bool,
    client: &str,
    audience: &str,
    now_secs: i64,
) -> Result<String, String> {
    let parts = jwt::pem(certificates)?;
    let certificates: Vec<&Vec<u8>> =
        parts.iter().filter(|(label, _)| label == "CERTIFICATE").map(|(_, der)| der).collect();
    let first = certificates.first().ok_or("no certificate in PEM")?;
    let thumbprint = digest::digest(&digest::SHA256, first);
    let mut header = json!({
        "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint.as_ref()),
    });
    if chain {
        header["x5c"] = certificates.iter().map(|der| STANDARD.encode(der)).collect();
    }
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| "no random numbers".to_owned())?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let claims = json!({
        "aud": audience, "iss": client, "sub": client, "jti": id,
        "nbf": now_secs, "exp": now_secs + 600,
    });
    jwt::signed(&jwt::private_key(key)?, &header, &claims)
}
