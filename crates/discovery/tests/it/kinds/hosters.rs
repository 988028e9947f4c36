//! Hosters with an API of their own: DigitalOcean, Hetzner, Linode, Vultr, IONOS.

use super::Case;
use crate::fake::{Route, get};

pub(super) const CASES: &[Case] = &[
    Case {
        job: "digitalocean",
        config: "digitalocean_sd_configs: [{port: 9100, authorization: {credentials: t}, VIA}]",
        routes: droplets,
        count: 2,
        peer: true,
    },
    Case {
        job: "digitalocean-databases",
        config: "digitalocean_sd_configs: [{role: databases, authorization: {credentials: t}, VIA}]",
        routes: databases,
        count: 3,
        peer: true,
    },
    Case {
        job: "digitalocean-pages",
        config: "digitalocean_sd_configs: [{VIA}]",
        routes: droplet_pages,
        count: 2,
        peer: false,
    },
    Case {
        job: "hetzner-hcloud",
        config: "hetzner_sd_configs: [{role: hcloud, authorization: {credentials: t}, VIA}]",
        routes: hcloud,
        count: 3,
        peer: true,
    },
    Case {
        job: "hetzner-robot",
        config: "hetzner_sd_configs: [{role: robot, basic_auth: {username: u, password: p}, VIA}]",
        routes: robot,
        count: 2,
        peer: true,
    },
    Case {
        job: "linode",
        config: "linode_sd_configs: [{authorization: {credentials: t}, VIA}]",
        routes: linode,
        count: 2,
        peer: true,
    },
    Case {
        job: "vultr",
        config: "vultr_sd_configs: [{authorization: {credentials: t}, VIA}]",
        routes: vultr,
        count: 2,
        peer: true,
    },
    Case {
        job: "ionos",
        config: "ionos_sd_configs: [{datacenter_id: dc-1, authorization: {credentials: t}, VIA}]",
        routes: ionos,
        count: 2,
        peer: true,
    },
];

fn droplets() -> Vec<Route> {
    let body = r#"{"droplets": [
        {"id": 3164444, "name": "one", "size_slug": "s-1vcpu-1gb", "status": "active", "vpc_uuid": "vpc-1",
         "image": {"slug": "ubuntu", "name": "20.04"}, "region": {"slug": "nyc3"}, "features": ["backups", "ipv6"], "tags": ["web", "env:prod"],
         "networks": {"v4": [{"ip_address": "10.128.0.2", "type": "private"}, {"ip_address": "104.1.1.1", "type": "public"}],
                      "v6": [{"ip_address": "2604::1", "type": "public"}]}},
        {"id": 2, "name": "private", "image": {"slug": null, "name": "custom"}, "region": {"slug": "ams3"}, "features": [], "tags": [],
         "networks": {"v4": [{"ip_address": "10.128.0.3", "type": "private"}]}},
        {"id": 3, "name": "bare", "image": {}, "region": {}, "networks": {"v4": [], "v6": []}}
    ], "links": {}, "meta": {"total": 3}}"#;
    vec![get("/api.digitalocean.com/v2/droplets", body).needs("authorization", "Bearer t")]
}

fn databases() -> Vec<Route> {
    let body = r#"{"databases": [
        {"id": "d-1", "name": "pg", "engine": "pg", "version": "15", "status": "online", "region": "nyc3", "size": "db-s-2vcpu-4gb", "num_nodes": 2,
         "connection": {"host": "pg.db.example.com", "port": 25060}, "private_connection": {"host": "private-pg.db.example.com"}, "tags": ["prod", "a-b"]},
        {"id": "d-2", "name": "redis", "engine": "redis", "num_nodes": 1, "connection": {"host": "r.example.com"}, "private_connection": null, "tags": null},
        {"id": "d-3", "name": "coming", "engine": "mysql", "num_nodes": 1}
    ], "links": {}, "meta": {"total": 3}}"#;
    vec![
        get("/api.digitalocean.com/v2/databases?page=1&per_page=100", body),
        get("/api.digitalocean.com/v2/databases", r#"{"databases": []}"#),
    ]
}

fn droplet_pages() -> Vec<Route> {
    let page = |id: u32, links: &str| {
        format!(
            r#"{{"droplets": [{{"id": {id}, "networks": {{"v4": [{{"ip_address": "1.1.1.{id}", "type": "public"}}]}}}}], "links": {{{links}}}}}"#
        )
    };
    let next =
        r#""pages": {"next": "https://elsewhere/?page=2", "last": "https://elsewhere/?page=2"}"#;
    let last = r#""pages": {"prev": "https://elsewhere/?page=1"}"#;
    vec![
        get("/api.digitalocean.com/v2/droplets?page=1&per_page=100", &page(1, next)),
        get("/api.digitalocean.com/v2/droplets?page=2&per_page=100", &page(2, last)),
    ]
}

fn hcloud() -> Vec<Route> {
    let server = |id: u32, rest: &str| {
        format!(r#"{{"id": {id}, "name": "s{id}", "status": "running", {rest}}}"#)
    };
    let first = server(
        42,
        r#""public_net": {"ipv4": {"ip": "1.2.3.4", "blocked": false}, "ipv6": {"ip": "2001:db8::/64"}, "floating_ips": []},
           "private_net": [{"network": 7, "ip": "10.0.0.2"}, {"network": 8, "ip": "10.1.0.2"}],
           "location": {"id": 1, "name": "fsn1", "network_zone": "eu-central"},
           "server_type": {"id": 1, "name": "cx11", "cores": 2, "cpu_type": "shared", "memory": 4.5, "disk": 40},
           "image": {"id": 9, "name": "ubuntu-20.04", "description": "Ubuntu 20.04", "os_flavor": "ubuntu", "os_version": "20.04"},
           "labels": {"my-key": "my-value", "empty": ""}"#,
    );
    let second = server(
        43,
        r#""public_net": {"ipv4": null, "ipv6": null}, "private_net": [], "image": null, "labels": {},
           "location": {"name": "hel1", "network_zone": "eu-central"}, "server_type": {"name": "cax11", "cores": 1, "memory": 2, "disk": 20}"#,
    );
    let third = server(
        44,
        r#""public_net": {"ipv4": {"ip": "1.2.3.5"}, "ipv6": {"ip": "2001:db8:1::/64"}}, "location": {"name": "x"}, "server_type": {"name": "y"}"#,
    );
    let pages = |page: u32, next: &str| {
        format!(
            r#""meta": {{"pagination": {{"page": {page}, "per_page": 50, "next_page": {next}, "last_page": 2, "total_entries": 3}}}}"#
        )
    };
    let networks = format!(
        r#"{{"networks": [{{"id": 7, "name": "my net", "ip_range": "10.0.0.0/16"}}, {{"id": 9, "name": "other", "ip_range": "10.9.0.0/16"}}], {}}}"#,
        pages(1, "null")
    );
    vec![
        get(
            "/api.hetzner.cloud/v1/servers?page=1&per_page=50",
            &format!(r#"{{"servers": [{first}, {second}], {}}}"#, pages(1, "2")),
        )
        .needs("authorization", "Bearer t"),
        get(
            "/api.hetzner.cloud/v1/servers?page=2&per_page=50",
            &format!(r#"{{"servers": [{third}], {}}}"#, pages(2, "null")),
        ),
        get("/api.hetzner.cloud/v1/networks", &networks),
    ]
}

fn robot() -> Vec<Route> {
    let body = r#"[
        {"server": {"server_ip": "123.1.1.1", "server_ipv6_net": "2a01::", "server_number": 321, "server_name": "server1", "product": "DS 3000", "dc": "NBG1-DC1",
          "traffic": "5 TB", "status": "ready", "cancelled": false, "paid_until": "2010-09-02", "ip": ["123.1.1.1"],
          "subnet": [{"ip": "10.0.0.0", "mask": "24"}, {"ip": "2a01:4f8:111:4221::", "mask": "64"}]}},
        {"server": {"server_ip": "123.1.1.2", "server_number": 421, "server_name": "", "product": "X5", "dc": "FSN1-DC10", "status": "in process", "cancelled": true, "subnet": null}}
    ]"#;
    vec![get("/robot-ws.your-server.de/server", body).needs("authorization", "Basic dTpw")]
}

fn linode() -> Vec<Route> {
    let instances = r#"{"data": [
        {"id": 26838044, "label": "prom-1", "group": "g", "status": "running", "type": "g6-standard-2", "image": "linode/arch", "region": "us-east",
         "ipv4": ["45.33.82.151", "96.126.108.16", "192.168.170.51"], "ipv6": "2600:3c03::f03c:92ff:fe1a:1382/128", "hypervisor": "kvm", "tags": ["monitoring", "b"],
         "specs": {"disk": 81920, "memory": 4096, "vcpus": 2, "transfer": 4000, "gpus": 1}, "backups": {"enabled": true}},
        {"id": 2, "label": "plain", "ipv4": ["66.1.1.1"], "ipv6": null, "tags": [], "specs": {"disk": 1}, "backups": {"enabled": false}},
        {"id": 3, "label": "none", "ipv4": [], "specs": {}, "backups": {}}
    ], "page": 1, "pages": 1, "results": 3}"#;
    let ips = r#"{"data": [
        {"address": "45.33.82.151", "public": true, "rdns": "a.example.com", "type": "ipv4", "linode_id": 26838044},
        {"address": "96.126.108.16", "public": true, "rdns": "b.example.com", "type": "ipv4", "linode_id": 26838044},
        {"address": "192.168.170.51", "public": false, "rdns": null, "type": "ipv4", "linode_id": 26838044},
        {"address": "2600:3c03::f03c:92ff:fe1a:1382", "public": true, "rdns": "six.example.com", "type": "ipv6", "linode_id": 26838044},
        {"address": "66.1.1.1", "public": true, "rdns": "null", "type": "ipv4"}
    ], "page": 1, "pages": 1, "results": 5}"#;
    let ranges = r#"{"data": [
        {"range": "2600:3c03:e000:123::", "prefix": 64, "region": "us-east", "route_target": "2600:3c03::f03c:92ff:fe1a:1382"},
        {"range": "2600:3c03:e000:999::", "prefix": 64, "region": "us-east", "route_target": "other"}
    ], "page": 1, "pages": 1, "results": 2}"#;
    vec![
        get("/api.linode.com/v4/linode/instances", instances).needs("authorization", "Bearer t"),
        get("/api.linode.com/v4/networking/ips", ips),
        get("/api.linode.com/v4/networking/ipv6/ranges", ranges),
        get(
            "/api.linode.com/v4/account/events",
            r#"{"data": [], "page": 1, "pages": 1, "results": 0}"#,
        ),
    ]
}

fn vultr() -> Vec<Route> {
    let first = r#"{"instances": [{"id": "dbdbd38c", "os": "Ubuntu 20.04", "ram": 1024, "disk": 25, "main_ip": "149.28.1.1", "vcpu_count": 1, "region": "ewr", "plan": "vc2-1c-1gb",
        "allowed_bandwidth": 1000, "server_status": "ok", "v6_main_ip": "2001:19f0::1", "internal_ip": "10.1.96.5", "hostname": "h", "label": "l", "os_id": 387,
        "features": ["ipv6", "backups"], "tags": ["tag1", "tag2"]}], "meta": {"total": 2, "links": {"next": "bmV4dA==", "prev": ""}}}"#;
    let second = r#"{"instances": [{"id": "2", "main_ip": "45.1.1.1", "features": [], "tags": null}], "meta": {"total": 2, "links": {"next": "", "prev": "x"}}}"#;
    vec![
        get("/api.vultr.com/v2/instances?per_page=100", first).needs("authorization", "Bearer t"),
        get("/api.vultr.com/v2/instances?per_page=100&cursor=bmV4dA%3D%3D", second),
        // The order that the peer's client gives.
        get("/api.vultr.com/v2/instances?cursor=bmV4dA%3D%3D&per_page=100", second),
    ]
}

fn ionos() -> Vec<Route> {
    let body = r#"{"id": "dc-1/servers", "type": "collection", "items": [
        {"id": "srv-1", "type": "server", "metadata": {"state": "AVAILABLE"},
         "properties": {"name": "one", "cores": 4, "ram": 4096, "availabilityZone": "ZONE_2", "vmState": "RUNNING", "cpuFamily": "INTEL_XEON", "type": "ENTERPRISE",
            "bootCdrom": {"id": "cd-1"}, "bootVolume": {"id": "vol-1"}},
         "entities": {"volumes": {"items": [{"properties": {"name": "v", "size": 10, "image": "img-1"}}, {"properties": {"image": "img-2"}}]},
            "nics": {"items": [
                {"properties": {"name": "pub", "ips": ["85.1.1.1", "85.1.1.2"]}},
                {"properties": {"ips": ["10.0.0.1"]}},
                {"properties": {"name": "idle", "ips": []}}]}}},
        {"id": "srv-2", "properties": {"name": "two", "bootCdrom": null}, "entities": {"nics": {"items": [{"properties": {"name": "my nic", "ips": ["fd00::1"]}}]}}},
        {"id": "srv-3", "properties": {"name": "bare"}, "entities": {"nics": {"items": []}}}
    ]}"#;
    vec![
        get("/api.ionos.com/cloudapi/v6/datacenters/dc-1/servers", body)
            .needs("authorization", "Bearer t"),
    ]
}
