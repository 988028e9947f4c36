//! RDS: instances of database clusters. Source: RDS API reference 2014-10-31, `DescribeDBClusters`, `DescribeDBInstances`.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use gauntlet_model::{Labels, TargetGroup};

use super::client::{AwsClient, Session, filters, parse};
use super::{Making, put_table, put_tags_named};
use crate::discoverer::StartError;
use crate::kinds::refresh;
use crate::meta::{Meta, one_group};
use crate::rest::MAX_PAGES;
use crate::xml::Element;

const VERSION: &str = "2014-10-31";

/// Labels of a cluster and the elements that they show.
static CLUSTER: &[(&str, &str)] = &[
    ("cluster_arn", "DBClusterArn"),
    ("cluster_identifier", "DBClusterIdentifier"),
    ("cluster_activity_stream_kinesis_stream_name", "ActivityStreamKinesisStreamName"),
    ("cluster_activity_stream_kms_key_id", "ActivityStreamKmsKeyId"),
    ("cluster_activity_stream_mode", "ActivityStreamMode"),
    ("cluster_activity_stream_status", "ActivityStreamStatus"),
    ("cluster_allocated_storage", "AllocatedStorage"),
    ("cluster_auto_minor_version_upgrade", "AutoMinorVersionUpgrade"),
    ("cluster_automatic_restart_time", "AutomaticRestartTime"),
    ("cluster_aws_backup_recovery_point_arn", "AwsBackupRecoveryPointArn"),
    ("cluster_backtrack_consumed_change_records", "BacktrackConsumedChangeRecords"),
    ("cluster_backtrack_window", "BacktrackWindow"),
    ("cluster_backup_retention_period", "BackupRetentionPeriod"),
    ("cluster_capacity", "Capacity"),
    ("cluster_character_set_name", "CharacterSetName"),
    ("cluster_clone_group_id", "CloneGroupId"),
    ("cluster_cluster_create_time", "ClusterCreateTime"),
    ("cluster_cluster_scalability_type", "ClusterScalabilityType"),
    ("cluster_copy_tags_to_snapshot", "CopyTagsToSnapshot"),
    ("cluster_cross_account_clone", "CrossAccountClone"),
    ("cluster_instance_class", "DBClusterInstanceClass"),
    ("cluster_parameter_group", "DBClusterParameterGroup"),
    ("cluster_subnet_group", "DBSubnetGroup"),
    ("cluster_db_system_id", "DBSystemId"),
    ("cluster_database_insights_mode", "DatabaseInsightsMode"),
    ("cluster_database_name", "DatabaseName"),
    ("cluster_resource_id", "DbClusterResourceId"),
    ("cluster_deletion_protection", "DeletionProtection"),
    ("cluster_earliest_backtrack_time", "EarliestBacktrackTime"),
    ("cluster_earliest_restorable_time", "EarliestRestorableTime"),
    ("cluster_endpoint", "Endpoint"),
    ("cluster_engine", "Engine"),
    ("cluster_engine_lifecycle_support", "EngineLifecycleSupport"),
    ("cluster_engine_mode", "EngineMode"),
    ("cluster_engine_version", "EngineVersion"),
    ("cluster_global_cluster_identifier", "GlobalClusterIdentifier"),
    ("cluster_global_write_forwarding_requested", "GlobalWriteForwardingRequested"),
    ("cluster_global_write_forwarding_status", "GlobalWriteForwardingStatus"),
    ("cluster_hosted_zone_id", "HostedZoneId"),
    ("cluster_http_endpoint_enabled", "HttpEndpointEnabled"),
    ("cluster_iam_database_authentication_enabled", "IAMDatabaseAuthenticationEnabled"),
    (
        "cluster_io_optimized_next_allowed_modification_time",
        "IOOptimizedNextAllowedModificationTime",
    ),
    ("cluster_iops", "Iops"),
    ("cluster_kms_key_id", "KmsKeyId"),
    ("cluster_latest_restorable_time", "LatestRestorableTime"),
    ("cluster_local_write_forwarding_status", "LocalWriteForwardingStatus"),
    ("cluster_master_username", "MasterUsername"),
    ("cluster_monitoring_interval", "MonitoringInterval"),
    ("cluster_monitoring_role_arn", "MonitoringRoleArn"),
    ("cluster_multi_az", "MultiAZ"),
    ("cluster_network_type", "NetworkType"),
    ("cluster_percent_progress", "PercentProgress"),
    ("cluster_performance_insights_enabled", "PerformanceInsightsEnabled"),
    ("cluster_performance_insights_kms_key_id", "PerformanceInsightsKMSKeyId"),
    ("cluster_performance_insights_retention_period", "PerformanceInsightsRetentionPeriod"),
    ("cluster_port", "Port"),
    ("cluster_preferred_backup_window", "PreferredBackupWindow"),
    ("cluster_preferred_maintenance_window", "PreferredMaintenanceWindow"),
    ("cluster_publicly_accessible", "PubliclyAccessible"),
    ("cluster_reader_endpoint", "ReaderEndpoint"),
    ("cluster_replication_source_identifier", "ReplicationSourceIdentifier"),
    ("cluster_serverless_v2_platform_version", "ServerlessV2PlatformVersion"),
    ("cluster_status", "Status"),
    ("cluster_storage_encrypted", "StorageEncrypted"),
    ("cluster_storage_encryption_type", "StorageEncryptionType"),
    ("cluster_storage_throughput", "StorageThroughput"),
    ("cluster_storage_type", "StorageType"),
    ("cluster_upgrade_rollout_order", "UpgradeRolloutOrder"),
];

/// Labels of an instance and the elements that they show.
static INSTANCE: &[(&str, &str)] = &[
    ("instance_arn", "DBInstanceArn"),
    ("instance_identifier", "DBInstanceIdentifier"),
    (
        "instance_activity_stream_engine_native_audit_fields_included",
        "ActivityStreamEngineNativeAuditFieldsIncluded",
    ),
    ("instance_activity_stream_kinesis_stream_name", "ActivityStreamKinesisStreamName"),
    ("instance_activity_stream_kms_key_id", "ActivityStreamKmsKeyId"),
    ("instance_activity_stream_mode", "ActivityStreamMode"),
    ("instance_activity_stream_policy_status", "ActivityStreamPolicyStatus"),
    ("instance_activity_stream_status", "ActivityStreamStatus"),
    ("instance_allocated_storage", "AllocatedStorage"),
    ("instance_auto_minor_version_upgrade", "AutoMinorVersionUpgrade"),
    ("instance_automatic_restart_time", "AutomaticRestartTime"),
    ("instance_automation_mode", "AutomationMode"),
    ("instance_availability_zone", "AvailabilityZone"),
    ("instance_aws_backup_recovery_point_arn", "AwsBackupRecoveryPointArn"),
    ("instance_backup_retention_period", "BackupRetentionPeriod"),
    ("instance_backup_target", "BackupTarget"),
    ("instance_ca_certificate_identifier", "CACertificateIdentifier"),
    ("instance_character_set_name", "CharacterSetName"),
    ("instance_copy_tags_to_snapshot", "CopyTagsToSnapshot"),
    ("instance_custom_iam_instance_profile", "CustomIamInstanceProfile"),
    ("instance_customer_owned_ip_enabled", "CustomerOwnedIpEnabled"),
    ("instance_db_cluster_identifier", "DBClusterIdentifier"),
    ("instance_class", "DBInstanceClass"),
    ("instance_status", "DBInstanceStatus"),
    ("instance_db_name", "DBName"),
    ("instance_port", "DbInstancePort"),
    ("instance_resource_id", "DbiResourceId"),
    ("instance_dedicated_log_volume", "DedicatedLogVolume"),
    ("instance_deletion_protection", "DeletionProtection"),
    ("instance_endpoint_address", "Endpoint/Address"),
    ("instance_endpoint_hosted_zone_id", "Endpoint/HostedZoneId"),
    ("instance_endpoint_port", "Endpoint/Port"),
    ("instance_engine", "Engine"),
    ("instance_engine_lifecycle_support", "EngineLifecycleSupport"),
    ("instance_engine_version", "EngineVersion"),
    ("instance_enhanced_monitoring_resource_arn", "EnhancedMonitoringResourceArn"),
    ("instance_iam_database_authentication_enabled", "IAMDatabaseAuthenticationEnabled"),
    ("instance_instance_create_time", "InstanceCreateTime"),
    ("instance_iops", "Iops"),
    ("instance_is_storage_config_upgrade_available", "IsStorageConfigUpgradeAvailable"),
    ("instance_kms_key_id", "KmsKeyId"),
    ("instance_latest_restorable_time", "LatestRestorableTime"),
    ("instance_license_model", "LicenseModel"),
    ("instance_listener_endpoint_address", "ListenerEndpoint/Address"),
    ("instance_listener_endpoint_hosted_zone_id", "ListenerEndpoint/HostedZoneId"),
    ("instance_listener_endpoint_port", "ListenerEndpoint/Port"),
    ("instance_master_username", "MasterUsername"),
    ("instance_max_allocated_storage", "MaxAllocatedStorage"),
    ("instance_monitoring_interval", "MonitoringInterval"),
    ("instance_monitoring_role_arn", "MonitoringRoleArn"),
    ("instance_multi_az", "MultiAZ"),
    ("instance_multi_tenant", "MultiTenant"),
    ("instance_nchar_character_set_name", "NcharCharacterSetName"),
    ("instance_network_type", "NetworkType"),
    ("instance_percent_progress", "PercentProgress"),
    ("instance_performance_insights_enabled", "PerformanceInsightsEnabled"),
    ("instance_performance_insights_kms_key_id", "PerformanceInsightsKMSKeyId"),
    ("instance_performance_insights_retention_period", "PerformanceInsightsRetentionPeriod"),
    ("instance_preferred_backup_window", "PreferredBackupWindow"),
    ("instance_preferred_maintenance_window", "PreferredMaintenanceWindow"),
    ("instance_promotion_tier", "PromotionTier"),
    ("instance_publicly_accessible", "PubliclyAccessible"),
    ("instance_read_replica_source_db_cluster_identifier", "ReadReplicaSourceDBClusterIdentifier"),
    (
        "instance_read_replica_source_db_instance_identifier",
        "ReadReplicaSourceDBInstanceIdentifier",
    ),
    ("instance_replica_mode", "ReplicaMode"),
    ("instance_resume_full_automation_mode_time", "ResumeFullAutomationModeTime"),
    ("instance_secondary_availability_zone", "SecondaryAvailabilityZone"),
    ("instance_storage_encrypted", "StorageEncrypted"),
    ("instance_storage_encryption_type", "StorageEncryptionType"),
    ("instance_storage_throughput", "StorageThroughput"),
    ("instance_storage_type", "StorageType"),
    ("instance_storage_volume_status", "StorageVolumeStatus"),
    ("instance_tde_credential_arn", "TdeCredentialArn"),
    ("instance_timezone", "Timezone"),
    ("instance_upgrade_rollout_order", "UpgradeRolloutOrder"),
    ("instance_subnet_group", "DBSubnetGroup/DBSubnetGroupName"),
    ("instance_db_system_id", "DBSystemId"),
    ("instance_database_insights_mode", "DatabaseInsightsMode"),
];

#[derive(Debug)]
pub(crate) struct Rds {
    client: AwsClient,
    clusters: Vec<String>,
    filters: Vec<(String, Vec<String>)>,
    concurrency: usize,
    port: i64,
}

impl Rds {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self {
            client: super::client(making, ("rds", "rds"))?,
            clusters: making.fields.strings("clusters").to_vec(),
            filters: super::filters(making.fields),
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
        let clusters: Vec<Vec<u8>> = if self.clusters.is_empty() {
            pages(&session, "DescribeDBClusters", Vec::new()).await?
        } else {
            let asked = self.clusters.iter().map(|arn| {
                let of = vec![("DBClusterIdentifier".to_owned(), arn.clone())];
                pages(&session, "DescribeDBClusters", of)
            });
            super::all(asked.collect(), self.concurrency).await?.into_iter().flatten().collect()
        };
        let mut targets = Vec::new();
        for body in &clusters {
            let page = parse(body, "DescribeDBClustersResult")?;
            let asked = page.items("DBClusters", "DBCluster").map(|cluster| {
                let mut all = vec![(
                    "db-cluster-id".to_owned(),
                    vec![cluster.str("DBClusterArn").to_owned()],
                )];
                all.extend(self.filters.iter().cloned());
                let parameters = filters(&all, ("Filters.Filter", "Values.Value"));
                pages(&session, "DescribeDBInstances", parameters)
            });
            let instances = super::all(asked.collect(), self.concurrency).await?;
            for (cluster, bodies) in page.items("DBClusters", "DBCluster").zip(&instances) {
                for body in bodies {
                    let page = parse(body, "DescribeDBInstancesResult")?;
                    let instances = page.items("DBInstances", "DBInstance");
                    targets.extend(instances.map(|instance| self.target(cluster, instance)));
                }
            }
        }
        Ok(targets)
    }

    fn target(&self, cluster: &Element<'_>, instance: &Element<'_>) -> Labels {
        let mut target = Meta::new("__meta_rds_");
        put_table(&mut target, cluster, CLUSTER);
        put_table(&mut target, instance, INSTANCE);
        put_tags_named(&mut target, "cluster_tag_", cluster.items("TagList", "Tag"));
        put_tags_named(&mut target, "instance_tag_", instance.items("TagList", "Tag"));
        let members = cluster.items("DBClusterMembers", "DBClusterMember");
        let writers: BTreeMap<&str, &str> = members
            .filter_map(|m| Some((m.get("DBInstanceIdentifier")?, m.get("IsClusterWriter")?)))
            .collect();
        let is_writer = writers.get(instance.str("DBInstanceIdentifier"));
        target.put_some("instance_is_cluster_writer", is_writer);
        // As upstream has it, an endpoint that is not whole is none.
        if let Some(endpoint) = instance.child("Endpoint")
            && let (Some(host), Some(_)) = (endpoint.get("Address"), endpoint.get("Port"))
        {
            target.address(host, self.port);
        }
        target.build()
    }
}

refresh!(Rds);

/// All pages of a list, as they came.
fn pages<'s>(
    session: &'s Session,
    action: &'static str,
    parameters: Vec<(String, String)>,
) -> BoxFuture<'s, Result<Vec<Vec<u8>>, String>> {
    Box::pin(async move {
        let (mut bodies, mut marker) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut parameters = parameters.clone();
            parameters.push(("MaxRecords".to_owned(), "100".to_owned()));
            if !marker.is_empty() {
                parameters.push(("Marker".to_owned(), marker));
            }
            let body = session.query(action, VERSION, &parameters).await?;
            marker = parse(&body, &format!("{action}Result"))?.str("Marker").to_owned();
            bodies.push(body);
            if marker.is_empty() {
                return Ok(bodies);
            }
        }
        Err(format!("{action}: list has more than {MAX_PAGES} pages"))
    })
}
