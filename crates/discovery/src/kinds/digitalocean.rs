//! `digitalocean_sd_configs`: droplets and database clusters. Source: DigitalOcean API v2.

use gauntlet_model::{Labels, TargetGroup};
use serde::de::DeserializeOwned;

use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, MAX_PAGES};

const BASE: &str = "https://api.digitalocean.com/v2";
const PREFIX: &str = "__meta_digitalocean_";
/// Things a page: the most that both lists allow.
const PER_PAGE: usize = 100;

answer! {
    struct Page {
        droplets: Vec<Droplet>,
        databases: Vec<Database>,
        links: Links,
    }

    struct Links {
        pages: Pages,
    }

    struct Pages {
        last: String,
    }

    struct Droplet {
        id: i64,
        name: String,
        image: Image,
        region: Slug,
        size_slug: String,
        status: String,
        vpc_uuid: String,
        features: Vec<String>,
        tags: Vec<String>,
        networks: Networks,
    }

    struct Image {
        slug: String,
        name: String,
    }

    struct Slug {
        slug: String,
    }

    struct Networks {
        v4: Vec<Network>,
        v6: Vec<Network>,
    }

    struct Network {
        ip_address: String,
        #[serde(rename = "type")]
        kind: String,
    }

    struct Database {
        id: String,
        name: String,
        engine: String,
        version: String,
        status: String,
        region: String,
        size: String,
        num_nodes: i64,
        connection: Option<Connection>,
        private_connection: Option<Connection>,
        tags: Vec<String>,
    }

    struct Connection {
        host: String,
    }
}

#[derive(Debug)]
pub(super) struct DigitalOcean {
    api: Api,
    port: i64,
    databases: bool,
}

impl DigitalOcean {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let databases = making.fields.str("role") == "databases";
        Ok(Self { api: making.api()?, port: making.fields.int("port"), databases })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let source = if self.databases { "DigitalOcean Databases" } else { "DigitalOcean" };
        let mut targets = Vec::new();
        for page in 1..=MAX_PAGES {
            let what = if self.databases { "databases" } else { "droplets" };
            let found: Page = self.page(what, page).await?;
            targets.extend(found.droplets.iter().filter_map(|droplet| self.droplet(droplet)));
            targets.extend(found.databases.iter().map(|database| self.database(database)));
            if found.links.pages.last.is_empty() {
                return Ok(one_group(source, targets));
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    async fn page<T: DeserializeOwned>(&self, what: &str, page: usize) -> Result<T, String> {
        let found = self.api.get(format!("{BASE}/{what}?page={page}&per_page={PER_PAGE}")).await;
        found.map_err(|err| format!("error while listing {what} page {page}: {err}"))
    }

    /// `None`: the droplet has no address.
    fn droplet(&self, droplet: &Droplet) -> Option<Labels> {
        let networks = &droplet.networks;
        if networks.v4.is_empty() {
            return None;
        }
        let of_kind = |networks: &[Network], kind: &str| {
            let found = networks.iter().find(|network| network.kind == kind);
            found.map(|network| network.ip_address.clone()).unwrap_or_default()
        };
        let public = of_kind(&networks.v4, "public");
        let target = Meta::new(PREFIX)
            .address(&public, self.port)
            .show("droplet_id", droplet.id)
            .put("droplet_name", &droplet.name)
            .put("image", &droplet.image.slug)
            .put("image_name", &droplet.image.name)
            .put("private_ipv4", of_kind(&networks.v4, "private"))
            .put("public_ipv4", &public)
            .put("public_ipv6", of_kind(&networks.v6, "public"))
            .put("region", &droplet.region.slug)
            .put("size", &droplet.size_slug)
            .put("status", &droplet.status)
            .put("vpc", &droplet.vpc_uuid)
            .list("features", ",", &droplet.features)
            .list("tags", ",", &droplet.tags)
            .build();
        Some(target)
    }

    fn database(&self, database: &Database) -> Labels {
        let mut target = Meta::new(PREFIX);
        target
            .put("db_id", &database.id)
            .put("db_name", &database.name)
            .put("db_engine", &database.engine)
            .put("db_version", &database.version)
            .put("db_status", &database.status)
            .put("db_region", &database.region)
            .put("db_size", &database.size)
            .show("db_num_nodes", database.num_nodes);
        let private = database.private_connection.as_ref().map_or("", |c| &c.host);
        let public = database.connection.as_ref().map_or("", |c| &c.host);
        target.put("db_private_host", private).put("db_host", public);
        let host = if private.is_empty() { public } else { private };
        if !host.is_empty() {
            target.address(host, self.port);
        }
        for tag in &database.tags {
            target.put(&format!("db_tag_{tag}"), "true");
        }
        target.build()
    }
}

refresh!(DigitalOcean);
