//! Who a client says it is: basic auth, a bearer token or another scheme, OAuth 2.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::{ProxyConfig, Secret, TlsConfig, join_dir};

/// `basic_auth`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasicAuth {
    pub username: String,
    pub username_file: String,
    pub password: Secret,
    pub password_file: String,
}

impl BasicAuth {
    pub(super) fn set_directory(&mut self, dir: &str) {
        join_dir(dir, &mut self.username_file);
        join_dir(dir, &mut self.password_file);
    }

    pub(super) fn validate(&self) -> Result<(), &'static str> {
        if !self.username.is_empty() && !self.username_file.is_empty() {
            return Err(
                "at most one of basic_auth username, username_file & username_ref must be configured",
            );
        }
        if !self.password.is_empty() && !self.password_file.is_empty() {
            return Err(
                "at most one of basic_auth password, password_file & password_ref must be configured",
            );
        }
        Ok(())
    }
}

impl FromYaml for BasicAuth {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let auth = Self {
            username: map.take_default(cx, "username"),
            username_file: map.take_default(cx, "username_file"),
            password: map.take_default(cx, "password"),
            password_file: map.take_default(cx, "password_file"),
        };
        map.finish(cx).then_some(auth)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for BasicAuth {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("username", &self.username)
            .put_nonzero("username_file", &self.username_file)
            .put_nonzero("password", &self.password)
            .put_nonzero("password_file", &self.password_file)
            .build()
    }
}

/// `authorization`: a scheme and what follows it in the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// The scheme; `Bearer` unless said otherwise.
    pub kind: String,
    pub credentials: Secret,
    pub credentials_file: String,
    /// Whether it was written as `bearer_token` or `bearer_token_file`.
    pub from_bearer_token: bool,
}

impl Authorization {
    /// A bearer token.
    pub fn bearer(credentials: Secret, credentials_file: String) -> Self {
        Self { kind: "Bearer".to_owned(), credentials, credentials_file, from_bearer_token: true }
    }

    pub(super) fn set_directory(&mut self, dir: &str) {
        join_dir(dir, &mut self.credentials_file);
    }
}

impl FromYaml for Authorization {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let auth = Self {
            kind: map.take_default::<String>(cx, "type").trim().to_owned(),
            credentials: map.take_default(cx, "credentials"),
            credentials_file: map.take_default(cx, "credentials_file"),
            from_bearer_token: false,
        };
        map.finish(cx).then_some(auth)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for Authorization {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("type", &self.kind)
            .put_nonzero("credentials", &self.credentials)
            .put_nonzero("credentials_file", &self.credentials_file)
            .build()
    }
}

/// The grant type that signs its own assertion instead of showing a client secret.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// `oauth2`: a token fetched from `token_url`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OAuth2 {
    pub client_id: String,
    pub client_secret: Secret,
    pub client_secret_file: String,
    pub client_certificate_key_id: String,
    pub client_certificate_key: Secret,
    pub client_certificate_key_file: String,
    /// Empty: `client_credentials`.
    pub grant_type: String,
    pub signature_algorithm: String,
    pub iss: String,
    pub audience: String,
    pub claims: Option<Value>,
    pub scopes: Vec<String>,
    pub token_url: String,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls_config: TlsConfig,
    pub proxy: ProxyConfig,
}

impl OAuth2 {
    pub(super) fn set_directory(&mut self, dir: &str) {
        join_dir(dir, &mut self.client_secret_file);
        join_dir(dir, &mut self.client_certificate_key_file);
        self.tls_config.set_directory(dir);
    }

    pub(super) fn validate(&self) -> Result<(), &'static str> {
        if self.client_id.is_empty() {
            return Err("oauth2 client_id must be configured");
        }
        if self.token_url.is_empty() {
            return Err("oauth2 token_url must be configured");
        }
        if self.grant_type == JWT_BEARER {
            if !self.client_certificate_key.is_empty()
                && !self.client_certificate_key_file.is_empty()
            {
                return Err(
                    "at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref must be configured using grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer",
                );
            }
            if !matches!(self.signature_algorithm.as_str(), "" | "RS256" | "RS384" | "RS512") {
                return Err("valid signature algorithms are RS256, RS384 and RS512");
            }
        } else if !self.client_secret.is_empty() && !self.client_secret_file.is_empty() {
            return Err(
                "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured using grant-type=client_credentials",
            );
        }
        Ok(())
    }
}

impl FromYaml for OAuth2 {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let auth = Self {
            client_id: map.take_default(cx, "client_id"),
            client_secret: map.take_default(cx, "client_secret"),
            client_secret_file: map.take_default(cx, "client_secret_file"),
            client_certificate_key_id: map.take_default(cx, "client_certificate_key_id"),
            client_certificate_key: map.take_default(cx, "client_certificate_key"),
            client_certificate_key_file: map.take_default(cx, "client_certificate_key_file"),
            grant_type: map.take_default(cx, "grant_type"),
            signature_algorithm: map.take_default(cx, "signature_algorithm"),
            iss: map.take_default(cx, "iss"),
            audience: map.take_default(cx, "audience"),
            claims: map.take(cx, "claims"),
            scopes: map.take_default(cx, "scopes"),
            token_url: map.take_default(cx, "token_url"),
            endpoint_params: map.take_default(cx, "endpoint_params"),
            tls_config: map.take_default(cx, "tls_config"),
            proxy: ProxyConfig::read(&mut map, cx),
        };
        if let Err(reason) = auth.proxy.validate() {
            cx.problem(map.position(), reason);
        }
        map.finish(cx).then_some(auth)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for OAuth2 {
    fn to_yaml(&self) -> Value {
        let tls = (!self.tls_config.is_default()).then_some(&self.tls_config);
        MapBuilder::new()
            .put_nonzero("client_id", &self.client_id)
            .put_nonzero("client_secret", &self.client_secret)
            .put_nonzero("client_secret_file", &self.client_secret_file)
            .put_nonzero("client_certificate_key_id", &self.client_certificate_key_id)
            .put_nonzero("client_certificate_key", &self.client_certificate_key)
            .put_nonzero("client_certificate_key_file", &self.client_certificate_key_file)
            .put_nonzero("grant_type", &self.grant_type)
            .put_nonzero("signature_algorithm", &self.signature_algorithm)
            .put_nonzero("iss", &self.iss)
            .put_nonzero("audience", &self.audience)
            .put_some("claims", self.claims.as_ref())
            .put_nonzero("scopes", &self.scopes)
            .put_nonzero("token_url", &self.token_url)
            .put_nonzero("endpoint_params", &self.endpoint_params)
            .put_some("tls_config", tls)
            .inline(&self.proxy)
            .build()
    }
}
