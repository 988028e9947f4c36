//! `sigv4`: requests signed for AWS.

use std::borrow::Cow;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use super::Secret;

/// How to sign. Empty fields come from the environment, as AWS's own tools find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigV4Config {
    pub region: String,
    pub access_key: String,
    pub secret_key: Secret,
    pub profile: String,
    pub role_arn: String,
    pub external_id: String,
    pub use_fips_sts_endpoint: bool,
    pub service_name: String,
}

impl FromYaml for SigV4Config {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "sigv4.plain", cx)?;
        let sigv4 = Self {
            region: map.take_default(cx, "region"),
            access_key: map.take_default(cx, "access_key"),
            secret_key: map.take_default(cx, "secret_key"),
            profile: map.take_default(cx, "profile"),
            role_arn: map.take_default(cx, "role_arn"),
            external_id: map.take_default(cx, "external_id"),
            use_fips_sts_endpoint: map.take_default(cx, "use_fips_sts_endpoint"),
            service_name: map.take_default(cx, "service_name"),
        };
        if sigv4.access_key.is_empty() != sigv4.secret_key.is_empty() {
            let reason = "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config";
            cx.problem(map.position(), reason);
        }
        if !sigv4.external_id.is_empty() && sigv4.role_arn.is_empty() {
            map.problem(cx, "external_id", "external_id can only be used with role_arn");
        }
        map.finish(cx).then_some(sigv4)
    }

    fn go_type() -> Cow<'static, str> {
        "sigv4.plain".into()
    }
}

impl ToYaml for SigV4Config {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put_nonzero("region", &self.region)
            .put_nonzero("access_key", &self.access_key)
            .put_nonzero("secret_key", &self.secret_key)
            .put_nonzero("profile", &self.profile)
            .put_nonzero("role_arn", &self.role_arn)
            .put_nonzero("external_id", &self.external_id)
            .put_nonzero("use_fips_sts_endpoint", self.use_fips_sts_endpoint)
            .put_nonzero("service_name", &self.service_name)
            .build()
    }
}
