//! ElastiCache: nodes of cache clusters, and serverless caches. Source: ElastiCache API reference 2015-02-02.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use gauntlet_model::{Labels, TargetGroup};

use super::client::{AwsClient, Session, parse};
use super::{Making, put_table, put_tags_named};
use crate::discoverer::StartError;
use crate::kinds::refresh;
use crate::meta::{Meta, one_group};
use crate::rest::MAX_PAGES;
use crate::xml::Element;

const VERSION: &str = "2015-02-02";

/// Labels of a serverless cache and the elements that they show.
static SERVERLESS: &[(&str, &str)] = &[
    ("serverless_cache_arn", "ARN"),
    ("serverless_cache_name", "ServerlessCacheName"),
    ("serverless_cache_status", "Status"),
    ("serverless_cache_engine", "Engine"),
    ("serverless_cache_full_engine_version", "FullEngineVersion"),
    ("serverless_cache_major_engine_version", "MajorEngineVersion"),
    ("serverless_cache_description", "Description"),
    ("serverless_cache_create_time", "CreateTime"),
    ("serverless_cache_kms_key_id", "KmsKeyId"),
    ("serverless_cache_user_group_id", "UserGroupId"),
    ("serverless_cache_daily_snapshot_time", "DailySnapshotTime"),
    ("serverless_cache_snapshot_retention_limit", "SnapshotRetentionLimit"),
    ("serverless_cache_endpoint_address", "Endpoint/Address"),
    ("serverless_cache_endpoint_port", "Endpoint/Port"),
    ("serverless_cache_endpoint_reader_address", "ReaderEndpoint/Address"),
    ("serverless_cache_endpoint_reader_port", "ReaderEndpoint/Port"),
    (
        "serverless_cache_cache_usage_limit_data_storagemaximum",
        "CacheUsageLimits/DataStorage/Maximum",
    ),
    (
        "serverless_cache_cache_usage_limit_data_storageminimum",
        "CacheUsageLimits/DataStorage/Minimum",
    ),
    ("serverless_cache_cache_usage_limit_data_storageunit", "CacheUsageLimits/DataStorage/Unit"),
    (
        "serverless_cache_cache_usage_limit_ecpu_per_secondmaximum",
        "CacheUsageLimits/ECPUPerSecond/Maximum",
    ),
    (
        "serverless_cache_cache_usage_limit_ecpu_per_secondminimum",
        "CacheUsageLimits/ECPUPerSecond/Minimum",
    ),
];

/// Labels of a cluster and the elements that they show.
static CLUSTER: &[(&str, &str)] = &[
    ("cache_cluster_arn", "ARN"),
    ("cache_cluster_cache_cluster_id", "CacheClusterId"),
    ("cache_cluster_cache_cluster_status", "CacheClusterStatus"),
    ("cache_cluster_at_rest_encryption_enabled", "AtRestEncryptionEnabled"),
    ("cache_cluster_auth_token_enabled", "AuthTokenEnabled"),
    ("cache_cluster_auth_token_last_modified", "AuthTokenLastModifiedDate"),
    ("cache_cluster_auto_minor_version_upgrade", "AutoMinorVersionUpgrade"),
    ("cache_cluster_cache_cluster_create_time", "CacheClusterCreateTime"),
    ("cache_cluster_cache_node_type", "CacheNodeType"),
    ("cache_cluster_cache_parameter_group", "CacheParameterGroup/CacheParameterGroupName"),
    ("cache_cluster_cache_subnet_group_name", "CacheSubnetGroupName"),
    ("cache_cluster_client_download_landing_page", "ClientDownloadLandingPage"),
    ("cache_cluster_configuration_endpoint_address", "ConfigurationEndpoint/Address"),
    ("cache_cluster_configuration_endpoint_port", "ConfigurationEndpoint/Port"),
    ("cache_cluster_engine", "Engine"),
    ("cache_cluster_engine_version", "EngineVersion"),
    ("cache_cluster_ip_discovery", "IpDiscovery"),
    ("cache_cluster_network_type", "NetworkType"),
    ("cache_cluster_notification_topic_arn", "NotificationConfiguration/TopicArn"),
    ("cache_cluster_notification_topic_status", "NotificationConfiguration/TopicStatus"),
    ("cache_cluster_num_cache_nodes", "NumCacheNodes"),
    ("cache_cluster_preferred_availability_zone", "PreferredAvailabilityZone"),
    ("cache_cluster_preferred_maintenance_window", "PreferredMaintenanceWindow"),
    ("cache_cluster_preferred_outpost_arn", "PreferredOutpostArn"),
    ("cache_cluster_replication_group_id", "ReplicationGroupId"),
    ("cache_cluster_replication_group_log_delivery_enabled", "ReplicationGroupLogDeliveryEnabled"),
    ("cache_cluster_snapshot_retention_limit", "SnapshotRetentionLimit"),
    ("cache_cluster_snapshot_window", "SnapshotWindow"),
    ("cache_cluster_transit_encryption_enabled", "TransitEncryptionEnabled"),
    ("cache_cluster_transit_encryption_mode", "TransitEncryptionMode"),
    (
        "cache_cluster_pending_modified_values_auth_token_status",
        "PendingModifiedValues/AuthTokenStatus",
    ),
    (
        "cache_cluster_pending_modified_values_cache_node_type",
        "PendingModifiedValues/CacheNodeType",
    ),
    ("cache_cluster_pending_modified_values_engine_version", "PendingModifiedValues/EngineVersion"),
    (
        "cache_cluster_pending_modified_values_num_cache_nodes",
        "PendingModifiedValues/NumCacheNodes",
    ),
    (
        "cache_cluster_pending_modified_values_transit_encryption_enabled",
        "PendingModifiedValues/TransitEncryptionEnabled",
    ),
    (
        "cache_cluster_pending_modified_values_transit_encryption_mode",
        "PendingModifiedValues/TransitEncryptionMode",
    ),
];

/// Labels of a node and the elements that they show.
static NODE: &[(&str, &str)] = &[
    ("cache_cluster_node_id", "CacheNodeId"),
    ("cache_cluster_node_status", "CacheNodeStatus"),
    ("cache_cluster_node_create_time", "CacheNodeCreateTime"),
    ("cache_cluster_node_availability_zone", "CustomerAvailabilityZone"),
    ("cache_cluster_node_customer_outpost_arn", "CustomerOutpostArn"),
    ("cache_cluster_node_source_cache_node_id", "SourceCacheNodeId"),
    ("cache_cluster_node_parameter_group_status", "ParameterGroupStatus"),
    ("cache_cluster_node_endpoint_address", "Endpoint/Address"),
    ("cache_cluster_node_endpoint_port", "Endpoint/Port"),
];

/// Labels of the n-th log delivery.
static LOG_DELIVERY: &[(&str, &str)] = &[
    ("destination_type", "DestinationType"),
    ("log_format", "LogFormat"),
    ("log_type", "LogType"),
    ("status", "Status"),
    ("message", "Message"),
    ("log_group", "DestinationDetails/CloudWatchLogsDetails/LogGroup"),
    ("delivery_stream", "DestinationDetails/KinesisFirehoseDetails/DeliveryStream"),
];

#[derive(Debug)]
pub(crate) struct ElastiCache {
    client: AwsClient,
    /// Names of serverless caches that are asked for; all if there are none.
    serverless: Vec<String>,
    /// Ids of clusters that are asked for; all if there are none.
    clusters: Vec<String>,
    concurrency: usize,
}

impl ElastiCache {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        let (mut serverless, mut clusters) = (Vec::new(), Vec::new());
        for arn in making.fields.strings("clusters").iter().filter(|arn| !arn.is_empty()) {
            let parts: Vec<&str> = arn.split(':').collect();
            match (parts.get(5), parts.get(6)) {
                (Some(&"serverlesscache"), Some(name)) => serverless.push((*name).to_owned()),
                (Some(&"replicationgroup"), Some(id)) => clusters.push((*id).to_owned()),
                (Some(_), Some(_)) => {}
                _ => tracing::warn!(discovery = "elasticache", arn, "skipping invalid ARN"),
            }
        }
        Ok(Self {
            client: super::client(making, ("elasticache", "elasticache"))?,
            serverless,
            clusters,
            concurrency: super::concurrency(making.fields, 10),
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let region = self.client.region().await?;
        let found = self.find().await.inspect_err(|_| self.client.forget())?;
        Ok(one_group(region, found))
    }

    async fn find(&mut self) -> Result<Vec<Labels>, String> {
        let session = self.client.session().await?;
        let action = "DescribeServerlessCaches";
        let caches = self.named(&session, action, "ServerlessCacheName", &self.serverless, &[]);
        let caches =
            caches.await.map_err(|err| format!("failed to describe serverless caches: {err}"))?;
        let more = [("ShowCacheNodeInfo", "true")];
        let clusters =
            self.named(&session, "DescribeCacheClusters", "CacheClusterId", &self.clusters, &more);
        let clusters =
            clusters.await.map_err(|err| format!("failed to describe cache clusters: {err}"))?;
        let mut arns = Vec::new();
        for body in &caches {
            let page = parse(body, "DescribeServerlessCachesResult")?;
            arns.extend(page.items("ServerlessCaches", "member").map(|c| c.str("ARN").to_owned()));
        }
        for body in &clusters {
            let page = parse(body, "DescribeCacheClustersResult")?;
            arns.extend(
                page.items("CacheClusters", "CacheCluster").map(|c| c.str("ARN").to_owned()),
            );
        }
        arns.retain(|arn| !arn.is_empty());
        let asked = arns.iter().map(|arn| tags(&session, arn.clone()));
        let found = super::all(asked.collect(), self.concurrency).await;
        let found = found.map_err(|err| format!("failed to list tags for resources: {err}"))?;
        let tags: BTreeMap<&str, &Vec<u8>> = arns.iter().map(String::as_str).zip(&found).collect();
        let mut targets = Vec::new();
        for body in &caches {
            let page = parse(body, "DescribeServerlessCachesResult")?;
            for cache in page.items("ServerlessCaches", "member") {
                let tags = tags.get(cache.str("ARN")).map(|body| &body[..]);
                targets.push(serverless(cache, tags)?);
            }
        }
        for body in &clusters {
            let page = parse(body, "DescribeCacheClustersResult")?;
            for cluster in page.items("CacheClusters", "CacheCluster") {
                let tags = tags.get(cluster.str("ARN")).map(|body| &body[..]);
                nodes(cluster, tags, &mut targets)?;
            }
        }
        Ok(targets)
    }

    /// Pages of a list, of all things or of those named.
    async fn named(
        &self,
        session: &Session,
        action: &'static str,
        parameter: &str,
        names: &[String],
        more: &[(&str, &str)],
    ) -> Result<Vec<Vec<u8>>, String> {
        let more: Vec<(String, String)> =
            more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if names.is_empty() {
            return pages(session, action, more).await;
        }
        let asked = names.iter().map(|name| {
            let mut parameters = more.clone();
            parameters.push((parameter.to_owned(), name.clone()));
            pages(session, action, parameters)
        });
        Ok(super::all(asked.collect(), self.concurrency).await?.into_iter().flatten().collect())
    }
}

refresh!(ElastiCache);

/// All pages of a list, as they came.
fn pages<'s>(
    session: &'s Session,
    action: &'static str,
    parameters: Vec<(String, String)>,
) -> BoxFuture<'s, Result<Vec<Vec<u8>>, String>> {
    // The two lists name their pages differently.
    let is_serverless = action == "DescribeServerlessCaches";
    let (size, next) = if is_serverless {
        (("MaxResults", "50"), "NextToken")
    } else {
        (("MaxRecords", "100"), "Marker")
    };
    Box::pin(async move {
        let (mut bodies, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut parameters = parameters.clone();
            parameters.push((size.0.to_owned(), size.1.to_owned()));
            if !token.is_empty() {
                parameters.push((next.to_owned(), token));
            }
            let body = session.query(action, VERSION, &parameters).await?;
            token = parse(&body, &format!("{action}Result"))?.str(next).to_owned();
            bodies.push(body);
            if token.is_empty() {
                return Ok(bodies);
            }
        }
        Err(format!("{action}: list has more than {MAX_PAGES} pages"))
    })
}

/// The tags of a resource, as they came.
fn tags(session: &Session, arn: String) -> BoxFuture<'_, Result<Vec<u8>, String>> {
    Box::pin(async move {
        let parameters = [("ResourceName".to_owned(), arn)];
        session.query("ListTagsForResource", VERSION, &parameters).await
    })
}

fn put_tag_body(labels: &mut Meta, prefix: &str, body: Option<&[u8]>) -> Result<(), String> {
    if let Some(body) = body {
        let result = parse(body, "ListTagsForResourceResult")?;
        put_tags_named(labels, prefix, result.items("TagList", "Tag"));
    }
    Ok(())
}

fn put_endpoint_address(labels: &mut Meta, of: &Element<'_>) {
    if let Some(endpoint) = of.child("Endpoint")
        && let (Some(host), Ok(port)) = (endpoint.get("Address"), endpoint.str("Port").parse())
    {
        labels.address(host, port);
    }
}

fn serverless(cache: &Element<'_>, tags: Option<&[u8]>) -> Result<Labels, String> {
    let mut target = Meta::new("__meta_elasticache_");
    target.put("deployment_option", "serverless");
    put_table(&mut target, cache, SERVERLESS);
    for (at, group) in cache.items("SecurityGroupIds", "SecurityGroupId").enumerate() {
        target.put(&format!("serverless_cache_security_group_id_{at}"), &group.text);
    }
    for (at, subnet) in cache.items("SubnetIds", "SubnetId").enumerate() {
        target.put(&format!("serverless_cache_subnet_id_{at}"), &subnet.text);
    }
    put_tag_body(&mut target, "serverless_cache_tag_", tags)?;
    put_endpoint_address(&mut target, cache);
    Ok(target.build())
}

/// A target per node of a cluster.
fn nodes(
    cluster: &Element<'_>,
    tags: Option<&[u8]>,
    targets: &mut Vec<Labels>,
) -> Result<(), String> {
    let mut common = Meta::new("__meta_elasticache_");
    common.put("deployment_option", "node");
    put_table(&mut common, cluster, CLUSTER);
    let deliveries = cluster.items("LogDeliveryConfigurations", "LogDeliveryConfiguration");
    for (at, delivery) in deliveries.enumerate() {
        for (label, path) in LOG_DELIVERY {
            let name = format!("cache_cluster_log_delivery_configuration_{label}_{at}");
            common.put_some(&name, delivery.at(path));
        }
    }
    let removed = cluster.child("PendingModifiedValues");
    let removed = removed.into_iter().flat_map(|p| p.items("CacheNodeIdsToRemove", "CacheNodeId"));
    let removed: Vec<&str> = removed.map(|id| &*id.text).collect();
    common.put("cache_cluster_pending_modified_values_cache_node_ids_to_remove", removed.join(","));
    for (at, group) in cluster.items("SecurityGroups", "member").enumerate() {
        let name = |what: &str| format!("cache_cluster_security_group_membership_{what}_{at}");
        common.put(&name("id"), group.str("SecurityGroupId"));
        common.put(&name("status"), group.str("Status"));
    }
    put_tag_body(&mut common, "cache_cluster_tag_", tags)?;
    for node in cluster.items("CacheNodes", "CacheNode") {
        let mut target = common.clone();
        put_table(&mut target, node, NODE);
        put_endpoint_address(&mut target, node);
        targets.push(target.build());
    }
    Ok(())
}
