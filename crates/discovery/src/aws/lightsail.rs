//! Lightsail: instances. Source: Lightsail API reference 2016-11-28, `GetInstances`.

use gauntlet_model::{Labels, TargetGroup};
use serde_json::json;

use super::client::AwsClient;
use super::{Making, Tag, put_tag_list};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::kinds::refresh;
use crate::meta::{Meta, one_group};
use crate::rest::MAX_PAGES;

answer! {
    #[serde(rename_all = "camelCase")]
    struct Page {
        instances: Vec<Instance>,
        next_page_token: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Instance {
        name: String,
        support_code: String,
        blueprint_id: String,
        bundle_id: String,
        location: Location,
        state: State,
        private_ip_address: Option<String>,
        public_ip_address: String,
        ipv6_addresses: Vec<String>,
        tags: Vec<Tag>,
    }

    #[serde(rename_all = "camelCase")]
    struct Location {
        availability_zone: String,
    }

    struct State {
        name: String,
    }
}

#[derive(Debug)]
pub(crate) struct Lightsail {
    client: AwsClient,
    port: i64,
}

impl Lightsail {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let client = super::client(making, ("lightsail", "lightsail"))?;
        Ok(Self { client, port: super::port(making.fields) })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let region = self.client.region().await?;
        let found = self.find(&region).await.inspect_err(|_| self.client.forget())?;
        Ok(one_group(region, found))
    }

    async fn find(&mut self, region: &str) -> Result<Vec<Labels>, String> {
        let session = self.client.session().await?;
        let (mut targets, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let body = if token.is_empty() { json!({}) } else { json!({ "pageToken": token }) };
            let page = session.json("Lightsail_20161128.GetInstances".to_owned(), body).await;
            let page: Page = page.map_err(|err| format!("could not get instances: {err}"))?;
            targets.extend(page.instances.iter().filter_map(|i| self.target(region, i)));
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(targets);
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    /// `None`: the instance has no address.
    fn target(&self, region: &str, instance: &Instance) -> Option<Labels> {
        let private = instance.private_ip_address.as_ref()?;
        let mut target = Meta::new("__meta_lightsail_");
        target
            .address(private, self.port)
            .put("private_ip", private)
            .put("region", region)
            .put("availability_zone", &instance.location.availability_zone)
            .put("blueprint_id", &instance.blueprint_id)
            .put("bundle_id", &instance.bundle_id)
            .put("instance_name", &instance.name)
            .put("instance_state", &instance.state.name)
            .put("instance_support_code", &instance.support_code)
            .put("public_ip", &instance.public_ip_address)
            .list("ipv6_addresses", ",", &instance.ipv6_addresses);
        put_tag_list(&mut target, "tag_", &instance.tags);
        Some(target.build())
    }
}

refresh!(Lightsail);
