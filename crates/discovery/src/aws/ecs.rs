//! ECS: tasks of containers. Source: ECS API reference 2014-11-13; addresses of machines and interfaces come from EC2.
//!
//! A cluster that cannot be looked at is logged and left out; the others go on, as upstream has it.

use std::collections::{BTreeMap, BTreeSet};

use gauntlet_model::{Labels, TargetGroup};
use serde_json::{Value, json};

use super::client::{AwsClient, Session, parse};
use super::{Making, Tag, put_tag_list};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::kinds::refresh;
use crate::meta::{Meta, one_group};
use crate::rest::MAX_PAGES;

const TARGET: &str = "AmazonEC2ContainerServiceV20141113";
const EC2_VERSION: &str = "2016-11-15";
/// Things described in one request.
const BATCH: usize = 100;
/// Services described in one request.
const SERVICE_BATCH: usize = 10;

answer! {
    #[serde(rename_all = "camelCase")]
    struct Page {
        cluster_arns: Vec<String>,
        service_arns: Vec<String>,
        task_arns: Vec<String>,
        clusters: Vec<Cluster>,
        services: Vec<Service>,
        tasks: Vec<Task>,
        container_instances: Vec<ContainerInstance>,
        next_token: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Cluster {
        cluster_arn: String,
        cluster_name: String,
        tags: Vec<Tag>,
    }

    #[serde(rename_all = "camelCase")]
    struct Service {
        service_arn: String,
        service_name: String,
        status: String,
        tags: Vec<Tag>,
    }

    #[serde(rename_all = "camelCase")]
    struct Task {
        task_arn: String,
        group: String,
        task_definition_arn: String,
        availability_zone: String,
        desired_status: String,
        last_status: String,
        launch_type: String,
        health_status: String,
        platform_family: String,
        platform_version: String,
        container_instance_arn: Option<String>,
        attachments: Vec<Attachment>,
        tags: Vec<Tag>,
    }

    struct Attachment {
        #[serde(rename = "type")]
        kind: String,
        details: Vec<Detail>,
    }

    struct Detail {
        name: String,
        value: String,
    }

    #[serde(rename_all = "camelCase")]
    struct ContainerInstance {
        container_instance_arn: String,
        ec2_instance_id: String,
    }
}

impl Task {
    /// A detail of the task's own network interface; `None`: it has no interface.
    fn interface(&self, name: &str) -> Option<&str> {
        let own = self.attachments.iter().find(|a| a.kind == "ElasticNetworkInterface")?;
        let detail = own.details.iter().rfind(|detail| detail.name == name);
        Some(detail.map_or("", |detail| &detail.value))
    }
}

/// What EC2 says of a machine.
#[derive(Default)]
struct Machine {
    private_ip: String,
    public_ip: String,
    subnet: String,
    kind: String,
    tags: Vec<Tag>,
}

/// What tasks of a cluster refer to.
#[derive(Default)]
struct Surroundings {
    services: BTreeMap<String, Service>,
    /// Machines by container instance.
    machine_ids: BTreeMap<String, String>,
    machines: BTreeMap<String, Machine>,
    /// Public addresses by network interface.
    public_ips: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Ecs {
    client: AwsClient,
    ec2: AwsClient,
    clusters: Vec<String>,
    concurrency: usize,
    port: i64,
}

impl Ecs {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let client = super::client(making, ("ecs", "ecs"))?;
        let ec2 = client.beside(("ec2", "ec2"));
        Ok(Self {
            client,
            ec2,
            clusters: making.fields.strings("clusters").to_vec(),
            concurrency: super::concurrency(making.fields, 20),
            port: super::port(making.fields),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let region = self.client.region().await?;
        let found = self.find(&region).await.inspect_err(|_| self.client.forget())?;
        Ok(one_group(region, found))
    }

    async fn find(&mut self, region: &str) -> Result<Vec<Labels>, String> {
        let (ecs, ec2) = (self.client.session().await?, self.ec2.session().await?);
        let names = if self.clusters.is_empty() {
            list(&ecs, "ListClusters", json!({}), |page| page.cluster_arns).await?
        } else {
            self.clusters.clone()
        };
        let bodies = names.chunks(BATCH).map(|b| json!({ "clusters": b, "include": ["TAGS"] }));
        let pages = self.describe(&ecs, "DescribeClusters", bodies).await?;
        let clusters: Vec<Cluster> = pages.into_iter().flat_map(|page| page.clusters).collect();
        let mut targets = Vec::new();
        for cluster in &clusters {
            match self.cluster(&ecs, &ec2, region, cluster).await {
                Ok(found) => targets.extend(found),
                Err(err) => {
                    let cluster = &cluster.cluster_arn;
                    tracing::error!(discovery = "ecs", cluster, err, "cannot look at cluster");
                }
            }
        }
        Ok(targets)
    }

    /// Asks the same of many things, a few requests at once.
    async fn describe(
        &self,
        session: &Session,
        operation: &str,
        bodies: impl Iterator<Item = Value>,
    ) -> Result<Vec<Page>, String> {
        let asked = bodies.map(|body| session.json(format!("{TARGET}.{operation}"), body));
        super::all(asked.collect(), self.concurrency).await
    }

    async fn cluster(
        &self,
        ecs: &Session,
        ec2: &Session,
        region: &str,
        cluster: &Cluster,
    ) -> Result<Vec<Labels>, String> {
        let arn = &cluster.cluster_arn;
        let of_cluster = json!({ "cluster": arn });
        let tasks = list(ecs, "ListTasks", of_cluster.clone(), |page| page.task_arns).await?;
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let bodies =
            tasks.chunks(BATCH).map(|b| json!({ "cluster": arn, "tasks": b, "include": ["TAGS"] }));
        let pages = self.describe(ecs, "DescribeTasks", bodies).await?;
        let tasks: Vec<Task> = pages.into_iter().flat_map(|page| page.tasks).collect();
        let services = list(ecs, "ListServices", of_cluster, |page| page.service_arns).await?;
        let bodies = services
            .chunks(SERVICE_BATCH)
            .map(|b| json!({ "cluster": arn, "services": b, "include": ["TAGS"] }));
        let pages = self.describe(ecs, "DescribeServices", bodies).await?;
        let services = pages.into_iter().flat_map(|page| page.services);
        let mut around = Surroundings {
            services: services.map(|s| (s.service_name.clone(), s)).collect(),
            ..Surroundings::default()
        };
        let hosts: BTreeSet<&String> =
            tasks.iter().filter_map(|task| task.container_instance_arn.as_ref()).collect();
        let hosts: Vec<&String> = hosts.into_iter().collect();
        let bodies =
            hosts.chunks(BATCH).map(|b| json!({ "cluster": arn, "containerInstances": b }));
        let pages = self.describe(ecs, "DescribeContainerInstances", bodies).await?;
        for host in pages.into_iter().flat_map(|page| page.container_instances) {
            around.machine_ids.insert(host.container_instance_arn, host.ec2_instance_id);
        }
        let ids: BTreeSet<&str> = around.machine_ids.values().map(String::as_str).collect();
        around.machines = machines(ec2, &ids.into_iter().collect::<Vec<_>>()).await?;
        let interfaces = tasks.iter().filter_map(|task| task.interface("networkInterfaceId"));
        let interfaces: Vec<&str> = interfaces.filter(|id| !id.is_empty()).collect();
        around.public_ips = public_ips(ec2, &interfaces).await?;
        Ok(tasks.iter().filter_map(|task| self.target(region, cluster, task, &around)).collect())
    }

    /// `None`: the task has no address.
    fn target(
        &self,
        region: &str,
        cluster: &Cluster,
        task: &Task,
        around: &Surroundings,
    ) -> Option<Labels> {
        let host = task.container_instance_arn.as_ref();
        let machine_id = host.and_then(|arn| around.machine_ids.get(arn));
        let machine = machine_id.and_then(|id| around.machines.get(id));
        let of_machine = |field: fn(&Machine) -> &String| machine.map_or("", |m| field(m).as_str());
        let (mode, ip, subnet, public) = match task.interface("privateIPv4Address") {
            Some(ip) => {
                let id = task.interface("networkInterfaceId").unwrap_or_default();
                let public = around.public_ips.get(id).map_or("", String::as_str);
                ("awsvpc", ip, task.interface("subnetId").unwrap_or_default(), public)
            }
            None if host.is_some() => (
                "bridge",
                of_machine(|m| &m.private_ip),
                of_machine(|m| &m.subnet),
                of_machine(|m| &m.public_ip),
            ),
            None => return None,
        };
        if ip.is_empty() {
            return None;
        }
        let mut target = Meta::new("__meta_ecs_");
        target
            .address(ip, self.port)
            .put("ip_address", ip)
            .put("region", region)
            .put("launch_type", &task.launch_type)
            .put("health_status", &task.health_status)
            .put("network_mode", mode)
            .put("cluster_arn", &cluster.cluster_arn)
            .put("cluster", &cluster.cluster_name)
            .put("task_group", &task.group)
            .put("task_arn", &task.task_arn)
            .put("task_definition", &task.task_definition_arn)
            .put("availability_zone", &task.availability_zone)
            .put("desired_status", &task.desired_status)
            .put("last_status", &task.last_status)
            .put("subnet_id", subnet)
            .put_some("container_instance_arn", host)
            .put_some("ec2_instance_id", machine_id)
            .put("ec2_instance_type", of_machine(|m| &m.kind))
            .put("ec2_instance_private_ip", of_machine(|m| &m.private_ip))
            .put("ec2_instance_public_ip", of_machine(|m| &m.public_ip))
            .put("public_ip", public)
            .put("platform_family", &task.platform_family)
            .put("platform_version", &task.platform_version);
        put_tag_list(&mut target, "tag_cluster_", &cluster.tags);
        let service = task.group.strip_prefix("service:").and_then(|n| around.services.get(n));
        if let Some(service) = service {
            target
                .put("service", &service.service_name)
                .put("service_arn", &service.service_arn)
                .put("service_status", &service.status);
            put_tag_list(&mut target, "tag_service_", &service.tags);
        }
        put_tag_list(&mut target, "tag_task_", &task.tags);
        if let Some(machine) = machine {
            put_tag_list(&mut target, "tag_ec2_", &machine.tags);
        }
        Some(target.build())
    }
}

refresh!(Ecs);

/// All pages of names.
async fn list(
    session: &Session,
    operation: &str,
    mut body: Value,
    take: impl Fn(Page) -> Vec<String>,
) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    body["maxResults"] = json!(BATCH);
    for _ in 0..MAX_PAGES {
        let page: Page = session.json(format!("{TARGET}.{operation}"), body.clone()).await?;
        let next = page.next_token.clone();
        all.extend(take(page));
        if next.is_empty() {
            return Ok(all);
        }
        body["nextToken"] = json!(next);
    }
    Err(format!("{operation}: list has more than {MAX_PAGES} pages"))
}

/// `Name.1=...&Name.2=...`
fn numbered(name: &str, values: &[&str]) -> Vec<(String, String)> {
    let numbered = values.iter().enumerate();
    numbered.map(|(at, value)| (format!("{name}.{}", at + 1), (*value).to_owned())).collect()
}

async fn machines(ec2: &Session, ids: &[&str]) -> Result<BTreeMap<String, Machine>, String> {
    let mut machines = BTreeMap::new();
    for ids in ids.chunks(BATCH) {
        let parameters = numbered("InstanceId", ids);
        let body = ec2.query("DescribeInstances", EC2_VERSION, &parameters).await?;
        let page = parse(&body, "DescribeInstancesResponse")?;
        for reservation in page.items("reservationSet", "item") {
            for instance in reservation.items("instancesSet", "item") {
                let Some(private_ip) = instance.get("privateIpAddress") else { continue };
                let tags = instance.items("tagSet", "item").map(|tag| Tag {
                    key: tag.get("key").map(str::to_owned),
                    value: tag.get("value").map(str::to_owned),
                });
                let machine = Machine {
                    private_ip: private_ip.to_owned(),
                    public_ip: instance.str("ipAddress").to_owned(),
                    subnet: instance.str("subnetId").to_owned(),
                    kind: instance.str("instanceType").to_owned(),
                    tags: tags.collect(),
                };
                machines.insert(instance.str("instanceId").to_owned(), machine);
            }
        }
    }
    Ok(machines)
}

async fn public_ips(ec2: &Session, ids: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let mut ips = BTreeMap::new();
    for ids in ids.chunks(BATCH) {
        let parameters = numbered("NetworkInterfaceId", ids);
        let body = ec2.query("DescribeNetworkInterfaces", EC2_VERSION, &parameters).await?;
        let page = parse(&body, "DescribeNetworkInterfacesResponse")?;
        for interface in page.items("networkInterfaceSet", "item") {
            let ip = interface.child("association").and_then(|a| a.get("publicIp"));
            if let Some(ip) = ip {
                ips.insert(interface.str("networkInterfaceId").to_owned(), ip.to_owned());
            }
        }
    }
    Ok(ips)
}
