//! `--objstore.config`: the YAML that Thanos takes. `{type, config, prefix}`; unknown keys are refused with line and column.
//!
//! Providers FILESYSTEM and S3 are built; the peer's others are known by name and refused with it. Of S3's fields those that
//! cannot be honoured are refused where they ask for something, never ignored. Secrets do not print.

use std::sync::Arc;

use gauntlet_yaml::{Context, Dialect, Document, FromYaml, Mapping, Node, Problems};

use crate::bucket::Bucket;
use crate::filesystem::Filesystem;
use crate::prefix::Prefixed;
use crate::retry::{RetryPolicy, Retrying};
use crate::s3::S3Config;

/// Providers that the peer has and this program has not.
const FOREIGN: [&str; 8] = ["GCS", "AZURE", "SWIFT", "COS", "ALIYUNOSS", "BOS", "OCI", "OBS"];

/// A bucket's whole configuration.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    pub provider: Provider,
    /// Put before every name; slashes around it do not matter.
    pub prefix: String,
}

/// A provider with its own fields.
#[derive(Clone, Debug)]
pub enum Provider {
    Filesystem { directory: String },
    S3(Box<S3Config>),
}

/// Why a configuration gives no bucket.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("parsing objstore config YAML: {0}")]
    Yaml(#[from] Problems),
    #[error("objstore config is empty")]
    Empty,
    #[error("create {provider} client: {reason}")]
    Client { provider: &'static str, reason: String },
}

impl BucketConfig {
    /// Reads the YAML text. Environment references must be expanded before.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let document = Document::parse(text, Dialect::V2).map_err(Problems::from)?;
        let Some(root) = document.root() else { return Err(ConfigError::Empty) };
        let mut cx = Context::new();
        let config = Self::from_yaml(root, &mut cx);
        Ok(cx.finish(config)?)
    }

    /// The bucket, with its prefix and with calls tried again. Opens no connection yet.
    pub fn build(&self, policy: RetryPolicy) -> Result<Arc<dyn Bucket>, ConfigError> {
        let bucket: Arc<dyn Bucket> = match &self.provider {
            Provider::Filesystem { directory } => Arc::new(Filesystem::new(directory)),
            Provider::S3(config) => Arc::new(config.build()?),
        };
        Ok(Prefixed::wrap(Arc::new(Retrying::new(bucket, policy)), &self.prefix))
    }
}

impl FromYaml for BucketConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut mapping = Mapping::read(node, "client.BucketConfig", cx)?;
        let kind: String = mapping.take_default(cx, "type");
        let prefix: String = mapping.take_default(cx, "prefix");
        let inner = mapping.node("config");
        let upper = kind.to_ascii_uppercase();
        let provider = match upper.as_str() {
            "FILESYSTEM" => {
                let read = |cx: &mut Context| filesystem(inner?, cx);
                cx.in_key("config", read)
            }
            "S3" => {
                let read = |cx: &mut Context| S3Config::from_yaml(inner?, cx);
                cx.in_key("config", read).map(|config| Provider::S3(Box::new(config)))
            }
            "" => {
                mapping.problem(cx, "type", "type of bucket is missing: FILESYSTEM or S3");
                None
            }
            foreign if FOREIGN.contains(&foreign) => {
                let text = format!(
                    "bucket type {foreign} is not supported here, FILESYSTEM and S3 are; \
                     many such stores speak S3 at an endpoint of their own"
                );
                mapping.problem(cx, "type", text);
                None
            }
            _ => {
                mapping.problem(cx, "type", format!("bucket with type {kind} is not supported"));
                None
            }
        };
        if provider.is_none() && cx.is_empty() {
            mapping.problem(cx, "config", format!("config of the {upper} bucket is missing"));
        }
        mapping.finish(cx);
        Some(Self { provider: provider?, prefix })
    }

    fn go_type() -> std::borrow::Cow<'static, str> {
        "client.BucketConfig".into()
    }
}

fn filesystem(node: Node<'_>, cx: &mut Context) -> Option<Provider> {
    let mut mapping = Mapping::read(node, "filesystem.Config", cx)?;
    let directory: String = mapping.take_default(cx, "directory");
    if directory.is_empty() {
        mapping.problem(cx, "directory", "missing directory for filesystem bucket");
    }
    mapping.finish(cx);
    (!directory.is_empty()).then_some(Provider::Filesystem { directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, error: &str) {
        let err = BucketConfig::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(err.contains(error), "{err}");
    }

    #[test]
    fn a_folder_is_read_whatever_the_case_of_its_type() {
        let text = b"type: filesystem\nconfig:\n  directory: /data\nprefix: /a/b/\n";
        let config = BucketConfig::parse(text).unwrap();
        assert!(
            matches!(&config.provider, Provider::Filesystem { directory } if directory == "/data")
        );
        config.build(RetryPolicy::default()).unwrap();
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        check("", "empty");
        check("type: GCS\nconfig: {bucket: b}\n", "GCS is not supported here");
        check("type: TAPE\n", "bucket with type TAPE is not supported");
        check("type: FILESYSTEM\nconfig: {}\n", "missing directory");
        check("type: FILESYSTEM\n", "config of the FILESYSTEM bucket is missing");
        check("type: FILESYSTEM\nconfig: {directory: a, dir: b}\n", "2:24: field dir not found");
        check(
            "type: S3\nconfig: {bucket: b, endpoint: e, signature_version2: true}\n",
            "signature_version2",
        );
        check("type: S3\nconfig: {bucket: b}\n", "no s3 endpoint");
        check("type: S3\nconfig: {bucket: b, endpoint: e, trace: {enable: true}}\n", "trace");
        check("type: S3\nconfig: {bucket: b, endpoint: e, list_objects_version: v1}\n", "v1");
        check(
            "type: S3\nconfig: {bucket: b, endpoint: e, aws_sdk_auth: true, access_key: k, secret_key: s}\n",
            "aws_sdk_auth and access_key are mutually exclusive",
        );
        check("type: S3\nconfig: {bucket: b, endpoint: e, access_key: k}\n", "no s3 secret_key");
        check("type: S3\nconfig: {bucket: b, endpoint: e, sse_config: {type: SSE-X}}\n", "SSE-X");
    }

    #[test]
    fn every_field_of_s3_is_known() {
        let text = "
type: S3
config:
  bucket: metrics
  endpoint: 127.0.0.1:9000
  region: eu-west-1
  disable_dualstack: false
  aws_sdk_auth: false
  access_key: key
  secret_key: hidden
  session_token: ''
  insecure: true
  signature_version2: false
  put_user_metadata: {X-Amz-Storage-Class: STANDARD_IA, team: a}
  http_config:
    idle_conn_timeout: 1m30s
    response_header_timeout: 2m
    insecure_skip_verify: false
    tls_handshake_timeout: 10s
    expect_continue_timeout: 1s
    max_idle_conns: 100
    max_idle_conns_per_host: 100
    max_conns_per_host: 0
    tls_config: {ca_file: '', cert_file: '', key_file: '', server_name: '', insecure_skip_verify: false}
    disable_compression: false
  trace: {enable: false}
  list_objects_version: ''
  bucket_lookup_type: auto
  send_content_md5: true
  disable_multipart: false
  part_size: 67108864
  sse_config: {type: '', kms_key_id: '', kms_encryption_context: {}, encryption_key: ''}
  sts_endpoint: ''
  max_retries: 0
prefix: ''
";
        let config = BucketConfig::parse(text.as_bytes()).unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        config.build(RetryPolicy::default()).unwrap();
    }
}
