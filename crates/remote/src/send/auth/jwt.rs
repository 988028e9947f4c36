//! JSON Web Tokens that are signed with a private RSA key, and such keys and certificates in PEM. Source: RFC 7515, RFC 7523.
//!
//! Left out: keys of other kinds and keys with a password, which are refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use serde_json::Value;

/// A part of a PEM text: what it is, and its bytes.
pub(super) type Part = (String, Vec<u8>);

/// The parts of a PEM text.
pub(super) fn pem(text: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut open) = (Vec::new(), None::<(String, String)>);
    for line in text.lines().map(str::trim) {
        let label = |start: &str| line.strip_prefix(start).and_then(|l| l.strip_suffix("-----"));
        if let Some(label) = label("-----BEGIN ") {
            open = Some((label.to_owned(), String::new()));
        } else if label("-----END ").is_some() {
            let Some((label, body)) = open.take() else { continue };
            let bytes = STANDARD.decode(body).map_err(|err| format!("bad {label}: {err}"))?;
            parts.push((label, bytes));
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
        }
    }
    Ok(parts)
}

/// The private key of a PEM text: PKCS #8 or PKCS #1.
pub(super) fn private_key(text: &str) -> Result<RsaKeyPair, String> {
    let parts = pem(text)?;
    let Some((label, der)) = parts.iter().find(|(label, _)| label.ends_with("PRIVATE KEY")) else {
        return Err("no private key".to_owned());
    };
    if label.starts_with("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("private keys with a password are not supported".to_owned());
    }
    let key = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
    key.map_err(|err| format!("bad private key: {err}"))
}

/// A token of two parts; the header's `alg` is `RS256` or `PS256`.
pub(super) fn signed(key: &RsaKeyPair, header: &Value, claims: &Value) -> Result<String, String> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let encoding: &'static dyn RsaEncoding =
        if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "cannot sign with the private key".to_owned())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
