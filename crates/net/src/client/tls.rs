//! TLS of a client: whom to trust, what to show. Files are read again for every new connection; equal bytes reuse what was built of them.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::error::{ClientError, Stage, io_text};
use crate::config::TlsConfig;
use crate::tls_versions;

/// Builds TLS configurations of one client.
pub(crate) struct ClientTls {
    config: TlsConfig,
    http2: bool,
    built: Mutex<Option<Built>>,
}

#[derive(Clone)]
struct Built {
    pem: Pem,
    config: Arc<ClientConfig>,
}

/// The PEM texts that a configuration is built of.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    ca: String,
    cert: String,
    key: String,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ClientTls {
    pub(crate) fn new(config: &TlsConfig, http2: bool) -> Result<Self, ClientError> {
        tls_versions(config.min_version, config.max_version).map_err(ClientError::config)?;
        Ok(Self { config: config.clone(), http2, built: Mutex::new(None) })
    }

    /// The name to check the certificate against, if it is not the host's.
    pub(crate) fn server_name(&self) -> Option<&str> {
        Some(self.config.server_name.as_str()).filter(|name| !name.is_empty())
    }

    pub(crate) async fn config(&self) -> Result<Arc<ClientConfig>, ClientError> {
        let pem = Pem {
            ca: text_or_file(&self.config.ca, &self.config.ca_file, "CA cert").await?,
            cert: text_or_file(&self.config.cert, &self.config.cert_file, "client cert").await?,
            key: text_or_file(self.config.key.expose(), &self.config.key_file, "client key")
                .await?,
        };
        if let Some(built) = &*self.built.lock()
            && built.pem == pem
        {
            return Ok(Arc::clone(&built.config));
        }
        let config = Arc::new(self.build(&pem)?);
        *self.built.lock() = Some(Built { pem, config: Arc::clone(&config) });
        Ok(config)
    }

    fn build(&self, pem: &Pem) -> Result<ClientConfig, ClientError> {
        let fail = |message: String| ClientError::new(Stage::Tls, message);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = tls_versions(self.config.min_version, self.config.max_version)
            .map_err(ClientError::config)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|err| fail(err.to_string()))?;
        let builder = if self.config.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnyone(provider)))
        } else {
            builder.with_root_certificates(self.roots(pem)?)
        };
        let mut config = if pem.cert.is_empty() {
            builder.with_no_client_auth()
        } else {
            let certs = certificates(&pem.cert)
                .map_err(|err| fail(format!("unable to use specified client cert: {err}")))?;
            let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes())
                .map_err(|err| fail(format!("unable to use specified client key: {err}")))?;
            builder
                .with_client_auth_cert(certs, key)
                .map_err(|err| fail(format!("unable to use specified client cert: {err}")))?
        };
        if self.http2 {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Ok(config)
    }

    fn roots(&self, pem: &Pem) -> Result<RootCertStore, ClientError> {
        let mut roots = RootCertStore::empty();
        if pem.ca.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            return Ok(roots);
        }
        let unusable = || {
            ClientError::new(
                Stage::Tls,
                format!("unable to use specified CA cert {}", self.config.ca_file),
            )
        };
        let certs = certificates(&pem.ca).map_err(|_| unusable())?;
        if certs.is_empty() {
            return Err(unusable());
        }
        roots.add_parsable_certificates(certs);
        Ok(roots)
    }
}

pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|err| err.to_string())
}

async fn text_or_file(text: &str, path: &str, what: &str) -> Result<String, ClientError> {
    if path.is_empty() {
        return Ok(text.to_owned());
    }
    tokio::fs::read_to_string(path).await.map_err(|err| {
        let message = format!("unable to load specified {what} {path}: {}", io_text(&err));
        ClientError::new(Stage::Tls, message)
    })
}

/// `insecure_skip_verify`: any certificate will do; signatures are still checked.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
