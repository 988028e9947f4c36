//! The kinds that ask an HTTP API again and again, a module each.

mod digitalocean;
mod docker;
mod dockerswarm;
mod eureka;
mod hetzner;
mod ionos;
mod linode;
mod marathon;
mod moby;
mod nomad;
mod vultr;

use std::collections::BTreeMap;

use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;

use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Refresh, StartError};
use crate::rest::Api;

/// Kinds of this module, ascending.
pub(crate) const KINDS: &[&str] = &[
    "digitalocean",
    "docker",
    "dockerswarm",
    "eureka",
    "hetzner",
    "ionos",
    "linode",
    "marathon",
    "nomad",
    "vultr",
];

/// What a kind is made of.
pub(crate) struct Making<'a> {
    kind: &'static str,
    pub(crate) fields: &'a Fields,
    pub(crate) deps: &'a Deps,
}

impl Making<'_> {
    /// A client by the kind's HTTP block, which waits for an answer as long as the refresh interval.
    pub(crate) fn api(&self) -> Result<Api, StartError> {
        self.api_with(&self.fields.http(), ClientOptions::default())
    }

    pub(crate) fn api_with(
        &self,
        http: &HttpClientConfig,
        options: ClientOptions,
    ) -> Result<Api, StartError> {
        let client = self.deps.clients.client(http, options);
        let client = client.map_err(|source| StartError::Client { kind: self.kind, source })?;
        Ok(Api { client, timeout: self.fields.duration("refresh_interval").to_std() })
    }

    pub(crate) fn refused(&self, reason: impl Into<String>) -> StartError {
        StartError::Refused { kind: self.kind, reason: reason.into() }
    }
}

/// Makes the source of one of [`KINDS`].
pub(crate) fn build(
    kind: &'static str,
    fields: &Fields,
    deps: &Deps,
) -> Result<Box<dyn Refresh>, StartError> {
    let making = &Making { kind, fields, deps };
    Ok(match kind {
        "digitalocean" => Box::new(digitalocean::DigitalOcean::new(making)?),
        "docker" => Box::new(docker::Docker::new(making)?),
        "dockerswarm" => Box::new(dockerswarm::DockerSwarm::new(making)?),
        "eureka" => Box::new(eureka::Eureka::new(making)?),
        "hetzner" => Box::new(hetzner::Hetzner::new(making)?),
        "ionos" => Box::new(ionos::Ionos::new(making)?),
        "linode" => Box::new(linode::Linode::new(making)?),
        "marathon" => Box::new(marathon::Marathon::new(making)?),
        "nomad" => Box::new(nomad::Nomad::new(making)?),
        "vultr" => Box::new(vultr::Vultr::new(making)?),
        _ => return Err(StartError::Unsupported(kind)),
    })
}

/// Makes a type whose `ask` finds groups a [`Refresh`].
macro_rules! refresh {
    ($name:ty) => {
        impl crate::discoverer::Refresh for $name {
            fn refresh(
                &mut self,
            ) -> futures::future::BoxFuture<'_, Result<Vec<gauntlet_model::TargetGroup>, String>>
            {
                Box::pin(self.ask())
            }
        }
    };
}

use refresh;

type Pairs = BTreeMap<String, String>;
