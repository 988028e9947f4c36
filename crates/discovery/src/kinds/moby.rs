//! What Docker and Docker Swarm share: where the daemon is, filters, networks. Source: Docker Engine API reference.
//!
//! Paths carry no version, so that the daemon answers by its own; everything read here is in all of them.

use std::collections::BTreeMap;

use gauntlet_model::Labels;
use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;
use serde::de::DeserializeOwned;

use super::{Making, Pairs};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::Meta;
use crate::rest::{Api, escape};

/// A daemon that is asked.
#[derive(Debug)]
pub(super) struct Daemon {
    api: Api,
    base: String,
    /// Asked for as they are configured; empty for none.
    filters: String,
}

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Network {
        name: String,
        id: String,
        scope: String,
        internal: bool,
        ingress: bool,
        labels: Pairs,
    }
}

impl Daemon {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let host = making.fields.str("host");
        let (scheme, rest) = host.split_once("://").unwrap_or(("", host));
        let (api, base) = match scheme {
            "http" | "https" => (making.api()?, host.trim_end_matches('/').to_owned()),
            "tcp" => (
                making.api_with(&HttpClientConfig::default(), ClientOptions::default())?,
                format!("http://{}", rest.trim_end_matches('/')),
            ),
            "unix" => {
                let options =
                    ClientOptions { unix_socket: Some(rest.to_owned()), ..Default::default() };
                let api = making.api_with(&HttpClientConfig::default(), options)?;
                (api, "http://localhost".to_owned())
            }
            _ => return Err(making.refused(format!("unable to connect to host {host:?}"))),
        };
        let mut filters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for filter in making.fields.sections("filters") {
            let values = filter.strings("values").iter().map(String::as_str);
            filters.entry(filter.str("name")).or_default().extend(values);
        }
        filters.retain(|_, values| !values.is_empty());
        let filters = if filters.is_empty() {
            String::new()
        } else {
            let json = serde_json::json!(filters).to_string();
            format!("?filters={}", escape(&json, b""))
        };
        Ok(Self { api, base, filters })
    }

    /// A list, filtered as configured.
    pub(super) async fn filtered<T: DeserializeOwned + Default>(
        &self,
        path: &str,
    ) -> Result<T, String> {
        self.get(&format!("{path}{}", self.filters)).await
    }

    pub(super) async fn get<T: DeserializeOwned + Default>(&self, path: &str) -> Result<T, String> {
        let found: Option<T> = self.api.get(format!("{}{path}", self.base)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Labels of each network by its id.
    pub(super) async fn networks(
        &self,
        prefix: &'static str,
    ) -> Result<BTreeMap<String, Labels>, String> {
        let networks: Vec<Network> = self.get("/networks").await?;
        let labels = |network: &Network| {
            let mut labels = Meta::new(prefix);
            labels
                .put("network_id", &network.id)
                .put("network_name", &network.name)
                .put("network_scope", &network.scope)
                .show("network_internal", network.internal)
                .show("network_ingress", network.ingress)
                .put_all("network_label_", &network.labels);
            labels.build()
        };
        Ok(networks.iter().map(|network| (network.id.clone(), labels(network))).collect())
    }
}

/// The address of `address/length`.
pub(super) fn ip_of(prefix: &str) -> Result<&str, String> {
    let (ip, length) = prefix.split_once('/').unwrap_or((prefix, ""));
    if ip.parse::<std::net::IpAddr>().is_ok() && length.parse::<u8>().is_ok() {
        Ok(ip)
    } else {
        Err(format!("error while parsing address {prefix}: invalid CIDR address: {prefix}"))
    }
}
