//! `outscale_sd_configs`: Outscale's virtual machines. Source: 3DS Outscale API, `ReadVms`; requests are signed as Amazon's.

use std::sync::Arc;

use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::config::Secret;
use gauntlet_runtime::Clock;
use serde_json::json;

use super::{Making, refresh};
use crate::answer::answer;
use crate::aws::signed_post;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, MAX_PAGES};

answer! {
    #[serde(rename_all = "PascalCase")]
    struct Page {
        vms: Vec<Vm>,
        next_page_token: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Vm {
        vm_id: String,
        state: String,
        private_ip: String,
        public_ip: String,
        placement: Placement,
        tags: Vec<Tag>,
    }

    #[serde(rename_all = "PascalCase")]
    struct Placement {
        subregion_name: String,
    }

    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        value: String,
    }
}

#[derive(Debug)]
pub(super) struct Outscale {
    api: Api,
    clock: Arc<dyn Clock>,
    url: String,
    region: String,
    access_key: String,
    secret: Secret,
    /// Read again for each refresh.
    secret_file: String,
    port: i64,
}

impl Outscale {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        Ok(Self {
            api: making.api()?,
            clock: Arc::clone(&making.deps.clock),
            url: format!("{}/ReadVms", fields.str("endpoint").trim_end_matches('/')),
            region: fields.str("region").to_owned(),
            access_key: fields.str("access_key").to_owned(),
            secret: fields.secret("secret_key"),
            secret_file: fields.str("secret_key_file").to_owned(),
            port: fields.int("port"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        if !self.secret_file.is_empty() {
            let file = &self.secret_file;
            let text = std::fs::read_to_string(file)
                .map_err(|err| format!("unable to read outscale secret key file {file}: {err}"))?;
            self.secret = Secret::new(text.trim());
        }
        let (mut targets, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let body = if token.is_empty() { json!({}) } else { json!({ "NextPageToken": token }) };
            let ask = signed_post(
                self.api.post_ask(&self.url, body.to_string()),
                (&self.access_key, &self.secret),
                (&self.region, "oapi"),
                self.clock.now_ms(),
            );
            let page: Page =
                self.api.json(ask).await.map_err(|err| format!("outscale ReadVms: {err}"))?;
            targets.extend(page.vms.iter().filter_map(|vm| self.target(vm)));
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(one_group(&self.region, targets));
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    /// `None`: the machine has no address.
    fn target(&self, vm: &Vm) -> Option<Labels> {
        let host = [&vm.private_ip, &vm.public_ip].into_iter().find(|ip| !ip.is_empty())?;
        let mut target = Meta::new("__meta_outscale_vm_");
        target
            .address(host, self.port)
            .put("instance_id", &vm.vm_id)
            .put("region", &self.region)
            .put("state", &vm.state)
            .put("subregion", &vm.placement.subregion_name)
            .put("private_ip", &vm.private_ip)
            .put("public_ip", &vm.public_ip);
        for tag in vm.tags.iter().filter(|tag| !tag.key.is_empty()) {
            target.put(&format!("tag_{}", sanitise(&tag.key)), &tag.value);
        }
        Some(target.build())
    }
}

refresh!(Outscale);
