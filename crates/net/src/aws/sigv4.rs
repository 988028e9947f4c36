//! Signature version 4: proves a request to Amazon's services without sending the secret.
//!
//! Source: "Create a signed AWS API request", AWS IAM user guide. Bodies are signed whole.

use ring::{digest, hmac};

use crate::config::Secret;
use crate::percent::escape;
use crate::time::basic_utc_text;

/// Keys to sign with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub access_key: String,
    pub secret_key: Secret,
    /// Empty for keys that do not expire.
    pub session_token: Secret,
}

/// What is signed: a request without its credentials.
#[derive(Clone, Debug)]
pub struct Unsigned<'a> {
    pub method: &'a str,
    /// Host and port as the `host` header has them.
    pub host: &'a str,
    /// As it is sent.
    pub path: &'a str,
    /// Pairs, not escaped.
    pub query: &'a [(String, String)],
    /// Further headers to sign, names in lower case.
    pub headers: &'a [(&'a str, String)],
    pub body: &'a [u8],
}

/// Where a signature holds.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub region: &'a str,
    pub service: &'a str,
}

/// The headers that make a request a signed one: `authorization`, `x-amz-date` and, with a session, its token.
pub fn sign(
    request: &Unsigned<'_>,
    keys: &Keys,
    scope: Scope<'_>,
    now_ms: i64,
) -> Vec<(&'static str, String)> {
    let moment = basic_utc_text(now_ms);
    let day = &moment[..8];
    let mut headers: Vec<(&str, String)> = request.headers.to_vec();
    headers.push(("host", request.host.to_owned()));
    headers.push(("x-amz-date", moment.clone()));
    if !keys.session_token.is_empty() {
        headers.push(("x-amz-security-token", keys.session_token.expose().to_owned()));
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let shown: String = headers.iter().map(|(n, v)| format!("{n}:{}\n", v.trim())).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{shown}\n{names}\n{}",
        request.method,
        escape(request.path, b"/"),
        canonical_query(request.query),
        hex(digest::digest(&digest::SHA256, request.body).as_ref()),
    );
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    );
    let mut key = format!("AWS4{}", keys.secret_key.expose()).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.access_key
    );
    let mut out = vec![("authorization", authorization), ("x-amz-date", moment)];
    if !keys.session_token.is_empty() {
        out.push(("x-amz-security-token", keys.session_token.expose().to_owned()));
    }
    out
}

/// Pairs escaped and in order, as they are signed and must be sent.
pub fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<String> =
        pairs.iter().map(|(k, v)| format!("{}={}", escape(k, b""), escape(v, b""))).collect();
    pairs.sort();
    pairs.join("&")
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of the published test suite; its key, moment and scope.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let keys = Keys {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: Secret::default(),
        };
        let check = |method, query: &[(&str, &str)], want: &str| {
            let query: Vec<(String, String)> =
                query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let request = Unsigned {
                method,
                host: "example.amazonaws.com",
                path: "/",
                query: &query,
                headers: &[],
                body: b"",
            };
            let scope = Scope { region: "us-east-1", service: "service" };
            let signed = sign(&request, &keys, scope, 1_440_938_160_000);
            let want = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={want}"
            );
            assert_eq!(signed[0].1, want);
            assert_eq!(signed[1].1, "20150830T123600Z");
        };
        check("GET", &[], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check("POST", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        check(
            "GET",
            &[("Param2", "value2"), ("Param1", "value1")],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
    }
}
