//! `tls_config`: whom to trust and what to show.

use std::borrow::Cow;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::{Secret, join_dir};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl TlsVersion {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Tls10, "TLS10"),
        (Self::Tls11, "TLS11"),
        (Self::Tls12, "TLS12"),
        (Self::Tls13, "TLS13"),
    ];
}

impl FromYaml for TlsVersion {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(version, _)| *version);
        if found.is_none() {
            cx.problem(node.position(), format!("unknown TLS version: {text}"));
        }
        found
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for TlsVersion {
    fn to_yaml(&self) -> Value {
        let name = Self::ALL.iter().find(|(v, _)| v == self).map_or("", |(_, name)| *name);
        Value::Str(name.to_owned())
    }
}

/// How a client speaks TLS. Certificates and keys are PEM, in place or in files that are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    pub ca: String,
    pub cert: String,
    pub key: Secret,
    pub ca_file: String,
    pub cert_file: String,
    pub key_file: String,
    /// Name to check the server's certificate against; empty: the host.
    pub server_name: String,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

impl TlsConfig {
    /// Whether nothing was configured.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub fn set_directory(&mut self, dir: &str) {
        join_dir(dir, &mut self.ca_file);
        join_dir(dir, &mut self.cert_file);
        join_dir(dir, &mut self.key_file);
    }

    fn validate(&self) -> Result<(), &'static str> {
        let has_cert = !self.cert.is_empty() || !self.cert_file.is_empty();
        let has_key = !self.key.is_empty() || !self.key_file.is_empty();
        if !self.ca.is_empty() && !self.ca_file.is_empty() {
            return Err("at most one of ca, ca_file & ca_ref must be configured");
        }
        if !self.cert.is_empty() && !self.cert_file.is_empty() {
            return Err("at most one of cert, cert_file & cert_ref must be configured");
        }
        if !self.key.is_empty() && !self.key_file.is_empty() {
            return Err("at most one of key and key_file must be configured");
        }
        if has_cert && !has_key {
            return Err(
                "exactly one of key or key_file must be configured when a client certificate is configured",
            );
        }
        if has_key && !has_cert {
            return Err(
                "exactly one of cert or cert_file must be configured when a client key is configured",
            );
        }
        if self.min_version.zip(self.max_version).is_some_and(|(min, max)| min > max) {
            return Err(
                "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
            );
        }
        Ok(())
    }
}

impl FromYaml for TlsConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let tls = Self {
            ca: map.take_default(cx, "ca"),
            cert: map.take_default(cx, "cert"),
            key: map.take_default(cx, "key"),
            ca_file: map.take_default(cx, "ca_file"),
            cert_file: map.take_default(cx, "cert_file"),
            key_file: map.take_default(cx, "key_file"),
            server_name: map.take_default(cx, "server_name"),
            insecure_skip_verify: map.take_default(cx, "insecure_skip_verify"),
            min_version: map.take(cx, "min_version"),
            max_version: map.take(cx, "max_version"),
        };
        if let Err(reason) = tls.validate() {
            cx.problem(map.position(), reason);
        }
        map.finish(cx).then_some(tls)
    }

    fn go_type() -> Cow<'static, str> {
        "config.plain".into()
    }
}

impl ToYaml for TlsConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("ca", &self.ca)
            .put_nonzero("cert", &self.cert)
            .put_nonzero("key", &self.key)
            .put_nonzero("ca_file", &self.ca_file)
            .put_nonzero("cert_file", &self.cert_file)
            .put_nonzero("key_file", &self.key_file)
            .put_nonzero("server_name", &self.server_name)
            .put("insecure_skip_verify", self.insecure_skip_verify)
            .put_some("min_version", self.min_version)
            .put_some("max_version", self.max_version)
            .build()
    }
}
