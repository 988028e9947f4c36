//! TLS for gRPC, both ends: PEM in, tonic's settings out. Reading and watching files is the caller's business.
//! Left out: trusting no one (`skip-verify`) and the system's own roots; a client names the CA it trusts.

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::StoreError;

/// A server's certificate and key, and the CA that clients must have theirs from, if any.
#[derive(Clone)]
pub struct ServerTls {
    pub certificate_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
    pub client_ca_pem: Option<Vec<u8>>,
}

/// Whom a client trusts, and what it shows of itself.
#[derive(Clone)]
pub struct ClientTls {
    pub ca_pem: Vec<u8>,
    /// Certificate and key.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// Checked instead of the address's host.
    pub server_name: Option<String>,
}

impl ServerTls {
    pub(crate) fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate_pem, &self.key_pem);
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_ca_pem {
            Some(ca) => config.client_ca_root(Certificate::from_pem(ca)),
            None => config,
        }
    }
}

impl ClientTls {
    pub(crate) fn config(&self) -> Result<ClientTlsConfig, StoreError> {
        if self.ca_pem.is_empty() {
            let text = "gRPC over TLS needs the CA that signed the server's certificate";
            return Err(StoreError::InvalidArgument(text.to_owned()));
        }
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.ca_pem));
        if let Some((certificate, key)) = &self.identity_pem {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        Ok(config)
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("client_ca", &self.client_ca_pem.is_some())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
