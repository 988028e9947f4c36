//! `azuread`: tokens of Microsoft's identity platform, five ways to get one.

use std::borrow::Cow;

use gauntlet_net::config::Secret;
use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

/// Where a workload identity's token lies unless configured.
pub(crate) const TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// One way to get a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureCredential {
    ManagedIdentity {
        client_id: String,
    },
    WorkloadIdentity {
        client_id: String,
        tenant_id: String,
        token_file_path: String,
    },
    OAuth {
        client_id: String,
        client_secret: Secret,
        tenant_id: String,
    },
    Sdk {
        tenant_id: String,
    },
    Certificate {
        client_id: String,
        tenant_id: String,
        certificate_path: String,
        certificate_key_path: String,
        certificate_password: Secret,
        send_certificate_chain: bool,
    },
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureAdConfig {
    pub credential: AzureCredential,
    pub cloud: String,
    pub scope: String,
}

impl FromYaml for AzureAdConfig {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "azuread.plain", cx)?;
        let mut found: Vec<Option<AzureCredential>> = Vec::new();
        for (key, read) in KINDS {
            if let Some(node) = map.node(key) {
                found.push(cx.in_key(key, |cx| read(node, cx)));
            }
        }
        let mut cloud: String = map.take_default(cx, "cloud");
        let scope: String = map.take_default(cx, "scope");
        if cloud.is_empty() {
            cloud = "AzurePublic".to_owned();
        }
        if !matches!(cloud.as_str(), "AzureChina" | "AzureGovernment" | "AzurePublic") {
            map.problem(cx, "cloud", "must provide a cloud in the Azure AD config");
        }
        match found.len() {
            0 => cx.problem(map.position(), "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth, Azure Certificate or Azure SDK in the Azure AD config"),
            1 => {}
            _ => cx.problem(map.position(), "cannot provide multiple authentication methods in the Azure AD config"),
        }
        let good =
            |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "_:/.-".contains(c);
        if !scope.chars().all(good) {
            map.problem(cx, "scope", "the provided scope contains invalid characters");
        }
        let credential = found.pop().flatten();
        map.finish(cx).then_some(Self { credential: credential?, cloud, scope })
    }

    fn go_type() -> Cow<'static, str> {
        "azuread.plain".into()
    }
}

type Reader = fn(Node<'_>, &mut Context) -> Option<AzureCredential>;

const KINDS: [(&str, Reader); 5] = [
    ("managed_identity", managed),
    ("workload_identity", workload),
    ("oauth", oauth),
    ("sdk", sdk),
    ("certificate", certificate),
];

fn managed(node: Node<'_>, cx: &mut Context) -> Option<AzureCredential> {
    let mut map = Mapping::read(node, "azuread.ManagedIdentityConfig", cx)?;
    let client_id: String = map.take_default(cx, "client_id");
    if !client_id.is_empty() && !is_uuid(&client_id) {
        map.problem(cx, "client_id", "the provided Azure Managed Identity client_id is invalid");
    }
    map.finish(cx).then_some(AzureCredential::ManagedIdentity { client_id })
}

fn workload(node: Node<'_>, cx: &mut Context) -> Option<AzureCredential> {
    let mut map = Mapping::read(node, "azuread.WorkloadIdentityConfig", cx)?;
    let client_id = required(&mut map, cx, "Workload Identity", "client_id", is_uuid);
    let tenant_id = required(&mut map, cx, "Workload Identity", "tenant_id", is_uuid);
    let mut token_file_path: String = map.take_default(cx, "token_file_path");
    if token_file_path.is_empty() {
        token_file_path = TOKEN_FILE.to_owned();
    }
    let credential = AzureCredential::WorkloadIdentity { client_id, tenant_id, token_file_path };
    map.finish(cx).then_some(credential)
}

fn oauth(node: Node<'_>, cx: &mut Context) -> Option<AzureCredential> {
    let mut map = Mapping::read(node, "azuread.OAuthConfig", cx)?;
    let client_id = required(&mut map, cx, "OAuth", "client_id", is_uuid);
    let client_secret: Secret = map.take_default(cx, "client_secret");
    if client_secret.is_empty() {
        let reason = "must provide an Azure OAuth client_secret in the Azure AD config";
        map.problem(cx, "client_secret", reason);
    }
    let tenant_id = required(&mut map, cx, "OAuth", "tenant_id", |_| true);
    map.finish(cx).then_some(AzureCredential::OAuth { client_id, client_secret, tenant_id })
}

fn sdk(node: Node<'_>, cx: &mut Context) -> Option<AzureCredential> {
    let mut map = Mapping::read(node, "azuread.SDKConfig", cx)?;
    let tenant_id = map.take_default(cx, "tenant_id");
    map.finish(cx).then_some(AzureCredential::Sdk { tenant_id })
}

fn certificate(node: Node<'_>, cx: &mut Context) -> Option<AzureCredential> {
    let mut map = Mapping::read(node, "azuread.CertificateConfig", cx)?;
    let credential = AzureCredential::Certificate {
        client_id: required(&mut map, cx, "Certificate", "client_id", is_uuid),
        tenant_id: required(&mut map, cx, "Certificate", "tenant_id", |_| true),
        certificate_path: required(&mut map, cx, "Certificate", "certificate_path", |_| true),
        certificate_key_path: map.take_default(cx, "certificate_key_path"),
        certificate_password: map.take_default(cx, "certificate_password"),
        send_certificate_chain: map.take_default(cx, "send_certificate_chain"),
    };
    map.finish(cx).then_some(credential)
}

/// A field that must be there and look right.
fn required(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    kind: &str,
    key: &str,
    valid: fn(&str) -> bool,
) -> String {
    let value: String = map.take_default(cx, key);
    if value.is_empty() {
        map.problem(cx, key, format!("must provide an Azure {kind} {key} in the Azure AD config"));
    } else if !valid(&value) {
        map.problem(cx, key, format!("the provided Azure {kind} {key} is invalid"));
    }
    value
}

/// 32 hexadecimal digits, with dashes in their places or without.
fn is_uuid(text: &str) -> bool {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let dashed =
        text.len() == 36 && [8, 13, 18, 23].into_iter().all(|at| text.as_bytes()[at] == b'-');
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && (dashed || text.len() == 32)
}

impl ToYaml for AzureAdConfig {
    fn to_yaml(&self) -> Value {
        let mut inner = MapBuilder::new();
        let key = match &self.credential {
            AzureCredential::ManagedIdentity { client_id } => {
                inner.put_nonzero("client_id", client_id);
                "managed_identity"
            }
            AzureCredential::WorkloadIdentity { client_id, tenant_id, token_file_path } => {
                inner
                    .put_nonzero("client_id", client_id)
                    .put_nonzero("tenant_id", tenant_id)
                    .put_nonzero("token_file_path", token_file_path);
                "workload_identity"
            }
            AzureCredential::OAuth { client_id, client_secret, tenant_id } => {
                inner
                    .put_nonzero("client_id", client_id)
                    .put_nonzero("client_secret", client_secret)
                    .put_nonzero("tenant_id", tenant_id);
                "oauth"
            }
            AzureCredential::Sdk { tenant_id } => {
                inner.put_nonzero("tenant_id", tenant_id);
                "sdk"
            }
            AzureCredential::Certificate {
                client_id,
                tenant_id,
                certificate_path,
                certificate_key_path,
                certificate_password,
                send_certificate_chain,
            } => {
                inner
                    .put_nonzero("client_id", client_id)
                    .put_nonzero("tenant_id", tenant_id)
                    .put_nonzero("certificate_path", certificate_path)
                    .put_nonzero("certificate_key_path", certificate_key_path)
                    .put_nonzero("certificate_password", certificate_password)
                    .put_nonzero("send_certificate_chain", *send_certificate_chain);
                "certificate"
            }
        };
        MapBuilder::new()
            .put(key, inner.build())
            .put_nonzero("cloud", &self.cloud)
            .put_nonzero("scope", &self.scope)
            .build()
    }
}
