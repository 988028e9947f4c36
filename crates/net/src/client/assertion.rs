//! The grant of OAuth 2 that shows a signed assertion instead of a secret (RFC 7523): `grant_type: ...jwt-bearer`.
//!
//! The assertion says who asks, for whom, of what audience, and holds for ten minutes; configured claims are added and win. The key is
//! read each time one is made.

use std::collections::BTreeMap;

use gauntlet_runtime::Clock as _;
use serde_json::{Map, Value, json};

use super::auth::Source;
use super::error::ClientError;
use super::oauth2::push_pair;
use crate::config::{JWT_BEARER, OAuth2};
use crate::jwt::{Algorithm, RsaKey, token_id};

/// How long an assertion holds, in seconds.
const LIFE_SECONDS: i64 = 600;

/// Makes the forms that ask for tokens.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    key: Source,
    key_id: String,
    algorithm: Algorithm,
    issuer: String,
    subject: String,
    audience: String,
    scope: String,
    claims: Map<String, Value>,
    parameters: BTreeMap<String, String>,
}

impl Assertion {
    /// What a configuration with this grant asks for.
    pub(super) fn new(config: &OAuth2) -> Result<Self, ClientError> {
        for name in config.endpoint_params.keys() {
            if name == "assertion" || name == "scope" && !config.scopes.is_empty() {
                let message = format!("oauth2: cannot overwrite parameter {name:?}");
                return Err(ClientError::config(message));
            }
        }
        let claims = match config.claims.as_ref().map(json_of) {
            Some(Value::Object(claims)) => claims,
            _ => Map::new(),
        };
        let or = |own: &str, other: &str| if own.is_empty() { other } else { own }.to_owned();
        Ok(Self {
            key: Source::new(
                &config.client_certificate_key,
                &config.client_certificate_key_file,
                "client certificate key",
            ),
            key_id: config.client_certificate_key_id.clone(),
            algorithm: Algorithm::of_name(&config.signature_algorithm).unwrap_or(Algorithm::Rs256),
            issuer: or(&config.iss, &config.client_id),
            subject: config.client_id.clone(),
            audience: or(&config.audience, &config.token_url),
            scope: config.scopes.join(" "),
            claims,
            parameters: config.endpoint_params.clone(),
        })
    }

    /// The form of a request for a token.
    pub(super) async fn form(&self) -> Result<String, ClientError> {
        let key = RsaKey::from_pem(&self.key.read().await?).map_err(ClientError::config)?;
        let now = gauntlet_runtime::SystemClock.now_ms() / 1000;
        let claims = self.claims(now, &token_id().map_err(ClientError::config)?);
        let token =
            key.token(self.algorithm, &self.key_id, &claims).map_err(ClientError::config)?;
        let grant = self.parameters.get("grant_type").map_or(JWT_BEARER, String::as_str);
        let mut form = String::new();
        push_pair(&mut form, "grant_type", grant);
        push_pair(&mut form, "assertion", &token);
        if !self.scope.is_empty() {
            push_pair(&mut form, "scope", &self.scope);
        }
        for (name, value) in self.parameters.iter().filter(|(name, _)| *name != "grant_type") {
            push_pair(&mut form, name, value);
        }
        Ok(form)
    }

    fn claims(&self, now_seconds: i64, id: &str) -> Value {
        let mut claims = json!({
            "iss": self.issuer,
            "sub": self.subject,
            "jti": id,
            "aud": self.audience,
            "iat": now_seconds,
            "exp": now_seconds + LIFE_SECONDS,
        });
        if let Value::Object(claims) = &mut claims {
            if !self.scope.is_empty() {
                claims.insert("scope".to_owned(), json!(self.scope));
            }
            claims.extend(self.claims.clone());
        }
        claims
    }
}

/// A configured claim as JSON. Keys that are no text, and bytes, have no such form and are left out.
fn json_of(value: &gauntlet_yaml::Value) -> Value {
    use gauntlet_yaml::Value as Yaml;
    match value {
        Yaml::Null | Yaml::Bytes(_) => Value::Null,
        Yaml::Bool(flag) => json!(flag),
        Yaml::Int(number) => json!(number),
        Yaml::Uint(number) => json!(number),
        Yaml::Float(number) => json!(number),
        Yaml::Str(text) | Yaml::Timestamp(text) => json!(text),
        Yaml::Seq(items) | Yaml::Flow(items) => items.iter().map(json_of).collect(),
        Yaml::Map(pairs) => {
            let text = |key: &Yaml| match key {
                Yaml::Str(text) => Some(text.clone()),
                _ => None,
            };
            pairs.iter().filter_map(|(key, value)| Some((text(key)?, json_of(value)))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> OAuth2 {
        OAuth2 {
            client_id: "me".into(),
            token_url: "http://tokens/".into(),
            scopes: vec!["a".into(), "b".into()],
            ..OAuth2::default()
        }
    }

    #[test]
    fn claims_say_who_asks_and_configured_ones_win() {
        let mut config = config();
        let claims = Assertion::new(&config).unwrap().claims(1000, "id");
        assert_eq!(
            claims,
            json!({"iss": "me", "sub": "me", "jti": "id", "aud": "http://tokens/",
                "iat": 1000, "exp": 1600, "scope": "a b"})
        );
        config.iss = "other".into();
        config.audience = "them".into();
        config.scopes.clear();
        let text = |text: &str| gauntlet_yaml::Value::Str(text.into());
        let own = vec![
            (text("exp"), gauntlet_yaml::Value::Int(5)),
            (text("groups"), gauntlet_yaml::Value::Seq(vec![text("x"), text("y")])),
        ];
        config.claims = Some(gauntlet_yaml::Value::Map(own));
        let claims = Assertion::new(&config).unwrap().claims(1000, "id");
        assert_eq!(
            claims,
            json!({"iss": "other", "sub": "me", "jti": "id", "aud": "them",
                "iat": 1000, "exp": 5, "groups": ["x", "y"]})
        );
    }

    #[test]
    fn parameters_cannot_take_the_place_of_what_is_signed() {
        let mut config = config();
        config.endpoint_params.insert("scope".into(), "x".into());
        let err = Assertion::new(&config).unwrap_err().to_string();
        assert_eq!(err, "oauth2: cannot overwrite parameter \"scope\"");
        config.scopes.clear();
        assert!(Assertion::new(&config).is_ok());
    }
}
