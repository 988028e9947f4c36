//! PuppetDB, Scaleway, STACKIT, Triton, Uyuni, OVHcloud, Outscale, OpenStack, Kuma.

use super::Case;
use crate::fake::{Route, get, post};

pub(super) const CASES: &[Case] = &[
    Case {
        job: "puppetdb",
        config: "puppetdb_sd_configs: [{url: 'http://FAKE/base', query: 'resources { type = \"Class\" }', include_parameters: true}]",
        routes: puppetdb,
        count: 2,
        peer: true,
    },
    Case {
        job: "scaleway",
        config: "scaleway_sd_configs: [{role: instance, api_url: 'http://FAKE', project_id: 11111111-1111-1111-1111-111111111111, access_key: SCWXXXXXXXXXXXXXXXXX, secret_key: 11111111-1111-1111-1111-111111111111, zone: fr-par-1, name_filter: web, tags_filter: [a, b]}]",
        routes: scaleway,
        count: 3,
        peer: true,
    },
    Case {
        job: "scaleway-metal",
        config: "scaleway_sd_configs: [{role: baremetal, api_url: 'http://FAKE', project_id: 11111111-1111-1111-1111-111111111111, access_key: SCWXXXXXXXXXXXXXXXXX, secret_key: 11111111-1111-1111-1111-111111111111, zone: fr-par-2}]",
        routes: scaleway_metal,
        count: 3,
        peer: true,
    },
    Case {
        job: "stackit",
        config: "stackit_sd_configs: [{project: p-1, endpoint: 'http://FAKE', authorization: {credentials: t}}]",
        routes: stackit,
        count: 2,
        peer: true,
    },
    Case {
        job: "stackit-key",
        config: "stackit_sd_configs: [{project: p-1, endpoint: 'http://FAKE', service_account_key_path: TESTDATA/stackit-key.json, VIA}]",
        routes: stackit_key,
        count: 2,
        peer: false,
    },
    Case {
        job: "triton",
        config: "triton_sd_configs: [{account: me, dns_suffix: triton.example.com, endpoint: 127.0.0.1, port: TLSPORT, groups: [a, b c], tls_config: {insecure_skip_verify: true}}]",
        routes: triton,
        count: 2,
        peer: true,
    },
    Case {
        job: "triton-cn",
        config: "triton_sd_configs: [{role: cn, account: me, dns_suffix: triton.example.com, endpoint: 127.0.0.1, port: TLSPORT, tls_config: {insecure_skip_verify: true}}]",
        routes: triton,
        count: 1,
        peer: true,
    },
    Case {
        job: "uyuni",
        config: "uyuni_sd_configs: [{server: 'http://FAKE', username: u, password: 'p<&'}]",
        routes: uyuni,
        count: 2,
        peer: true,
    },
    Case {
        job: "ovh-dedicated",
        config: "ovhcloud_sd_configs: [{endpoint: 'http://FAKE/1.0', application_key: ak, application_secret: as, consumer_key: ck, service: dedicated_server}]",
        routes: ovh,
        count: 1,
        peer: true,
    },
    Case {
        job: "ovh-vps",
        config: "ovhcloud_sd_configs: [{endpoint: 'http://FAKE/1.0', application_key: ak, application_secret: as, consumer_key: ck, service: vps}]",
        routes: ovh,
        count: 2,
        peer: true,
    },
    Case {
        job: "outscale",
        config: "outscale_sd_configs: [{endpoint: 'http://FAKE/api/v1', region: eu-test-2, access_key: AK, secret_key: sk}]",
        routes: outscale,
        count: 2,
        peer: true,
    },
    Case {
        job: "openstack-hypervisor",
        config: "openstack_sd_configs: [{identity_endpoint: 'http://FAKE/v3/', username: u, password: p, domain_name: d, project_name: pr, role: hypervisor, region: R1}]",
        routes: openstack,
        count: 2,
        peer: true,
    },
    Case {
        job: "openstack-instance",
        config: "openstack_sd_configs: [{identity_endpoint: 'http://FAKE/v3', userid: id, password: p, project_id: pid, role: instance, region: R1, all_tenants: true}]",
        routes: openstack,
        count: 3,
        peer: true,
    },
    Case {
        job: "openstack-loadbalancer",
        config: "openstack_sd_configs: [{identity_endpoint: 'http://FAKE/v3', application_credential_id: ci, application_credential_secret: cs, role: loadbalancer, region: R1}]",
        routes: openstack,
        count: 1,
        peer: true,
    },
    Case {
        job: "kuma",
        config: "kuma_sd_configs: [{server: 'http://FAKE', client_id: me, fetch_timeout: 1m30s}]",
        routes: kuma,
        count: 3,
        peer: true,
    },
];

fn puppetdb() -> Vec<Route> {
    let body = r#"[
        {"certname": "edinburgh.example.com", "environment": "prod", "exported": false, "file": "/etc/site.pp", "line": 384, "resource": "49af83", "title": "Web", "type": "Class",
         "tags": ["edinburgh", "apache"], "parameters": {"access_log": true, "port": 80, "big": 12345678, "ratio": 0.5, "docroot": "/var/www", "labels": {"team-x": "a", "deep": {"n": 1}},
            "options": ["Indexes", 2, false], "none": null, "empty": [], "blank": ""}},
        {"certname": "::1", "title": "Bare", "type": "Class", "tags": null, "parameters": null}
    ]"#;
    vec![
        post("/base/pdb/query/v4", r#"{"query":"resources { type = \"Class\" }"}"#, body)
            .header("content-type", "application/json; charset=utf-8"),
    ]
}

fn scaleway() -> Vec<Route> {
    let body = r#"{"servers": [
        {"id": "i-1", "name": "web-1", "organization": "org", "project": "pro", "commercial_type": "DEV1-S", "boot_type": "local", "hostname": "web-1", "state": "running", "zone": "fr-par-1",
         "tags": ["a", "b"], "image": {"id": "img", "name": "ubuntu", "arch": "x86_64"}, "location": {"cluster_id": "40", "hypervisor_id": "1601", "node_id": "29", "platform_id": "14", "zone_id": "par1"},
         "security_group": {"id": "sg", "name": "default"}, "private_ip": "10.70.60.57", "public_ip": {"id": "p", "address": "51.1.1.1", "family": "inet"},
         "public_ips": [{"id": "p", "address": "51.1.1.1", "family": "inet"}, {"id": "q", "address": "2001:db8::1", "family": "inet6"}], "ipv6": {"address": "2001:db8::2", "gateway": "fe80::1", "netmask": "64"}},
        {"id": "i-2", "name": "web-2", "zone": "fr-par-1", "state": "stopped", "commercial_type": "X", "boot_type": "local", "private_nics": [{"id": "nic-0"}, {"id": "nic-1"}]},
        {"id": "i-3", "name": "web-3", "zone": "fr-par-1", "state": "stopped", "public_ip": {"id": "r", "address": "2001:db8::3", "family": "inet6"}},
        {"id": "i-4", "name": "web-4", "zone": "fr-par-1", "state": "stopped"}
    ]}"#;
    let ips = r#"{"total_count": 2, "ips": [
        {"id": "x", "address": "fd00::1/64", "is_ipv6": true, "resource": {"type": "instance_private_nic", "id": "nic-1"}},
        {"id": "y", "address": "172.16.0.2/22", "is_ipv6": false, "resource": {"type": "instance_private_nic", "id": "nic-1"}}]}"#;
    vec![
        get("/instance/v1/zones/fr-par-1/servers", body)
            .header("X-Total-Count", "4")
            .needs("x-auth-token", "11111111"),
        get("/ipam/v1/regions/fr-par/ips", ips),
    ]
}

fn scaleway_metal() -> Vec<Route> {
    let servers = r#"{"total_count": 3, "servers": [
        {"id": "m-1", "name": "metal", "project_id": "pro", "zone": "fr-par-2", "status": "ready", "offer_id": "o-1", "tags": ["t"], "install": {"os_id": "os-1", "hostname": "h"},
         "ips": [{"id": "v6", "address": "2001:db8::9", "version": "IPv6"}, {"id": "v4", "address": "51.9.9.9", "version": "IPv4"}, {"id": "w4", "address": "51.9.9.8", "version": "IPv4"}]},
        {"id": "m-2", "name": "six", "zone": "fr-par-2", "status": "ready", "offer_id": "none", "ips": [{"address": "2001:db8::8", "version": "IPv6"}]},
        {"id": "m-3", "name": "bare", "zone": "fr-par-2", "status": "delivering", "offer_id": "o-1", "ips": []}
    ]}"#;
    vec![
        get("/baremetal/v1/zones/fr-par-2/servers", servers),
        get(
            "/baremetal/v1/zones/fr-par-2/offers",
            r#"{"total_count": 1, "offers": [{"id": "o-1", "name": "EM-A210R"}]}"#,
        ),
        get(
            "/baremetal/v1/zones/fr-par-2/os",
            r#"{"total_count": 1, "os": [{"id": "os-1", "name": "Ubuntu", "version": "22.04"}]}"#,
        ),
    ]
}

fn stackit() -> Vec<Route> {
    let body = r#"{"items": [
        {"id": "s-1", "name": "one", "availabilityZone": "eu01-3", "machineType": "c1.2", "powerStatus": "RUNNING", "status": "ACTIVE",
         "labels": {"provisionSTACKITServerAgent": "true", "k/8": "v", "count": 3},
         "nics": [{"networkName": "my network", "ipv4": "10.0.0.153"}, {"networkName": "pub", "ipv4": "10.1.0.4", "publicIp": "192.0.2.1"}]},
        {"id": "s-2", "name": "two", "nics": [{"networkName": "n", "ipv4": "10.0.0.154", "publicIp": null}]},
        {"id": "s-3", "name": "none", "nics": null},
        {"id": "s-4", "name": "empty", "nics": [{"networkName": "n"}]}
    ]}"#;
    vec![get("/v1/projects/p-1/servers?details=true", body).needs("authorization", "Bearer t")]
}

fn stackit_key() -> Vec<Route> {
    let mut routes = stackit();
    let token =
        r#"{"access_token": "t", "expires_in": 3600, "scope": "s", "token_type": "Bearer"}"#;
    let has = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey";
    routes.push(post("/service-account.api.stackit.cloud/token", has, token));
    routes
}

fn triton() -> Vec<Route> {
    let containers = r#"{"containers": [
        {"groups": ["foo", "bar"], "server_uuid": "44454c4c", "vm_alias": "server01", "vm_brand": "lx", "vm_image_uuid": "7b27a514", "vm_uuid": "ad466fbf"},
        {"server_uuid": "a5894692", "vm_alias": "server02", "vm_brand": "kvm", "vm_image_uuid": "a5894692", "vm_uuid": "7b27a514"}]}"#;
    let nodes = r#"{"cns": [{"server_hostname": "server01", "server_uuid": "44454c4c"}]}"#;
    vec![
        get("/127.0.0.1/v1/discover?groups=a%2Cb%20c", containers),
        get("/127.0.0.1/v1/discover?groups=a%2Cb+c", containers),
        get("/127.0.0.1/v1/gz/discover", nodes),
    ]
}

fn uyuni() -> Vec<Route> {
    let wrap = |value: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
        )
    };
    let member = |name: &str, value: &str| {
        format!("<member><name>{name}</name><value>{value}</value></member>")
    };
    let int = |name: &str, n: i64| member(name, &format!("<i4>{n}</i4>"));
    let structure = |members: String| format!("<value><struct>{members}</struct></value>");
    let array = |values: String| format!("<array><data>{values}</data></array>");
    let group = |name: &str| structure(int("id", 1) + &member("name", name));
    let groups = structure(
        int("id", 1000)
            + &member(
                "system_groups",
                &array(group("web") + &group("<string>db &amp; co</string>")),
            ),
    ) + &structure(int("id", 1001) + &member("system_groups", &array(String::new())));
    let network = structure(
        int("system_id", 1000)
            + &member("hostname", "host-a")
            + &member("primary_fqdn", "host-a.example.com")
            + &member("ip", "10.0.0.1"),
    );
    let endpoint = |system: i64, port: i64, tls: &str| {
        structure(
            int("system_id", system)
                + &member("endpoint_name", "Node")
                + &member("exporter_name", "node_exporter")
                + &member("module", "<string></string>")
                + &int("port", port)
                + &member("path", "/metrics")
                + &member("tls_enabled", tls),
        )
    };
    let endpoints = endpoint(1000, 9100, "<boolean>1</boolean>")
        + &endpoint(1001, 9187, "<boolean>0</boolean>");
    let xml = |has: &str, value: String| {
        post("/rpc/api", has, &wrap(&value)).header("content-type", "text/xml")
    };
    vec![
        xml("<methodName>auth.login</methodName>", "<string>token-1</string>".to_owned()),
        xml("listSystemGroupsForSystemsWithEntitlement", array(groups)),
        xml("system.monitoring.listEndpoints", array(endpoints)),
        xml("system.getNetworkForSystems", array(network)),
    ]
}

fn ovh() -> Vec<Route> {
    let dedicated = r#"{"state": "test", "commercialRange": "Advance-1 Gen 2", "linkSpeed": 123, "rack": "TESTRACK", "noIntervention": false, "os": "debian11_64", "supportLevel": "pro",
        "serverId": 1234, "reverse": "abcde-rev", "datacenter": "gra3", "name": "abcde"}"#;
    let vps = r#"{"displayName": "abc", "zone": "zone", "cluster": "cluster_test", "state": "running", "name": "abc", "netbootMode": "local", "memoryLimit": 2048, "offerType": "ssd", "vcore": 1,
        "model": {"maximumAdditionnalIp": 16, "offer": "VPS abc", "datacenter": ["a", "b"], "vcore": 1, "version": "2019v1", "name": "vps-value-1-2-40", "disk": 40, "memory": 2048}}"#;
    let signed = |path: &str, body: &str| {
        get(path, body).needs("x-ovh-application", "ak").needs("x-ovh-signature", "$1$")
    };
    vec![
        get("/1.0/auth/time", "1457018875"),
        signed("/1.0/dedicated/server", r#"["abcde", "lost"]"#),
        signed("/1.0/dedicated/server/abcde", dedicated),
        signed(
            "/1.0/dedicated/server/abcde/ips",
            r#"["1.2.3.4/32", "2001:0db8:0000:0000:0000:0000:0000:0001/64", "2001:db8::2"]"#,
        ),
        signed("/1.0/vps", r#"["abc", "six"]"#),
        signed("/1.0/vps/abc", vps),
        signed(
            "/1.0/vps/abc/ips",
            r#"["192.0.2.1", "2001:0db1:0000:0000:0000:0000:0000:0001", "0.0.0.0"]"#,
        ),
        signed("/1.0/vps/six", r#"{"name": "six"}"#),
        signed("/1.0/vps/six/ips", r#"["2001:db8::6"]"#),
    ]
}

fn outscale() -> Vec<Route> {
    let body = r#"{"Vms": [
        {"VmId": "i-1", "State": "running", "PrivateIp": "10.0.0.1", "PublicIp": "171.1.1.1", "Placement": {"SubregionName": "eu-test-2a", "Tenancy": "default"},
         "Tags": [{"Key": "Name/x", "Value": "web"}, {"Key": "blank", "Value": ""}]},
        {"VmId": "i-2", "State": "stopped", "PublicIp": "171.1.1.2"},
        {"VmId": "i-3"}
    ], "ResponseContext": {"RequestId": "r"}}"#;
    vec![
        post("/api/v1/ReadVms", "", body).needs("authorization", "AWS4-HMAC-SHA256 Credential=AK/"),
    ]
}

fn openstack() -> Vec<Route> {
    let endpoint = |interface: &str, region: &str, url: &str| {
        format!(
            r#"{{"id": "e", "interface": "{interface}", "region": "{region}", "region_id": "{region}", "url": "{url}"}}"#
        )
    };
    let service = |kind: &str, url: &str| {
        let endpoints = [
            endpoint("internal", "R1", "http://nowhere"),
            endpoint("public", "R2", "http://nowhere"),
            endpoint("public", "R1", url),
        ]
        .join(", ");
        format!(r#"{{"id": "s", "type": "{kind}", "name": "n", "endpoints": [{endpoints}]}}"#)
    };
    let catalog = [
        service("compute", "http://FAKE/compute/v2.1"),
        service("network", "http://FAKE/network/"),
        service("load-balancer", "http://FAKE/lb"),
    ]
    .join(", ");
    let token = format!(
        r#"{{"token": {{"methods": ["password"], "expires_at": "2099-11-07T01:58:43.578929Z", "issued_at": "2015-11-07T00:58:43.578929Z", "user": {{"id": "u", "name": "n", "domain": {{"id": "d", "name": "d"}}}}, "catalog": [{catalog}]}}}}"#
    );
    let authed = |path: &str, body: &str| get(path, body).needs("x-auth-token", "token-1");
    let hypervisors = r#"{"hypervisors": [
        {"id": 1, "hypervisor_hostname": "node1.example.com", "host_ip": "172.16.70.14", "status": "enabled", "state": "up", "hypervisor_type": "fake", "hypervisor_version": 1000, "cpu_info": "{}", "service": {"host": "h", "id": 7}, "free_disk_gb": 1, "local_gb": 1},
        {"id": "c48f6247", "hypervisor_hostname": "node2", "host_ip": "172.16.70.13", "status": "enabled", "state": "down", "hypervisor_type": "QEMU", "hypervisor_version": 1000, "cpu_info": "", "service": {"host": "h", "id": "x"}, "free_disk_gb": 1, "local_gb": 1}
    ]}"#;
    let server = |id: &str, rest: &str| {
        format!(
            r#"{{"id": "{id}", "status": "ACTIVE", "name": "herp", "tenant_id": "t", "user_id": "u", "created": "2014-09-25T13:10:02Z", "updated": "2014-09-25T13:10:10Z", {rest}}}"#
        )
    };
    let servers = format!(
        r#"{{"servers": [{}, {}, {}]}}"#,
        server(
            "v-1",
            r#""flavor": {"id": "1", "links": []}, "image": {"id": "img"}, "metadata": {"env/x": "prod"}, "addresses": {"private": [
            {"addr": "10.0.0.32", "version": 4, "OS-EXT-IPS:type": "fixed"}, {"addr": "10.10.10.2", "version": 4, "OS-EXT-IPS:type": "floating"}, {"addr": "fd00::32", "version": 6}]}"#
        ),
        server(
            "v-2",
            r#""flavor": {"vcpus": 2, "original_name": "m1.small", "disk": 1, "ram": 1}, "image": "", "addresses": {"pub": [{"addr": "10.0.0.35", "version": 4}]}"#
        ),
        server("v-3", r#""flavor": {"id": "1"}, "image": "", "addresses": {}"#),
    );
    let ports =
        r#"{"ports": [{"id": "p-1", "device_id": "v-1"}, {"id": "p-2", "device_id": "v-2"}]}"#;
    let floating = r#"{"floatingips": [
        {"id": "f1", "floating_ip_address": "10.10.10.2", "fixed_ip_address": "10.0.0.32", "port_id": "p-1"},
        {"id": "f2", "floating_ip_address": "10.10.10.9", "fixed_ip_address": null, "port_id": null},
        {"id": "f3", "floating_ip_address": "10.10.10.7", "fixed_ip_address": "10.0.0.9", "port_id": "vip-port"}]}"#;
    let balancers = r#"{"loadbalancers": [
        {"id": "lb-1", "name": "one", "operating_status": "ONLINE", "provisioning_status": "ACTIVE", "availability_zone": "az1", "vip_address": "10.0.0.9", "vip_port_id": "vip-port", "provider": "amphora", "project_id": "pr", "tags": ["a", "b"]},
        {"id": "lb-2", "name": "two", "vip_address": "10.0.0.10"}, {"id": "lb-3", "name": "three", "vip_address": "10.0.0.11"}]}"#;
    let listeners = r#"{"listeners": [
        {"id": "l-1", "protocol": "HTTP", "protocol_port": 80, "loadbalancers": [{"id": "lb-1"}, {"id": "lb-2"}]},
        {"id": "l-2", "protocol": "PROMETHEUS", "protocol_port": 9999, "loadbalancers": [{"id": "lb-1"}]}]}"#;
    vec![
        post("/v3/auth/tokens", "\"auth\"", &token)
            .status(201)
            .header("X-Subject-Token", "token-1"),
        authed("/compute/v2.1/os-hypervisors/detail", hypervisors),
        authed("/compute/v2.1/servers/detail?all_tenants=true", &servers),
        // The peer's client looks for versions first.
        get(
            "/network/",
            r#"{"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://FAKE/network/v2.0/"}]}]}"#,
        ),
        get(
            "/lb/",
            r#"{"versions": [{"id": "v2.0", "status": "CURRENT", "updated": "x", "links": [{"rel": "self", "href": "http://FAKE/lb/v2.0"}]}]}"#,
        ),
        authed("/network/v2.0/ports", ports),
        authed("/network/v2.0/floatingips", floating),
        authed("/lb/v2.0/lbaas/loadbalancers", balancers),
        authed("/lb/v2.0/lbaas/listeners", listeners),
    ]
}

fn kuma() -> Vec<Route> {
    let body = r#"{"versionInfo": "v1", "nonce": "n1", "typeUrl": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment", "resources": [
        {"@type": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment", "mesh": "metrics", "service": "prometheus", "labels": {"kuma.io/zone": "east", "same": "assignment"},
         "targets": [{"name": "prometheus-01", "scheme": "http", "address": "10.1.4.32:9090", "metricsPath": "/custom-metrics", "labels": {"commit_hash": "620506a88", "same": "target"}},
                     {"name": "prometheus-02", "scheme": "https", "address": "10.1.4.33:9090"}]},
        {"@type": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment", "mesh": "metrics", "service": "grafana", "targets": [{"name": "g", "address": "10.1.1.1"}]},
        {"@type": "type.googleapis.com/kuma.observability.v1.MonitoringAssignment", "mesh": "none"}]}"#;
    vec![
        post("/v3/discovery:monitoringassignments?fetch-timeout=1m30s", "version_info", "")
            .status(304),
        post("/v3/discovery:monitoringassignments?fetch-timeout=1m30s", "\"me\"", body),
    ]
}
