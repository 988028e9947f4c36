//! Docker, Docker Swarm, Nomad, Eureka, Marathon.

use super::Case;
use crate::fake::{Route, get};

pub(super) const CASES: &[Case] = &[
    Case {
        job: "docker",
        config: "docker_sd_configs: [{host: 'http://FAKE', port: 81, filters: [{name: status, values: [running]}]}]",
        routes: docker,
        count: 7,
        peer: true,
    },
    Case {
        job: "docker-all",
        config: "docker_sd_configs: [{host: 'http://FAKE', match_first_network: false, host_networking_host: me}]",
        routes: docker,
        count: 11,
        peer: true,
    },
    Case {
        job: "swarm-services",
        config: "dockerswarm_sd_configs: [{host: 'http://FAKE', role: services}]",
        routes: swarm,
        count: 3,
        peer: true,
    },
    Case {
        job: "swarm-tasks",
        config: "dockerswarm_sd_configs: [{host: 'http://FAKE', role: tasks, port: 99}]",
        routes: swarm,
        count: 4,
        peer: true,
    },
    Case {
        job: "swarm-nodes",
        config: "dockerswarm_sd_configs: [{host: 'http://FAKE', role: nodes}]",
        routes: swarm,
        count: 2,
        peer: true,
    },
    Case {
        job: "nomad",
        config: "nomad_sd_configs: [{server: 'http://FAKE', authorization: {credentials: t}}]",
        routes: nomad,
        count: 3,
        peer: true,
    },
    Case {
        job: "eureka",
        config: "eureka_sd_configs: [{server: 'http://FAKE/eureka', basic_auth: {username: u, password: p}}]",
        routes: eureka,
        count: 3,
        peer: true,
    },
    Case {
        job: "marathon",
        config: "marathon_sd_configs: [{servers: ['http://FAKE'], auth_token: secret}]",
        routes: marathon,
        count: 9,
        peer: true,
    },
];

const NETWORKS: &str = r#"[
    {"Name": "bridge", "Id": "net-bridge", "Scope": "local", "Internal": false, "Ingress": false, "Labels": {"a.b": "c"}},
    {"Name": "back", "Id": "net-back", "Scope": "local", "Internal": true, "Ingress": false, "Labels": null},
    {"Name": "ingress", "Id": "net-ingress", "Scope": "swarm", "Internal": false, "Ingress": true, "Labels": {}}
]"#;

fn ping() -> Route {
    get("/_ping", "OK").header("Api-Version", "1.47").header("content-type", "text/plain")
}

fn docker() -> Vec<Route> {
    let containers = r#"[
        {"Id": "c1", "Names": ["/web", "/alias"], "Image": "nginx:1", "ImageID": "sha256:1", "Labels": {"com.x/y": "z"},
         "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"},
                   {"PrivatePort": 53, "Type": "udp"}],
         "HostConfig": {"NetworkMode": "bridge"},
         "NetworkSettings": {"Networks": {
            "zeta": {"NetworkID": "net-unknown", "IPAddress": "10.0.0.9"},
            "bridge": {"NetworkID": "net-bridge", "IPAddress": "172.17.0.2"}}}},
        {"Id": "c2", "Names": ["/host"], "Image": "", "HostConfig": {"NetworkMode": "host"}, "Ports": [],
         "NetworkSettings": {"Networks": {"host": {"NetworkID": "net-host", "IPAddress": ""}}}},
        {"Id": "c3", "Names": ["/v6"], "HostConfig": {"NetworkMode": "back"}, "Ports": [{"PrivatePort": 53, "Type": "udp"}],
         "NetworkSettings": {"Networks": {"back": {"NetworkID": "net-back", "IPAddress": "", "GlobalIPv6Address": "fd00::3"}}}},
        {"Id": "c4", "Names": ["/side"], "HostConfig": {"NetworkMode": "container:c5"}, "Ports": null, "NetworkSettings": {"Networks": {}}},
        {"Id": "c5", "Names": ["/middle"], "HostConfig": {"NetworkMode": "container:c1"}, "Ports": [{"PrivatePort": 1, "Type": "tcp"}],
         "NetworkSettings": {"Networks": {}}},
        {"Id": "c6", "Names": ["/lost"], "HostConfig": {"NetworkMode": "container:gone"}, "NetworkSettings": {"Networks": {}}},
        {"Id": "c7", "Names": [], "HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "net-bridge", "IPAddress": "172.17.0.7"}}}},
        {"Id": "c8", "Names": ["/own"], "HostConfig": {"NetworkMode": "bridge"}, "Labels": {"port": "9"},
         "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "net-bridge", "IPAddress": "172.17.0.8"}, "none": null}}}
    ]"#;
    vec![ping(), get("/containers/json", containers), get("/networks", NETWORKS)]
}

fn swarm() -> Vec<Route> {
    let services = r#"[
        {"ID": "s1", "Spec": {"Name": "web", "Labels": {"l/1": "v"}, "Mode": {"Replicated": {"Replicas": 2}},
            "TaskTemplate": {"ContainerSpec": {"Image": "web:1", "Hostname": "h"}}},
         "Endpoint": {"Ports": [{"Name": "http", "Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8000, "PublishMode": "ingress"},
                                {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 5353, "PublishMode": "host"}],
                      "VirtualIPs": [{"NetworkID": "net-ingress", "Addr": "10.0.0.5/16"}, {"NetworkID": "net-back", "Addr": "10.0.9.5/24"}]},
         "UpdateStatus": {"State": "completed"}},
        {"ID": "s2", "Spec": {"Name": "plug", "Mode": {"Global": {}}, "TaskTemplate": {}}, "Endpoint": {"VirtualIPs": [{"NetworkID": "nowhere", "Addr": "fd00::5/64"}]}},
        {"ID": "s3", "Spec": {"Name": "alone", "Mode": {"GlobalJob": {}}}}
    ]"#;
    let nodes = r#"[
        {"ID": "n1", "Spec": {"Role": "manager", "Availability": "active", "Labels": {"rack.x": "1"}},
         "Description": {"Hostname": "one", "Platform": {"Architecture": "x86_64", "OS": "linux"}, "Engine": {"EngineVersion": "27.0"}},
         "Status": {"State": "ready", "Addr": "192.168.0.1"},
         "ManagerStatus": {"Leader": true, "Reachability": "reachable", "Addr": "192.168.0.1:2377"}},
        {"ID": "n2", "Spec": {"Role": "worker", "Availability": "drain"}, "Description": {"Hostname": "two"}, "Status": {"State": "down", "Addr": "fd00::2"}}
    ]"#;
    let tasks = r#"[
        {"ID": "t1", "ServiceID": "s1", "NodeID": "n1", "Slot": 1, "DesiredState": "running",
         "Spec": {"ContainerSpec": {"Labels": {"c.l": "1"}}},
         "Status": {"State": "running", "ContainerStatus": {"ContainerID": "c1"},
                    "PortStatus": {"Ports": [{"Protocol": "tcp", "PublishedPort": 9000, "PublishMode": "host"}, {"Protocol": "udp", "PublishedPort": 9001}]}},
         "NetworksAttachments": [{"Network": {"ID": "net-ingress"}, "Addresses": ["10.0.0.6/16"]}, {"Network": {"ID": "net-back"}, "Addresses": ["10.0.9.6/24"]}]},
        {"ID": "t2", "ServiceID": "gone", "NodeID": "gone", "DesiredState": "shutdown", "Status": {"State": "failed"},
         "NetworksAttachments": [{"Network": {"ID": "nowhere"}, "Addresses": ["10.1.1.1/8"]}]}
    ]"#;
    vec![
        ping(),
        get("/services", services),
        get("/tasks", tasks),
        get("/nodes", nodes),
        get("/networks", NETWORKS),
    ]
}

fn nomad() -> Vec<Route> {
    let services = r#"[{"Namespace": "default", "Services": [{"ServiceName": "web", "Tags": ["a"]}, {"ServiceName": "db/x", "Tags": []}]}]"#;
    let web = r#"[
        {"ID": "_nomad-task-1", "ServiceName": "web", "Namespace": "default", "NodeID": "n-1", "Datacenter": "dc1", "JobID": "j", "AllocID": "al",
         "Tags": ["a", "b"], "Address": "10.0.0.1", "Port": 8080, "CreateIndex": 1, "ModifyIndex": 2},
        {"ID": "_nomad-task-2", "ServiceName": "web", "Namespace": "default", "NodeID": "n-2", "Datacenter": "dc1", "Tags": null, "Address": "fd00::1", "Port": 0}
    ]"#;
    let db = r#"[{"ID": "_nomad-task-3", "ServiceName": "db/x", "Namespace": "other", "NodeID": "n-1", "Datacenter": "dc2", "Tags": [], "Address": "db", "Port": 5432}]"#;
    vec![
        get("/v1/services", services).needs("authorization", "Bearer t"),
        get("/v1/service/web", web),
        get("/v1/service/db%2Fx", db),
    ]
}

fn eureka() -> Vec<Route> {
    let apps = r#"<?xml version="1.0"?>
<applications>
  <versions__delta>1</versions__delta>
  <apps__hashcode>UP_2_</apps__hashcode>
  <application>
    <name>WEB</name>
    <instance>
      <instanceId>host-a:web:8080</instanceId><hostName>host-a</hostName><app>WEB</app><ipAddr>10.0.0.1</ipAddr><status>UP</status>
      <port enabled="true">8080</port><securePort enabled="false">443</securePort><countryId>1</countryId>
      <dataCenterInfo class="com.netflix.appinfo.AmazonInfo"><name>Amazon</name>
        <metadata><availability-zone>us-east-1c</availability-zone><ami-id>ami-1</ami-id></metadata></dataCenterInfo>
      <leaseInfo><renewalIntervalInSecs>30</renewalIntervalInSecs></leaseInfo>
      <metadata><management.port>8090</management.port><note>a &amp; <b>c</b></note></metadata>
      <homePageUrl>http://host-a:8080/?a=1&amp;b=2</homePageUrl><statusPageUrl>http://host-a:8080/info</statusPageUrl>
      <healthCheckUrl>http://host-a:8080/health</healthCheckUrl><vipAddress>web</vipAddress><secureVipAddress>sweb</secureVipAddress>
      <isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer><actionType>ADDED</actionType>
    </instance>
    <instance><instanceId>b</instanceId><hostName>fd00::1</hostName><status>DOWN</status><metadata class="java.util.Collections$EmptyMap"/></instance>
  </application>
  <application><name>EMPTY</name></application>
  <application><name>DB</name><instance><hostName>db</hostName><port enabled="false">5432</port></instance></application>
</applications>"#;
    vec![
        get("/eureka/apps", apps)
            .header("content-type", "application/xml")
            .needs("authorization", "Basic dTpw"),
    ]
}

fn marathon() -> Vec<Route> {
    let apps = r#"{"apps": [
        {"id": "/host-ports", "labels": {"app-label": "x"}, "tasksRunning": 1, "requirePorts": false,
         "portDefinitions": [{"labels": {"p/1": "yes"}, "port": 10000}, {"port": 10001}],
         "tasks": [{"id": "t.1", "host": "mesos-1", "ports": [31000, 31001]}, {"id": "t.2", "host": "mesos-2", "ports": []}]},
        {"id": "/fixed", "requirePorts": true, "portDefinitions": [{"labels": {}, "port": 8080}], "tasks": [{"id": "t.3", "host": "mesos-1", "ports": [31002]}]},
        {"id": "/net", "networks": [{"mode": "container", "name": "dcos"}],
         "container": {"docker": {"image": "repo/image:1"}, "portMappings": [{"containerPort": 8080, "hostPort": 0, "labels": {"a.b": "c"}}]},
         "tasks": [{"id": "t.4", "host": "mesos-1", "ports": [31003], "ipAddresses": [{"ipAddress": "9.0.0.1", "protocol": "IPv4"}]}]},
        {"id": "/old", "container": {"docker": {"image": "old", "portMappings": [{"containerPort": 1, "hostPort": 0, "servicePort": 9}, {"containerPort": 2, "hostPort": 32000}]}},
         "tasks": [{"id": "t.5", "host": "mesos-1", "ports": [31004, 31005]}]},
        {"id": "/bare", "tasks": [{"id": "t.6", "host": "mesos-3", "ports": [31006]}]},
        {"id": "/empty", "tasks": []}
    ]}"#;
    vec![get("/v2/apps/?embed=apps.tasks", apps).needs("authorization", "token=secret")]
}
