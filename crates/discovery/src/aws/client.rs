//! Requests to one of Amazon's services: where it is, and the three ways that its APIs speak.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_net::aws::{
    Call, Choice, KeyChain, Keys, Scope, Transport, Unsigned, canonical_query, process_environment,
    sign,
};
use gauntlet_runtime::Clock;
use serde::de::DeserializeOwned;

use crate::config::Fields;
use crate::fetch::Ask;
use crate::rest::{Api, decode, query, refusal};
use crate::xml::Element;

/// A service in a region.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `https://ec2.us-east-1.amazonaws.com`, without a slash at its end.
    base: String,
    host: String,
    /// The name that signatures carry.
    service: &'static str,
    region: String,
}

impl Endpoint {
    /// `prefix` is the service's name in its host, `given` an address to use in its place.
    pub(super) fn new(
        prefix: &str,
        service: &'static str,
        region: &str,
        given: &str,
    ) -> Result<Self, String> {
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("invalid AWS region {region:?}"));
        }
        let base = if given.is_empty() {
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://{prefix}.{region}.amazonaws.com{suffix}")
        } else if given.contains("://") {
            given.trim_end_matches('/').to_owned()
        } else {
            format!("https://{}", given.trim_end_matches('/'))
        };
        let host = base.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default().to_owned();
        Ok(Self { base, host, service, region: region.to_owned() })
    }

    /// The path before those of the API; empty but for unusual addresses.
    fn path(&self) -> &str {
        let rest = self.base.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

fn signed(
    endpoint: &Endpoint,
    (method, path, pairs): (&str, &str, &[(String, String)]),
    headers: &[(&'static str, String)],
    body: Vec<u8>,
    keys: &Keys,
    now_ms: i64,
    timeout: Duration,
) -> Ask {
    let whole_path = format!("{}{path}", endpoint.path());
    let request = Unsigned {
        method,
        host: &endpoint.host,
        path: &whole_path,
        query: pairs,
        headers,
        body: &body,
    };
    let scope = Scope { region: &endpoint.region, service: endpoint.service };
    let more = sign(&request, keys, scope, now_ms);
    let query = canonical_query(pairs);
    let separator = if query.is_empty() { "" } else { "?" };
    let url = format!("{}{path}{separator}{query}", endpoint.base);
    let mut ask =
        if method == "GET" { Ask::get(url, timeout) } else { Ask::post(url, body, timeout) };
    ask.headers = headers.iter().cloned().chain(more).collect();
    ask
}

impl Transport for Api {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>> {
        let Call { method, url, headers, body, timeout } = call;
        let ask = Ask { method, headers, body, ..Ask::get(url, timeout) };
        Box::pin(async move {
            let answer = self.client.send(ask).await.map_err(|err| err.to_string())?;
            Ok((answer.status, answer.body))
        })
    }
}

/// A service that is asked.
#[derive(Debug)]
pub(super) struct AwsClient {
    api: Api,
    keys: Arc<KeyChain>,
    clock: Arc<dyn Clock>,
    prefix: &'static str,
    service: &'static str,
    given: String,
    endpoint: Option<Endpoint>,
}

impl AwsClient {
    /// `prefix` is the service's name in its host, `service` that in signatures.
    pub(super) fn new(
        fields: &Fields,
        api: Api,
        clock: Arc<dyn Clock>,
        (prefix, service): (&'static str, &'static str),
    ) -> Self {
        let choice = Choice {
            access_key: fields.str("access_key").to_owned(),
            secret_key: fields.secret("secret_key"),
            profile: fields.str("profile").to_owned(),
            role_arn: fields.str("role_arn").to_owned(),
            external_id: fields.str("external_id").to_owned(),
            region: fields.str("region").to_owned(),
            fips: false,
        };
        let transport = Arc::new(api.clone());
        let (environment, timeout) = (process_environment(), api.timeout);
        let keys = KeyChain::new(choice, environment, transport, Arc::clone(&clock), timeout);
        let given = fields.str("endpoint").to_owned();
        Self { api, keys: Arc::new(keys), clock, prefix, service, given, endpoint: None }
    }

    /// Another service, at its own address, with the same keys.
    pub(super) fn beside(&self, (prefix, service): (&'static str, &'static str)) -> Self {
        Self {
            api: self.api.clone(),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            prefix,
            service,
            given: String::new(),
            endpoint: None,
        }
    }

    /// The region that is asked.
    pub(super) async fn region(&mut self) -> Result<String, String> {
        Ok(self.endpoint().await?.region)
    }

    async fn endpoint(&mut self) -> Result<Endpoint, String> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let region = self.keys.region().await?;
        let endpoint = Endpoint::new(self.prefix, self.service, &region, &self.given)?;
        self.endpoint = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// Forgets the keys: they may have been refused.
    pub(super) fn forget(&self) {
        self.keys.forget();
    }

    /// Keys and address for the requests of one refresh.
    pub(super) async fn session(&mut self) -> Result<Session, String> {
        let endpoint = self.endpoint().await?;
        let keys = self.keys.keys(&endpoint.region).await?;
        Ok(Session { api: self.api.clone(), clock: Arc::clone(&self.clock), endpoint, keys })
    }
}

/// Requests with keys that are good for now.
#[derive(Clone, Debug)]
pub(super) struct Session {
    api: Api,
    clock: Arc<dyn Clock>,
    endpoint: Endpoint,
    keys: Keys,
}

impl Session {
    async fn send(&self, ask: Ask) -> Result<Vec<u8>, String> {
        let url = ask.url.clone();
        let answer = self.api.client.send(ask).await.map_err(|err| err.to_string())?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(refusal(url.split('?').next().unwrap_or_default(), &answer))
    }

    fn signed(
        &self,
        place: (&str, &str, &[(String, String)]),
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Ask {
        let (now, timeout) = (self.clock.now_ms(), self.api.timeout);
        signed(&self.endpoint, place, headers, body, &self.keys, now, timeout)
    }

    /// The query protocol: a form there, XML back.
    pub(super) async fn query(
        &self,
        action: &str,
        version: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<u8>, String> {
        let pairs = [("Action", action), ("Version", version)];
        let more = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = query(pairs.into_iter().chain(more)).into_bytes();
        let content_type = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
        let headers = [("content-type", content_type)];
        self.send(self.signed(("POST", "/", &[]), &headers, body)).await
    }

    /// The JSON protocol: the operation in a header.
    pub(super) fn json<T: DeserializeOwned + Send>(
        &self,
        target: String,
        body: serde_json::Value,
    ) -> BoxFuture<'_, Result<T, String>> {
        Box::pin(async move {
            let headers = [
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", target),
            ];
            let ask = self.signed(("POST", "/", &[]), &headers, body.to_string().into_bytes());
            decode(&self.send(ask).await?)
        })
    }

    /// The REST protocol: JSON by path, which is escaped already.
    pub(super) fn rest<T: DeserializeOwned + Send>(
        &self,
        path: String,
        pairs: Vec<(String, String)>,
    ) -> BoxFuture<'_, Result<T, String>> {
        Box::pin(async move {
            let ask = self.signed(("GET", &path, &pairs), &[], Vec::new());
            decode(&self.send(ask).await?)
        })
    }
}

/// `Filter.1.Name=...&Filter.1.Value.1=...` and so on, by the service's words for both.
pub(super) fn filters(
    filters: &[(String, Vec<String>)],
    (list, value): (&str, &str),
) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (at, (name, values)) in filters.iter().enumerate() {
        let at = at + 1;
        pairs.push((format!("{list}.{at}.Name"), name.clone()));
        for (of, text) in values.iter().enumerate() {
            pairs.push((format!("{list}.{at}.{value}.{}", of + 1), text.clone()));
        }
    }
    pairs
}

/// Parses an answer and finds the element below its root that holds the result.
pub(super) fn parse<'a>(body: &'a [u8], result: &str) -> Result<Element<'a>, String> {
    let root = Element::of_bytes(body)?;
    if root.name == result {
        return Ok(root);
    }
    let found = root.children.into_iter().find(|child| child.name == result);
    found.ok_or_else(|| format!("no {result} in the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_follow_the_region() {
        let base = |region: &str, given: &str| {
            Endpoint::new("ec2", "ec2", region, given)
                .map(|e| (e.base.clone(), e.host.clone(), e.path().to_owned()))
        };
        let want = |base: &str, host: &str, path: &str| {
            Ok((base.to_owned(), host.to_owned(), path.to_owned()))
        };
        assert_eq!(
            base("eu-1", ""),
            want("https://ec2.eu-1.amazonaws.com", "ec2.eu-1.amazonaws.com", "")
        );
        assert_eq!(
            base("cn-1", ""),
            want("https://ec2.cn-1.amazonaws.com.cn", "ec2.cn-1.amazonaws.com.cn", "")
        );
        assert_eq!(base("eu-1", "http://h:1/p/"), want("http://h:1/p", "h:1", "/p"));
        assert_eq!(base("eu-1", "h"), want("https://h", "h", ""));
        assert!(base("evil.example/", "").is_err());
    }
}
