//! The kinds that ask Amazon's services, over signed requests.

mod client;
mod ec2;
mod ecs;
mod elasticache;
mod lightsail;
mod msk;
mod rds;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use gauntlet_net::ClientOptions;
use gauntlet_net::aws::{Keys, Scope, Unsigned, sign};
use gauntlet_net::config::Secret;

use crate::answer::answer;
use crate::config::Fields;
use crate::discoverer::{Refresh, StartError};
use crate::fetch::Ask;
use crate::kinds::Making;
use crate::meta::{Meta, sanitise};
use crate::xml::Element;
use client::AwsClient;
use gauntlet_net::time::{parse_utc, utc_text};

/// Kinds of this module, ascending.
pub(crate) const KINDS: &[&str] = &["aws", "ec2", "ecs", "elasticache", "lightsail", "msk", "rds"];

/// The kind behind the role of `aws_sd_configs`; any other kind is itself.
pub(crate) fn kind_of(kind: &'static str, fields: &Fields) -> &'static str {
    if kind != "aws" {
        return kind;
    }
    let role = fields.str("role");
    ["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"]
        .into_iter()
        .find(|name| *name == role)
        .unwrap_or(kind)
}

pub(crate) fn build(
    kind: &'static str,
    making: &Making<'_>,
) -> Result<Box<dyn Refresh>, StartError> {
    Ok(match kind_of(kind, making.fields) {
        "ec2" => Box::new(ec2::Ec2::new(making)?),
        "ecs" => Box::new(ecs::Ecs::new(making)?),
        "elasticache" => Box::new(elasticache::ElastiCache::new(making)?),
        "rds" => Box::new(rds::Rds::new(making)?),
        "msk" => Box::new(msk::Msk::new(making)?),
        "lightsail" => Box::new(lightsail::Lightsail::new(making)?),
        kind => return Err(StartError::Unsupported(kind)),
    })
}

/// A client for a service: its name in hosts and that in signatures.
fn client(
    making: &Making<'_>,
    service: (&'static str, &'static str),
) -> Result<AwsClient, StartError> {
    let mut http = making.fields.http();
    // Signatures take the place of other credentials; upstream's client knows the environment's proxies.
    http.proxy.proxy_from_environment |= http.proxy.proxy_url.is_none();
    let api = making.api_with(&http, ClientOptions::default())?;
    Ok(AwsClient::new(making.fields, api, Arc::clone(&making.deps.clock), service))
}

/// A POST of JSON, signed for a service that follows Amazon's way: its key and secret, its region and name.
pub(crate) fn signed_post(
    mut ask: Ask,
    (access_key, secret_key): (&str, &Secret),
    (region, service): (&str, &str),
    now_ms: i64,
) -> Ask {
    let keys = Keys {
        access_key: access_key.to_owned(),
        secret_key: secret_key.clone(),
        session_token: Secret::default(),
    };
    let rest = ask.url.split_once("://").map_or("", |(_, rest)| rest);
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let headers = [("content-type", "application/json".to_owned())];
    let request =
        Unsigned { method: "POST", host, path, query: &[], headers: &headers, body: &ask.body };
    let signed = sign(&request, &keys, Scope { region, service }, now_ms);
    ask.headers.extend(headers);
    ask.headers.extend(signed);
    ask
}

/// `aws_sd_configs` leaves the port to the role.
fn port(fields: &Fields) -> i64 {
    match fields.int("port") {
        0 => 80,
        port => port,
    }
}

/// Requests at once, `usual` where the role's own configuration does not say.
fn concurrency(fields: &Fields, usual: usize) -> usize {
    usize::try_from(fields.int("request_concurrency")).ok().filter(|n| *n > 0).unwrap_or(usual)
}

/// A request on its way.
type Asked<'a, T> = BoxFuture<'a, Result<T, String>>;

/// All answers in order, a few requests at once.
async fn all<T>(asked: Vec<Asked<'_, T>>, concurrency: usize) -> Result<Vec<T>, String> {
    futures::stream::iter(asked).buffered(concurrency).try_collect().await
}

answer! {
    struct Tag {
        #[serde(alias = "Key")]
        key: Option<String>,
        #[serde(alias = "Value")]
        value: Option<String>,
    }
}

fn put_tag_list(labels: &mut Meta, prefix: &str, tags: &[Tag]) {
    for tag in tags {
        if let (Some(key), Some(value)) = (&tag.key, &tag.value) {
            labels.put(&format!("{prefix}{}", sanitise(key)), value);
        }
    }
}

/// Tags in XML.
fn put_tags_named<'e>(
    labels: &mut Meta,
    prefix: &str,
    tags: impl Iterator<Item = &'e Element<'e>>,
) {
    for tag in tags {
        let either = |upper, lower| tag.get(upper).or_else(|| tag.get(lower));
        if let (Some(key), Some(value)) = (either("Key", "key"), either("Value", "value")) {
            labels.put(&format!("{prefix}{}", sanitise(key)), value);
        }
    }
}

/// Labels by a table of their names and the elements that they show. Moments lose their fractions.
fn put_table(labels: &mut Meta, element: &Element<'_>, table: &[(&str, &str)]) {
    for (label, path) in table {
        let Some(text) = element.at(path) else { continue };
        match parse_utc(text) {
            Some(ms) => labels.put(label, utc_text(ms)),
            None => labels.put(label, text),
        };
    }
}

/// Configured filters.
fn filters(fields: &Fields) -> Vec<(String, Vec<String>)> {
    let filters = fields.sections("filters").iter();
    filters.map(|f| (f.str("name").to_owned(), f.strings("values").to_vec())).collect()
}
