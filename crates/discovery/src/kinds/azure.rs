//! `azure_sd_configs`: virtual machines, alone and in scale sets. Source: Azure Resource Manager REST API.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use gauntlet_model::{Labels, TargetGroup};
use gauntlet_runtime::Clock;
use gauntlet_telemetry::Counter;
use serde::de::DeserializeOwned;

use super::azure_token::{AzureTokens, Cloud};
use super::{Making, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group};
use crate::rest::{Api, MAX_PAGES, decode, escape, refusal};

const COMPUTE_VERSION: &str = "2024-07-01";
const NETWORK_VERSION: &str = "2024-05-01";
/// The one version that knows interfaces of scale sets.
const SCALE_SET_NETWORK_VERSION: &str = "2018-10-01";
/// Interfaces asked for at once.
const CONCURRENCY: usize = 16;
/// Interfaces that are remembered.
const MAX_REMEMBERED: usize = 5000;

answer! {
    struct VmPage {
        value: Vec<Vm>,
        #[serde(rename = "nextLink")]
        next_link: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Vm {
        id: String,
        name: String,
        location: String,
        instance_id: String,
        tags: BTreeMap<String, Option<String>>,
        properties: VmProperties,
    }

    #[serde(rename_all = "camelCase")]
    struct VmProperties {
        hardware_profile: HardwareProfile,
        storage_profile: StorageProfile,
        os_profile: OsProfile,
        network_profile: NetworkProfile,
    }

    #[serde(rename_all = "camelCase")]
    struct HardwareProfile {
        vm_size: String,
    }

    #[serde(rename_all = "camelCase")]
    struct StorageProfile {
        os_disk: OsDisk,
    }

    #[serde(rename_all = "camelCase")]
    struct OsDisk {
        os_type: String,
    }

    #[serde(rename_all = "camelCase")]
    struct OsProfile {
        computer_name: String,
    }

    #[serde(rename_all = "camelCase")]
    struct NetworkProfile {
        network_interfaces: Vec<Reference>,
    }

    struct Reference {
        id: String,
    }

    struct Nic {
        properties: Option<NicProperties>,
    }

    #[serde(rename_all = "camelCase")]
    struct NicProperties {
        primary: Option<bool>,
        ip_configurations: Vec<IpConfiguration>,
    }

    struct IpConfiguration {
        properties: IpProperties,
    }

    struct IpProperties {
        #[serde(rename = "privateIPAddress")]
        private_ip: Option<String>,
        #[serde(rename = "publicIPAddress")]
        public_ip: PublicIp,
    }

    struct PublicIp {
        properties: PublicIpProperties,
    }

    #[serde(rename_all = "camelCase")]
    struct PublicIpProperties {
        ip_address: Option<String>,
    }
}

#[derive(Debug)]
pub(super) struct Azure {
    api: Api,
    tokens: AzureTokens,
    cloud: Cloud,
    clock: Arc<dyn Clock>,
    subscription: String,
    tenant: String,
    resource_group: String,
    port: i64,
    interval_ms: i64,
    failures: Counter,
    cache_hits: Counter,
    /// Interfaces by id, with the moment they are forgotten.
    known: BTreeMap<String, (Nic, i64)>,
}

/// A machine with the scale set it is in.
type Machine = (Vm, Option<String>);

impl Azure {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let (fields, metrics) = (making.fields, &making.deps.metrics);
        let cloud = Cloud::named(fields.str("environment")).map_err(|err| making.refused(err))?;
        let interval = crate::discoverer::refresh_interval(fields);
        Ok(Self {
            api: making.api()?,
            tokens: AzureTokens::new(making, cloud)?,
            cloud,
            clock: Arc::clone(&making.deps.clock),
            subscription: fields.str("subscription_id").to_owned(),
            tenant: fields.str("tenant_id").to_owned(),
            resource_group: fields.str("resource_group").to_owned(),
            port: fields.int("port"),
            interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
            failures: metrics.azure_failures.clone(),
            cache_hits: metrics.azure_cache_hits.clone(),
            known: BTreeMap::new(),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let found = self.find().await.inspect_err(|_| self.failures.inc())?;
        Ok(one_group("", found))
    }

    async fn find(&mut self) -> Result<Vec<Labels>, String> {
        let bearer = self.tokens.bearer().await;
        let bearer = bearer.map_err(|err| format!("could not create Azure client: {err}"))?;
        let machines = self.machines(&bearer).await?;
        let now = self.clock.now_ms();
        self.known.retain(|_, (_, until)| now < *until);
        let asked: Vec<_> =
            machines.iter().map(|machine| self.target(machine, &bearer).boxed()).collect();
        let done: Vec<_> = futures::stream::iter(asked).buffered(CONCURRENCY).collect().await;
        let (mut targets, mut fresh) = (Vec::new(), Vec::new());
        for found in done {
            let (target, nics) = found
                .map_err(|err| format!("unable to complete Azure service discovery: {err}"))?;
            targets.extend(target);
            fresh.extend(nics);
        }
        for (id, nic) in fresh {
            if self.known.len() >= MAX_REMEMBERED {
                break;
            }
            // Spread, so that not all are asked for again at once.
            let spread = crc(&id) % 300;
            let until = now.saturating_add(self.interval_ms.saturating_mul(1000 + spread) / 100);
            self.known.insert(id, (nic, until));
        }
        Ok(targets)
    }

    async fn machines(&self, bearer: &str) -> Result<Vec<Machine>, String> {
        let scope = match self.resource_group.as_str() {
            "" => String::new(),
            group => format!("/resourceGroups/{}", escape(group, b"")),
        };
        let subscription = format!("/subscriptions/{}", escape(&self.subscription, b""));
        let provider = format!("{subscription}{scope}/providers/Microsoft.Compute");
        let vms = self.list(&format!("{provider}/virtualMachines"), bearer).await;
        let vms = vms.map_err(|err| format!("could not get virtual machines: {err}"))?;
        let mut machines: Vec<Machine> = vms.into_iter().map(|vm| (vm, None)).collect();
        let sets = self.list(&format!("{provider}/virtualMachineScaleSets"), bearer).await;
        let sets =
            sets.map_err(|err| format!("could not get virtual machine scale sets: {err}"))?;
        for set in sets {
            let group = resource_group(&set.id)?;
            let path = format!(
                "{subscription}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines",
                escape(group, b""),
                escape(&set.name, b"")
            );
            let vms = self
                .list(&path, bearer)
                .await
                .map_err(|err| format!("could not get virtual machine scale set vms: {err}"))?;
            machines.extend(vms.into_iter().map(|vm| (vm, Some(set.name.clone()))));
        }
        Ok(machines)
    }

    async fn list(&self, path: &str, bearer: &str) -> Result<Vec<Vm>, String> {
        let base = format!("https://{}", self.cloud.management);
        let mut url = format!("{base}{path}?api-version={COMPUTE_VERSION}");
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: Option<VmPage> = self.get(&url, bearer).await?;
            let page = page.ok_or_else(|| format!("{path}: not found"))?;
            all.extend(page.value);
            url = page.next_link;
            if url.is_empty() {
                return Ok(all);
            }
            // The token is for this host alone.
            if !url.starts_with(&format!("{base}/")) {
                return Err(format!("{path}: next page is on another host"));
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    /// `None`: there is no such thing.
    async fn get<T: DeserializeOwned>(&self, url: &str, bearer: &str) -> Result<Option<T>, String> {
        let ask = self.api.get_ask(url).header("authorization", bearer);
        let answer = self.api.client.send(ask).await.map_err(|err| err.to_string())?;
        match answer.status {
            200 => decode(&answer.body).map(Some),
            404 => Ok(None),
            _ => Err(refusal(url.split('?').next().unwrap_or_default(), &answer)),
        }
    }

    /// The target of a machine, unless it is not allocated, and the interfaces that were asked for.
    async fn target(
        &self,
        (vm, scale_set): &Machine,
        bearer: &str,
    ) -> Result<(Option<Labels>, Vec<(String, Nic)>), String> {
        let properties = &vm.properties;
        let mut target = Meta::new("__meta_azure_");
        target
            .put("subscription_id", &self.subscription)
            .put("tenant_id", &self.tenant)
            .put("machine_id", &vm.id)
            .put("machine_name", &vm.name)
            .put("machine_computer_name", &properties.os_profile.computer_name)
            .put("machine_os_type", &properties.storage_profile.os_disk.os_type)
            .put("machine_location", &vm.location)
            .put("machine_resource_group", resource_group(&vm.id)?)
            .put("machine_size", &properties.hardware_profile.vm_size)
            .put_some("machine_scale_set", scale_set.as_ref());
        let tags = vm.tags.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        target.put_all("machine_tag_", tags);
        let mut fresh = Vec::new();
        for reference in &properties.network_profile.network_interfaces {
            let nic = match self.known.get(&reference.id) {
                Some((nic, _)) => {
                    self.cache_hits.inc();
                    nic.clone()
                }
                None => {
                    let url = self.nic_url(&reference.id, vm, scale_set.as_deref())?;
                    let Some(nic) = self.get::<Nic>(&url, bearer).await? else {
                        let name = &reference.id;
                        tracing::warn!(
                            discovery = "azure",
                            name,
                            "network interface does not exist"
                        );
                        return Ok((None, fresh));
                    };
                    fresh.push((reference.id.clone(), nic.clone()));
                    nic
                }
            };
            let Some(properties) = nic.properties else { continue };
            // Interfaces of machines that are not allocated do not say whether they are primary.
            let Some(is_primary) = properties.primary else { return Ok((None, fresh)) };
            if !is_primary {
                continue;
            }
            if let Some(first) = properties.ip_configurations.first() {
                let ip = &first.properties;
                target.put_some("machine_public_ip", ip.public_ip.properties.ip_address.as_ref());
                let Some(private) = &ip.private_ip else {
                    return Err(format!("unable to find a private IP for VM {}", vm.name));
                };
                target.put("machine_private_ip", private).address(private, self.port);
                return Ok((Some(target.build()), fresh));
            }
        }
        Ok((None, fresh))
    }

    fn nic_url(&self, id: &str, vm: &Vm, scale_set: Option<&str>) -> Result<String, String> {
        let group = escape(resource_group(id)?, b"");
        let name = escape(id.rsplit('/').next().unwrap_or_default(), b"");
        let host = self.cloud.management;
        let subscription = escape(&self.subscription, b"");
        let prefix =
            format!("https://{host}/subscriptions/{subscription}/resourceGroups/{group}/providers");
        let expand = "%24expand=IPConfigurations%2FPublicIPAddress";
        Ok(match scale_set {
            None => format!(
                "{prefix}/Microsoft.Network/networkInterfaces/{name}?api-version={NETWORK_VERSION}&{expand}"
            ),
            Some(set) => format!(
                "{prefix}/microsoft.Compute/virtualMachineScaleSets/{}/virtualMachines/{}/networkInterfaces/{name}?api-version={SCALE_SET_NETWORK_VERSION}&{expand}",
                escape(set, b""),
                escape(&vm.instance_id, b"")
            ),
        })
    }
}

refresh!(Azure);

/// The resource group of `/subscriptions/<id>/resourceGroups/<name>/...`.
fn resource_group(id: &str) -> Result<&str, String> {
    let mut parts = id.strip_prefix('/').unwrap_or(id).split('/');
    while let Some(part) = parts.next() {
        if part.eq_ignore_ascii_case("resourceGroups") {
            return parts.next().filter(|name| !name.is_empty()).ok_or_else(|| bad_id(id));
        }
    }
    Err(bad_id(id))
}

fn bad_id(id: &str) -> String {
    format!("invalid ID '{id}'")
}

/// A number of a text that spreads texts evenly.
fn crc(text: &str) -> i64 {
    text.bytes().fold(7, |sum: i64, b| (sum * 31 + i64::from(b)) % 1_000_003)
}
