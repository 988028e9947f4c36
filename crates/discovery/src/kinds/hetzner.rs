//! `hetzner_sd_configs`: servers of Hetzner Cloud (`hcloud`) and dedicated ones (`robot`). Sources: Hetzner Cloud API, Robot
//! webservice.

use std::net::IpAddr;

use gauntlet_model::{Labels, TargetGroup};

use super::{Making, Pairs, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, MAX_PAGES, escape};

const CLOUD: &str = "https://api.hetzner.cloud/v1";
const ROBOT: &str = "https://robot-ws.your-server.de";
const PREFIX: &str = "__meta_hetzner_";
/// What upstream shows for an address that a server does not have.
const NO_ADDRESS: &str = "<nil>";

answer! {
    struct RobotItem {
        server: RobotServer,
    }

    struct RobotServer {
        server_ip: String,
        server_number: i64,
        server_name: String,
        dc: String,
        status: String,
        product: String,
        cancelled: bool,
        subnet: Vec<Subnet>,
    }

    struct Subnet {
        ip: String,
        mask: String,
    }

    struct CloudPage {
        servers: Vec<Server>,
        networks: Vec<Network>,
        meta: PageMeta,
    }

    struct PageMeta {
        pagination: Pagination,
    }

    struct Pagination {
        next_page: u64,
    }

    struct Network {
        id: i64,
        name: String,
    }

    struct Server {
        id: i64,
        name: String,
        status: String,
        public_net: PublicNet,
        private_net: Vec<PrivateNet>,
        location: Location,
        server_type: ServerType,
        image: Option<Image>,
        labels: Pairs,
    }

    struct PublicNet {
        ipv4: Address,
        ipv6: Address,
    }

    struct Address {
        ip: String,
    }

    struct PrivateNet {
        network: i64,
        ip: String,
    }

    struct Location {
        name: String,
        network_zone: String,
    }

    struct ServerType {
        name: String,
        cores: i64,
        cpu_type: String,
        memory: f64,
        disk: i64,
    }

    struct Image {
        name: String,
        description: String,
        os_flavor: String,
        os_version: String,
    }
}

#[derive(Debug)]
pub(super) struct Hetzner {
    api: Api,
    port: i64,
    is_robot: bool,
    label_selector: String,
}

impl Hetzner {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self {
            api: making.api()?,
            port: making.fields.int("port"),
            is_robot: making.fields.str("role") == "robot",
            label_selector: making.fields.str("label_selector").to_owned(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let targets = if self.is_robot {
            let items: Vec<RobotItem> = self.api.get(format!("{ROBOT}/server")).await?;
            items.iter().map(|item| self.robot(&item.server)).collect()
        } else {
            let selector = match self.label_selector.as_str() {
                "" => String::new(),
                selector => format!("label_selector={}&", escape(selector, b"")),
            };
            let servers = self.pages(&format!("servers?{selector}")).await?;
            let networks = self.pages("networks?").await?;
            let networks: Vec<Network> = networks.into_iter().flat_map(|p| p.networks).collect();
            let servers = servers.iter().flat_map(|page| &page.servers);
            servers.map(|server| self.cloud(server, &networks)).collect()
        };
        Ok(one_group("hetzner", targets))
    }

    async fn pages(&self, path: &str) -> Result<Vec<CloudPage>, String> {
        let (mut pages, mut next) = (Vec::new(), 1);
        while next > 0 {
            if pages.len() == MAX_PAGES {
                return Err(format!("list has more than {MAX_PAGES} pages"));
            }
            let url = format!("{CLOUD}/{path}page={next}&per_page=50");
            let page: CloudPage = self.api.get(url).await?;
            next = page.meta.pagination.next_page;
            pages.push(page);
        }
        Ok(pages)
    }

    fn robot(&self, server: &RobotServer) -> Labels {
        let mut target = Meta::new(PREFIX);
        target
            .address(&server.server_ip, self.port)
            .put("role", "robot")
            .show("server_id", server.server_number)
            .put("server_name", &server.server_name)
            .put("datacenter", server.dc.to_lowercase())
            .put("public_ipv4", &server.server_ip)
            .put("server_status", &server.status)
            .put("robot_datacenter", server.dc.to_lowercase())
            .put("robot_product", &server.product)
            .show("robot_cancelled", server.cancelled);
        let is_v6 = |subnet: &&Subnet| !matches!(subnet.ip.parse(), Ok(IpAddr::V4(_)));
        if let Some(subnet) = server.subnet.iter().find(is_v6) {
            target.put("public_ipv6_network", format!("{}/{}", subnet.ip, subnet.mask));
        }
        target.build()
    }

    fn cloud(&self, server: &Server, networks: &[Network]) -> Labels {
        let or_none = |text: &str| if text.is_empty() { NO_ADDRESS } else { text }.to_owned();
        let ipv4 = or_none(&server.public_net.ipv4.ip);
        let (location, kind) = (&server.location, &server.server_type);
        let mut target = Meta::new(PREFIX);
        target
            .address(&ipv4, self.port)
            .put("role", "hcloud")
            .show("server_id", server.id)
            .put("server_name", &server.name)
            .put("public_ipv4", &ipv4)
            .put("public_ipv6_network", or_none(&server.public_net.ipv6.ip))
            .put("server_status", &server.status)
            .put("hcloud_location", &location.name)
            .put("hcloud_location_network_zone", &location.network_zone)
            .put("hcloud_datacenter_location", &location.name)
            .put("hcloud_datacenter_location_network_zone", &location.network_zone)
            .put("hcloud_server_type", &kind.name)
            .show("hcloud_cpu_cores", kind.cores)
            .put("hcloud_cpu_type", &kind.cpu_type)
            .show("hcloud_memory_size_gb", kind.memory.trunc())
            .show("hcloud_disk_size_gb", kind.disk);
        if let Some(image) = &server.image {
            target
                .put("hcloud_image_name", &image.name)
                .put("hcloud_image_description", &image.description)
                .put("hcloud_image_os_version", &image.os_version)
                .put("hcloud_image_os_flavor", &image.os_flavor);
        }
        for private in &server.private_net {
            for network in networks.iter().filter(|network| network.id == private.network) {
                let name = format!("hcloud_private_ipv4_{}", sanitise(&network.name));
                target.put(&name, &private.ip);
            }
        }
        target.put_all("hcloud_labelpresent_", server.labels.keys().map(|name| (name, "true")));
        target.put_all("hcloud_label_", &server.labels);
        target.build()
    }
}

refresh!(Hetzner);
