//! JSON Web Tokens signed with RSA, as token endpoints take them instead of a secret (RFC 7515, RFC 7519).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512};
use ring::signature::{RsaEncoding, RsaKeyPair};

/// A key to sign with.
#[derive(Debug)]
pub struct RsaKey(RsaKeyPair);

/// Hash of a signature by PKCS #1 1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    /// By its name in tokens; `None` for others.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Rs384, Self::Rs512].into_iter().find(|known| known.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Rs256 => &RSA_PKCS1_SHA256,
            Self::Rs384 => &RSA_PKCS1_SHA384,
            Self::Rs512 => &RSA_PKCS1_SHA512,
        }
    }
}

impl RsaKey {
    /// A key in PEM, as PKCS #8 or PKCS #1, without passphrase.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let body: String =
            pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).map_err(|err| format!("bad private key: {err}"))?;
        let key = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
        key.map(Self).map_err(|err| format!("bad private key: {err}"))
    }

    /// The signature of a text.
    pub fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(algorithm.encoding(), &SystemRandom::new(), text, &mut signature)
            .map_err(|_| "cannot sign with the private key".to_owned())?;
        Ok(signature)
    }

    /// A token of these claims. An empty `key_id` is left out.
    pub fn token(
        &self,
        algorithm: Algorithm,
        key_id: &str,
        claims: &serde_json::Value,
    ) -> Result<String, String> {
        let mut header = serde_json::json!({ "alg": algorithm.name(), "typ": "JWT" });
        if !key_id.is_empty() {
            header["kid"] = key_id.into();
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let signature = self.sign(algorithm, text.as_bytes())?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A random name for a token (UUID version 4).
pub fn token_id() -> Result<String, String> {
    let bytes: [u8; 16] = ring::rand::generate(&SystemRandom::new())
        .map_err(|_| "no random numbers".to_owned())?
        .expose();
    let mut number = u128::from_be_bytes(bytes);
    number &= !(0xf000_u128 << 64 | 0xc000_u128 << 48);
    number |= 0x4000_u128 << 64 | 0x8000_u128 << 48;
    let hex = format!("{number:032x}");
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_their_version() {
        let id = token_id().unwrap();
        assert_eq!(id.len(), 36, "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!(["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
        assert_ne!(id, token_id().unwrap());
    }

    #[test]
    fn algorithms_have_names() {
        assert_eq!(Algorithm::of_name("RS384"), Some(Algorithm::Rs384));
        assert_eq!(Algorithm::of_name("HS256"), None);
        assert!(RsaKey::from_pem("x").unwrap_err().contains("bad private key"));
    }
}
