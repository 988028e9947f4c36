//! MSK: nodes of Kafka clusters. Source: Amazon MSK API reference, `ListClustersV2`, `DescribeClusterV2`, `ListNodes`.

use gauntlet_model::{Labels, TargetGroup};

use super::Making;
use super::client::{AwsClient, Session};
use crate::answer::answer;
use crate::discoverer::StartError;
use crate::kinds::{Pairs, refresh};
use crate::meta::{Meta, one_group};
use crate::rest::{MAX_PAGES, escape};

const PROVISIONED: &str = "PROVISIONED";

answer! {
    #[serde(rename_all = "camelCase")]
    struct Page {
        cluster_info_list: Vec<Cluster>,
        cluster_info: Cluster,
        node_info_list: Vec<Node>,
        next_token: String,
    }

    #[serde(rename_all = "camelCase")]
    struct Cluster {
        cluster_arn: String,
        cluster_name: String,
        cluster_type: String,
        state: String,
        current_version: String,
        tags: Pairs,
        provisioned: Provisioned,
    }

    #[serde(rename_all = "camelCase")]
    struct Provisioned {
        current_broker_software_info: Software,
        open_monitoring: Monitoring,
    }

    #[serde(rename_all = "camelCase")]
    struct Software {
        kafka_version: String,
        configuration_arn: Option<String>,
        configuration_revision: Option<i64>,
    }

    struct Monitoring {
        prometheus: Exporters,
    }

    #[serde(rename_all = "camelCase")]
    struct Exporters {
        jmx_exporter: Option<Exporter>,
        node_exporter: Option<Exporter>,
    }

    #[serde(rename_all = "camelCase")]
    struct Exporter {
        enabled_in_broker: bool,
    }

    #[serde(rename_all = "camelCase")]
    struct Node {
        #[serde(rename = "nodeARN")]
        arn: String,
        added_to_cluster_time: String,
        instance_type: String,
        broker_node_info: Option<Broker>,
        controller_node_info: Option<Controller>,
    }

    #[serde(rename_all = "camelCase")]
    struct Broker {
        #[serde(rename = "attachedENIId")]
        attached_eni: String,
        broker_id: f64,
        client_subnet: String,
        client_vpc_ip_address: String,
        endpoints: Vec<String>,
    }

    struct Controller {
        endpoints: Vec<String>,
    }
}

#[derive(Debug)]
pub(crate) struct Msk {
    client: AwsClient,
    clusters: Vec<String>,
    concurrency: usize,
    port: i64,
}

impl Msk {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self {
            client: super::client(making, ("kafka", "kafka"))?,
            clusters: making.fields.strings("clusters").to_vec(),
            concurrency: super::concurrency(making.fields, 10),
            port: super::port(making.fields),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let region = self.client.region().await?;
        let found = self.find().await.inspect_err(|_| self.client.forget())?;
        Ok(one_group(region, found))
    }

    async fn find(&mut self) -> Result<Vec<Labels>, String> {
        let session = self.client.session().await?;
        let clusters: Vec<Cluster> = if self.clusters.is_empty() {
            let filter = [("clusterTypeFilter", PROVISIONED)];
            pages(&session, "/api/v2/clusters", &filter, |page| page.cluster_info_list).await?
        } else {
            let asked = self.clusters.iter().map(|arn| {
                let path = format!("/api/v2/clusters/{}", escape(arn, b""));
                session.rest::<Page>(path, Vec::new())
            });
            let found = super::all(asked.collect(), self.concurrency).await?;
            // Serverless clusters have no brokers of their own.
            let found = found.into_iter().map(|page| page.cluster_info);
            found.filter(|cluster| cluster.cluster_type == PROVISIONED).collect()
        };
        let asked = clusters.iter().map(|cluster| {
            let path = format!("/v1/clusters/{}/nodes", escape(&cluster.cluster_arn, b""));
            let session = &session;
            let pages = async move { pages(session, &path, &[], |page| page.node_info_list).await };
            Box::pin(pages) as super::Asked<'_, Vec<Node>>
        });
        let nodes = super::all(asked.collect(), self.concurrency).await?;
        let mut targets = Vec::new();
        for (cluster, nodes) in clusters.iter().zip(&nodes) {
            nodes.iter().for_each(|node| self.targets(cluster, node, &mut targets));
        }
        Ok(targets)
    }

    fn targets(&self, cluster: &Cluster, node: &Node, targets: &mut Vec<Labels>) {
        let software = &cluster.provisioned.current_broker_software_info;
        let exporters = &cluster.provisioned.open_monitoring.prometheus;
        let enabled = |exporter: &Option<Exporter>| {
            exporter.as_ref().map(|exporter| exporter.enabled_in_broker.to_string())
        };
        let revision = software.configuration_revision.map(|revision| revision.to_string());
        let mut common = Meta::new("__meta_msk_");
        common
            .put("cluster_name", &cluster.cluster_name)
            .put("cluster_arn", &cluster.cluster_arn)
            .put("cluster_state", &cluster.state)
            .put("cluster_type", &cluster.cluster_type)
            .put("cluster_version", &cluster.current_version)
            .put("cluster_kafka_version", &software.kafka_version)
            .put_some("cluster_configuration_arn", software.configuration_arn.as_ref())
            .put_some("cluster_configuration_revision", revision)
            .put_some("cluster_jmx_exporter_enabled", enabled(&exporters.jmx_exporter))
            .put_all("cluster_tag_", &cluster.tags)
            .put("node_arn", &node.arn)
            .put("node_added_time", &node.added_to_cluster_time)
            .put("node_instance_type", &node.instance_type);
        let (endpoints, index) = if let Some(broker) = &node.broker_node_info {
            common
                .put("node_type", "BROKER")
                .put("node_attached_eni", &broker.attached_eni)
                .show("broker_id", broker.broker_id)
                .put("broker_client_subnet", &broker.client_subnet)
                .put("broker_client_vpc_ip", &broker.client_vpc_ip_address)
                .put_some("broker_node_exporter_enabled", enabled(&exporters.node_exporter));
            (&broker.endpoints, "broker_endpoint_index")
        } else if let Some(controller) = &node.controller_node_info {
            common.put("node_type", "CONTROLLER");
            (&controller.endpoints, "controller_endpoint_index")
        } else {
            return;
        };
        for (at, endpoint) in endpoints.iter().enumerate() {
            targets.push(common.clone().show(index, at).address(endpoint, self.port).build());
        }
    }
}

refresh!(Msk);

/// All pages of a list.
async fn pages<T>(
    session: &Session,
    path: &str,
    filter: &[(&str, &str)],
    take: impl Fn(Page) -> Vec<T>,
) -> Result<Vec<T>, String> {
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let mut pairs = vec![("maxResults".to_owned(), "100".to_owned())];
        pairs.extend(filter.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        if !next.is_empty() {
            pairs.push(("nextToken".to_owned(), next));
        }
        let page: Page = session.rest(path.to_owned(), pairs).await?;
        next = page.next_token.clone();
        all.extend(take(page));
        if next.is_empty() {
            return Ok(all);
        }
    }
    Err(format!("{path}: list has more than {MAX_PAGES} pages"))
}
