//! `--endpoint.sd-config`: which stores to ask and how, as Thanos has it. Unknown keys are refused with line and column.
//! Left out: `group` and `service_config` (balancing inside gRPC), and TLS that verifies nothing; all three are refused.

use std::borrow::Cow;

use gauntlet_yaml::{Context, Dialect, Document, FromYaml, Mapping, Node, Problems};

use crate::endpoints::{ClientSettings, EndpointSpec};
use crate::grpc::ClientTls;
use crate::remote::Compression;

/// Why a file gives no endpoints.
#[derive(Debug, thiserror::Error)]
pub enum SdConfigError {
    #[error("parsing endpoint config YAML: {0}")]
    Yaml(#[from] Problems),
    #[error("{path}: {err}")]
    Read { path: String, err: std::io::Error },
    #[error("endpoint {address}: {reason}")]
    Endpoint { address: String, reason: &'static str },
}

#[derive(Clone, Debug, Default)]
struct TlsFiles {
    enabled: bool,
    cert_file: String,
    key_file: String,
    ca_file: String,
}

#[derive(Clone, Debug, Default)]
struct Client {
    tls: TlsFiles,
    server_name: String,
    compression: Option<Compression>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    address: String,
    strict: bool,
    client: Client,
}

#[derive(Clone, Debug)]
struct File {
    default: Client,
    endpoints: Vec<Endpoint>,
}

/// Reads the YAML and the certificates that it names.
pub fn parse(text: &[u8]) -> Result<Vec<EndpointSpec>, SdConfigError> {
    let document = Document::parse(text, Dialect::V2).map_err(Problems::from)?;
    let Some(root) = document.root() else { return Ok(Vec::new()) };
    let mut cx = Context::new();
    let file = File::from_yaml(root, &mut cx);
    let file = cx.finish(file)?;
    file.endpoints.iter().map(|endpoint| spec(endpoint, &file.default)).collect()
}

fn spec(endpoint: &Endpoint, default: &Client) -> Result<EndpointSpec, SdConfigError> {
    let refuse =
        |reason| Err(SdConfigError::Endpoint { address: endpoint.address.clone(), reason });
    if endpoint.address.is_empty() {
        return refuse("address is missing");
    }
    if endpoint.strict && endpoint.address.contains('+') {
        return refuse("a dynamically specified endpoint cannot be strict");
    }
    let (own, default_tls) = (&endpoint.client, &default.tls);
    let or =
        |own: &str, default: &str| if own.is_empty() { default.to_owned() } else { own.to_owned() };
    let cert = or(&own.tls.cert_file, &default_tls.cert_file);
    let key = or(&own.tls.key_file, &default_tls.key_file);
    let ca = or(&own.tls.ca_file, &default_tls.ca_file);
    let named = [&cert, &key, &ca].iter().any(|path| !path.is_empty());
    let tls = if own.tls.enabled || default_tls.enabled || named {
        if ca.is_empty() {
            return refuse("tls_config needs a ca_file: the system's own are not read");
        }
        if cert.is_empty() != key.is_empty() {
            return refuse("cert_file and key_file go together");
        }
        let server_name = or(&own.server_name, &default.server_name);
        let identity_pem = if cert.is_empty() { None } else { Some((read(&cert)?, read(&key)?)) };
        Some(ClientTls {
            ca_pem: read(&ca)?,
            identity_pem,
            server_name: (!server_name.is_empty()).then_some(server_name),
        })
    } else {
        None
    };
    let compression = own.compression.or(default.compression).unwrap_or_default();
    Ok(EndpointSpec {
        address: endpoint.address.clone(),
        strict: endpoint.strict,
        client: Some(ClientSettings { compression, tls }),
    })
}

fn read(path: &str) -> Result<Vec<u8>, SdConfigError> {
    std::fs::read(path).map_err(|err| SdConfigError::Read { path: path.to_owned(), err })
}

impl FromYaml for File {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "main.EndpointConfig", cx)?;
        let default = m.take(cx, "default_client_config").unwrap_or_default();
        let endpoints = m.take_default(cx, "endpoints");
        m.finish(cx);
        Some(Self { default, endpoints })
    }

    fn go_type() -> Cow<'static, str> {
        "main.EndpointConfig".into()
    }
}

impl FromYaml for Endpoint {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "main.EndpointSpec", cx)?;
        let this = Self {
            address: m.take_default(cx, "address"),
            strict: m.take_default(cx, "strict"),
            client: m.take(cx, "client_config").unwrap_or_default(),
        };
        if m.take_default(cx, "group") {
            m.problem(cx, "group", "endpoint groups are not supported: list the endpoints, or a dns+ address of all of them");
        }
        if m.node("service_config").is_some() {
            m.problem(cx, "service_config", "service_config is not supported");
        }
        m.finish(cx);
        Some(this)
    }

    fn go_type() -> Cow<'static, str> {
        "main.EndpointSpec".into()
    }
}

impl FromYaml for Client {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "main.clientConfig", cx)?;
        let mut this = Self {
            tls: m.take(cx, "tls_config").unwrap_or_default(),
            server_name: m.take_default(cx, "server_name"),
            compression: None,
        };
        let compression: String = m.take_default(cx, "compression");
        this.compression = match compression.as_str() {
            "" => None,
            "none" => Some(Compression::None),
            "snappy" => Some(Compression::Snappy),
            _ => {
                m.problem(
                    cx,
                    "compression",
                    format!("unknown compression \"{compression}\": none or snappy"),
                );
                None
            }
        };
        m.finish(cx);
        Some(this)
    }

    fn go_type() -> Cow<'static, str> {
        "main.clientConfig".into()
    }
}

impl FromYaml for TlsFiles {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "main.tlsConfig", cx)?;
        let this = Self {
            enabled: m.take_default(cx, "enabled"),
            cert_file: m.take_default(cx, "cert_file"),
            key_file: m.take_default(cx, "key_file"),
            ca_file: m.take_default(cx, "ca_file"),
        };
        if m.take_default(cx, "insecure_skip_verify") {
            m.problem(
                cx,
                "insecure_skip_verify",
                "insecure_skip_verify is not supported: name the CA in ca_file",
            );
        }
        let version: String = m.take_default(cx, "min_version");
        if !matches!(version.as_str(), "" | "1.2" | "1.3") {
            m.problem(cx, "min_version", format!("TLS {version} is not supported: 1.2 or 1.3"));
        }
        m.finish(cx);
        Some(this)
    }

    fn go_type() -> Cow<'static, str> {
        "main.tlsConfig".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_take_what_they_lack_from_the_default() {
        let text = b"
default_client_config: {compression: snappy}
endpoints:
- address: 127.0.0.1:10901
  strict: true
- address: dns+stores:10901
  client_config: {compression: none}
";
        let specs = parse(text).unwrap();
        let of = |i: usize| {
            let client = specs[i].client.clone().unwrap();
            (specs[i].address.as_str(), specs[i].strict, client.compression)
        };
        assert_eq!(of(0), ("127.0.0.1:10901", true, Compression::Snappy));
        assert_eq!(of(1), ("dns+stores:10901", false, Compression::None));
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let check = |text: &str, error: &str| {
            let err = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(err.contains(error), "{err}");
        };
        check("endpoints: [{address: dns+a:1, strict: true}]", "cannot be strict");
        check("endpoints: [{address: a:1, group: true}]", "endpoint groups are not supported");
        check("endpoints: [{adress: a:1}]", "1:14: field adress not found");
        check(
            "endpoints: [{address: a:1, client_config: {tls_config: {enabled: true}}}]",
            "ca_file",
        );
        check("endpoints: [{address: a:1, client_config: {compression: zstd}}]", "zstd");
        check(
            "endpoints: [{address: a:1, client_config: {tls_config: {insecure_skip_verify: true}}}]",
            "insecure_skip_verify",
        );
        check(
            "endpoints: [{address: a:1, client_config: {tls_config: {ca_file: /nowhere}}}]",
            "/nowhere",
        );
    }
}
