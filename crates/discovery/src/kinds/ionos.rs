//! `ionos_sd_configs`: servers of a data center. Source: IONOS Cloud API v6.

use std::collections::BTreeMap;

use gauntlet_model::{Labels, TargetGroup};

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, enclosed, one_group, sanitise};
use crate::rest::{Api, escape};

const BASE: &str = "https://api.ionos.com/cloudapi/v6";

answer! {
    struct Servers {
        id: String,
        items: Vec<Server>,
    }

    struct Server {
        id: String,
        metadata: State,
        properties: Properties,
        entities: Entities,
    }

    struct State {
        state: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Properties {
        name: String,
        availability_zone: String,
        vm_state: String,
        cpu_family: String,
        #[serde(rename = "type")]
        kind: String,
        boot_cdrom: Reference,
        boot_volume: Reference,
    }

    struct Reference {
        id: String,
    }

    struct Entities {
        volumes: Volumes,
        nics: Nics,
    }

    struct Volumes {
        items: Vec<Volume>,
    }

    struct Volume {
        properties: VolumeProperties,
    }

    struct VolumeProperties {
        image: String,
    }

    struct Nics {
        items: Vec<Nic>,
    }

    struct Nic {
        properties: Option<NicProperties>,
    }

    struct NicProperties {
        name: Option<String>,
        ips: Vec<String>,
    }
}

#[derive(Debug)]
pub(super) struct Ionos {
    api: Api,
    port: i64,
    url: String,
}

impl Ionos {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let id = escape(making.fields.str("datacenter_id"), b"");
        let url = format!("{BASE}/datacenters/{id}/servers?depth=3");
        Ok(Self { api: making.api()?, port: making.fields.int("port"), url })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let servers: Servers = self.api.get(&self.url).await?;
        let targets = servers.items.iter().filter_map(|server| self.target(&servers.id, server));
        Ok(one_group("ionos", targets.collect()))
    }

    /// `None`: the server has no address.
    fn target(&self, servers_id: &str, server: &Server) -> Option<Labels> {
        // Those of later cards come first.
        let mut ips: Vec<&str> = Vec::new();
        let mut by_card: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let cards = server.entities.nics.items.iter().filter_map(|card| card.properties.as_ref());
        for card in cards {
            let name = card.name.as_deref().unwrap_or("unnamed");
            ips.splice(0..0, card.ips.iter().map(String::as_str));
            by_card.entry(name).or_default().splice(0..0, card.ips.iter().map(String::as_str));
        }
        let first = ips.first()?;
        let properties = &server.properties;
        let mut target = Meta::new("__meta_ionos_server_");
        target
            .address(first, self.port)
            .put("ip", enclosed(",", &ips))
            .put("availability_zone", &properties.availability_zone)
            .put("cpu_family", &properties.cpu_family)
            .put("servers_id", servers_id)
            .put("id", &server.id)
            .put("lifecycle", &server.metadata.state)
            .put("name", &properties.name)
            .put("state", &properties.vm_state)
            .put("type", &properties.kind)
            .put("boot_cdrom_id", &properties.boot_cdrom.id)
            .put("boot_volume_id", &properties.boot_volume.id);
        for (name, ips) in &by_card {
            // A card without addresses shows both separators.
            let joined = if ips.is_empty() { ",,".to_owned() } else { enclosed(",", ips) };
            target.put(&format!("nic_ip_{}", sanitise(name)), joined);
        }
        if let Some(volume) = server.entities.volumes.items.first() {
            target.put("boot_image_id", &volume.properties.image);
        }
        Some(target.build())
    }
}

refresh!(Ionos);
