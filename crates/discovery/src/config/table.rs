//! The kinds, by their keys. Facts: upstream's `discovery/*`, version 3.14.

mod aws;
mod kubernetes;

use super::check;
use super::schema::{Field, FieldKind, Schema};

use aws::{AWS, EC2, ECS, ELASTICACHE, LIGHTSAIL, MSK, RDS};
use kubernetes::KUBERNETES;

/// Every kind but `static`, ascending by key: the order of the echo.
pub(super) static KINDS: &[&Schema] = &[
    &AWS,
    &AZURE,
    &CONSUL,
    &DIGITALOCEAN,
    &DNS,
    &DOCKER,
    &DOCKERSWARM,
    &EC2,
    &ECS,
    &ELASTICACHE,
    &EUREKA,
    &FILE,
    &GCE,
    &HETZNER,
    &HTTP,
    &IONOS,
    &KUBERNETES,
    &KUMA,
    &LIGHTSAIL,
    &LINODE,
    &MARATHON,
    &MSK,
    &NERVE,
    &NOMAD,
    &OCI,
    &OPENSTACK,
    &OUTSCALE,
    &OVHCLOUD,
    &PUPPETDB,
    &RDS,
    &SCALEWAY,
    &SERVERSET,
    &STACKIT,
    &TRITON,
    &UYUNI,
    &VULTR,
];

static DOCKER_FILTER: Schema = Schema {
    name: "filter",
    key: "filters",
    go_type: "moby.Filter",
    fields: &[Field::str("name", ""), Field::strings("values")],
    check: check::none,
};

static AZURE: Schema = Schema {
    name: "azure",
    key: "azure_sd_configs",
    go_type: "azure.plain",
    fields: &[
        Field::str("environment", "AzurePublicCloud").omit(),
        Field::int("port", 80),
        Field::str("subscription_id", ""),
        Field::str("tenant_id", "").omit(),
        Field::str("client_id", "").omit(),
        Field::secret("client_secret").omit(),
        Field::secs("refresh_interval", 300).omit(),
        Field::str("authentication_method", "OAuth").omit(),
        Field::str("resource_group", "").omit(),
        Field::http(),
    ],
    check: check::azure,
};

static CONSUL: Schema = Schema {
    name: "consul",
    key: "consul_sd_configs",
    go_type: "consul.plain",
    fields: &[
        Field::str("server", "localhost:8500").omit(),
        Field::str("path_prefix", "").omit(),
        Field::secret("token").omit(),
        Field::str("datacenter", "").omit(),
        Field::str("namespace", "").omit(),
        Field::str("partition", "").omit(),
        Field::str("tag_separator", ",").omit(),
        Field::str("scheme", "http").omit(),
        Field::str("username", "").omit(),
        Field::secret("password").omit(),
        Field::bool("allow_stale", true),
        Field::secs("refresh_interval", 30).omit(),
        Field::strings("services").omit(),
        Field::strings("tags").omit(),
        Field::new("node_meta", FieldKind::Map).omit(),
        Field::str("filter", "").omit(),
        Field::str("health_filter", "").omit(),
        Field::http(),
    ],
    check: check::consul,
};

static DIGITALOCEAN: Schema = Schema {
    name: "digitalocean",
    key: "digitalocean_sd_configs",
    go_type: "digitalocean.plain",
    fields: &[
        Field::http(),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
        Field::new(
            "role",
            FieldKind::Word {
                default: "droplets",
                words: &["droplets", "databases"],
                unknown: "unknown DigitalOcean SD role \"{}\"",
            },
        ),
        Field::new("httpclient", FieldKind::Unused),
    ],
    check: check::none,
};

static DNS: Schema = Schema {
    name: "dns",
    key: "dns_sd_configs",
    go_type: "dns.plain",
    fields: &[
        Field::strings("names"),
        Field::secs("refresh_interval", 30).omit(),
        Field::str("type", "SRV"),
        Field::int("port", 0),
    ],
    check: check::dns,
};

static DOCKER: Schema = Schema {
    name: "docker",
    key: "docker_sd_configs",
    go_type: "moby.plain",
    fields: &[
        Field::http(),
        Field::str("host", ""),
        Field::int("port", 80),
        Field::new("filters", FieldKind::Sections(&DOCKER_FILTER)),
        Field::str("host_networking_host", "localhost"),
        Field::secs("refresh_interval", 60),
        Field::bool("match_first_network", true),
    ],
    check: check::docker,
};

static DOCKERSWARM: Schema = Schema {
    name: "dockerswarm",
    key: "dockerswarm_sd_configs",
    go_type: "moby.plain",
    fields: &[
        Field::http(),
        Field::str("host", ""),
        Field::str("role", ""),
        Field::int("port", 80),
        Field::new("filters", FieldKind::Sections(&DOCKER_FILTER)),
        Field::secs("refresh_interval", 60),
    ],
    check: check::dockerswarm,
};

static EUREKA: Schema = Schema {
    name: "eureka",
    key: "eureka_sd_configs",
    go_type: "eureka.plain",
    fields: &[
        Field::str("server", "").omit(),
        Field::http(),
        Field::secs("refresh_interval", 30).omit(),
    ],
    check: check::eureka,
};

static FILE: Schema = Schema {
    name: "file",
    key: "file_sd_configs",
    go_type: "file.plain",
    fields: &[Field::new("files", FieldKind::Paths), Field::secs("refresh_interval", 300).omit()],
    check: check::file,
};

static GCE: Schema = Schema {
    name: "gce",
    key: "gce_sd_configs",
    go_type: "gce.plain",
    fields: &[
        Field::str("project", ""),
        Field::str("zone", ""),
        Field::str("filter", "").omit(),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 80),
        Field::str("tag_separator", ",").omit(),
    ],
    check: check::gce,
};

static HETZNER: Schema = Schema {
    name: "hetzner",
    key: "hetzner_sd_configs",
    go_type: "hetzner.plain",
    fields: &[
        Field::http(),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: &["robot", "hcloud"],
                unknown: "unknown role \"{}\"",
            },
        ),
        Field::str("label_selector", "").omit(),
    ],
    check: check::hetzner,
};

static HTTP: Schema = Schema {
    name: "http",
    key: "http_sd_configs",
    go_type: "http.plain",
    fields: &[Field::http(), Field::secs("refresh_interval", 60).omit(), Field::str("url", "")],
    check: check::http,
};

static IONOS: Schema = Schema {
    name: "ionos",
    key: "ionos_sd_configs",
    go_type: "ionos.plain",
    fields: &[
        Field::str("datacenter_id", ""),
        Field::http(),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
    ],
    check: check::ionos,
};

static KUMA: Schema = Schema {
    name: "kuma",
    key: "kuma_sd_configs",
    go_type: "xds.plainKumaConf",
    fields: &[
        Field::http(),
        Field::secs("refresh_interval", 15).omit(),
        Field::secs("fetch_timeout", 120).omit(),
        Field::str("server", "").omit(),
        Field::str("client_id", "").omit(),
    ],
    check: check::kuma,
};

static LINODE: Schema = Schema {
    name: "linode",
    key: "linode_sd_configs",
    go_type: "linode.plain",
    fields: &[
        Field::http(),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
        Field::str("tag_separator", ",").omit(),
        Field::str("region", "").omit(),
    ],
    check: check::none,
};

static MARATHON: Schema = Schema {
    name: "marathon",
    key: "marathon_sd_configs",
    go_type: "marathon.plain",
    fields: &[
        Field::strings("servers").omit(),
        Field::secs("refresh_interval", 30).omit(),
        Field::secret("auth_token").omit(),
        Field::path("auth_token_file").omit(),
        Field::http(),
    ],
    check: check::marathon,
};

static NERVE: Schema = Schema {
    name: "nerve",
    key: "nerve_sd_configs",
    go_type: "zookeeper.plain",
    fields: &[
        Field::strings("servers"),
        Field::strings("paths"),
        Field::secs("timeout", 10).omit(),
    ],
    check: check::nerve,
};

static SERVERSET: Schema = Schema {
    name: "serverset",
    key: "serverset_sd_configs",
    go_type: "zookeeper.plain",
    fields: &[
        Field::strings("servers"),
        Field::strings("paths"),
        Field::secs("timeout", 10).omit(),
    ],
    check: check::serverset,
};

static NOMAD: Schema = Schema {
    name: "nomad",
    key: "nomad_sd_configs",
    go_type: "nomad.plain",
    fields: &[
        Field::bool("allow_stale", true),
        Field::http(),
        Field::str("namespace", "default"),
        Field::secs("refresh_interval", 60),
        Field::str("region", "global"),
        Field::str("server", "http://localhost:4646"),
        Field::str("tag_separator", ",").omit(),
    ],
    check: check::nomad,
};

static OCI: Schema = Schema {
    name: "oci",
    key: "oci_sd_configs",
    go_type: "oci.plain",
    fields: &[
        Field::str("auth", "api_key").omit(),
        Field::str("tenancy", "").omit(),
        Field::str("user", "").omit(),
        Field::str("fingerprint", "").omit(),
        Field::path("key_file").omit(),
        Field::secret("key_passphrase").omit(),
        Field::path("key_passphrase_file").omit(),
        Field::str("region", ""),
        Field::strings("compartments").omit(),
        Field::http(),
        Field::int("port", 80),
        Field::secs("refresh_interval", 60),
    ],
    check: check::oci,
};

static OPENSTACK: Schema = Schema {
    name: "openstack",
    key: "openstack_sd_configs",
    go_type: "openstack.plain",
    fields: &[
        Field::str("identity_endpoint", ""),
        Field::str("username", ""),
        Field::str("userid", ""),
        Field::secret("password"),
        Field::str("project_name", ""),
        Field::str("project_id", ""),
        Field::str("domain_name", ""),
        Field::str("domain_id", ""),
        Field::str("application_credential_name", ""),
        Field::str("application_credential_id", ""),
        Field::secret("application_credential_secret"),
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: &["hypervisor", "instance", "loadbalancer"],
                unknown: "unknown OpenStack SD role \"{}\"",
            },
        ),
        Field::str("region", ""),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
        Field::bool("all_tenants", false).omit(),
        Field::new("tls_config", FieldKind::Tls).omit(),
        Field::str("availability", "public").omit(),
    ],
    check: check::openstack,
};

static OUTSCALE: Schema = Schema {
    name: "outscale",
    key: "outscale_sd_configs",
    go_type: "outscale.plain",
    fields: &[
        Field::new("endpoint", FieldKind::Derived(check::outscale_endpoint)).omit(),
        Field::str("region", "eu-west-2"),
        Field::str("access_key", ""),
        Field::secret("secret_key"),
        Field::path("secret_key_file"),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 80),
        Field::http(),
    ],
    check: check::outscale,
};

static OVHCLOUD: Schema = Schema {
    name: "ovhcloud",
    key: "ovhcloud_sd_configs",
    go_type: "ovhcloud.plain",
    fields: &[
        Field::str("endpoint", "ovh-eu"),
        Field::str("application_key", ""),
        Field::secret("application_secret"),
        Field::secret("consumer_key"),
        Field::secs("refresh_interval", 60),
        Field::str("service", ""),
    ],
    check: check::ovhcloud,
};

static PUPPETDB: Schema = Schema {
    name: "puppetdb",
    key: "puppetdb_sd_configs",
    go_type: "puppetdb.plain",
    fields: &[
        Field::http(),
        Field::secs("refresh_interval", 60).omit(),
        Field::str("url", ""),
        Field::str("query", ""),
        Field::bool("include_parameters", false),
        Field::int("port", 80),
    ],
    check: check::puppetdb,
};

static SCALEWAY: Schema = Schema {
    name: "scaleway",
    key: "scaleway_sd_configs",
    go_type: "scaleway.plain",
    fields: &[
        Field::str("project_id", ""),
        Field::str("api_url", "https://api.scaleway.com").omit(),
        Field::str("zone", "fr-par-1"),
        Field::str("access_key", ""),
        Field::secret("secret_key"),
        Field::path("secret_key_file"),
        Field::str("name_filter", "").omit(),
        Field::strings("tags_filter").omit(),
        Field::http(),
        Field::secs("refresh_interval", 60),
        Field::int("port", 80),
        Field::new(
            "role",
            FieldKind::Word {
                default: "",
                words: &["instance", "baremetal"],
                unknown: "unknown role \"{}\"",
            },
        ),
    ],
    check: check::scaleway,
};

static STACKIT: Schema = Schema {
    name: "stackit",
    key: "stackit_sd_configs",
    go_type: "stackit.plain",
    fields: &[
        Field::http(),
        Field::str("project", ""),
        Field::secs("refresh_interval", 60).omit(),
        Field::int("port", 80).omit(),
        Field::str("region", "eu01").omit(),
        Field::str("endpoint", "").omit(),
        Field::secret("service_account_key").omit(),
        Field::secret("private_key").omit(),
        Field::str("service_account_key_path", "").omit(),
        Field::str("private_key_path", "").omit(),
        Field::str("credentials_file_path", "").omit(),
    ],
    check: check::stackit,
};

static TRITON: Schema = Schema {
    name: "triton",
    key: "triton_sd_configs",
    go_type: "triton.plain",
    fields: &[
        Field::str("account", ""),
        Field::str("role", "container"),
        Field::str("dns_suffix", ""),
        Field::str("endpoint", ""),
        Field::strings("groups").omit(),
        Field::int("port", 9163),
        Field::secs("refresh_interval", 60).omit(),
        Field::new("tls_config", FieldKind::Tls).omit(),
        Field::int("version", 1),
    ],
    check: check::triton,
};

static UYUNI: Schema = Schema {
    name: "uyuni",
    key: "uyuni_sd_configs",
    go_type: "uyuni.plain",
    fields: &[
        Field::str("server", ""),
        Field::str("username", ""),
        Field::secret("password"),
        Field::http(),
        Field::str("entitlement", "monitoring_entitled").omit(),
        Field::str("separator", ",").omit(),
        Field::secs("refresh_interval", 60).omit(),
    ],
    check: check::uyuni,
};

static VULTR: Schema = Schema {
    name: "vultr",
    key: "vultr_sd_configs",
    go_type: "vultr.plain",
    fields: &[Field::http(), Field::secs("refresh_interval", 60), Field::int("port", 80)],
    check: check::none,
};
