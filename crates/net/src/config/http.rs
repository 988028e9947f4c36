//! The HTTP client block itself: one kind of auth, TLS, proxy, headers, redirects.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::{Authorization, BasicAuth, OAuth2, Secret, TlsConfig, Url, join_dir};

/// Headers that `http_headers` may not set, in canonical spelling.
pub const RESERVED_HEADERS: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// A header's name with each part capital first, as Go writes it.
pub fn canonical_header(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let out = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            out
        })
        .collect()
}

/// Where requests go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    pub proxy_url: Option<Url>,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

impl ProxyConfig {
    pub(super) fn read(map: &mut Mapping<'_>, cx: &mut Context) -> Self {
        Self {
            proxy_url: map.take(cx, "proxy_url"),
            no_proxy: map.take_default(cx, "no_proxy"),
            proxy_from_environment: map.take_default(cx, "proxy_from_environment"),
            proxy_connect_header: map.take_default(cx, "proxy_connect_header"),
        }
    }

    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let has_url = self.proxy_url.as_ref().is_some_and(|u| !u.as_str().is_empty());
        if !self.proxy_connect_header.is_empty() && !self.proxy_from_environment && !has_url {
            return Err(
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            );
        }
        if self.proxy_from_environment && has_url {
            return Err(
                "if proxy_from_environment is configured, proxy_url must not be configured",
            );
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            return Err("if proxy_from_environment is configured, no_proxy must not be configured");
        }
        if self.proxy_url.is_none() && !self.no_proxy.is_empty() {
            return Err("if no_proxy is configured, proxy_url must also be configured");
        }
        Ok(())
    }
}

impl ToYaml for ProxyConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_some("proxy_url", self.proxy_url.as_ref())
            .put_nonzero("no_proxy", &self.no_proxy)
            .put_nonzero("proxy_from_environment", self.proxy_from_environment)
            .put_nonzero("proxy_connect_header", &self.proxy_connect_header)
            .build()
    }
}

/// Values of one header of `http_headers`, all of which are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<String>,
}

impl FromYaml for Header {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.Header", cx)?;
        let header = Self {
            values: map.take_default(cx, "values"),
            secrets: map.take_default(cx, "secrets"),
            files: map.take_default(cx, "files"),
        };
        map.finish(cx).then_some(header)
    }

    fn go_type() -> Cow<'static, str> {
        "config.Header".into()
    }

    fn from_null(_: Node<'_>, _: &mut Context) -> Option<Self> {
        Some(Self::default())
    }
}

impl ToYaml for Header {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("values", &self.values)
            .put_nonzero("secrets", &self.secrets)
            .put_nonzero("files", &self.files)
            .build()
    }
}

/// How a component talks HTTP to others.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpClientConfig {
    pub basic_auth: Option<BasicAuth>,
    /// `bearer_token` and `bearer_token_file` end up here too.
    pub authorization: Option<Authorization>,
    pub oauth2: Option<OAuth2>,
    pub tls_config: TlsConfig,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    pub proxy: ProxyConfig,
    pub http_headers: BTreeMap<String, Header>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls_config: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyConfig::default(),
            http_headers: BTreeMap::new(),
        }
    }
}

impl HttpClientConfig {
    /// Remote write's default: no HTTP/2.
    pub fn without_http2() -> Self {
        Self { enable_http2: false, ..Self::default() }
    }

    /// Takes the block's fields out of a mapping they are inlined in, over `base`, and checks them.
    pub fn read(map: &mut Mapping<'_>, cx: &mut Context, base: Self) -> Self {
        let mut config = base;
        config.basic_auth = map.take(cx, "basic_auth");
        config.authorization = map.take(cx, "authorization");
        config.oauth2 = map.take(cx, "oauth2");
        let token: Secret = map.take_default(cx, "bearer_token");
        let token_file: String = map.take_default(cx, "bearer_token_file");
        config.tls_config = map.take_default(cx, "tls_config");
        map.set(cx, "follow_redirects", &mut config.follow_redirects);
        map.set(cx, "enable_http2", &mut config.enable_http2);
        config.proxy = ProxyConfig::read(map, cx);
        config.http_headers = map.take_default(cx, "http_headers");
        if let Err((key, reason)) = config.validate(&token, &token_file) {
            map.problem(cx, key, reason);
        }
        if config.authorization.is_none() && (!token.is_empty() || !token_file.is_empty()) {
            config.authorization = Some(Authorization::bearer(token, token_file));
        }
        if let Some(authorization) = &mut config.authorization
            && authorization.kind.is_empty()
        {
            authorization.kind = "Bearer".to_owned();
        }
        config
    }

    /// Whether some kind of auth is set.
    pub fn has_auth(&self) -> bool {
        self.basic_auth.is_some() || self.authorization.is_some() || self.oauth2.is_some()
    }

    /// Joins relative file names to the configuration's folder.
    pub fn set_directory(&mut self, dir: &str) {
        if let Some(auth) = &mut self.basic_auth {
            auth.set_directory(dir);
        }
        if let Some(auth) = &mut self.authorization {
            auth.set_directory(dir);
        }
        if let Some(auth) = &mut self.oauth2 {
            auth.set_directory(dir);
        }
        self.tls_config.set_directory(dir);
        for header in self.http_headers.values_mut() {
            header.files.iter_mut().for_each(|file| join_dir(dir, file));
        }
    }

    /// Upstream's checks in its order. The key is where to point at.
    fn validate(&self, token: &Secret, token_file: &str) -> Result<(), (&'static str, String)> {
        let fail = |key: &'static str, reason: &str| Err((key, reason.to_owned()));
        let has_token = !token.is_empty() || !token_file.is_empty();
        if !token.is_empty() && !token_file.is_empty() {
            return fail(
                "bearer_token",
                "at most one of bearer_token & bearer_token_file must be configured",
            );
        }
        if (self.basic_auth.is_some() || self.oauth2.is_some()) && has_token {
            let key = if token.is_empty() { "bearer_token_file" } else { "bearer_token" };
            return fail(
                key,
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            );
        }
        if let Some(Err(reason)) = self.basic_auth.as_ref().map(BasicAuth::validate) {
            return fail("basic_auth", reason);
        }
        if let Some(authorization) = &self.authorization {
            if has_token {
                return fail(
                    "authorization",
                    "authorization is not compatible with bearer_token & bearer_token_file",
                );
            }
            if !authorization.credentials.is_empty() && !authorization.credentials_file.is_empty() {
                return fail(
                    "authorization",
                    "at most one of authorization credentials & credentials_file must be configured",
                );
            }
            if authorization.kind.eq_ignore_ascii_case("basic") {
                return fail(
                    "authorization",
                    "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
                );
            }
            if self.basic_auth.is_some() || self.oauth2.is_some() {
                return fail(
                    "authorization",
                    "at most one of basic_auth, oauth2 & authorization must be configured",
                );
            }
        }
        if let Some(oauth2) = &self.oauth2 {
            if self.basic_auth.is_some() {
                return fail(
                    "oauth2",
                    "at most one of basic_auth, oauth2 & authorization must be configured",
                );
            }
            oauth2.validate().map_err(|reason| ("oauth2", reason.to_owned()))?;
        }
        self.proxy.validate().map_err(|reason| ("proxy_url", reason.to_owned()))?;
        for name in self.http_headers.keys().map(|n| canonical_header(n)) {
            if RESERVED_HEADERS.contains(&name.as_str()) {
                return Err(("http_headers", format!("setting header {name:?} is not allowed")));
            }
        }
        Ok(())
    }
}

/// The block under a key of its own (`http_config`), over the defaults.
impl FromYaml for HttpClientConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let config = Self::read(&mut map, cx, Self::default());
        map.finish(cx).then_some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for HttpClientConfig {
    fn to_yaml(&self) -> Value {
        let tls = (!self.tls_config.is_default()).then_some(&self.tls_config);
        MapBuilder::new()
            .put_some("basic_auth", self.basic_auth.as_ref())
            .put_some("authorization", self.authorization.as_ref())
            .put_some("oauth2", self.oauth2.as_ref())
            .put_some("tls_config", tls)
            .put("follow_redirects", self.follow_redirects)
            .put("enable_http2", self.enable_http2)
            .inline(&self.proxy)
            .put_nonzero("http_headers", &self.http_headers)
            .build()
    }
}
