//! The large clouds: Amazon, Google, Azure.

use super::Case;
use crate::fake::{Route, get, post};

pub(super) const CASES: &[Case] = &[
    Case {
        job: "ec2",
        config: "ec2_sd_configs: [{endpoint: 'http://FAKE', region: us-test-1, access_key: AK, secret_key: sk, port: 9100, filters: [{name: tag:x, values: [a, b]}]}]",
        routes: ec2,
        count: 4,
        peer: true,
    },
    Case {
        job: "aws-ec2",
        config: "aws_sd_configs: [{role: ec2, endpoint: 'http://FAKE', region: us-test-1, access_key: AK, secret_key: sk}]",
        routes: ec2,
        count: 4,
        peer: true,
    },
    Case {
        job: "lightsail",
        config: "lightsail_sd_configs: [{endpoint: 'http://FAKE', region: eu-test-1, access_key: AK, secret_key: sk}]",
        routes: lightsail,
        count: 2,
        peer: true,
    },
    Case {
        job: "ecs",
        config: "ecs_sd_configs: [{region: us-test-1, access_key: AK, secret_key: sk, VIA}]",
        routes: ecs,
        count: 2,
        peer: true,
    },
    Case {
        job: "msk",
        config: "msk_sd_configs: [{region: us-test-1, access_key: AK, secret_key: sk, port: 11001, VIA}]",
        routes: msk,
        count: 3,
        peer: true,
    },
    Case {
        job: "msk-named",
        config: "msk_sd_configs: [{region: us-test-1, access_key: AK, secret_key: sk, clusters: ['arn:aws:kafka:r:1:cluster/one/x'], VIA}]",
        routes: msk,
        count: 3,
        peer: true,
    },
    Case {
        job: "rds",
        config: "rds_sd_configs: [{region: us-test-1, access_key: AK, secret_key: sk, port: 9187, filters: [{name: engine, values: [postgres]}], VIA}]",
        routes: rds,
        count: 2,
        peer: true,
    },
    Case {
        job: "elasticache",
        config: "elasticache_sd_configs: [{region: us-test-1, access_key: AK, secret_key: sk, VIA}]",
        routes: elasticache,
        count: 3,
        peer: true,
    },
    Case {
        job: "oci",
        config: "oci_sd_configs: [{tenancy: ten, user: usr, fingerprint: 'aa:bb', key_file: TESTDATA/rsa.key, region: us-test-1, VIA}]",
        routes: oci,
        count: 2,
        peer: true,
    },
    Case {
        job: "gce",
        config: "gce_sd_configs: [{project: my-project, zone: us-central1-a, filter: 'status=RUNNING'}]",
        routes: gce,
        count: 3,
        peer: false,
    },
    Case {
        job: "azure",
        config: "azure_sd_configs: [{subscription_id: sub, tenant_id: ten, client_id: cli, client_secret: s, proxy_from_environment: true}]",
        routes: azure,
        count: 2,
        peer: false,
    },
    Case {
        job: "azure-managed",
        config: "azure_sd_configs: [{subscription_id: sub, resource_group: rg 1, authentication_method: ManagedIdentity, proxy_from_environment: true}]",
        routes: azure_managed,
        count: 1,
        peer: false,
    },
];

fn ec2() -> Vec<Route> {
    let zones = r#"<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><availabilityZoneInfo>
        <item><zoneName>us-test-1a</zoneName><zoneState>available</zoneState><zoneId>ust1-az1</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>"#;
    let tag = "<tagSet><item><key>Name</key><value>web &amp; co</value></item><item><key>a:b</key><value>c</value></item></tagSet>";
    let common = |id: &str, rest: &str| {
        format!(
            "<item><instanceId>{id}</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name></instanceState>\
             <instanceType>t2.micro</instanceType><placement><availabilityZone>us-test-1a</availabilityZone></placement><architecture>x86_64</architecture>{rest}</item>"
        )
    };
    let full = common(
        "i-1",
        &format!(
            "<privateDnsName>ip-10-0-0-1.ec2.internal</privateDnsName><dnsName>ec2-1.example.com</dnsName><subnetId>sub-1</subnetId><vpcId>vpc-1</vpcId>\
             <privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>54.1.1.1</ipAddress><platform>windows</platform><instanceLifecycle>spot</instanceLifecycle>\
             <networkInterfaceSet>\
             <item><subnetId>sub-1</subnetId><attachment><deviceIndex>0</deviceIndex></attachment><ipv6AddressesSet><item><ipv6Address>fd00::1</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item></ipv6AddressesSet></item>\
             <item><subnetId>sub-2</subnetId><attachment><deviceIndex>2</deviceIndex></attachment><ipv6AddressesSet><item><ipv6Address>fd00::2</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item></ipv6AddressesSet></item>\
             <item><subnetId>sub-1</subnetId><attachment><deviceIndex>1</deviceIndex></attachment></item>\
             </networkInterfaceSet>{tag}"
        ),
    );
    let plain = common("i-2", "<privateIpAddress>10.0.0.2</privateIpAddress>");
    let six = common(
        "i-3",
        "<vpcId>vpc-1</vpcId><subnetId>sub-3</subnetId><networkInterfaceSet><item><subnetId>sub-3</subnetId><attachment><deviceIndex>0</deviceIndex></attachment>\
         <ipv6AddressesSet><item><ipv6Address>fd00::3</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item></ipv6AddressesSet></item></networkInterfaceSet>",
    );
    let none = common("i-4", "");
    let last = common("i-5", "<privateIpAddress>10.0.0.5</privateIpAddress>");
    let page = |instances: &str, token: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId><reservationSet>\
             <item><reservationId>r-1</reservationId><ownerId>123456</ownerId><groupSet/><instancesSet>{instances}</instancesSet></item></reservationSet>{token}</DescribeInstancesResponse>"
        )
    };
    let signed = "AWS4-HMAC-SHA256 Credential=AK/";
    let xml =
        |route: Route| route.header("content-type", "text/xml").needs("authorization", signed);
    vec![
        xml(post("/", "Action=DescribeAvailabilityZones", zones)),
        xml(post("/", "NextToken=more", &page(&last, ""))),
        xml(post(
            "/",
            "Action=DescribeInstances",
            &page(&[full, plain, six, none].concat(), "<nextToken>more</nextToken>"),
        )),
    ]
}

fn lightsail() -> Vec<Route> {
    let body = r#"{"instances": [
        {"name": "one", "arn": "arn", "supportCode": "123/i-1", "createdAt": 1.5E9, "location": {"availabilityZone": "eu-test-1a", "regionName": "eu-test-1"},
         "resourceType": "Instance", "tags": [{"key": "env:x", "value": "prod"}, {"key": "only"}], "blueprintId": "ubuntu", "bundleId": "nano_2_0",
         "privateIpAddress": "172.26.0.1", "publicIpAddress": "3.1.1.1", "ipv6Addresses": ["fd00::1", "fd00::2"], "state": {"code": 16, "name": "running"}},
        {"name": "two", "privateIpAddress": "172.26.0.2", "state": {"code": 16}},
        {"name": "none"}
    ]}"#;
    let route = post("/", "", body)
        .header("content-type", "application/x-amz-json-1.1")
        .needs("x-amz-target", "Lightsail_20161128.GetInstances");
    vec![route.needs("authorization", "AWS4-HMAC-SHA256 Credential=AK/")]
}

fn ecs() -> Vec<Route> {
    let host = "/ecs.us-test-1.amazonaws.com/";
    let ask = |operation: &'static str, body: &str| {
        post(host, "", body)
            .header("content-type", "application/x-amz-json-1.1")
            .needs("x-amz-target", operation)
            .needs("authorization", "AWS4-HMAC-SHA256 Credential=AK/")
    };
    let clusters = r#"{"clusters": [{"clusterArn": "arn:c1", "clusterName": "one", "status": "ACTIVE", "tags": [{"key": "env/x", "value": "prod"}]}], "failures": []}"#;
    let tasks = r#"{"tasks": [
        {"taskArn": "arn:t1", "clusterArn": "arn:c1", "group": "service:web", "taskDefinitionArn": "arn:td", "availabilityZone": "us-test-1a", "desiredStatus": "RUNNING", "lastStatus": "RUNNING",
         "launchType": "FARGATE", "healthStatus": "HEALTHY", "platformFamily": "Linux", "platformVersion": "1.4.0", "tags": [{"key": "t.a", "value": "1"}],
         "attachments": [{"id": "a", "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": [{"name": "subnetId", "value": "subnet-1"}, {"name": "networkInterfaceId", "value": "eni-1"},
            {"name": "privateIPv4Address", "value": "10.0.0.5"}, {"name": "odd"}]}]},
        {"taskArn": "arn:t2", "group": "family:batch", "launchType": "EC2", "lastStatus": "RUNNING", "containerInstanceArn": "arn:ci", "attachments": []},
        {"taskArn": "arn:t3", "group": "service:gone", "launchType": "EC2", "containerInstanceArn": "arn:other"},
        {"taskArn": "arn:t4", "launchType": "EXTERNAL"}
    ], "failures": []}"#;
    let services = r#"{"services": [{"serviceArn": "arn:s1", "serviceName": "web", "status": "ACTIVE", "tags": [{"key": "s", "value": "2"}]}]}"#;
    let xml = |has: &str, body: &str| {
        post("/ec2.us-test-1.amazonaws.com/", has, body).header("content-type", "text/xml")
    };
    let instances = "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceType>m5.large</instanceType>\
        <privateIpAddress>10.0.1.1</privateIpAddress><ipAddress>54.1.1.1</ipAddress><subnetId>subnet-9</subnetId><tagSet><item><key>Name</key><value>host</value></item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
    let interfaces = "<DescribeNetworkInterfacesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId>\
        <association><publicIp>52.1.1.1</publicIp></association></item></networkInterfaceSet></DescribeNetworkInterfacesResponse>";
    vec![
        ask("AmazonEC2ContainerServiceV20141113.ListClusters", r#"{"clusterArns": ["arn:c1"]}"#),
        ask("AmazonEC2ContainerServiceV20141113.DescribeClusters", clusters),
        ask("AmazonEC2ContainerServiceV20141113.ListServices", r#"{"serviceArns": ["arn:s1"]}"#),
        ask("AmazonEC2ContainerServiceV20141113.DescribeServices", services),
        ask(
            "AmazonEC2ContainerServiceV20141113.ListTasks",
            r#"{"taskArns": ["arn:t1", "arn:t2", "arn:t3", "arn:t4"]}"#,
        ),
        ask("AmazonEC2ContainerServiceV20141113.DescribeTasks", tasks),
        ask(
            "AmazonEC2ContainerServiceV20141113.DescribeContainerInstances",
            r#"{"containerInstances": [{"containerInstanceArn": "arn:ci", "ec2InstanceId": "i-1"}]}"#,
        ),
        xml("Action=DescribeInstances", instances),
        xml("Action=DescribeNetworkInterfaces", interfaces),
    ]
}

fn msk() -> Vec<Route> {
    let cluster = r#"{"clusterArn": "arn:aws:kafka:r:1:cluster/one/x", "clusterName": "one", "clusterType": "PROVISIONED", "state": "ACTIVE", "currentVersion": "K1", "tags": {"env-x": "prod"},
        "provisioned": {"currentBrokerSoftwareInfo": {"kafkaVersion": "3.6.0", "configurationArn": "arn:conf", "configurationRevision": 2},
            "openMonitoring": {"prometheus": {"jmxExporter": {"enabledInBroker": true}, "nodeExporter": {"enabledInBroker": false}}}}}"#;
    let nodes = r#"{"nodeInfoList": [
        {"nodeARN": "arn:n1", "nodeType": "BROKER", "addedToClusterTime": "2024-01-01T00:00:00Z", "instanceType": "kafka.m5.large",
         "brokerNodeInfo": {"attachedENIId": "eni-1", "brokerId": 1.0, "clientSubnet": "subnet-1", "clientVpcIpAddress": "10.0.0.1", "endpoints": ["b-1.example.com", "b-1-alias.example.com"]}},
        {"nodeARN": "arn:n2", "controllerNodeInfo": {"endpoints": ["c-1.example.com"]}},
        {"nodeARN": "arn:n3"}
    ]}"#;
    let base = "/kafka.us-test-1.amazonaws.com";
    let signed = |path: &str, body: &str| {
        get(&format!("{base}{path}"), body)
            .needs("authorization", "AWS4-HMAC-SHA256 Credential=AK/")
    };
    vec![
        signed("/api/v2/clusters", &format!(r#"{{"clusterInfoList": [{cluster}]}}"#)),
        signed(
            "/api/v2/clusters/arn%3Aaws%3Akafka%3Ar%3A1%3Acluster%2Fone%2Fx",
            &format!(r#"{{"clusterInfo": {cluster}}}"#),
        ),
        signed("/v1/clusters/arn%3Aaws%3Akafka%3Ar%3A1%3Acluster%2Fone%2Fx/nodes", nodes),
    ]
}

fn rds() -> Vec<Route> {
    let wrap = |action: &str, body: &str| {
        format!(
            "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{action}Result>{body}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        )
    };
    let cluster = "<DBCluster><DBClusterArn>arn:c1</DBClusterArn><DBClusterIdentifier>one</DBClusterIdentifier><AllocatedStorage>1</AllocatedStorage><Engine>aurora-postgresql</Engine><MultiAZ>true</MultiAZ>\
        <ClusterCreateTime>2024-02-29T23:59:59.123Z</ClusterCreateTime><KmsKeyId>key</KmsKeyId><Port>5432</Port><Status>available</Status><HttpEndpointEnabled>false</HttpEndpointEnabled>\
        <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>a</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers>\
        <TagList><Tag><Key>env/x</Key><Value>prod</Value></Tag></TagList></DBCluster>";
    let instances = "<DBInstance><DBInstanceArn>arn:a</DBInstanceArn><DBInstanceIdentifier>a</DBInstanceIdentifier><DBInstanceClass>db.r6g.large</DBInstanceClass><AvailabilityZone>us-test-1a</AvailabilityZone>\
        <Endpoint><Address>a.example.com</Address><Port>5432</Port><HostedZoneId>Z1</HostedZoneId></Endpoint><InstanceCreateTime>2024-01-01T00:00:00Z</InstanceCreateTime><PromotionTier>1</PromotionTier>\
        <DBSubnetGroup><DBSubnetGroupName>subnets</DBSubnetGroupName></DBSubnetGroup><DBSystemId>sys</DBSystemId><TagList><Tag><Key>t</Key><Value>v</Value></Tag></TagList></DBInstance>\
        <DBInstance><DBInstanceIdentifier>b</DBInstanceIdentifier><Endpoint><Address>b.example.com</Address></Endpoint></DBInstance>";
    let host = "/rds.us-test-1.amazonaws.com/";
    let xml = |has: &str, body: &str| post(host, has, body).header("content-type", "text/xml");
    vec![
        xml(
            "Action=DescribeDBClusters",
            &wrap("DescribeDBClusters", &format!("<DBClusters>{cluster}</DBClusters>")),
        ),
        xml(
            "Values.Value.1=postgres",
            &wrap("DescribeDBInstances", &format!("<DBInstances>{instances}</DBInstances>")),
        ),
    ]
}

fn elasticache() -> Vec<Route> {
    let wrap = |action: &str, body: &str| {
        format!(
            "<{action}Response xmlns=\"http://elasticache.amazonaws.com/doc/2015-02-02/\"><{action}Result>{body}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        )
    };
    let serverless = "<ServerlessCaches><member><ARN>arn:s</ARN><ServerlessCacheName>s</ServerlessCacheName><Status>available</Status><Engine>redis</Engine><CreateTime>2024-01-01T00:00:00Z</CreateTime>\
        <DailySnapshotTime>03:00</DailySnapshotTime><Endpoint><Address>s.example.com</Address><Port>6379</Port></Endpoint><ReaderEndpoint><Address>r.example.com</Address><Port>6380</Port></ReaderEndpoint>\
        <SecurityGroupIds><SecurityGroupId>sg-1</SecurityGroupId><SecurityGroupId>sg-2</SecurityGroupId></SecurityGroupIds><SubnetIds><SubnetId>sub-1</SubnetId></SubnetIds>\
        <CacheUsageLimits><DataStorage><Maximum>10</Maximum><Unit>GB</Unit></DataStorage><ECPUPerSecond><Maximum>1000</Maximum></ECPUPerSecond></CacheUsageLimits></member></ServerlessCaches>";
    let clusters = "<CacheClusters><CacheCluster><ARN>arn:c</ARN><CacheClusterId>c</CacheClusterId><CacheClusterStatus>available</CacheClusterStatus><CacheNodeType>cache.m5</CacheNodeType><Engine>redis</Engine>\
        <CacheClusterCreateTime>2024-01-01T00:00:00.5Z</CacheClusterCreateTime><AtRestEncryptionEnabled>true</AtRestEncryptionEnabled><NumCacheNodes>2</NumCacheNodes>\
        <CacheParameterGroup><CacheParameterGroupName>default.redis7</CacheParameterGroupName></CacheParameterGroup>\
        <LogDeliveryConfigurations><LogDeliveryConfiguration><LogType>slow-log</LogType><DestinationType>cloudwatch-logs</DestinationType><DestinationDetails><CloudWatchLogsDetails><LogGroup>lg</LogGroup></CloudWatchLogsDetails></DestinationDetails>\
        <LogFormat>json</LogFormat><Status>active</Status></LogDeliveryConfiguration></LogDeliveryConfigurations>\
        <PendingModifiedValues><NumCacheNodes>1</NumCacheNodes><CacheNodeIdsToRemove><CacheNodeId>0001</CacheNodeId><CacheNodeId>0002</CacheNodeId></CacheNodeIdsToRemove></PendingModifiedValues>\
        <SecurityGroups><member><SecurityGroupId>sg-3</SecurityGroupId><Status>active</Status></member></SecurityGroups>\
        <CacheNodes><CacheNode><CacheNodeId>0001</CacheNodeId><CacheNodeStatus>available</CacheNodeStatus><Endpoint><Address>n1.example.com</Address><Port>6379</Port></Endpoint><CustomerAvailabilityZone>us-test-1a</CustomerAvailabilityZone></CacheNode>\
        <CacheNode><CacheNodeId>0002</CacheNodeId></CacheNode></CacheNodes></CacheCluster></CacheClusters>";
    let tags = "<TagList><Tag><Key>env/x</Key><Value>prod</Value></Tag><Tag><Key>bare</Key></Tag></TagList>";
    let host = "/elasticache.us-test-1.amazonaws.com/";
    let xml = |has: &str, body: &str| post(host, has, body).header("content-type", "text/xml");
    vec![
        xml("Action=DescribeServerlessCaches", &wrap("DescribeServerlessCaches", serverless)),
        xml("Action=DescribeCacheClusters", &wrap("DescribeCacheClusters", clusters)),
        xml("Action=ListTagsForResource", &wrap("ListTagsForResource", tags)),
    ]
}

fn oci() -> Vec<Route> {
    let core = "/iaas.us-test-1.oraclecloud.com/20160918";
    let signed =
        |path: &str, body: &str| get(path, body).needs("authorization", "Signature version=\"1\"");
    let compartments = "/identity.us-test-1.oci.oraclecloud.com/20160918/compartments?accessLevel=ACCESSIBLE&compartmentId=ten&compartmentIdInSubtree=false&limit=100";
    let one = r#"[{"id": "i-1", "compartmentId": "ten", "displayName": "one", "lifecycleState": "RUNNING", "shape": "VM.Standard2.1", "availabilityDomain": "AD-1", "faultDomain": "FD-1", "region": "iad",
        "imageId": "img", "timeCreated": "2024-01-01T00:00:00.000Z", "freeformTags": {"env-x": "prod"}, "definedTags": {"Oracle-Tags": {"Cost Center": 42, "Ok": true, "List": [1], "Text": "t"}}},
        {"id": "i-2", "compartmentId": "ten", "lifecycleState": "RUNNING", "timeCreated": "2024-01-01T00:00:00.000Z"}]"#;
    let child = r#"[{"id": "i-3", "compartmentId": "child", "displayName": "three", "lifecycleState": "STOPPED", "timeCreated": "2024-01-01T00:00:00.000Z"}]"#;
    let attachments = |instance: &str, vnics: &str| {
        let compartment = if instance == "i-3" { "child" } else { "ten" };
        signed(
            &format!(
                "{core}/vnicAttachments?compartmentId={compartment}&instanceId={instance}&limit=100"
            ),
            vnics,
        )
    };
    let attached = |id: &str, state: &str| {
        format!(
            r#"{{"id": "a", "vnicId": "{id}", "lifecycleState": "{state}", "availabilityDomain": "x", "compartmentId": "c", "displayName": "d", "instanceId": "i", "subnetId": "s", "timeCreated": "2024-01-01T00:00:00.000Z"}}"#
        )
    };
    let vnic = |id: &str, rest: &str| {
        signed(
            &format!("{core}/vnics/{id}"),
            &format!(r#"{{"id": "{id}", "lifecycleState": "AVAILABLE", {rest}}}"#),
        )
    };
    vec![
        signed(
            compartments,
            r#"[{"id": "child", "lifecycleState": "ACTIVE"}, {"id": "gone", "lifecycleState": "DELETED"}]"#,
        ),
        signed(&compartments.replace("compartmentId=ten", "compartmentId=child"), "[]"),
        signed(&format!("{core}/instances?compartmentId=ten&limit=100"), one),
        // The peer's client escapes nothing else and orders the same.
        signed(&format!("{core}/instances?compartmentId=child&limit=100"), child),
        attachments(
            "i-1",
            &format!(
                "[{}, {}, {}]",
                attached("old", "DETACHED"),
                attached("second", "ATTACHED"),
                attached("first", "ATTACHED")
            ),
        ),
        attachments("i-2", "[]"),
        attachments("i-3", &format!("[{}]", attached("six", "ATTACHED"))),
        vnic("second", r#""isPrimary": false, "privateIp": "10.0.0.9""#),
        vnic(
            "first",
            r#""isPrimary": true, "privateIp": "10.0.0.1", "publicIp": "129.1.1.1", "hostnameLabel": "host", "ipv6Addresses": ["fd00::2", "fd00::1"]"#,
        ),
        vnic("six", r#""isPrimary": true, "ipv6Addresses": ["fd00::3"]"#),
    ]
}

fn gce() -> Vec<Route> {
    let first = r#"{"kind": "compute#instanceList", "items": [
        {"id": "8452378415464574846", "name": "one", "zone": "https://www.googleapis.com/compute/v1/projects/p/zones/us-central1-a", "status": "RUNNING",
         "machineType": "https://www.googleapis.com/mt", "tags": {"items": ["http", "web"], "fingerprint": "x"},
         "metadata": {"items": [{"key": "ssh-keys", "value": "k"}, {"key": "empty"}]}, "labels": {"my-label": "v"},
         "networkInterfaces": [
            {"name": "nic0", "network": "net", "subnetwork": "sub", "networkIP": "10.128.0.2", "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "name": "External NAT", "natIP": "35.1.1.1"}]},
            {"name": "nic1", "network": "net2", "networkIP": "10.129.0.2"}]},
        {"id": "2", "name": "two", "networkInterfaces": [{"name": "nic0", "networkIP": "10.128.0.3", "accessConfigs": [{"type": "OTHER", "natIP": "35.1.1.2"}]}]},
        {"id": "3", "name": "none"}
    ], "nextPageToken": "p2"}"#;
    let second = r#"{"items": [{"id": "4", "name": "four", "networkInterfaces": [{"name": "nic0", "networkIP": "10.128.0.4"}]}]}"#;
    let instances = "/compute.googleapis.com/compute/v1/projects/my-project/zones/us-central1-a/instances?alt=json&filter=status%3DRUNNING";
    vec![
        get(
            "/169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
            r#"{"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"}"#,
        )
        .needs("metadata-flavor", "Google"),
        get(instances, first).needs("authorization", "Bearer tok"),
        get(&format!("{instances}&pageToken=p2"), second).needs("authorization", "Bearer tok"),
    ]
}

const RM: &str = "/management.azure.com/subscriptions/sub";

fn azure_machines(scope: &str, bearer: &'static str) -> Vec<Route> {
    let nic = |group: &str, name: &str| {
        format!(
            "/subscriptions/sub/resourceGroups/{group}/providers/Microsoft.Network/networkInterfaces/{name}"
        )
    };
    let vm = format!(
        r#"{{"id": "/subscriptions/sub/resourceGroups/rg%201/providers/Microsoft.Compute/virtualMachines/vm1", "name": "vm1", "type": "t", "location": "westeurope",
        "tags": {{"env:x": "prod", "none": null}},
        "properties": {{"hardwareProfile": {{"vmSize": "Standard_B1s"}}, "storageProfile": {{"osDisk": {{"osType": "Linux"}}}}, "osProfile": {{"computerName": "computer"}},
            "networkProfile": {{"networkInterfaces": [{{"id": "{}"}}, {{"id": "{}"}}]}}}}}}"#,
        nic("rg1", "second"),
        nic("rg1", "first")
    );
    let stopped = format!(
        r#"{{"id": "/subscriptions/sub/resourcegroups/RG2/x/stopped", "name": "stopped", "type": "t", "location": "l", "properties": {{"networkProfile": {{"networkInterfaces": [{{"id": "{}"}}]}}}}}}"#,
        nic("RG2", "stopped")
    );
    let lost = format!(
        r#"{{"id": "/subscriptions/sub/resourceGroups/RG2/x/lost", "name": "lost", "type": "t", "location": "l", "properties": {{"networkProfile": {{"networkInterfaces": [{{"id": "{}"}}]}}}}}}"#,
        nic("RG2", "lost")
    );
    let interfaces = "/management.azure.com/subscriptions/sub/resourceGroups";
    let network = "providers/Microsoft.Network/networkInterfaces";
    vec![
        get(
            &format!("{RM}{scope}/providers/Microsoft.Compute/virtualMachines"),
            &format!(r#"{{"value": [{vm}, {stopped}, {lost}]}}"#),
        )
        .needs("authorization", bearer),
        get(
            &format!("{interfaces}/rg1/{network}/first"),
            r#"{"properties": {"primary": true, "ipConfigurations": [
            {"properties": {"privateIPAddress": "10.0.0.4", "publicIPAddress": {"id": "p", "properties": {"ipAddress": "20.1.1.1"}}}}]}}"#,
        ),
        get(&format!("{interfaces}/rg1/{network}/second"), r#"{"properties": {"primary": false}}"#),
        get(
            &format!("{interfaces}/RG2/{network}/stopped"),
            r#"{"properties": {"ipConfigurations": []}}"#,
        ),
    ]
}

fn azure() -> Vec<Route> {
    let mut routes = azure_machines("", "Bearer tok");
    let set = r#"{"value": [{"id": "/subscriptions/sub/resourceGroups/RG3/providers/Microsoft.Compute/virtualMachineScaleSets/set", "name": "set", "location": "l"}]}"#;
    let set_vms = r#"{"value": [{"id": "/subscriptions/sub/resourceGroups/RG3/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/0", "name": "set_0", "type": "t",
        "location": "l", "instanceId": "0", "properties": {"networkProfile": {"networkInterfaces": [{"id": "/subscriptions/sub/resourceGroups/RG3/x/virtualMachines/0/networkInterfaces/nic"}]}}}]}"#;
    routes.extend([
        post("/login.microsoftonline.com/ten/oauth2/v2.0/token", "client_secret=s&scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default", r#"{"token_type": "Bearer", "expires_in": 3599, "access_token": "tok"}"#),
        get(&format!("{RM}/providers/Microsoft.Compute/virtualMachineScaleSets"), set),
        get(&format!("{RM}/resourceGroups/RG3/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines"), set_vms),
        get(
            &format!("{RM}/resourceGroups/RG3/providers/microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/0/networkInterfaces/nic?api-version=2018-10-01&%24expand=IPConfigurations%2FPublicIPAddress"),
            r#"{"properties": {"primary": true, "ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.9"}}]}}"#,
        ),
    ]);
    routes
}

fn azure_managed() -> Vec<Route> {
    let mut routes = azure_machines("/resourceGroups/rg%201", "Bearer managed");
    let token = r#"{"access_token": "managed", "expires_in": "86399", "resource": "r", "token_type": "Bearer"}"#;
    let query = "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.core.windows.net%2F";
    routes.extend([
        get(&format!("/169.254.169.254/metadata/identity/oauth2/token?{query}"), token)
            .needs("metadata", "true"),
        get(
            &format!(
                "{RM}/resourceGroups/rg%201/providers/Microsoft.Compute/virtualMachineScaleSets"
            ),
            r#"{"value": []}"#,
        ),
    ]);
    routes
}
