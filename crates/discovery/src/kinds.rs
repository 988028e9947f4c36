//! The kinds that ask an HTTP API again and again, a module each.

mod azure;
mod azure_token;
mod digitalocean;
mod docker;
mod dockerswarm;
mod eureka;
mod gce;
pub(crate) mod google;
mod hetzner;
mod ionos;
pub(crate) mod kuma;
mod linode;
mod marathon;
mod moby;
mod nomad;
mod oci;
mod openstack;
mod openstack_token;
mod outscale;
mod ovhcloud;
mod puppetdb;
mod scaleway;
mod stackit;
mod triton;
mod uyuni;
mod vultr;

use std::collections::BTreeMap;

use gauntlet_net::ClientOptions;
use gauntlet_net::config::HttpClientConfig;

use crate::aws;
use crate::config::Fields;
use crate::deps::Deps;
use crate::discoverer::{Refresh, StartError, refresh_interval};
use crate::rest::Api;

/// Kinds of this module, ascending.
pub(crate) const KINDS: &[&str] = &[
    "azure",
    "digitalocean",
    "docker",
    "dockerswarm",
    "eureka",
    "gce",
    "hetzner",
    "ionos",
    "linode",
    "marathon",
    "nomad",
    "oci",
    "openstack",
    "outscale",
    "ovhcloud",
    "puppetdb",
    "scaleway",
    "stackit",
    "triton",
    "uyuni",
    "vultr",
];

/// What a kind is made of.
pub(crate) struct Making<'a> {
    pub(crate) kind: &'static str,
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
        Ok(Api { client, timeout: refresh_interval(self.fields) })
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
        "azure" => Box::new(azure::Azure::new(making)?),
        "digitalocean" => Box::new(digitalocean::DigitalOcean::new(making)?),
        "docker" => Box::new(docker::Docker::new(making)?),
        "dockerswarm" => Box::new(dockerswarm::DockerSwarm::new(making)?),
        "eureka" => Box::new(eureka::Eureka::new(making)?),
        "gce" => Box::new(gce::Gce::new(making)?),
        "hetzner" => Box::new(hetzner::Hetzner::new(making)?),
        "ionos" => Box::new(ionos::Ionos::new(making)?),
        "linode" => Box::new(linode::Linode::new(making)?),
        "marathon" => Box::new(marathon::Marathon::new(making)?),
        "nomad" => Box::new(nomad::Nomad::new(making)?),
        "oci" => Box::new(oci::Oci::new(making)?),
        "openstack" => Box::new(openstack::OpenStack::new(making)?),
        "outscale" => Box::new(outscale::Outscale::new(making)?),
        "ovhcloud" => Box::new(ovhcloud::OvhCloud::new(making)?),
        "puppetdb" => Box::new(puppetdb::PuppetDb::new(making)?),
        "scaleway" => Box::new(scaleway::Scaleway::new(making)?),
        "stackit" => Box::new(stackit::Stackit::new(making)?),
        "triton" => Box::new(triton::Triton::new(making)?),
        "uyuni" => Box::new(uyuni::Uyuni::new(making)?),
        "vultr" => Box::new(vultr::Vultr::new(making)?),
        _ if aws::KINDS.contains(&kind) => aws::build(kind, making)?,
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

pub(crate) use refresh;

pub(crate) type Pairs = BTreeMap<String, String>;
