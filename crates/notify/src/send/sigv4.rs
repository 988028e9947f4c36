//! AWS Signature Version 4 for a POST with everything in its body. Source: AWS's "Create a signed request".

use gauntlet_net::config::Url;
use ring::{digest, hmac};

use crate::aws::AwsKeys;
use crate::http::escape;

/// The headers that make a request signed, besides the session's token.
pub(super) struct Signed {
    /// `x-amz-date`
    pub(super) date: String,
    pub(super) authorization: String,
}

/// Signs a POST of `body` at a time in milliseconds. Headers that take part: content-length, content-type, host, x-amz-date and the
/// session's token.
pub(super) fn sign(
    credentials: &AwsKeys,
    region: &str,
    service: &str,
    url: &str,
    content_type: &str,
    body: &[u8],
    now_ms: i64,
) -> Result<Signed, String> {
    let parsed: Url = url.parse().map_err(|_| "invalid URL".to_owned())?;
    let date = timestamp(now_ms)?;
    let mut headers = vec![
        ("content-length", body.len().to_string()),
        ("content-type", content_type.to_owned()),
        ("host", parsed.host().to_owned()),
        ("x-amz-date", date.clone()),
    ];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.expose().to_owned()));
    }
    Ok(sign_headers(credentials, region, service, parsed.path(), &headers, body, date))
}

pub(super) fn sign_headers(
    credentials: &AwsKeys,
    region: &str,
    service: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
    date: String,
) -> Signed {
    let path = if path.is_empty() { "/".to_owned() } else { escape(path) };
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut request = format!("POST\n{path}\n\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}:{value}\n"));
    }
    request.push_str(&format!("\n{names}\n{}", hash(body)));
    let day = &date[..8];
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(request.as_bytes()));
    let mut key = format!("AWS4{}", credentials.secret_key.expose()).into_bytes();
    for part in [day, region, service, "aws4_request", &text] {
        key = mac(&key, part);
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
        credentials.access_key,
        hex(&key)
    );
    Signed { date, authorization }
}

/// `20060102T150405Z`
fn timestamp(now_ms: i64) -> Result<String, String> {
    let time = gauntlet_template::Time::from_unix_ms(now_ms);
    String::from_utf8(time.format(b"20060102T150405Z")).map_err(|err| err.to_string())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
