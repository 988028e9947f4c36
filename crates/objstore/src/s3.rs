//! Provider S3: the peer's fields, checked, and the client made from them. Source: objstore `providers/s3`.
//!
//! Without keys the usual chain is asked: environment, web identity, container and instance metadata. Not read: the shared
//! credentials file. Content is signed, so the MD5 that `send_content_md5` asks for adds nothing and is not sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Once};
use std::time::Duration;

use base64::Engine as _;
use gauntlet_model::duration::Duration as ConfigDuration;
use gauntlet_yaml::{Context, FromYaml, Mapping, Node};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{Attribute, Attributes, BackoffConfig, Certificate, ClientOptions, RetryConfig};

use crate::config::ConfigError;
use crate::object::{ObjectStoreBucket, PART_SIZE_BYTES};

/// The request header that is a storage class rather than metadata.
const STORAGE_CLASS: &str = "x-amz-storage-class";

/// A text that does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "<secret>" })
    }
}

/// How the bucket's name goes into the URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// In the host name for Amazon's own endpoints, in the path for others.
    #[default]
    Auto,
    VirtualHosted,
    Path,
}

/// Encryption at rest, asked of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    #[default]
    None,
    SseS3,
    SseKms {
        key_id: String,
    },
    /// File with a key of 32 bytes.
    SseC {
        key_file: String,
    },
}

/// The fields of `config` for type S3.
#[derive(Clone, Debug)]
pub struct S3Config {
    pub bucket: String,
    /// Host and port, without a scheme.
    pub endpoint: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: Secret,
    pub session_token: Secret,
    /// Plain HTTP.
    pub insecure: bool,
    pub put_user_metadata: BTreeMap<String, String>,
    pub http: HttpConfig,
    pub lookup: Lookup,
    pub disable_multipart: bool,
    pub part_size_bytes: u64,
    pub encryption: Encryption,
    /// 0 leaves the number to the client.
    pub max_retries: u32,
}

/// The fields of `http_config` that the client honours.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub idle_conn_timeout: Duration,
    pub response_header_timeout: Duration,
    pub tls_handshake_timeout: Duration,
    pub max_idle_conns_per_host: u32,
    pub insecure_skip_verify: bool,
    pub ca_file: String,
}

impl S3Config {
    /// The bucket's client. Reads key and certificate files; opens no connection.
    pub fn build(&self) -> Result<ObjectStoreBucket, ConfigError> {
        let failed = |reason: String| ConfigError::Client { provider: "S3", reason };
        install_crypto();
        let scheme = if self.insecure { "http" } else { "https" };
        let amazon = self.endpoint.ends_with("amazonaws.com");
        let hosted = match self.lookup {
            Lookup::Auto => amazon,
            Lookup::VirtualHosted => true,
            Lookup::Path => false,
        };
        let host = if hosted {
            format!("{}.{}", self.bucket, self.endpoint)
        } else {
            self.endpoint.clone()
        };
        let region = if self.region.is_empty() { region_of(&self.endpoint) } else { &self.region };
        let base = if self.access_key.is_empty() {
            AmazonS3Builder::from_env()
        } else {
            AmazonS3Builder::new()
        };
        let mut builder = base
            .with_bucket_name(&self.bucket)
            .with_endpoint(format!("{scheme}://{host}"))
            .with_region(region)
            .with_allow_http(self.insecure)
            .with_virtual_hosted_style_request(hosted)
            .with_client_options(self.client_options().map_err(failed)?)
            .with_retry(RetryConfig {
                max_retries: if self.max_retries == 0 { 2 } else { self.max_retries as usize },
                retry_timeout: Duration::from_secs(60),
                backoff: BackoffConfig::default(),
            });
        if !self.access_key.is_empty() {
            builder = builder
                .with_access_key_id(&self.access_key)
                .with_secret_access_key(&self.secret_key.0);
            if !self.session_token.0.is_empty() {
                builder = builder.with_token(&self.session_token.0);
            }
        }
        builder = match &self.encryption {
            Encryption::None => builder,
            Encryption::SseS3 => {
                let key = AmazonS3ConfigKey::from_str("aws_server_side_encryption");
                builder.with_config(key.map_err(|err| failed(err.to_string()))?, "AES256")
            }
            Encryption::SseKms { key_id } => builder.with_sse_kms_encryption(key_id),
            Encryption::SseC { key_file } => {
                let key =
                    std::fs::read(key_file).map_err(|err| failed(format!("{key_file}: {err}")))?;
                if key.len() != 32 {
                    return Err(failed(format!(
                        "{key_file}: SSE-C key has {} bytes, not 32",
                        key.len()
                    )));
                }
                builder.with_ssec_encryption(base64::engine::general_purpose::STANDARD.encode(key))
            }
        };
        let store = builder.build().map_err(|err| failed(err.to_string()))?;
        let part_size = usize::try_from(self.part_size_bytes).unwrap_or(PART_SIZE_BYTES);
        Ok(ObjectStoreBucket::new(&self.bucket, Arc::new(store))
            .with_parts(part_size, !self.disable_multipart)
            .with_attributes(self.attributes()))
    }

    fn client_options(&self) -> Result<ClientOptions, String> {
        let http = &self.http;
        let mut options = ClientOptions::new()
            .with_allow_http(self.insecure)
            .with_timeout_disabled()
            .with_read_timeout(http.response_header_timeout)
            .with_connect_timeout(http.tls_handshake_timeout)
            .with_pool_idle_timeout(http.idle_conn_timeout)
            .with_pool_max_idle_per_host(http.max_idle_conns_per_host as usize)
            .with_allow_invalid_certificates(http.insecure_skip_verify);
        if !http.ca_file.is_empty() {
            let pem =
                std::fs::read(&http.ca_file).map_err(|err| format!("{}: {err}", http.ca_file))?;
            let found = Certificate::from_pem_bundle(&pem);
            for certificate in found.map_err(|err| format!("{}: {err}", http.ca_file))? {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        for (key, value) in &self.put_user_metadata {
            let attribute = if key.eq_ignore_ascii_case(STORAGE_CLASS) {
                Attribute::StorageClass
            } else {
                Attribute::Metadata(Cow::Owned(key.clone()))
            };
            attributes.insert(attribute, value.clone().into());
        }
        attributes
    }
}

/// The TLS provider is chosen once a process; a second choice is refused by rustls and does no harm.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The region in an endpoint of Amazon's, else the one that other servers expect.
fn region_of(endpoint: &str) -> &str {
    let region = endpoint.strip_prefix("s3.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    region.map_or("us-east-1", |region| region.trim_start_matches("dualstack."))
}

impl FromYaml for S3Config {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "s3.Config", cx)?;
        let before = cx.len();
        let mut config = Self {
            bucket: m.take_default(cx, "bucket"),
            endpoint: m.take_default(cx, "endpoint"),
            region: m.take_default(cx, "region"),
            access_key: m.take_default(cx, "access_key"),
            secret_key: Secret(m.take_default(cx, "secret_key")),
            session_token: Secret(m.take_default(cx, "session_token")),
            insecure: m.take_default(cx, "insecure"),
            put_user_metadata: m.take_default(cx, "put_user_metadata"),
            http: HttpConfig::default(),
            lookup: Lookup::Auto,
            disable_multipart: m.take_default(cx, "disable_multipart"),
            part_size_bytes: m.take_or(cx, "part_size", PART_SIZE_BYTES as u64),
            encryption: Encryption::None,
            max_retries: m.take_default(cx, "max_retries"),
        };
        // Dual-stack endpoints are the resolver's business; signatures cover the content without MD5.
        let _: bool = m.take_default(cx, "disable_dualstack");
        let _: bool = m.take_or(cx, "send_content_md5", true);
        let ambient: bool = m.take_default(cx, "aws_sdk_auth");
        if m.take_default(cx, "signature_version2") {
            m.problem(cx, "signature_version2", "signature_version2 is not supported");
        }
        let sts: String = m.take_default(cx, "sts_endpoint");
        if !sts.is_empty() {
            m.problem(
                cx,
                "sts_endpoint",
                "sts_endpoint is not supported: set AWS_ENDPOINT_URL_STS",
            );
        }
        let listing: String = m.take_default(cx, "list_objects_version");
        match listing.as_str() {
            "" | "v2" => {}
            "v1" => {
                m.problem(cx, "list_objects_version", "list_objects_version v1 is not supported")
            }
            _ => m.problem(cx, "list_objects_version", "list_objects_version is none of v1, v2"),
        }
        let lookup: String = m.take_default(cx, "bucket_lookup_type");
        config.lookup = match lookup.as_str() {
            "" | "auto" => Lookup::Auto,
            "virtual-hosted" => Lookup::VirtualHosted,
            "path" => Lookup::Path,
            _ => {
                let text = format!("unsupported bucket lookup type \"{lookup}\"");
                m.problem(cx, "bucket_lookup_type", text);
                Lookup::Auto
            }
        };
        if let Some(node) = m.node("trace") {
            cx.in_key("trace", |cx| refuse_trace(node, cx));
        }
        if let Some(node) = m.node("sse_config") {
            config.encryption =
                cx.in_key("sse_config", |cx| encryption(node, cx)).unwrap_or_default();
        }
        if let Some(http) = m.take(cx, "http_config") {
            config.http = http;
        }
        config.check(&m, ambient, cx);
        m.finish(cx);
        (cx.len() == before).then_some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "s3.Config".into()
    }
}

impl S3Config {
    fn check(&self, m: &Mapping<'_>, ambient: bool, cx: &mut Context) {
        if self.endpoint.is_empty() {
            m.problem(cx, "endpoint", "no s3 endpoint in config file");
        }
        if self.endpoint.contains("://") {
            m.problem(
                cx,
                "endpoint",
                "s3 endpoint has a scheme: give host and port, and `insecure: true` for http",
            );
        }
        if self.bucket.is_empty() {
            m.problem(cx, "bucket", "no s3 bucket in config file");
        }
        if ambient && !self.access_key.is_empty() {
            let text = "aws_sdk_auth and access_key are mutually exclusive configurations";
            m.problem(cx, "aws_sdk_auth", text);
        }
        if self.access_key.is_empty() && !self.secret_key.0.is_empty() {
            m.problem(
                cx,
                "secret_key",
                "no s3 access_key specified while secret_key is present in config file",
            );
        }
        if !self.access_key.is_empty() && self.secret_key.0.is_empty() {
            m.problem(
                cx,
                "access_key",
                "no s3 secret_key specified while access_key is present in config file",
            );
        }
    }
}

fn refuse_trace(node: Node<'_>, cx: &mut Context) -> Option<()> {
    let mut m = Mapping::read(node, "s3.TraceConfig", cx)?;
    if m.take_default(cx, "enable") {
        m.problem(cx, "enable", "trace is not supported: raise the log level instead");
    }
    m.finish(cx);
    Some(())
}

fn encryption(node: Node<'_>, cx: &mut Context) -> Option<Encryption> {
    let mut m = Mapping::read(node, "s3.SSEConfig", cx)?;
    let kind: String = m.take_default(cx, "type");
    let key_id: String = m.take_default(cx, "kms_key_id");
    let context: BTreeMap<String, String> = m.take_default(cx, "kms_encryption_context");
    let key_file: String = m.take_default(cx, "encryption_key");
    if !context.is_empty() {
        m.problem(cx, "kms_encryption_context", "kms_encryption_context is not supported");
    }
    let found = match kind.as_str() {
        "" => Some(Encryption::None),
        "SSE-S3" => Some(Encryption::SseS3),
        "SSE-KMS" if !key_id.is_empty() => Some(Encryption::SseKms { key_id }),
        "SSE-KMS" => {
            m.problem(cx, "type", "missing kms_key_id for the SSE-KMS type");
            None
        }
        "SSE-C" => Some(Encryption::SseC { key_file }),
        _ => {
            m.problem(cx, "type", format!("unsupported type \"{kind}\" was provided. Supported types are SSE-S3, SSE-KMS, SSE-C"));
            None
        }
    };
    m.finish(cx);
    found
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            idle_conn_timeout: Duration::from_secs(90),
            response_header_timeout: Duration::from_secs(120),
            tls_handshake_timeout: Duration::from_secs(10),
            max_idle_conns_per_host: 100,
            insecure_skip_verify: false,
            ca_file: String::new(),
        }
    }
}

impl FromYaml for HttpConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut m = Mapping::read(node, "exthttp.HTTPConfig", cx)?;
        let mut config = Self::default();
        config.idle_conn_timeout =
            duration(&mut m, cx, "idle_conn_timeout", config.idle_conn_timeout);
        config.response_header_timeout =
            duration(&mut m, cx, "response_header_timeout", config.response_header_timeout);
        config.tls_handshake_timeout =
            duration(&mut m, cx, "tls_handshake_timeout", config.tls_handshake_timeout);
        m.set(cx, "max_idle_conns_per_host", &mut config.max_idle_conns_per_host);
        m.set(cx, "insecure_skip_verify", &mut config.insecure_skip_verify);
        // Knobs of Go's transport that have no counterpart and change no outcome.
        let _ = duration(&mut m, cx, "expect_continue_timeout", Duration::ZERO);
        let _: u32 = m.take_default(cx, "max_idle_conns");
        let _: bool = m.take_default(cx, "disable_compression");
        if m.take_default::<u32>(cx, "max_conns_per_host") != 0 {
            m.problem(cx, "max_conns_per_host", "max_conns_per_host is not supported");
        }
        if let Some(node) = m.node("tls_config") {
            cx.in_key("tls_config", |cx| tls(node, &mut config, cx));
        }
        m.finish(cx);
        Some(config)
    }

    fn go_type() -> Cow<'static, str> {
        "exthttp.HTTPConfig".into()
    }
}

fn tls(node: Node<'_>, config: &mut HttpConfig, cx: &mut Context) -> Option<()> {
    let mut m = Mapping::read(node, "exthttp.TLSConfig", cx)?;
    config.ca_file = m.take_default(cx, "ca_file");
    config.insecure_skip_verify |= m.take_default::<bool>(cx, "insecure_skip_verify");
    for key in ["cert_file", "key_file", "server_name"] {
        if !m.take_default::<String>(cx, key).is_empty() {
            m.problem(cx, key, format!("{key} is not supported for S3"));
        }
    }
    m.finish(cx);
    Some(())
}

fn duration(m: &mut Mapping<'_>, cx: &mut Context, key: &str, default: Duration) -> Duration {
    match m.take::<ConfigDuration>(cx, key) {
        Some(given) => Duration::from_nanos(u64::try_from(given.as_ns()).unwrap_or(0)),
        None => default,
    }
}
