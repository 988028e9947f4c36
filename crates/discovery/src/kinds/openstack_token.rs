//! OpenStack's identity service: a token and where the other services are. Source: Identity API v3, "password and
//! application credential authentication".

use std::sync::Arc;

use gauntlet_net::ClientOptions;
use gauntlet_net::config::{HttpClientConfig, Secret};
use gauntlet_runtime::Clock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Making;
use crate::answer::answer;
use crate::config::FieldValue;
use crate::discoverer::StartError;
use crate::rest::{Api, decode};
use gauntlet_net::time::parse_utc;

/// Tokens are renewed this long before they expire.
const EARLY_MS: i64 = 5 * 60 * 1000;

answer! {
    struct TokenAnswer {
        token: Token,
    }

    struct Token {
        expires_at: String,
        catalog: Vec<Service>,
    }

    struct Service {
        #[serde(rename = "type")]
        kind: String,
        endpoints: Vec<Endpoint>,
    }

    struct Endpoint {
        interface: String,
        region: String,
        region_id: String,
        url: String,
    }
}

/// A login and what came of it.
#[derive(Debug)]
pub(super) struct Identity {
    api: Api,
    clock: Arc<dyn Clock>,
    url: String,
    /// What is asked for; holds the password.
    body: Secret,
    region: String,
    availability: String,
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    token: Secret,
    expires_ms: i64,
    catalog: Vec<Service>,
}

impl Identity {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let mut http = HttpClientConfig::default();
        if let Some(FieldValue::Tls(tls)) = fields.get("tls_config") {
            http.tls_config = (**tls).clone();
        }
        let from_environment = fields.str("identity_endpoint").is_empty();
        let field = |key: &str, variables: &[&str]| {
            if !from_environment {
                return match key {
                    "password" | "application_credential_secret" => {
                        fields.secret(key).expose().to_owned()
                    }
                    key => fields.str(key).to_owned(),
                };
            }
            let found = variables.iter().filter_map(|name| std::env::var(name).ok());
            found.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
        };
        let endpoint = field("identity_endpoint", &["OS_AUTH_URL"]);
        if endpoint.is_empty() {
            return Err(making.refused(
                "missing identity_endpoint, and environment variable [OS_AUTH_URL] is not set",
            ));
        }
        let login = Login {
            username: field("username", &["OS_USERNAME"]),
            user_id: field("userid", &["OS_USERID", "OS_USER_ID"]),
            password: field("password", &["OS_PASSWORD"]),
            project_name: field("project_name", &["OS_PROJECT_NAME", "OS_TENANT_NAME"]),
            project_id: field("project_id", &["OS_PROJECT_ID", "OS_TENANT_ID"]),
            domain_name: field("domain_name", &["OS_DOMAIN_NAME", "OS_USER_DOMAIN_NAME"]),
            domain_id: field("domain_id", &["OS_DOMAIN_ID", "OS_USER_DOMAIN_ID"]),
            credential_name: field(
                "application_credential_name",
                &["OS_APPLICATION_CREDENTIAL_NAME"],
            ),
            credential_id: field("application_credential_id", &["OS_APPLICATION_CREDENTIAL_ID"]),
            credential_secret: field(
                "application_credential_secret",
                &["OS_APPLICATION_CREDENTIAL_SECRET"],
            ),
        };
        let base = endpoint.trim_end_matches('/');
        let base = base.strip_suffix("/v2.0").unwrap_or(base);
        let version = if base.ends_with("/v3") { "" } else { "/v3" };
        Ok(Self {
            api: making.api_with(&http, ClientOptions::default())?,
            clock: Arc::clone(&making.deps.clock),
            url: format!("{base}{version}/auth/tokens"),
            body: Secret::new(login.request().to_string()),
            region: fields.str("region").to_owned(),
            availability: fields.str("availability").to_owned(),
            known: None,
        })
    }

    /// Gets a token, unless there is a good one.
    pub(super) async fn login(&mut self) -> Result<(), String> {
        let now = self.clock.now_ms();
        if self.known.as_ref().is_some_and(|known| now < known.expires_ms - EARLY_MS) {
            return Ok(());
        }
        self.known = None;
        let ask = self.api.post_ask(&self.url, self.body.expose());
        let ask =
            ask.header("content-type", "application/json").header("accept", "application/json");
        let answer = self.api.send(ask).await?;
        let token = answer.header("x-subject-token").ok_or("no token in the answer")?.to_owned();
        let found: TokenAnswer = decode(&answer.body)?;
        self.known = Some(Known {
            token: Secret::new(token),
            expires_ms: parse_utc(&found.token.expires_at).unwrap_or(now),
            catalog: found.token.catalog,
        });
        Ok(())
    }

    /// Where a service is, without a slash or version at the end.
    pub(super) fn endpoint(&self, service: &str) -> Result<String, String> {
        let catalog = self.known.as_ref().map(|known| &known.catalog[..]).unwrap_or_default();
        let endpoints = catalog.iter().filter(|s| s.kind == service).flat_map(|s| &s.endpoints);
        let mut endpoints = endpoints.filter(|endpoint| {
            endpoint.interface == self.availability
                && (endpoint.region == self.region || endpoint.region_id == self.region)
        });
        let found = endpoints.next().ok_or_else(|| {
            let (availability, region) = (&self.availability, &self.region);
            format!("no {availability} endpoint of service {service} in region {region}")
        })?;
        let url = found.url.trim_end_matches('/');
        let versioned = matches!(service, "network" | "load-balancer");
        Ok(if versioned { url.trim_end_matches("/v2.0") } else { url }.to_owned())
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let token = self.known.as_ref().map(|known| known.token.expose()).unwrap_or_default();
        let ask = self.api.get_ask(url).header("accept", "application/json");
        self.api.json(ask.header("x-auth-token", token)).await
    }
}

/// Who logs in to what.
struct Login {
    username: String,
    user_id: String,
    password: String,
    project_name: String,
    project_id: String,
    domain_name: String,
    domain_id: String,
    credential_name: String,
    credential_id: String,
    credential_secret: String,
}

impl Login {
    fn request(&self) -> Value {
        let domain = || {
            if self.domain_id.is_empty() {
                json!({ "name": self.domain_name })
            } else {
                json!({ "id": self.domain_id })
            }
        };
        let user = || {
            if self.user_id.is_empty() {
                json!({ "name": self.username, "domain": domain() })
            } else {
                json!({ "id": self.user_id })
            }
        };
        if !self.credential_id.is_empty() || !self.credential_name.is_empty() {
            let credential = if self.credential_id.is_empty() {
                json!({ "name": self.credential_name, "secret": self.credential_secret, "user": user() })
            } else {
                json!({ "id": self.credential_id, "secret": self.credential_secret })
            };
            // Such a credential is of one project already.
            return json!({ "auth": { "identity": {
                "methods": ["application_credential"], "application_credential": credential,
            } } });
        }
        let mut user = user();
        user["password"] = json!(self.password);
        let mut auth =
            json!({ "identity": { "methods": ["password"], "password": { "user": user } } });
        if !self.project_id.is_empty() {
            auth["scope"] = json!({ "project": { "id": self.project_id } });
        } else if !self.project_name.is_empty() {
            auth["scope"] = json!({ "project": { "name": self.project_name, "domain": domain() } });
        }
        json!({ "auth": auth })
    }
}
