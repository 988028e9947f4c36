//! `oci_sd_configs`: compute instances of Oracle Cloud Infrastructure. Sources: Core Services and Identity APIs 20160918, "Request
//! Signatures".
//!
//! Requests are signed with an API key. Left out: instance principals and keys behind a passphrase, which are refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use gauntlet_model::float::plain_float;
use gauntlet_model::{Labels, TargetGroup};
use gauntlet_net::jwt::{Algorithm, RsaKey};
use gauntlet_runtime::Clock;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Making, Pairs, refresh};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::meta::{Meta, one_group, sanitise};
use crate::rest::{Api, MAX_PAGES, decode, escape, query};
use gauntlet_net::time::http_date;

const VERSION: &str = "20160918";
/// Most compartments that are walked.
const MAX_COMPARTMENTS: usize = 10_000;
/// Largest key that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

answer! {
    #[serde(rename_all = "camelCase")]
    struct Compartment {
        id: String,
        lifecycle_state: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Instance {
        id: String,
        compartment_id: String,
        display_name: String,
        lifecycle_state: String,
        shape: String,
        availability_domain: String,
        fault_domain: String,
        region: String,
        image_id: String,
        freeform_tags: Pairs,
        defined_tags: BTreeMap<String, BTreeMap<String, Value>>,
    }

    #[serde(rename_all = "camelCase")]
    struct Attachment {
        vnic_id: String,
        lifecycle_state: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Vnic {
        id: String,
        is_primary: bool,
        private_ip: String,
        public_ip: String,
        hostname_label: String,
        ipv6_addresses: Vec<String>,
    }
}

pub(super) struct Oci {
    api: Api,
    clock: Arc<dyn Clock>,
    key: RsaKey,
    key_id: String,
    tenancy: String,
    region: String,
    compartments: Vec<String>,
    port: i64,
}

impl Oci {
    pub(super) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let fields = making.fields;
        if fields.str("auth") != "api_key" {
            return Err(making.refused("auth: instance_principal is not supported; use api_key"));
        }
        let has_passphrase = !fields.secret("key_passphrase").is_empty()
            || !fields.str("key_passphrase_file").is_empty();
        if has_passphrase {
            return Err(making.refused("keys behind a passphrase are not supported"));
        }
        let file = fields.str("key_file");
        let read = || -> Result<String, String> {
            let fail = |err: std::io::Error| format!("reading OCI key file {file:?}: {err}");
            if std::fs::metadata(file).map_err(fail)?.len() > MAX_FILE_BYTES {
                return Err(format!("OCI key file {file:?} is larger than {MAX_FILE_BYTES} bytes"));
            }
            std::fs::read_to_string(file).map_err(fail)
        };
        let key =
            read().and_then(|pem| RsaKey::from_pem(&pem)).map_err(|err| making.refused(err))?;
        let [tenancy, user, fingerprint, region] =
            ["tenancy", "user", "fingerprint", "region"].map(|name| fields.str(name).to_owned());
        Ok(Self {
            api: making.api()?,
            clock: Arc::clone(&making.deps.clock),
            key,
            key_id: format!("{tenancy}/{user}/{fingerprint}"),
            tenancy,
            region,
            compartments: fields.strings("compartments").to_vec(),
            port: fields.int("port"),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let compartments = if self.compartments.is_empty() {
            self.walk().await?
        } else {
            self.compartments.clone()
        };
        let mut targets = Vec::new();
        for compartment in &compartments {
            let of = [("compartmentId", compartment.as_str())];
            let instances: Vec<Instance> =
                self.all("iaas", "instances", &of).await.map_err(|err| {
                    format!("listing OCI instances in compartment {compartment}: {err}")
                })?;
            for instance in instances.iter().filter(|i| !i.id.is_empty()) {
                match self.primary(instance).await {
                    Ok(vnic) => targets.extend(vnic.and_then(|vnic| self.target(instance, vnic))),
                    Err(err) => {
                        let instance = &instance.id;
                        tracing::warn!(discovery = "oci", instance, err, "cannot resolve VNIC");
                    }
                }
            }
        }
        Ok(one_group("OCI", targets))
    }

    /// The tenancy and all active compartments below it. One that may not be read has none below it.
    async fn walk(&self) -> Result<Vec<String>, String> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        let mut queue = VecDeque::from([self.tenancy.clone()]);
        while let Some(at) = queue.pop_front() {
            if !seen.insert(at.clone()) {
                continue;
            }
            if found.len() == MAX_COMPARTMENTS {
                return Err(format!("more than {MAX_COMPARTMENTS} compartments"));
            }
            let pairs = [
                ("accessLevel", "ACCESSIBLE"),
                ("compartmentId", at.as_str()),
                ("compartmentIdInSubtree", "false"),
            ];
            match self.all::<Compartment>("identity", "compartments", &pairs).await {
                Ok(children) => queue.extend(
                    children.into_iter().filter(|c| c.lifecycle_state == "ACTIVE").map(|c| c.id),
                ),
                Err(err) => {
                    tracing::warn!(discovery = "oci", compartment = at, err, "skipping subtree");
                }
            }
            found.push(at);
        }
        Ok(found)
    }

    /// The primary network card, if there is one.
    async fn primary(&self, instance: &Instance) -> Result<Option<Vnic>, String> {
        let pairs =
            [("compartmentId", instance.compartment_id.as_str()), ("instanceId", &instance.id)];
        let attachments: Vec<Attachment> = self.all("iaas", "vnicAttachments", &pairs).await?;
        let attached = attachments.iter().filter(|a| a.lifecycle_state == "ATTACHED");
        for attachment in attached.filter(|a| !a.vnic_id.is_empty()) {
            let path = format!("vnics/{}", escape(&attachment.vnic_id, b""));
            let vnic: Vnic = self.get("iaas", &path).await?.0;
            if vnic.is_primary {
                return Ok(Some(vnic));
            }
        }
        Ok(None)
    }

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(
        &self,
        service: &str,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<T>, String> {
        let (mut all, mut page) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut pairs = pairs.to_vec();
            pairs.push(("limit", "100"));
            if !page.is_empty() {
                pairs.push(("page", &page));
            }
            let path = format!("{path}?{}", query(pairs));
            let (found, next): (Vec<T>, _) = self.get(service, &path).await?;
            all.extend(found);
            match next {
                Some(next) => page = next,
                None => return Ok(all),
            }
        }
        Err(format!("{path}: list has more than {MAX_PAGES} pages"))
    }

    /// An answer and where the next page is.
    async fn get<T: DeserializeOwned>(
        &self,
        service: &str,
        path: &str,
    ) -> Result<(T, Option<String>), String> {
        let domain = if service == "iaas" { "oraclecloud.com" } else { "oci.oraclecloud.com" };
        let host = format!("{service}.{}.{domain}", self.region);
        let date = http_date(self.clock.now_ms());
        let target = format!("/{VERSION}/{path}");
        let text = format!("date: {date}\n(request-target): get {target}\nhost: {host}");
        let signature = self.key.sign(Algorithm::Rs256, text.as_bytes())?;
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        let authorization = format!(
            "Signature version=\"1\",headers=\"date (request-target) host\",keyId=\"{}\",algorithm=\"rsa-sha256\",signature=\"{signature}\"",
            self.key_id
        );
        let ask = self
            .api
            .get_ask(format!("https://{host}{target}"))
            .header("date", date)
            .header("accept", "application/json")
            .header("authorization", authorization);
        let answer = self.api.send(ask).await?;
        let next = answer.header("opc-next-page").map(str::to_owned);
        Ok((decode(&answer.body)?, next))
    }

    /// `None`: the instance has no address.
    fn target(&self, instance: &Instance, mut vnic: Vnic) -> Option<Labels> {
        vnic.ipv6_addresses.sort();
        let hosts =
            [&vnic.private_ip, &vnic.public_ip].into_iter().chain(vnic.ipv6_addresses.first());
        let host = hosts.into_iter().find(|ip| !ip.is_empty())?;
        let mut target = Meta::new("__meta_oci_");
        target
            .address(host, self.port)
            .put("instance_id", &instance.id)
            .put("instance_name", &instance.display_name)
            .put("instance_state", &instance.lifecycle_state)
            .put("instance_shape", &instance.shape)
            .put("availability_domain", &instance.availability_domain)
            .put("fault_domain", &instance.fault_domain)
            .put("region", &instance.region)
            .put("tenancy_id", &self.tenancy)
            .put("compartment_id", &instance.compartment_id)
            .put("image_id", &instance.image_id)
            .put("vnic_id", &vnic.id)
            .put("private_ip", &vnic.private_ip)
            .put("public_ip", &vnic.public_ip)
            .put("hostname_label", &vnic.hostname_label)
            .list("ipv6_addresses", ",", &vnic.ipv6_addresses)
            .put_all("tag_", &instance.freeform_tags);
        for (namespace, tags) in &instance.defined_tags {
            for (name, value) in tags {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Bool(truth) => truth.to_string(),
                    Value::Number(n) => n.as_f64().map(plain_float).unwrap_or_default(),
                    _ => continue,
                };
                let name = format!("defined_tag_{}_{}", sanitise(namespace), sanitise(name));
                target.put(&name, text);
            }
        }
        Some(target.build())
    }
}

refresh!(Oci);
