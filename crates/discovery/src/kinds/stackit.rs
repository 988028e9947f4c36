//! `stackit_sd_configs`: STACKIT's servers. Source: STACKIT IaaS API v1.
//!
//! Left out: keys of service accounts; a token goes into the HTTP block. They are refused.

use gauntlet_model::{Labels, TargetGroup};
use serde_json::{Map, Value};

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, escape};

answer! {
    struct Servers {
        items: Vec<Server>,
    }

    #[serde(rename_all = "camelCase")]
    struct Server {
        availability_zone: String,
        id: String,
        labels: Map<String, Value>,
        machine_type: String,
        name: String,
        nics: Vec<Nic>,
        power_status: String,
        status: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Nic {
        network_name: String,
        ipv4: String,
        public_ip: String,
    }
}

#[derive(Debug)]
pub(super) struct Stackit {
    api: Api,
    url: String,
    project: String,
    port: i64,
}

impl Stackit {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        let keys = [
            !fields.secret("service_account_key").is_empty(),
            !fields.str("service_account_key_path").is_empty(),
        ];
        if keys.contains(&true) {
            return Err(making.refused(
                "service_account_key and service_account_key_path are not supported; put a token into authorization",
            ));
        }
        let base = match fields.str("endpoint") {
            "" => format!("https://iaas.api.{}.stackit.cloud", fields.str("region")),
            given => given.trim_end_matches('/').to_owned(),
        };
        let project = fields.str("project");
        let url = format!("{base}/v1/projects/{}/servers?details=true", escape(project, b""));
        let project = project.to_owned();
        Ok(Self { api: making.api()?, url, project, port: fields.int("port") })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let servers: Option<Servers> = self.api.get(&self.url).await?;
        let servers = servers.unwrap_or_default();
        let targets = servers.items.iter().filter_map(|server| self.target(server)).collect();
        Ok(one_group("stackit", targets))
    }

    /// `None`: the server has no address.
    fn target(&self, server: &Server) -> Option<Labels> {
        let mut target = Meta::new("__meta_stackit_");
        target
            .put("project", &self.project)
            .put("id", &server.id)
            .put("name", &server.name)
            .put("availability_zone", &server.availability_zone)
            .put("status", &server.status)
            .put("power_status", &server.power_status)
            .put("type", &server.machine_type);
        let (mut public, mut host) = ("", "");
        for nic in &server.nics {
            if public.is_empty() && !nic.public_ip.is_empty() {
                public = &nic.public_ip;
                host = public;
            }
            if !nic.ipv4.is_empty() {
                let name = format!("private_ipv4_{}", sanitise(&nic.network_name));
                target.put(&name, &nic.ipv4);
                if host.is_empty() {
                    host = &nic.ipv4;
                }
            }
        }
        if host.is_empty() {
            return None;
        }
        target.put("public_ipv4", public).address(host, self.port);
        for (name, value) in &server.labels {
            if let Value::String(value) = value {
                target.put(&format!("labelpresent_{}", sanitise(name)), "true");
                target.put(&format!("label_{}", sanitise(name)), value);
            }
        }
        Some(target.build())
    }
}

refresh!(Stackit);
