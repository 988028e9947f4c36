//! `--web.config.file`: TLS, headers, users and request rate of a server. Facts: the peers' exporter-toolkit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gauntlet_model::duration::GoDuration;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};
use http::header::{HeaderName, HeaderValue};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::names::NamedClient;
use crate::client::{certificates, io_text};
use crate::config::{Secret, TlsVersion, join_dir};
use crate::tls_versions;

/// A web config file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct WebConfigError {
    pub path: String,
    pub reason: String,
}

/// A web config file as read.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    pub(super) tls: Option<ServerTls>,
    pub(super) http2: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// User to bcrypt hash.
    pub(super) users: BTreeMap<String, Secret>,
    /// Requests at once and time per further request; `None` for no bound.
    pub(super) rate_limit: Option<(u32, std::time::Duration)>,
}

/// `tls_server_config`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerTls {
    cert: String,
    key: Secret,
    client_ca: String,
    cert_file: String,
    key_file: String,
    client_ca_file: String,
    client_auth: String,
    ciphers: Vec<String>,
    curves: Vec<String>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
    /// Names of which a client's certificate must have one, if it shows any.
    allowed_sans: Option<Vec<String>>,
}

const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

impl WebConfig {
    /// Reads and checks the text of the file at `path`; relative file names are taken from its folder.
    pub fn parse(path: &str, text: &[u8]) -> Result<Self, WebConfigError> {
        let fail = |reason: String| WebConfigError { path: path.to_owned(), reason };
        let document = Document::parse(text, Dialect::V2).map_err(|err| fail(err.to_string()))?;
        let mut config = Self { http2: true, ..Self::default() };
        let Some(root) = document.root() else { return Ok(config) };
        let mut cx = Context::new();
        let read = Self::read(root, &mut cx, &mut config);
        cx.finish(read.then_some(())).map_err(|problems| fail(problems.to_string()))?;
        if let Some(tls) = &mut config.tls {
            let dir = Path::new(path).parent().map_or("", |dir| dir.to_str().unwrap_or_default());
            let dir = if dir.is_empty() { "." } else { dir };
            for file in tls.files() {
                join_dir(dir, file);
            }
        }
        for (user, hash) in &config.users {
            if hash.expose().parse::<bcrypt::HashParts>().is_err() {
                return Err(fail(format!("password of user {user:?} is not a bcrypt hash")));
            }
        }
        Ok(config)
    }

    fn read(root: gauntlet_yaml::Node<'_>, cx: &mut Context, config: &mut Self) -> bool {
        let Some(mut map) = Mapping::read(root, "web.Config", cx) else { return false };
        if let Some(node) = map.node("tls_server_config").filter(|n| !n.is_null()) {
            config.tls = cx.in_key("tls_server_config", |cx| ServerTls::read(node, cx));
        }
        if let Some(node) = map.node("http_server_config").filter(|n| !n.is_null()) {
            cx.in_key("http_server_config", |cx| config.read_http(node, cx));
        }
        if let Some(node) = map.node("rate_limit").filter(|n| !n.is_null())
            && let Some(mut limit) = Mapping::read(node, "web.RateLimiterConfig", cx)
        {
            let burst: u64 = limit.take_default(cx, "burst");
            let interval: GoDuration = limit.take_default(cx, "interval");
            let burst = u32::try_from(burst).unwrap_or(u32::MAX);
            let interval = interval.to_std();
            config.rate_limit = (!interval.is_zero()).then_some((burst, interval));
            limit.finish(cx);
        }
        config.users = map.take_default(cx, "basic_auth_users");
        map.finish(cx)
    }

    fn read_http(&mut self, node: gauntlet_yaml::Node<'_>, cx: &mut Context) {
        let Some(mut map) = Mapping::read(node, "web.HTTPConfig", cx) else { return };
        self.http2 = map.take_or(cx, "http2", true);
        let headers: BTreeMap<String, String> = map.take_default(cx, "headers");
        for (name, value) in headers {
            let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
                let reason = format!("HTTP header {name:?} can not be configured");
                map.problem(cx, "headers", reason);
                continue;
            };
            if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
                let quoted: Vec<_> = allowed.iter().map(|v| format!("{v:?}")).collect();
                let reason = format!(
                    "invalid value for {name}. Expected one of: [{}], but got: {value:?}",
                    quoted.join(" ")
                );
                map.problem(cx, "headers", reason);
                continue;
            }
            match (HeaderName::try_from(&name), HeaderValue::try_from(&value)) {
                (Ok(name), Ok(value)) => self.headers.push((name, value)),
                _ => map.problem(cx, "headers", format!("invalid value for {name}")),
            }
        }
        map.finish(cx);
    }
}

impl ServerTls {
    pub(crate) fn read(node: gauntlet_yaml::Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "web.TLSConfig", cx)?;
        let tls = Self {
            cert: map.take_default(cx, "cert"),
            key: map.take_default(cx, "key"),
            client_ca: map.take_default(cx, "client_ca"),
            cert_file: map.take_default(cx, "cert_file"),
            key_file: map.take_default(cx, "key_file"),
            client_ca_file: map.take_default(cx, "client_ca_file"),
            client_auth: map.take_default(cx, "client_auth_type"),
            ciphers: map.take_default(cx, "cipher_suites"),
            curves: map.take_default(cx, "curve_preferences"),
            min_version: map.take(cx, "min_version"),
            max_version: map.take(cx, "max_version"),
            allowed_sans: map.take::<Option<Vec<String>>>(cx, "client_allowed_sans").flatten(),
        };
        let _: bool = map.take_or(cx, "prefer_server_cipher_suites", true);
        map.finish(cx).then_some(tls)
    }

    /// The names of files, to be made absolute.
    pub(crate) fn files(&mut self) -> [&mut String; 3] {
        [&mut self.cert_file, &mut self.key_file, &mut self.client_ca_file]
    }

    /// Whether nothing that turns TLS on is set.
    pub(super) fn is_absent(&self) -> bool {
        let texts = [
            &self.cert,
            &self.cert_file,
            &self.key_file,
            &self.client_ca,
            &self.client_ca_file,
            &self.client_auth,
        ];
        self.key.is_empty() && texts.iter().all(|text| text.is_empty())
    }

    /// The bytes of everything that the configuration is built of: equal bytes, equal configuration.
    pub(crate) fn material(&self) -> Result<Material, String> {
        if self.cert.is_empty() && self.cert_file.is_empty() {
            return Err("missing one of cert or cert_file".into());
        }
        if self.key.is_empty() && self.key_file.is_empty() {
            return Err("missing one of key or key_file".into());
        }
        let read = |text: &str, path: &str, what: &str| {
            if path.is_empty() {
                return Ok(text.to_owned());
            }
            std::fs::read_to_string(path).map_err(|err| {
                format!("failed to read {what} ({path}): open {path}: {}", io_text(&err))
            })
        };
        Ok(Material {
            cert: read(&self.cert, &self.cert_file, "cert_file")?,
            key: read(self.key.expose(), &self.key_file, "key_file")?,
            client_ca: read(&self.client_ca, &self.client_ca_file, "client_ca_file")?,
        })
    }

    pub(crate) fn build(&self, material: &Material, http2: bool) -> Result<ServerConfig, String> {
        let mut provider = rustls::crypto::ring::default_provider();
        self.choose_ciphers(&mut provider)?;
        let provider = Arc::new(provider);
        let versions = tls_versions(self.min_version, self.max_version)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|err| err.to_string())?;
        let pair = |err: String| format!("failed to load X509KeyPair: {err}");
        let certs = certificates(&material.cert).map_err(pair)?;
        let key = PrivateKeyDer::from_pem_slice(material.key.as_bytes())
            .map_err(|err| pair(err.to_string()))?;
        let mut config = self
            .client_auth(material, provider)?
            .map_or_else(
                || builder.clone().with_no_client_auth(),
                |verifier| builder.clone().with_client_cert_verifier(verifier),
            )
            .with_single_cert(certs, key)
            .map_err(|err| pair(err.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(config)
    }

    fn choose_ciphers(&self, provider: &mut CryptoProvider) -> Result<(), String> {
        if !self.ciphers.is_empty() {
            // TLS 1.3 suites are not configurable in the peers either.
            provider.cipher_suites.retain(|suite| {
                let name = format!("{:?}", suite.suite());
                name.starts_with("TLS13_") || self.ciphers.contains(&name)
            });
            if let Some(unknown) = self.ciphers.iter().find(|name| !name.starts_with("TLS_")) {
                return Err(format!("unknown cipher: {unknown}"));
            }
        }
        if !self.curves.is_empty() {
            let mut groups = Vec::new();
            for curve in &self.curves {
                let wanted = match curve.as_str() {
                    "X25519" => rustls::NamedGroup::X25519,
                    "CurveP256" => rustls::NamedGroup::secp256r1,
                    "CurveP384" => rustls::NamedGroup::secp384r1,
                    "CurveP521" | "X25519MLKEM768" => continue,
                    other => return Err(format!("unknown curve: {other}")),
                };
                groups.extend(provider.kx_groups.iter().find(|g| g.name() == wanted));
            }
            if groups.is_empty() {
                return Err(
                    "none of curve_preferences is supported; use X25519, CurveP256 or CurveP384"
                        .into(),
                );
            }
            provider.kx_groups = groups;
        }
        Ok(())
    }

    fn client_auth(
        &self,
        material: &Material,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        let (verify, required) = match self.client_auth.as_str() {
            "" | "NoClientCert" => {
                if !material.client_ca.is_empty() {
                    return Err(
                        "client CA's have been configured without a Client Auth Policy".into()
                    );
                }
                return Ok(None);
            }
            "RequestClientCert" => (false, false),
            "RequireAnyClientCert" | "RequireClientCert" => (false, true),
            "VerifyClientCertIfGiven" => (true, false),
            "RequireAndVerifyClientCert" => (true, true),
            other => return Err(format!("invalid ClientAuth: {other}")),
        };
        let named = |verifier: Arc<dyn ClientCertVerifier>| match &self.allowed_sans {
            Some(allowed) => Arc::new(NamedClient::new(verifier, allowed.clone())),
            None => verifier,
        };
        if !verify {
            return Ok(Some(named(Arc::new(AnyClient { provider, required }))));
        }
        let mut roots = RootCertStore::empty();
        if material.client_ca.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        } else {
            roots.add_parsable_certificates(certificates(&material.client_ca)?);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|err| format!("client_ca: {err}"))?;
        Ok(Some(named(verifier)))
    }
}

/// The PEM texts of a TLS configuration.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Material {
    cert: String,
    key: String,
    client_ca: String,
}

/// Takes any client certificate, or insists on one, without looking at who signed it.
#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
    required: bool,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
