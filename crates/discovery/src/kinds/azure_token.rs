//! Tokens for Azure Resource Manager: by a client's secret, a managed identity, or a workload's own token.
//!
//! Left out of the method `SDK`: logins of tools and of developers; it takes the first of the three that the environment names.
//! Sources: Microsoft identity platform, client credentials flow; "How to use managed identities to acquire an access token".

use std::sync::Arc;

use gauntlet_net::ClientOptions;
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_runtime::Clock;

use super::Making;
use crate::answer::{Loose, answer};
use crate::discoverer::StartError;
use crate::rest::{Api, escape, query};

/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 5 * 60 * 1000;

/// Where a cloud is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cloud {
    pub(super) management: &'static str,
    login: &'static str,
    /// What tokens are for.
    audience: &'static str,
}

impl Cloud {
    /// The cloud of a name, in any case.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name.to_ascii_uppercase().as_str() {
            "AZURECHINACLOUD" => Ok(Self {
                management: "management.chinacloudapi.cn",
                login: "https://login.chinacloudapi.cn",
                audience: "https://management.core.chinacloudapi.cn",
            }),
            "AZURECLOUD" | "AZUREGERMANCLOUD" | "AZUREPUBLICCLOUD" => Ok(Self {
                management: "management.azure.com",
                login: "https://login.microsoftonline.com",
                audience: "https://management.core.windows.net/",
            }),
            "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => Ok(Self {
                management: "management.usgovcloudapi.net",
                login: "https://login.microsoftonline.us",
                audience: "https://management.core.usgovcloudapi.net",
            }),
            _ => Err(format!("there is no cloud configuration matching the name {name:?}")),
        }
    }
}

answer! {
    struct Token {
        access_token: String,
        expires_in: Loose,
    }
}

#[derive(Debug)]
enum Method {
    Secret {
        tenant: String,
        client: String,
        secret: Secret,
    },
    Workload {
        tenant: String,
        client: String,
        file: String,
        login: String,
    },
    Managed {
        client: String,
    },
    /// The service that hosts the program has tokens for it.
    Hosted {
        client: String,
        url: String,
        header: Secret,
    },
}

/// Gets tokens and keeps them while they are good.
#[derive(Debug)]
pub(super) struct AzureTokens {
    api: Api,
    clock: Arc<dyn Clock>,
    cloud: Cloud,
    method: Method,
    known: Option<(Secret, i64)>,
}

impl AzureTokens {
    pub(super) fn new(making: &Making<'_>, cloud: Cloud) -> Result<Self, StartError> {
        let fields = making.fields;
        // Tokens are asked for past the HTTP block, which is for the API.
        let mut http = HttpClientConfig::default();
        http.proxy.proxy_from_environment = true;
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let (tenant, client) = (fields.str("tenant_id"), fields.str("client_id"));
        let managed = || {
            let (url, header) = (var("IDENTITY_ENDPOINT"), var("IDENTITY_HEADER"));
            let client = client.to_owned();
            if url.is_empty() || header.is_empty() {
                Method::Managed { client }
            } else {
                Method::Hosted { client, url, header: Secret::new(header) }
            }
        };
        let workload = || {
            let login = var("AZURE_AUTHORITY_HOST");
            Method::Workload {
                tenant: var("AZURE_TENANT_ID"),
                client: var("AZURE_CLIENT_ID"),
                file: var("AZURE_FEDERATED_TOKEN_FILE"),
                login: if login.is_empty() { cloud.login.to_owned() } else { login },
            }
        };
        let method = match fields.str("authentication_method") {
            "OAuth" => Method::Secret {
                tenant: tenant.to_owned(),
                client: client.to_owned(),
                secret: fields.secret("client_secret"),
            },
            "ManagedIdentity" => managed(),
            "WorkloadIdentity" => {
                if var("AZURE_FEDERATED_TOKEN_FILE").is_empty() {
                    return Err(
                        making.refused("no token file specified. Check AZURE_FEDERATED_TOKEN_FILE")
                    );
                }
                workload()
            }
            _ if !var("AZURE_CLIENT_SECRET").is_empty() => Method::Secret {
                tenant: if tenant.is_empty() { var("AZURE_TENANT_ID") } else { tenant.to_owned() },
                client: var("AZURE_CLIENT_ID"),
                secret: Secret::new(var("AZURE_CLIENT_SECRET")),
            },
            _ if !var("AZURE_FEDERATED_TOKEN_FILE").is_empty() => workload(),
            _ => managed(),
        };
        Ok(Self {
            api: making.api_with(&http, ClientOptions::default())?,
            clock: Arc::clone(&making.deps.clock),
            cloud,
            method,
            known: None,
        })
    }

    /// The Authorization header.
    pub(super) async fn bearer(&mut self) -> Result<String, String> {
        let now = self.clock.now_ms();
        if let Some((token, expires)) = &self.known
            && now < expires - EARLY_MS
        {
            return Ok(format!("Bearer {}", token.expose()));
        }
        let token = self.ask().await?;
        let seconds: i64 = token.expires_in.0.parse().unwrap_or(0);
        let expires = now.saturating_add(seconds.saturating_mul(1000));
        let bearer = format!("Bearer {}", token.access_token);
        self.known = Some((Secret::new(token.access_token), expires));
        Ok(bearer)
    }

    async fn ask(&self) -> Result<Token, String> {
        let scope = format!("{}/.default", self.cloud.audience);
        match &self.method {
            Method::Secret { tenant, client, secret } => {
                let pairs = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client),
                    ("client_secret", secret.expose()),
                    ("scope", &scope),
                ];
                self.form(self.cloud.login, tenant, &pairs).await
            }
            Method::Workload { tenant, client, file, login } => {
                let assertion =
                    std::fs::read_to_string(file).map_err(|err| format!("{file}: {err}"))?;
                let pairs = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", assertion.trim()),
                    ("scope", &scope),
                ];
                self.form(login, tenant, &pairs).await
            }
            Method::Managed { client } => {
                let url = "http://169.254.169.254/metadata/identity/oauth2/token";
                let query = self.identity_query("2018-02-01", client);
                let ask = self.api.get_ask(format!("{url}?{query}")).header("metadata", "true");
                self.api.json(ask).await
            }
            Method::Hosted { client, url, header } => {
                let query = self.identity_query("2019-08-01", client);
                let ask = self.api.get_ask(format!("{url}?{query}"));
                self.api.json(ask.header("x-identity-header", header.expose())).await
            }
        }
    }

    fn identity_query(&self, version: &str, client: &str) -> String {
        let mut pairs = vec![("api-version", version), ("resource", self.cloud.audience)];
        if !client.is_empty() {
            pairs.push(("client_id", client));
        }
        query(pairs)
    }

    async fn form(
        &self,
        login: &str,
        tenant: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Token, String> {
        let tenant = escape(tenant, b"");
        let url = format!("{}/{tenant}/oauth2/v2.0/token", login.trim_end_matches('/'));
        let ask = self.api.post_ask(url, query(pairs.iter().copied()));
        self.api.json(ask.header("content-type", "application/x-www-form-urlencoded")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_have_names_in_any_case() {
        assert_eq!(Cloud::named("AzureCloud"), Cloud::named("azurepubliccloud"));
        assert_eq!(
            Cloud::named("AzureUSGovernment").unwrap().management,
            "management.usgovcloudapi.net"
        );
        let err = Cloud::named("Moon").unwrap_err();
        assert_eq!(err, "there is no cloud configuration matching the name \"Moon\"");
    }
}
