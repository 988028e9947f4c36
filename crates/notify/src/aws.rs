//! Keys for AWS: those of the configuration or the environment; all else comes from whoever the process knows for it.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use gauntlet_net::config::{Secret, SigV4Config};

/// Keys that requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKeys {
    pub access_key: String,
    pub secret_key: Secret,
    /// Keys that expire come with one.
    pub session_token: Option<Secret>,
}

/// Finds keys where neither the configuration nor the environment has them: profiles, roles to take on, those of the machine. Keeps
/// them as long as they are good; called for every notification.
pub trait AwsKeySource: fmt::Debug + Send + Sync {
    fn keys<'a>(
        &'a self,
        sigv4: &'a SigV4Config,
        region: &'a str,
    ) -> BoxFuture<'a, Result<AwsKeys, String>>;
}

/// Where the keys of one integration come from.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Given(AwsKeys),
    Source(Arc<dyn AwsKeySource>, SigV4Config),
}

/// What to do instead of what is refused.
const INSTEAD: &str = "set sigv4.access_key and sigv4.secret_key, or the environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Keys {
    /// Errs by name on what only a source could do, if there is none.
    pub(crate) fn new(
        sigv4: &SigV4Config,
        source: Option<&Arc<dyn AwsKeySource>>,
    ) -> Result<Self, String> {
        let direct = sigv4.profile.is_empty() && sigv4.role_arn.is_empty();
        if direct && !sigv4.access_key.is_empty() {
            let (access_key, secret_key) = (sigv4.access_key.clone(), sigv4.secret_key.clone());
            return Ok(Self::Given(AwsKeys { access_key, secret_key, session_token: None }));
        }
        if let Some(source) = source {
            return Ok(Self::Source(Arc::clone(source), sigv4.clone()));
        }
        for (key, value) in [("profile", &sigv4.profile), ("role_arn", &sigv4.role_arn)] {
            if !value.is_empty() {
                return Err(format!("sns_configs: sigv4.{key} is not supported; {INSTEAD}"));
            }
        }
        let missing = || format!("sns_configs: no credentials; {INSTEAD}");
        Ok(Self::Given(AwsKeys {
            access_key: variable("AWS_ACCESS_KEY_ID").ok_or_else(missing)?,
            secret_key: Secret::new(variable("AWS_SECRET_ACCESS_KEY").ok_or_else(missing)?),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
        }))
    }

    /// The keys to sign with now.
    pub(crate) async fn get(&self, region: &str) -> Result<AwsKeys, String> {
        match self {
            Self::Given(keys) => Ok(keys.clone()),
            Self::Source(source, sigv4) => source.keys(sigv4, region).await,
        }
    }
}

/// The region as configured, or that of the environment.
pub(crate) fn region(sigv4: &SigV4Config) -> Result<String, String> {
    Some(sigv4.region.clone())
        .filter(|region| !region.is_empty())
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .ok_or_else(|| {
            "region not configured in sns.sigv4.region or in default credentials chain".to_owned()
        })
}
